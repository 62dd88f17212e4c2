"""Stripe: prices to read, and a payment to begin. Bodies are forms, and the version of the API is pinned.

Source: https://docs.stripe.com/api/payment_intents/create (version 2025-10-29.clover) and the request headers of
stripe-python, both read on 2026-11-24.

``prices`` and ``payment-intent`` are for a plain ``fetch``. ``stripe-prices`` and ``stripe-payment-intents`` are the
same calls for Stripe's own package, which appends ``/v1/prices`` and ``/v1/payment_intents``: its base address is the
route's.

A route that begins a payment lets the caller choose the amount, so both are switched off: who enables one should fix
the amount first (``fixed=``), ask for a signature (``require=``), or verify the payment on a server.
"""

from dataclasses import replace

from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import FormBody, FormParameter, HeaderParameter, ProxyRoute, QueryParameter

STRIPE = Provider(
    "stripe",
    "https://api.stripe.com",
    HeaderCredential("Authorization", "Bearer "),
    headers=(("Stripe-Version", "2025-10-29.clover"),),
    source="https://docs.stripe.com/api/payment_intents/create",
    reviewed="2026-11-24",
)

_TOLERATED = (
    "authorization",
    "stripe-account",
    "stripe-version",
    "user-agent",
    "x-stripe-client-*",
)
_ANSWER = ("Request-Id", "Idempotent-Replayed", "Stripe-Should-Retry")
_MAX_AMOUNT = 99_999_999  # eight digits, in the smallest unit of the currency

_PRICES = ProxyRoute(
    "prices",
    provider="stripe",
    path="/v1/prices",
    parameters=(
        QueryParameter("active", type="boolean"),
        QueryParameter("currency", pattern=r"[a-z]{3}"),
        QueryParameter("product", pattern=r"[A-Za-z0-9_-]{1,64}"),
        QueryParameter("lookup_keys[]", pattern=r"[\x21-\x7e]{1,200}", many=True),
        QueryParameter("limit", type="integer", minimum=1, maximum=100),
        QueryParameter("starting_after", pattern=r"price_[A-Za-z0-9]{1,64}"),
    ),
    tolerated=_TOLERATED,
    answer_headers=_ANSWER,
)
_PAYMENT = ProxyRoute(
    "payment-intent",
    provider="stripe",
    path="/v1/payment_intents",
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
    answer_headers=_ANSWER,
    enabled=False,
)

ROUTES = (
    _PRICES,
    _PAYMENT,
    replace(_PRICES, name="stripe-prices", path="", tail=("v1", "prices")),
    replace(_PAYMENT, name="stripe-payment-intents", path="", tail=("v1", "payment_intents")),
)
