"""Twilio Verify: a code is sent to a telephone, and one that was typed in is judged. Bodies are forms.

Source: https://www.twilio.com/docs/verify/api, /verification and /verification-check, and twilio-oai
(twilio_verify_v2.yaml): excerpts, read on 2026-11-24.

The secret is the user and the password of HTTP Basic in one: ``<SID of an API key>:<its secret>``.

Each code that is sent costs, and the caller says where it goes, so that route is switched off: who enables it should
fix the service, bound the numbers to the countries served, and give it a quota.
"""

import re

from apikeychain.errors import InvalidValueError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.provider import BasicCredential, Provider
from apikeychain.model.rotators import HTTPRotation
from apikeychain.model.route import FormBody, FormParameter, PathParameter, ProxyRoute
from apikeychain.providers.key_api import KnownKeyAPI

_ACCOUNT = re.compile(r"AC[0-9a-fA-F]{32}")
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

# Where the keys of an account are made. The secret is that of a main key, which the console alone makes, or SID and
# token of the account.
TWILIO_IAM = Provider(
    "twilio-iam",
    "https://iam.twilio.com/v1",
    BasicCredential(),
    source="https://www.twilio.com/docs/iam/api-keys/key-resource-v1",
    reviewed="2026-11-30",
)


def twilio_rotation(account: str) -> HTTPRotation:
    """Standard API keys of an account.

    Register `TWILIO_IAM` beside `TWILIO`, and put the key that makes keys as the secret ``twilio-admin``. Of an
    account with more than 1,000 keys only the first 1,000 are searched.

    Args:
        account: its SID, ``AC...``.

    Raises:
        InvalidValueError: it is none.
    """
    if not _ACCOUNT.fullmatch(account):
        msg = f"not the SID of an account of Twilio: {account!r}"
        raise InvalidValueError(msg)
    return HTTPRotation(
        provider="twilio-iam",
        credential="twilio-admin",
        create=Step(method="POST", path="/Keys", form=(("AccountSid", account), ("FriendlyName", "{label}"))),
        key="sid:secret",
        id="sid",
        verify=Step(method="GET", path="/Services", query=(("PageSize", "1"),)),
        revoke=Step(method="DELETE", path="/Keys/{id}"),
        search=Search(
            step=Step(method="GET", path="/Keys", query=(("AccountSid", account), ("PageSize", "1000"))),
            keys="keys",
            label="friendly_name",
            id="sid",
        ),
    )


# Read with the OpenAPI document twilio_iam_v1.json of twilio/twilio-oai.
KEY_API = KnownKeyAPI(
    describe=twilio_rotation,
    provider=TWILIO_IAM,
    source="https://www.twilio.com/docs/iam/api-keys/key-resource-v1",
    reviewed="2026-11-30",
)
