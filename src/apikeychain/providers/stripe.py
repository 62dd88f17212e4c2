"""Stripe: prices to read, and a payment to begin. Bodies are forms, and the version of the API is pinned.

Source: https://docs.stripe.com/api/payment_intents/create (read on 2026-11-24, version 2025-10-29.clover).

The route that begins a payment lets the caller choose the amount, so it is switched off: who enables it should fix the
amount first (``fixed=``) or verify the payment on a server.
"""

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import FormBody, FormParameter, HeaderParameter, ProxyRoute, QueryParameter

STRIPE = Provider(
    "stripe",
    "https://api.stripe.com/v1",
    HeaderCredential("Authorization", "Bearer "),
    headers=(("Stripe-Version", "2025-10-29.clover"),),
    source="https://docs.stripe.com/api/payment_intents/create",
    reviewed="2026-11-24",
)

_TOLERATED = ("authorization", "stripe-version", "x-stripe-client-user-agent")
_MAX_AMOUNT = 99_999_999  # eight digits, in the smallest unit of the currency

ROUTES = (
    ProxyRoute(
        "prices",
        provider="stripe",
        path="/prices",
        parameters=(
            QueryParameter("active", type="boolean"),
            QueryParameter("currency", pattern=r"[a-z]{3}"),
            QueryParameter("product", pattern=r"[A-Za-z0-9_-]{1,64}"),
            QueryParameter("lookup_keys[]", pattern=r"[\x21-\x7e]{1,200}", many=True),
            QueryParameter("limit", type="integer", minimum=1, maximum=100),
            QueryParameter("starting_after", pattern=r"price_[A-Za-z0-9]{1,64}"),
        ),
        tolerated=_TOLERATED,
        answer_headers=("Request-Id",),
    ),
    ProxyRoute(
        "payment-intent",
        provider="stripe",
        path="/payment_intents",
        methods=("POST",),
        parameters=(HeaderParameter("Idempotency-Key", pattern=r"[A-Za-z0-9_-]{1,255}"),),
        body=FormBody(
            (
                FormParameter("amount", type="integer", minimum=1, maximum=_MAX_AMOUNT, required=True),
                FormParameter("currency", pattern=r"[a-z]{3}", required=True),
                FormParameter("automatic_payment_methods[enabled]", choices=("true", "false")),
                FormParameter("description", max_length=500),
                FormParameter("receipt_email", pattern=r"[^@\s]{1,64}@[^@\s]{1,190}"),
            ),
        ),
        tolerated=_TOLERATED,
        answer_headers=("Request-Id",),
        enabled=False,
    ),
)
