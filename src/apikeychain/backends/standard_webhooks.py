"""How a webhook is signed, so that any library of Standard Webhooks verifies it.

::

    webhook-id         of the message, the same when it is sent again
    webhook-timestamp  unix seconds of this sending
    webhook-signature  "v1," || base64(HMAC-SHA256(key, id || "." || timestamp || "." || body)), one for each secret

A secret is ``whsec_`` and the base64 of its key. Two overlap while the receiver changes from one to the other.

Source: Standard Webhooks, "Webhook metadata", "Signature scheme"; RFC 2104.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence

from apikeychain.errors import InvalidValueError
from apikeychain.secret import Secret

_BEGIN = b"whsec_"
_KEY_BYTES = range(24, 65)
MAX_SECRETS = 2


def require_secrets(secrets: Sequence[Secret]) -> None:
    """Raise InvalidValueError where there is none, one too many, or one that is no secret of a webhook."""
    if not 0 < len(secrets) <= MAX_SECRETS:
        msg = f"give one secret, or {MAX_SECRETS} while the receiver changes to another"
        raise InvalidValueError(msg)
    for secret in secrets:
        _key(secret)


def signed_lines(secrets: Sequence[Secret], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The header lines of a message.

    Args:
        secrets: see the module.
        message: its id, without a dot.
        timestamp: unix seconds.
        body: as it is sent.
    """
    said = f"{message}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac.digest(_key(secret), said, hashlib.sha256)).decode() for secret in secrets)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def _key(secret: Secret) -> bytes:
    text = secret.reveal()
    try:
        key = base64.b64decode(text.removeprefix(_BEGIN), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(_BEGIN) or len(key) not in _KEY_BYTES:
        msg = "the secret of a webhook is whsec_ and the base64 of 24 to 64 random bytes"
        raise InvalidValueError(msg) from None
    return key
