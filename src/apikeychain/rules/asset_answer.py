"""What is asked of an asset, and the answer: whole, in part, or that nothing changed.

::

    ETag           "<SHA-256 of the bytes that go out, hex>": another one for each coding
    Repr-Digest    sha-256=:<the same, base64>:
    Content-SHA256 SHA-256 of the body itself, hex, whatever its coding and however much of it is sent

A part is served of the body without a coding, and one at a time: whoever asks for several, or for none that there is,
gets the whole, which costs no more than the asset has bytes.

Source: contracts 1, 2, 9; RFC 9110, sections 8.8.3 (ETag), 12.5.3 (Accept-Encoding), 13.1.2, 13.1.5 and 14.2 (If-Range,
Range), 15.4.5 (304); RFC 9530, section 3 (Repr-Digest).
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from apikeychain.errors import (
    DestinationRefusedError,
    HeaderLines,
    MethodRefusedError,
    NotFoundError,
    ParameterRefusedError,
    SignatureRefusedError,
    TokenRefusedError,
)
from apikeychain.model.call import Call, Reply
from apikeychain.model.headers import Headers, Line
from apikeychain.rules.asset_names import MANIFEST
from apikeychain.rules.headers import ANSWER_LINES, CORP_CROSS_ORIGIN
from apikeychain.rules.signature import is_signed

# The areas of a path; what is served at those of assets where no name follows.
_INDEX = MappingProxyType({"js": b"js/index.js", "css": b"css/index.css", MANIFEST: MANIFEST.encode()})
AREAS = frozenset(_INDEX)
IDENTITY, GZIP, BR = b"identity", b"gzip", b"br"
# What an asset's answer has that a page may read.
EXPOSED = (
    *(b"Content-Type", b"Content-Length", b"Content-Encoding", b"Content-Range"),
    *(b"ETag", b"Repr-Digest", b"Content-SHA256"),
)
REVALIDATED: Line = (b"cache-control", b"public, no-cache")
IMMUTABLE: Line = (b"cache-control", b"public, max-age=31536000, immutable")
_PRIVATE_REVALIDATED: Line = (b"cache-control", b"private, max-age=0, must-revalidate")
_METHODS = frozenset({"GET", "HEAD"})
_DESTINATIONS = frozenset({None, b"script", b"style", b"empty"})
_MANIFEST_DESTINATIONS = frozenset({None, b"empty", b"json"})
_ALLOW: Line = (b"allow", b"GET, HEAD")
_VARY: Line = (b"vary", b"Accept-Encoding, Origin")
_SHA256 = re.compile(rb"[0-9a-f]{64}")
_RANGE = re.compile(rb"(?i:bytes)=([0-9]{0,18})-([0-9]{0,18})")
_ACCEPTED = re.compile(
    rb"[ \t]*([!#$%&'*+.^_`|~0-9a-z-]+)[ \t]*(?:;[ \t]*q=(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[ \t]*)?", re.IGNORECASE
)
# As we like them where a caller does not mind.
_CODINGS = (BR, GZIP, IDENTITY)
# That of a body without a coding, of which nothing is said: after all that is named.
_UNSAID = 0.0001
# Browsers send a few in all, each of some 25 characters; callers may send any.
_REMEMBERED, _LONGEST_REMEMBERED = 256, 256
_SHOWN = 64


class AssetQuery(NamedTuple):
    """What stands behind the path.

    Attributes:
        token: as it came, or b"".
        sha256: of the version that is meant, in lower-case hex, or b"" for the one that is served.
    """

    token: bytes
    sha256: bytes


NO_QUERY = AssetQuery(b"", b"")


@dataclass(frozen=True, slots=True)
class Representation:
    """A body in one coding.

    Attributes:
        etag: in its quotes.
        partial: the lines of an answer with a part, but for its length and place.
        whole: the lines of an answer with all of it.
        revalidated: the same with `REVALIDATED`.
        immutable: likewise with `IMMUTABLE`.
        unchanged: the lines of one with nothing of it, since the caller has it.
    """

    body: bytes = field(repr=False)
    etag: bytes
    partial: HeaderLines
    whole: HeaderLines
    revalidated: HeaderLines
    immutable: HeaderLines
    unchanged: HeaderLines


@dataclass(frozen=True, slots=True)
class ReadyAsset:
    """A version of an asset, ready to be served.

    Attributes:
        codings: the representations by content coding.
        identity: the one without.
        bytes: of all bodies.
    """

    codings: Mapping[bytes, Representation]
    identity: Representation
    bytes: int


def ready(content_type: bytes, sha256: str, bodies: Mapping[bytes, bytes]) -> ReadyAsset:
    """An asset from its bodies; some 10 ms for 5 MiB.

    Args:
        content_type: of the body itself.
        sha256: of that, in lower-case hex.
        bodies: by content coding; that of `IDENTITY` is among them.
    """
    codings = {coding: _representation(content_type, sha256.encode(), coding, body) for coding, body in bodies.items()}
    return ReadyAsset(MappingProxyType(codings), codings[IDENTITY], sum(map(len, bodies.values())))


def path_of(call: Call) -> bytes:
    """The path of what is asked for: ``js/<name>``, ``css/<name>`` or ``assets.json``, as it was sent.

    It is looked up as it is, and nothing is decoded: whatever is no name is the name of nothing.

    Raises:
        NotFoundError: a slash without a name behind it, or anything behind the manifest.
    """
    if not call.slash:
        return _INDEX[call.area]
    if not call.path or call.area == MANIFEST:
        raise NotFoundError
    return b"%s/%s" % (call.area.encode(), call.path)


def require_plain(headers: Headers) -> None:
    """Raise SignatureRefusedError where a call is signed: nothing here would verify that."""
    if is_signed(headers):
        raise SignatureRefusedError(hint="Assets are not signed: ask for them without the signing headers.")


def require_method(method: str) -> None:
    """Raise MethodRefusedError unless it is GET or HEAD."""
    if method not in _METHODS:
        raise MethodRefusedError(headers=(_ALLOW,))


def require_destination(headers: Headers, *, is_manifest: bool) -> None:
    """Refuse what would become a document or a worker.

    Raises:
        DestinationRefusedError: by Sec-Fetch-Dest, Sec-Fetch-Mode or Service-Worker.
    """
    first = headers.first
    if (
        first.get(b"sec-fetch-dest") not in (_MANIFEST_DESTINATIONS if is_manifest else _DESTINATIONS)
        or first.get(b"sec-fetch-mode") == b"navigate"
        or b"service-worker" in first
    ):
        raise DestinationRefusedError(hint="Load it by a script or link tag, or with fetch().")


def read_query(query: bytes, *, is_manifest: bool) -> AssetQuery:
    """What a raw query says; its names are those, byte for byte.

    Raises:
        ParameterRefusedError: another one than `token` and `sha256`, that one twice or not 64 digits, or of the
            manifest, which has no versions.
        TokenRefusedError: two tokens.
    """
    if not query:
        return NO_QUERY
    found: dict[bytes, bytes] = {}
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"token" and name in found:
            raise TokenRefusedError
        is_hash = name == b"sha256" and not is_manifest and _SHA256.fullmatch(value)
        if (name != b"token" and not is_hash) or name in found:
            raise ParameterRefusedError(name[:_SHOWN].decode("latin-1"), hint="An asset takes token and sha256.")
        found[name] = value
    return AssetQuery(found.get(b"token", b""), found.get(b"sha256", b""))


def caching(asked: AssetQuery, seconds: int | None) -> Line:
    """How long an answer may be kept, and by whom.

    Args:
        asked: by which version is known: the one with a hash never changes.
        seconds: for which the token is good, where one is needed.
    """
    if seconds is None:
        return IMMUTABLE if asked.sha256 else REVALIDATED
    if asked.sha256:
        return (b"cache-control", b"private, max-age=%d, immutable" % seconds)
    return _PRIVATE_REVALIDATED


def answer(call: Call, asset: ReadyAsset, further: HeaderLines) -> Reply:
    """The answer to a GET or HEAD.

    Args:
        call: which is admitted.
        asset: that it asks for.
        further: lines of this answer.
    """
    headers = call.headers
    first = headers.first
    codings = accepted(b",".join(headers.all(b"accept-encoding")))
    part = _part(call, asset.identity) if b"range" in first and IDENTITY in codings else None
    sent = asset.identity if part else chosen(codings, asset)
    if b"if-none-match" in first and _is_held(headers.all(b"if-none-match"), sent.etag):
        return Reply(304, sent.unchanged + further)
    if part is None:
        return Reply(200, sent.whole + further, sent.body)
    body = sent.body[part.start : part.stop]
    place = b"bytes %d-%d/%d" % (part.start, part.stop - 1, len(sent.body))
    lines = ((b"content-length", b"%d" % len(body)), (b"content-range", place))
    return Reply(206, sent.partial + lines + further, body)


def chosen(codings: tuple[bytes, ...], asset: ReadyAsset) -> Representation:
    """The representation that a caller likes best; the body itself where it accepts nothing.

    Args:
        codings: that it accepts, the best one first.
        asset: that it asks for.
    """
    for coding in codings:
        if coding in asset.codings:
            return asset.codings[coding]
    return asset.identity


def accepted(sent: bytes) -> tuple[bytes, ...]:
    """The codings that an Accept-Encoding accepts, the best one first."""
    return _remembered(sent) if len(sent) <= _LONGEST_REMEMBERED else _read_accepted(sent)


def _representation(content_type: bytes, sha256: bytes, coding: bytes, body: bytes) -> Representation:
    digest = hashlib.sha256(body)
    etag = b'"%s"' % digest.hexdigest().encode()
    always: HeaderLines = (
        (b"etag", etag),
        (b"content-sha256", sha256),
        _VARY,
        *ANSWER_LINES,
        CORP_CROSS_ORIGIN,
    )
    partial: HeaderLines = (
        (b"content-type", content_type),
        *(() if coding == IDENTITY else ((b"content-encoding", coding),)),
        (b"repr-digest", b"sha-256=:%s:" % base64.b64encode(digest.digest())),
        *always,
    )
    whole = ((b"content-length", b"%d" % len(body)), *partial)
    return Representation(body, etag, partial, whole, (*whole, REVALIDATED), (*whole, IMMUTABLE), always)


@lru_cache(maxsize=_REMEMBERED)
def _remembered(sent: bytes) -> tuple[bytes, ...]:
    return _read_accepted(sent)


def _read_accepted(sent: bytes) -> tuple[bytes, ...]:
    listed = (_ACCEPTED.fullmatch(part) for part in sent.split(b","))
    weights = {match[1].lower(): float(match[2] or 1) for match in listed if match}
    other = weights.get(b"*")
    weighed = {
        BR: weights.get(BR, other or 0.0),
        GZIP: weights.get(GZIP, weights.get(b"x-gzip", other or 0.0)),
        IDENTITY: weights.get(IDENTITY, _UNSAID if other is None else other),
    }
    return tuple(sorted((coding for coding in _CODINGS if weighed[coding]), key=lambda coding: -weighed[coding]))


def _is_held(listed: tuple[bytes, ...], etag: bytes) -> bool:
    """Whether If-None-Match names the tag, weak or strong: no tag has a quote in it, so that it stands for itself."""
    return any(etag in line or line == b"*" for line in listed)


def _part(call: Call, whole: Representation) -> range | None:
    """The place of the part that is to be sent, or None for the whole."""
    ranges, conditions = call.headers.all(b"range"), call.headers.all(b"if-range")
    asked = _RANGE.fullmatch(ranges[0]) if len(ranges) == 1 else None
    if call.method != "GET" or asked is None or (conditions and conditions != (whole.etag,)):
        return None
    first, last, end = asked[1], asked[2], len(whole.body)
    if not first:
        # The last so many bytes.
        return range(max(0, end - int(last)), end) if last and int(last) and end else None
    stop = min(int(last) + 1, end) if last else end
    return range(int(first), stop) if int(first) < stop else None
