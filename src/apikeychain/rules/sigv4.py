"""AWS Signature Version 4 of an outgoing request.

``string to sign = "AWS4-HMAC-SHA256" LF x-amz-date LF scope LF hex SHA-256(canonical request)``, and the canonical
request is method, path, query, signed headers, their names and the hash of the body, joined by LF. Services other than
S3 take the path escaped once more than it is sent, without doubled slashes. A server may compare what it was sent, or
take it apart and write it anew in the one way that AWS writes it: so `plain_path` and `plain_query` write it that way
before it is sent, and both find the same.

Source: AWS IAM User Guide, "Create a signed AWS API request"; AWS S3 API, "Signature Calculations".
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.headers import Line
from apikeychain.model.signing_credentials import AWSCredential
from apikeychain.secret import MIN_BYTES

UNSIGNED_PAYLOAD = b"UNSIGNED-PAYLOAD"
_ALGORITHM = b"AWS4-HMAC-SHA256"
_END = b"aws4_request"
_KEY_ID = re.compile(rb"[A-Za-z0-9_-]{1,128}")
_VISIBLE = re.compile(rb"[\x21-\x7e]+")
_SLASHES = re.compile(rb"//+")
_FORM = "write <access key id>:<secret access key>, and :<session token> behind it where there is one"


class AWSKey(NamedTuple):
    """An access key in its parts; no token is empty."""

    id: bytes
    secret: bytes
    token: bytes

    def __repr__(self) -> str:
        return "AWSKey(...)"


def read_key(plain: bytes) -> AWSKey:
    """The parts of a secret.

    Raises:
        SecretUnavailableError: it is not of that form.
    """
    key_id, _, rest = plain.partition(b":")
    secret, colon, token = rest.partition(b":")
    sound = _KEY_ID.fullmatch(key_id) and len(secret) >= MIN_BYTES and _VISIBLE.fullmatch(secret)
    if not sound or (colon and not (len(token) >= MIN_BYTES and _VISIBLE.fullmatch(token))):
        hint = f"The secret is no AWS access key: {_FORM}."
        raise SecretUnavailableError(hint)
    return AWSKey(key_id, secret, token)


def plain_path(path: bytes) -> bytes:
    """The same path with letters, digits, ``-._~`` and its slashes bare and all else escaped."""
    return b"/".join(map(_plain, path.split(b"/")))


def plain_query(query: bytes) -> bytes:
    """The same query with letters, digits and ``-._~`` bare; a plus is a blank, as every AWS service reads it."""
    return b"&".join(
        b"=".join(_plain(part.replace(b"+", b" ")) for part in pair.split(b"=", 1))
        for pair in query.split(b"&")
        if pair
    )


def signed_lines(
    credential: AWSCredential,
    key: AWSKey,
    moment: datetime,
    *,
    method: str,
    host: bytes,
    path: bytes,
    query: bytes,
    headers: Iterable[Line],
    payload: bytes,
) -> tuple[Line, ...]:
    """The header lines that sign a request; those that it has already come out unchanged and are not among them.

    Args:
        credential: region and service.
        key: see `read_key`.
        moment: of the signature; good for 15 minutes on either side.
        method: as sent, and so `path` and `query`, `host` with the port where it says one.
        host: what Host says.
        path: the whole path.
        query: without ``?``.
        headers: the others, names in lower case; Content-Type and every ``x-amz-...`` are signed.
        payload: the hash of the body in lower-case hex, or `UNSIGNED_PAYLOAD`.
    """
    stamp = moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ").encode()
    own = [(b"x-amz-date", stamp)]
    if credential.is_s3:
        own.append((b"x-amz-content-sha256", payload))
    if key.token:
        own.append((b"x-amz-security-token", key.token))
    covered = _covered([(b"host", host), *headers, *own])
    names = b";".join(covered)
    canonical = b"\n".join(
        (
            method.encode("ascii"),
            _canonical_path(path, credential),
            _canonical_query(query),
            *(b"%b:%b" % (name, b",".join(values)) for name, values in covered.items()),
            b"",
            names,
            payload,
        )
    )
    scope = b"/".join((stamp[:8], credential.region.encode(), credential.service.encode(), _END))
    text = b"\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical).hexdigest().encode()))
    signature = hmac.new(_signing_key(key.secret, scope), text, "sha256").hexdigest().encode()
    fields = b"%b Credential=%b/%b, SignedHeaders=%b, Signature=%b" % (_ALGORITHM, key.id, scope, names, signature)
    return (*own, (b"authorization", fields))


def _covered(lines: Iterable[Line]) -> dict[bytes, list[bytes]]:
    """What is signed of the headers, by name in order, with blanks at the ends gone and others single."""
    found: dict[bytes, list[bytes]] = {}
    for name, value in sorted(lines, key=lambda line: line[0]):
        if name in {b"host", b"content-type"} or name.startswith(b"x-amz-"):
            found.setdefault(name, []).append(b" ".join(value.split()))
    return found


def _canonical_path(path: bytes, credential: AWSCredential) -> bytes:
    return path if credential.is_s3 else quote_from_bytes(_SLASHES.sub(b"/", path), "/").encode()


def _canonical_query(query: bytes) -> bytes:
    return b"&".join(b"%b=%b" % pair for pair in sorted(map(_pair, query.split(b"&")))) if query else b""


def _pair(text: bytes) -> tuple[bytes, bytes]:
    name, _, value = text.partition(b"=")
    return name, value


def _plain(raw: bytes) -> bytes:
    return quote_from_bytes(unquote_to_bytes(raw), "").encode()


def _signing_key(secret: bytes, scope: bytes) -> bytes:
    key = b"AWS4" + secret
    for part in scope.split(b"/"):
        key = hmac.digest(key, part, "sha256")
    return key
