"""Stripe's own package behind the gate of ``app.py``, over an HTTP client that signs each send.

Run it with what ``app.py set-up`` printed::

    export GATE=... KEY_ID=... KEY=...
    python examples/sdks/pay_stripe.py
"""

import os
from collections.abc import Mapping

import httpx
import stripe

from apikeychain import Secret
from apikeychain.client import SignedAuth


class SignedHTTPClient(stripe.HTTPClient):
    """Sends what Stripe's package asks for, each try signed afresh."""

    name = "httpx"

    def __init__(self, auth: SignedAuth) -> None:
        super().__init__()
        self._http = httpx.Client(auth=auth, timeout=80)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: str | bytes | None = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Body, status and headers of the answer, as Stripe's package wants them."""
        try:
            answer = self._http.request(method, url, headers=headers, content=post_data)
        except httpx.HTTPError as error:
            text = type(error).__name__
            raise stripe.APIConnectionError(text, should_retry=True) from error  # type: ignore[no-untyped-call]  # no types
        return answer.text, answer.status_code, answer.headers

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def stripe_behind(route: str, http: stripe.HTTPClient) -> stripe.StripeClient:
    """The client for one route, with no key: the gate drops what stands in its place."""
    return stripe.StripeClient("none", base_addresses={"api": route}, http_client=http, max_network_retries=2)


def price_ids(gate: str, http: stripe.HTTPClient) -> list[str]:
    """The prices that are on sale."""
    prices = stripe_behind(f"{gate}/stripe-prices", http).v1.prices.list({"active": True, "limit": 10})
    return [price.id for price in prices.data]


def begin_payment(gate: str, http: stripe.HTTPClient, amount: int) -> str:
    """The id of a payment of `amount` cents."""
    client = stripe_behind(f"{gate}/stripe-payment-intents", http)
    begun = client.v1.payment_intents.create(
        {"amount": amount, "currency": "eur", "automatic_payment_methods": {"enabled": True}}
    )
    return begun.id


if __name__ == "__main__":
    http = SignedHTTPClient(SignedAuth(os.environ["KEY_ID"], Secret.from_env("KEY")))
    print(*price_ids(os.environ["GATE"], http))
    print(begin_payment(os.environ["GATE"], http, 2000))
    http.close()
