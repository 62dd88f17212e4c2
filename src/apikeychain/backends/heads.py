"""What may be sent to a provider as the head of a request, and which head of an answer may be passed on.

Source: RFC 9110, 5.1, 5.5 (field names and values), 8.6 (Content-Length); RFC 9112, 3.2 (request target), 6.3 (the
length of an answer);
contracts 4, "Connection".
"""

import logging
import re
from functools import lru_cache
from itertools import chain

from apikeychain.backends.failures import refused
from apikeychain.model.call import UpstreamRequest, has_body
from apikeychain.model.headers import Headers, Line
from apikeychain.model.origin import is_host

MAX_HEAD_BYTES = 64 * 1024

# What a plug sets itself, or never sends.
_OURS = rb"connection|content-length|expect|host|keep-alive|proxy-connection|te|trailer|transfer-encoding|upgrade"
_NAME = rb"(?!(?i:%b)\n)[!#$%%&'*+.^_`|~0-9A-Za-z-]++" % _OURS
_VALUE = rb"(?![\t ])[\t -~\x80-\xff]*+(?<![\t ])"
_LINES = re.compile(rb"(?:%b\n%b\n)*+" % (_NAME, _VALUE))
_REQUEST = re.compile(rb"(?!(?:CONNECT|TRACE) )[A-Z]+ /[!\"$-~]*")
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_CHUNKED = b"transfer-encoding: chunked\r\n"
_HTTPS = 443
_SWITCHING = 101
_log = logging.getLogger("apikeychain.egress")


def head_of(request: UpstreamRequest) -> bytes:
    """The head of `request`, byte for byte as it is sent, with Host first and what frames its body last.

    Raises:
        UpstreamRefusedError: something in it could be read as another request.
    """
    begin, authority = _sound(request)
    lines = b"".join([b"%b: %b\r\n" % line for line in request.headers])
    length = _length(request)
    framing = (
        b"content-length: %d\r\n" % length if length is not None else _CHUNKED if request.body is not None else b""
    )
    return b"%b HTTP/1.1\r\nhost: %b\r\n%b%b\r\n" % (begin, authority, lines, framing)


def outgoing(request: UpstreamRequest) -> list[Line]:
    """The header lines of `request` with Host first and Content-Length last, if its length is known.

    Raises:
        UpstreamRefusedError: something in it could be read as another request.
    """
    _, authority = _sound(request)
    lines, length = [(b"host", authority), *request.headers], _length(request)
    return lines if length is None else [*lines, (b"content-length", b"%d" % length)]


def answered(host: str, method: str, status: int, lines: tuple[Line, ...]) -> Headers:
    """The header lines of an answer to `method`.

    Raises:
        UpstreamRefusedError: the head is larger than 64 KiB, no answer to a request, or has two ends or none.
    """
    headers = Headers(lines)
    too_long = len(b"".join(chain.from_iterable(lines))) + 4 * len(lines) > MAX_HEAD_BYTES
    if status == _SWITCHING or too_long or not _has_one_end(headers):
        raise refused(host, "its answer has a head that cannot be passed on")
    if has_body(status, method) and not _tells_its_end(headers):
        reason = "its answer has no Content-Length and no chunks, so that nobody could tell if it were cut short"
        _log.warning("%s is refused: %s", host, reason)
        raise refused(host, reason)
    return headers


def _sound(request: UpstreamRequest) -> tuple[bytes, bytes]:
    """The method with the target, and the authority, of a request that cannot be read as another."""
    begin = b"%b %b" % (request.method.encode("ascii", "replace"), request.target)
    authority = _authority(request.host, request.port) if request.scheme == "https" else None
    if authority is None or not _REQUEST.fullmatch(begin) or not _are_lines(request.headers):
        raise refused(request.host, "the request is not one that can be sent")
    return begin, authority


def _are_lines(lines: tuple[Line, ...]) -> bool:
    """Whether all of them are header lines, and none is what a plug sets itself.

    They are looked at as one text. With two line feeds for each of them there is none in a name or a value.
    """
    text = b"".join([b"%b\n%b\n" % line for line in lines])
    return text.count(b"\n") == 2 * len(lines) and _LINES.fullmatch(text) is not None


@lru_cache(maxsize=1_024)
def _authority(host: str, port: int) -> bytes | None:
    """What Host says, or None where `host` is no DNS name: clients dial an address without asking their resolver."""
    if not is_host(host) or host.startswith("[") or host.rsplit(".", 1)[-1].isdigit():
        return None
    return host.encode("ascii") if port == _HTTPS else b"%b:%d" % (host.encode("ascii"), port)


def _length(request: UpstreamRequest) -> int | None:
    """How long the body is, in bytes, where that is known and to be told."""
    if request.body is None:
        return 0 if request.method in _WITH_BODY else None
    return len(request.body) if isinstance(request.body, bytes) else request.content_length


def _has_one_end(headers: Headers) -> bool:
    """Whether all readers of an answer find the same end of it, with no transfer coding that nobody undoes."""
    lengths = headers.all(b"content-length")
    if b"transfer-encoding" not in headers.first:
        return not lengths or (len(lengths) == 1 and lengths[0].isdigit())
    codings = headers.all(b"transfer-encoding")
    return not lengths and len(codings) == 1 and codings[0].lower() == b"chunked"


def _tells_its_end(headers: Headers) -> bool:
    """Whether an answer with a body ends by its own word: the end of a connection is also that of a broken one."""
    return b"content-length" in headers.first or b"transfer-encoding" in headers.first
