"""What of a provider's answer is passed on: a list of the allowed; never a cookie, never a CORS or security header.

Source: contracts 4 ("3xx", "Response headers passed"); RFC 9110, sections 10.2.2 and 15.4; RFC 9111, 5.2.
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from apikeychain.errors import CredentialRefusedError, PathRefusedError, UpstreamRefusedError
from apikeychain.model.call import ByteStream, Reply, UpstreamReply
from apikeychain.model.headers import Headers, Line
from apikeychain.model.route import STREAMS
from apikeychain.rules.answer_plan import NO_STORE
from apikeychain.rules.answer_transforms import AnswerShape
from apikeychain.rules.routing import CompiledRoute

# No other character: what is written with escapes would not be known for a secret in small letters.
_RATE_LIMIT_BEGINS = b"x-ratelimit-"
_RATE_LIMIT = re.compile(rb"%b[a-z0-9-]+" % _RATE_LIMIT_BEGINS).fullmatch
_SINGLE = frozenset({b"content-type", b"content-length", b"location"})
_VALUES = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
_LOCATION = re.compile(
    rb"(?:https://([A-Za-z0-9._-]+)(?::([0-9]{1,5}))?)?(/(?!/)[^?#]*)?(?:\?([^#]*))?(?:#.*)?",
)
_LOCATION_BASE = re.compile(rb"(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]+)+")
_VISIBLE = re.compile(rb"[\x21-\x5b\x5d-\x7e]{1,8192}")
_OF_ITS_BODY = frozenset(
    {b"content-length", b"etag", b"accept-ranges", b"content-digest", b"repr-digest", b"digest", b"content-md5"}
)
_CREDENTIAL_REFUSED = frozenset({401, 407})
_HTTPS = 443
_OK, _EMPTY, _PARTIAL, _MULTIPLE, _NOT_MODIFIED, _ERRORS = 200, 204, 206, 300, 304, 400


def pass_on(upstream: UpstreamReply, route: CompiledRoute, location_base: bytes) -> Reply:
    """What the caller gets of the provider's answer, not yet scrubbed. Its body is the provider's, not yet read.

    Args:
        upstream: the answer.
        route: that of the call.
        location_base: our own path of the route, e.g. ``/api/apikeychain/p_x/proxy/weather``, below the root path of
            the server. Where that root cannot stand in a path as it is, no Location is rewritten.

    Raises:
        CredentialRefusedError: the provider refused the credential (401, 407).
        UpstreamRefusedError: it cannot be passed on. With either the caller closes `upstream.body`.
    """
    _require_status(upstream.status, route)
    _require_lines(upstream.headers)
    lines = _passed(upstream.headers.lines, route.answer.passed)
    status = upstream.status
    if status == _EMPTY:
        lines = [line for line in lines if line[0] != b"content-length"]
    elsewhere = _MULTIPLE <= status < _ERRORS and status != _NOT_MODIFIED
    if elsewhere and (location := upstream.headers.get(b"location")) is not None:
        lines.append((b"location", _own_location(location, route, location_base)))
    good = _OK <= status < _MULTIPLE or status == _NOT_MODIFIED
    timeouts = route.timeouts
    return Reply(
        status,
        (*lines, route.answer.cache if good else NO_STORE),
        upstream.body,
        idle_seconds=timeouts.idle,
        total_seconds=timeouts.lasting(upstream.headers.get(b"content-type")),
    )


def shape_of(reply: Reply, route: CompiledRoute) -> AnswerShape | None:
    """What the route's transforms do to this answer, or None: an error is not the data that they are about.

    Raises:
        UpstreamRefusedError: it is a stream, which no transform waits for.
    """
    shape = route.answer.shape
    if shape is None or not _OK <= reply.status < _MULTIPLE:
        return None
    types = [value.partition(b";")[0].strip().lower() for name, value in reply.headers if name == b"content-type"]
    if STREAMS.intersection(types):
        hint = "the route shapes the provider's answer, and it is a stream"
        raise UpstreamRefusedError(hint)
    return shape


def shaped(reply: Reply, body: bytes) -> Reply:
    """`reply` with the body that the route's transforms made."""
    reply = rewritten(reply, body)
    return replace(reply, headers=(*reply.headers, (b"content-length", b"%d" % len(body))))


def rewritten(reply: Reply, body: bytes | ByteStream) -> Reply:
    """`reply` with another body, without the lines that were true of the one it had."""
    return replace(reply, headers=tuple(line for line in reply.headers if line[0] not in _OF_ITS_BODY), body=body)


def _passed(lines: Iterable[Line], names: frozenset[bytes]) -> list[Line]:
    """Those of `lines` that pass: the named, and all that tell of a rate limit."""
    begins, size = _RATE_LIMIT_BEGINS, len(_RATE_LIMIT_BEGINS)
    return [line for line in lines if line[0] in names or (line[0][:size] == begins and _RATE_LIMIT(line[0]))]


def _require_status(status: int, route: CompiledRoute) -> None:
    if status in _CREDENTIAL_REFUSED:
        raise CredentialRefusedError
    if not _OK <= status <= 599 or (status == _PARTIAL and not route.route.ranges):  # noqa: PLR2004 - RFC 9110, 15
        raise UpstreamRefusedError


def _require_lines(headers: Headers) -> None:
    """Raise UpstreamRefusedError for an answer with two lengths, or a value that would split a line."""
    if not headers.are_unique:
        single = [name for name, _ in headers.lines if name in _SINGLE]
        if len(single) > len(set(single)):
            raise UpstreamRefusedError
    if not _VALUES(b" ".join([value for _, value in headers.lines])):
        raise UpstreamRefusedError


def _own_location(value: bytes, route: CompiledRoute, location_base: bytes) -> bytes:
    """Where the caller shall go: the same place in our terms, or a place that the host allowed, unchanged."""
    match = _LOCATION.fullmatch(value) if _VISIBLE.fullmatch(value) else None
    if match is None:
        raise UpstreamRefusedError
    host, port, path, query = match.groups()
    number = int(port) if port else _HTTPS
    if host is None or (host.lower().decode(), number) == (route.base.host, route.base.port):
        if not _LOCATION_BASE.fullmatch(location_base):
            hint = "the server's root path is none that a Location could begin with"
            raise UpstreamRefusedError(hint)
        return location_base + _own_path(path or b"", route) + _own_query(query, route.answer.injected)
    if host.lower() in route.answer.redirect_hosts and number == _HTTPS:
        return value
    raise UpstreamRefusedError


def _own_path(path: bytes, route: CompiledRoute) -> bytes:
    segments = route.template.recognise(path)
    if segments is None:
        raise UpstreamRefusedError
    try:
        route.template.read(segments)
    except PathRefusedError:
        raise UpstreamRefusedError from None
    return b"".join(b"/" + segment for segment in segments)


def _own_query(query: bytes | None, injected: bytes | None) -> bytes:
    """The query without the parameter that carries the credential: the caller does not send that one."""
    pairs = (query or b"").split(b"&")
    own = [pair for pair in pairs if pair and pair.partition(b"=")[0].lower() != injected]
    return b"?" + b"&".join(own) if own else b""
