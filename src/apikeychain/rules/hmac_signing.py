"""The HMAC that an `HMACCredential` puts on a call.

Source: RFC 2104; RFC 4648, 4 and 8.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.headers import Line
from apikeychain.model.signing_credentials import HMACCredential
from apikeychain.secret import MIN_BYTES

_PLACEHOLDER = re.compile(rb"\{([a-z0-9_]+)\}")
_KEY_ID = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,256}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"seconds": timedelta(seconds=1), "milliseconds": timedelta(milliseconds=1)}


class HMACKey(NamedTuple):
    """A key in its parts; no id is empty."""

    id: bytes
    key: bytes

    def __repr__(self) -> str:
        return "HMACKey(...)"


def read_key(credential: HMACCredential, plain: bytes) -> HMACKey:
    """The parts of a secret.

    Raises:
        SecretUnavailableError: it is not of the form that the credential asks for.
    """
    if not credential.has_key_id:
        return HMACKey(b"", plain)
    key_id, _, key = plain.partition(b":")
    if not _KEY_ID.fullmatch(key_id) or len(key) < MIN_BYTES:
        hint = f"The secret is no key with its id: write <key id>:<key>, the key of at least {MIN_BYTES} bytes."
        raise SecretUnavailableError(hint)
    return HMACKey(key_id, key)


def signed_lines(
    credential: HMACCredential,
    key: HMACKey,
    moment: datetime,
    *,
    method: str,
    host: bytes,
    path: bytes,
    query: bytes,
    body: bytes,
) -> tuple[Line, ...]:
    """The header lines that sign a request, the signature last. All parts are those that are sent."""
    stamp = b"%d" % ((moment - _EPOCH) // _UNITS[credential.timestamp_unit])
    parts = {
        b"method": method.encode("ascii"),
        b"host": host,
        b"path": path,
        b"query": query,
        b"target": path + (b"?" + query if query else b""),
        b"timestamp": stamp,
        b"key_id": key.id,
        b"body": body,
    }
    if "{body_sha256}" in credential.signed:
        parts[b"body_sha256"] = hashlib.sha256(body).hexdigest().encode()
    mac = hmac.digest(key.key, _filled(credential.signed, parts), credential.algorithm)
    signature = mac.hex().encode() if credential.encoding == "hex" else base64.b64encode(mac)
    lines = [(credential.header, _filled(credential.prefix, parts) + signature)]
    if credential.key_id_header:
        lines.insert(0, (credential.key_id_header, key.id))
    if credential.timestamp_header:
        lines.insert(0, (credential.timestamp_header, stamp))
    return tuple((name.lower().encode(), value) for name, value in lines)


def _filled(template: str, parts: Mapping[bytes, bytes]) -> bytes:
    return _PLACEHOLDER.sub(lambda found: parts[found[1]], template.encode())
