"""SendGrid: a mail after a dynamic template.

Source: https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send (its address; programs that call it
were read on 2026-11-24). An account in the EU has another host: ``replace(SENDGRID,
base_url="https://api.eu.sendgrid.com/v3")``.

The route lets the caller choose who gets the mail, so it is switched off: who enables it should ask for a signature
(``require="signature"``). The text is a template's, subject and all: content and attachments of the caller's are left
out on purpose.
"""

import json
import re
from collections.abc import Sequence

from apikeychain.errors import InvalidValueError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.rotators import HTTPRotation
from apikeychain.model.route import JSONBody, JSONField, ProxyRoute
from apikeychain.providers.key_api import KnownKeyAPI

_SCOPE = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
SENDGRID = Provider(
    "sendgrid",
    "https://api.sendgrid.com/v3",
    HeaderCredential("Authorization", "Bearer "),
    source="https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send",
    reviewed="2026-11-24",
)

ROUTES = (
    ProxyRoute(
        "send-mail",
        provider="sendgrid",
        path="/mail/send",
        methods=("POST",),
        body=JSONBody(
            (
                JSONField("personalizations", type="array", required=True),
                JSONField("from", type="object", required=True),
                JSONField("template_id", pattern=r"d-[0-9a-f]{32}", required=True),
                JSONField("reply_to", type="object"),
                JSONField("categories", type="array"),
                JSONField("send_at", type="integer", minimum=0),
                JSONField("asm", type="object"),
            ),
        ),
        tolerated=("authorization", "user-agent"),
        answer_headers=("X-Message-Id",),
        max_body_bytes=256 * 1024,
        enabled=False,
    ),
)


def sendgrid_rotation(scopes: Sequence[str] = ("mail.send",)) -> HTTPRotation:
    """API keys with some scopes, made by a key that may make, list and end keys and has these scopes itself.

    An account has at most 100 keys. Put the key that makes them as the secret ``sendgrid-admin``.

    Args:
        scopes: what a key may; none would be all.

    Raises:
        InvalidValueError: there is none, or one is not the name of a scope.
    """
    if not scopes or not all(map(_SCOPE.fullmatch, scopes)):
        msg = f"not scopes of SendGrid: {scopes!r}"
        raise InvalidValueError(msg)
    return HTTPRotation(
        provider="sendgrid",
        credential="sendgrid-admin",
        create=Step(method="POST", path="/api_keys", body=json.dumps({"name": "{label}", "scopes": [*scopes]})),
        key="api_key",
        id="api_key_id",
        verify=Step(method="GET", path="/scopes"),
        revoke=Step(method="DELETE", path="/api_keys/{id}"),
        search=Search(step=Step(method="GET", path="/api_keys"), keys="result", label="name", id="api_key_id"),
    )


# Read with the OpenAPI document tsg_api_keys_v3.json of twilio/sendgrid-oai.
KEY_API = KnownKeyAPI(
    describe=sendgrid_rotation,
    provider=SENDGRID,
    source="https://www.twilio.com/docs/sendgrid/api-reference/api-keys/create-api-keys",
    reviewed="2026-11-30",
)
