"""What a signature covers, the same for whoever signs and whoever verifies.

The text is these twelve lines, joined by line feeds, without one at the end::

    apikeychain-v1
    <project id>
    <key id>
    <timestamp>
    <nonce, or empty>
    <METHOD as sent>
    <raw path after the prefix, from "/<project id>/" on>
    <raw query as sent, without "?">
    <content-type as sent, or empty>
    <x-iso-user as sent, or empty>
    <lower-case hex SHA-256 of the header block>
    <lower-case hex SHA-256 of the body>

The header block is ``name:value`` and a line feed for each of the project's signed headers, in the order of names.

Source: contracts 3; spec 6.3; RFC 2104.
"""

import hashlib
import hmac
from collections.abc import Sequence
from typing import NamedTuple

from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_name
from apikeychain.model.headers import Headers
from apikeychain.rules.headers import SIGNING

VERSION = b"apikeychain-v1"
MAC_PREFIX = b"v1="
NOTHING_SHA256 = hashlib.sha256(b"").hexdigest().encode()
_LINES = 12
MAX_SIGNED_HEADERS = 32
# What is in the text already, what a proxy rewrites, and what no caller may choose.
_NOT_SIGNABLE = frozenset(
    {
        *(name.decode() for name in SIGNING),
        "content-type",
        "content-length",
        "transfer-encoding",
        "connection",
        "x-iso-user",
        "cookie",
        "authorization",
    }
)


class SignedText(NamedTuple):
    """The parts of a request that its signature covers, each as the bytes that are sent.

    Attributes:
        path: after the prefix: ``/p_.../proxy/...``.
        block: the header block.
        body_sha256: 64 lower-case hex digits.
    """

    project: bytes
    key_id: bytes
    timestamp: bytes
    nonce: bytes
    method: bytes
    path: bytes
    query: bytes
    content_type: bytes
    user: bytes
    block: bytes
    body_sha256: bytes

    def encoded(self) -> bytes:
        """The text.

        Raises:
            ValueError: a part holds a line feed, so that two requests could have one text.
        """
        text = b"\n".join(
            (
                VERSION,
                self.project,
                self.key_id,
                self.timestamp,
                self.nonce,
                self.method,
                self.path,
                self.query,
                self.content_type,
                self.user,
                hashlib.sha256(self.block).hexdigest().encode() if self.block else NOTHING_SHA256,
                self.body_sha256,
            )
        )
        if text.count(b"\n") != _LINES - 1:
            msg = "a line feed in a part of a signed text"
            raise ValueError(msg)
        return text

    def mac(self, key: bytes) -> bytes:
        """The 32 bytes of HMAC-SHA256 under the ASCII bytes of a key as it was shown. Raises ValueError."""
        return hmac.digest(key, self.encoded(), "sha256")


def header_block(names: Sequence[str], headers: Headers) -> bytes:
    """The header block.

    Args:
        names: the project's signed headers: lower case, sorted.
        headers: of the request; what is absent counts as empty.

    Raises:
        ValueError: one of them stands in the request twice, or holds a line feed.
    """
    block = b""
    for name in map(str.encode, names):
        if len(headers.all(name)) > 1:
            msg = "a signed header that is sent twice"
            raise ValueError(msg)
        block += b"%b:%b\n" % (name, headers.get(name) or b"")
    if block.count(b"\n") != len(names):
        msg = "a line feed in a signed header"
        raise ValueError(msg)
    return block


def parse_signed_headers(names: Sequence[str]) -> tuple[str, ...]:
    """A project's signed headers: lower case, sorted, once each.

    Raises:
        InvalidValueError: one of them is no header's name or cannot be signed, or there are more than 32.
    """
    lowered = tuple(sorted({name.lower() for name in names}))
    for name in lowered:
        if name in _NOT_SIGNABLE:
            msg = f"the header {name!r} cannot be a signed header: it is covered already, or changes on its way"
            raise InvalidValueError(msg)
        require_header_name(name)
    if len(lowered) > MAX_SIGNED_HEADERS:
        msg = f"{len(lowered)} signed headers are too many: {MAX_SIGNED_HEADERS} at the most"
        raise InvalidValueError(msg)
    return lowered
