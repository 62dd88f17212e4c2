"""Twilio Verify: a code is sent to a telephone, and one that was typed in is judged. Bodies are forms.

Source: https://www.twilio.com/docs/verify/api, /verification and /verification-check, and twilio-oai
(twilio_verify_v2.yaml): excerpts, read on 2026-11-24.

The secret is the user and the password of HTTP Basic in one: ``<SID of an API key>:<its secret>``.

Each code that is sent costs, and the caller says where it goes, so that route is switched off: who enables it should
fix the service, bound the numbers to the countries served, and give it a quota.
"""

from apikeychain.model.provider import BasicCredential, Provider
from apikeychain.model.route import FormBody, FormParameter, PathParameter, ProxyRoute

TWILIO = Provider(
    "twilio",
    "https://verify.twilio.com/v2",
    BasicCredential(),
    source="https://www.twilio.com/docs/verify/api",
    reviewed="2026-11-24",
)

_SERVICE = PathParameter("service", pattern=r"VA[0-9a-fA-F]{32}")
_TO = FormParameter("To", pattern=r"\+[1-9][0-9]{6,14}", required=True)
_TOLERATED = ("authorization", "user-agent")
_ANSWER = ("Twilio-Request-Id",)

ROUTES = (
    ProxyRoute(
        "start-verification",
        provider="twilio",
        path="/Services/{service}/Verifications",
        methods=("POST",),
        parameters=(_SERVICE,),
        body=FormBody(
            (
                _TO,
                FormParameter("Channel", choices=("sms", "call", "whatsapp"), required=True),
                FormParameter("Locale", pattern=r"[a-z]{2}(-[A-Z]{2})?"),
            ),
        ),
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
        max_body_bytes=4096,
        enabled=False,
    ),
    ProxyRoute(
        "check-verification",
        provider="twilio",
        path="/Services/{service}/VerificationCheck",
        methods=("POST",),
        parameters=(_SERVICE,),
        body=FormBody((_TO, FormParameter("Code", pattern=r"[A-Za-z0-9]{4,10}", required=True))),
        tolerated=_TOLERATED,
        answer_headers=_ANSWER,
        max_body_bytes=4096,
    ),
)
