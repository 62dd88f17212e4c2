"""One proxied call: what came in, what goes out, what comes back."""

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass, field
from typing import Protocol, Self

from apikeychain.model.headers import Headers
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.origin import Origin
from apikeychain.model.route import Timeouts

MAX_WHOLE_BYTES = 64 * 1024

_WITHOUT_BODY = frozenset({204, 304})


def has_body(status: int, method: str) -> bool:
    """Whether an answer to `method` has more than the lines that tell of a body. Source: RFC 9110, 6.4.1."""
    return method != "HEAD" and status not in _WITHOUT_BODY


class ByteStream(Protocol):
    """Chunks as they come; an async generator is one.

    Whoever takes a stream closes it exactly once, also when it never asked for a chunk. A generator that was never
    started runs no ``finally``: a stream that holds something must therefore be a class.
    """

    def __aiter__(self) -> Self:
        """Itself."""
        ...

    async def __anext__(self) -> bytes:
        """The next chunk, or StopAsyncIteration at the true end."""
        ...

    async def aclose(self) -> None:
        """Let go of what is behind it, at once."""
        ...


def _nobody_hears() -> None:
    """Of a call that nobody could end."""


@dataclass(slots=True, kw_only=True)
class Call:
    """What a caller sent, raw: nothing decoded, nothing normalised.

    Attributes:
        project: the path's first segment after the prefix, unparsed.
        area: the segment after it: ``"proxy"`` for a proxied call.
        path: the raw bytes after ``/{project}/{area}/``: route name and tail.
        slash: whether a slash stands behind the area, as it does before any path.
        query: the raw query, without ``?``.
        peer: the peer's address, or "" where the server gives none.
        root: the path below which the server or a mount has put the application, such as ``"/sub"``, or "".
        login: whom the host's own login names as the caller (``scope["apikeychain.caller"]``), or None.
        scheme: ``"http"`` or ``"https"``, as the server saw it.
        body: the chunks of the body; raises CallerGoneError when the caller leaves in the middle.
        hang_up: ends the answer here and now, wherever it is, as if the caller had left.
        admitted: the origin, set once it was admitted, so that its page can read the answer, whatever that is.
    """

    method: str
    scheme: str
    project: str
    area: str
    path: bytes
    query: bytes
    headers: Headers
    peer: str
    body: AsyncIterable[bytes]
    root: str = ""
    login: str | None = None
    slash: bool = True
    hang_up: Callable[[], None] = _nobody_hears
    admitted: Origin | None = None

    @property
    def is_preflight(self) -> bool:
        """Source: Fetch, section 3.3.4, CORS-preflight request."""
        return (
            self.method == "OPTIONS" and b"origin" in self.headers and b"access-control-request-method" in self.headers
        )


@dataclass(slots=True)
class Reply:
    """What the caller gets.

    Attributes:
        body: the whole body, or a stream of it that is closed exactly once by whoever sends it (`aclose`).
        idle_seconds: how long one piece of it may wait for the caller to read.
        total_seconds: how long all of it may take.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes | ByteStream = b""
    idle_seconds: float = 60.0
    total_seconds: float = 120.0


@dataclass(slots=True, kw_only=True)
class Message:
    """A request to a provider without its credential.

    Attributes:
        path: the whole path, the provider's base path included.
        query: without ``?``.
        headers: end-to-end lines, names in lower case.
        body: all of it, a stream, or None for no body.
        content_length: of a streamed body where it is known.
    """

    method: str
    path: bytes = field(repr=False)
    query: bytes = field(default=b"", repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes | AsyncIterable[bytes] | None = field(default=None, repr=False)
    content_length: int | None = None


@dataclass(slots=True, kw_only=True)
class UpstreamRequest:
    """What is sent to the provider, complete: a plug adds nothing but Host, Content-Length and framing.

    Attributes:
        scheme: ``"https"`` (``"http"`` never leaves the house).
        host: the lower-case DNS name of the provider.
        target: the request target as sent, path and query, e.g. ``b"/v1/chat?x=1"``: to be sent byte for byte.
        headers: end-to-end lines, without host, content-length, transfer-encoding and connection.
        body: all of it, a stream, or None for no body.
        content_length: the length of a streamed body where it is known; a plug that counts another cuts the request.
        timeouts: in seconds.
        network: the exceptions that host code made for this provider.
    """

    method: str
    scheme: str
    host: str
    port: int
    target: bytes = field(repr=False)
    headers: tuple[tuple[bytes, bytes], ...] = field(repr=False)
    body: bytes | AsyncIterable[bytes] | None = field(default=None, repr=False)
    content_length: int | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    network: Network = PUBLIC

    @property
    def url(self) -> str:
        """The text of the URL that must be sent, byte for byte. May hold a secret: never log it."""
        port = "" if self.port == (443 if self.scheme == "https" else 80) else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.target.decode('ascii')}"


@dataclass(slots=True)
class UpstreamReply:
    """What the provider answered, raw.

    Attributes:
        headers: the lines as they came, nothing decoded.
        body: no content coding undone. All of it where it was there with the head and is at most 64 KiB, with nothing
            left to close; else the chunks as they come, which raise UpstreamTimeoutError or UpstreamRefusedError when
            the provider stalls or breaks. Their `aclose` closes the exchange (early: the connection too).
    """

    status: int
    headers: Headers
    body: bytes | ByteStream
