"""What every upstream client shares: what may be sent, how long it may take, and that nothing of the client comes out.

Source: RFC 9110, 5.1, 5.5 (field names and values), 8.6 (Content-Length); RFC 9112, 3.2 (request target), 6.3 (the
length of an answer);
contracts 4, "Connection" and "Timeouts".
"""

import asyncio
import logging
import math
import re
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Self, TypeVar

from apikeychain.backends.upload import SLICE, Turn, Upload
from apikeychain.errors import UpstreamRefusedError, UpstreamTimeoutError
from apikeychain.model.call import UpstreamReply, UpstreamRequest, has_body
from apikeychain.model.headers import Headers, Line
from apikeychain.model.origin import is_host

T = TypeVar("T")

# Clients look for idle connections as often as this, so none lives for twice as long and the second that timers round.
KEPT_SECONDS = 14.0
MAX_HEAD_BYTES = 64 * 1024

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
_TARGET = re.compile(rb"/[!\"$-~]*")
_METHOD = re.compile(r"[A-Z]+")
_NOT_METHODS = frozenset({"CONNECT", "TRACE"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# What a plug sets itself, or never sends.
_OURS = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
_SWITCHING = 101
_log = logging.getLogger("apikeychain.egress")


def outgoing(request: UpstreamRequest, upload: Upload | None) -> list[Line]:
    """The header lines of `request` with Host first and Content-Length last, if its length is known.

    Raises:
        UpstreamRefusedError: something in it could be read as another request.
    """
    if not _is_sound(request):
        raise _refused(request.host, "the request is not one that can be sent")
    authority = request.url.removeprefix(f"{request.scheme}://").split("/", 1)[0]
    lines = [(b"host", authority.encode("ascii")), *request.headers]
    if upload is None:
        return [*lines, (b"content-length", b"0")] if request.method in _WITH_BODY else lines
    if upload.length is None:
        return lines
    return [*lines, (b"content-length", b"%d" % upload.length)]


def _is_sound(request: UpstreamRequest) -> bool:
    return (
        request.scheme == "https"
        and _is_name(request.host)
        and bool(_METHOD.fullmatch(request.method))
        and request.method not in _NOT_METHODS
        and bool(_TARGET.fullmatch(request.target))
        and all(
            _NAME.fullmatch(name) and name.lower() not in _OURS and _VALUE.fullmatch(value)
            for name, value in request.headers
        )
    )


@lru_cache(maxsize=1_024)
def _is_name(host: str) -> bool:
    """Whether `host` is a DNS name: clients dial what looks like an address without asking their resolver."""
    return is_host(host) and not host.startswith("[") and not host.rsplit(".", 1)[-1].isdigit()


class Exchange:
    """One call as a client makes it.

    Args:
        late: the client's own classes for what took too long.

    Attributes:
        is_small: whether its body is bytes that a client may send at once, uncounted.
    """

    def __init__(self, request: UpstreamRequest, late: tuple[type[Exception], ...] = ()) -> None:
        self.is_small = isinstance(request.body, bytes) and len(request.body) <= SLICE
        self.upload = Upload.of(request)
        if self.upload is not None:
            self.upload.turn = self._turn
        self.lines = outgoing(request, self.upload)
        self._host, self._method = request.host, request.method
        self._late: tuple[type[Exception], ...] = (TimeoutError, *late)
        self._timeouts = request.timeouts
        self._began = asyncio.get_running_loop().time()
        self._ends = self._began + request.timeouts.lasting(None)
        self._limit: asyncio.Timeout | None = None

    async def head(self, sending: Awaitable[T]) -> T:
        """What `sending` returns, if it comes before the call's time is over and the provider takes what is sent.

        Raises:
            UpstreamRefusedError: it broke.
            UpstreamTimeoutError: it took too long.
            Exception: what the source of the upload raised.
        """
        # A client waits anew after each piece of a head and each 1xx, of which there may be no end: this is the end.
        seconds = math.inf if self.client_seconds is None else self._timeouts.connect + self.client_seconds
        self._limit = asyncio.timeout_at(min(self._ends, self._began + seconds))
        try:
            return await self._ours(sending, self._limit)
        finally:
            # An answer may come before the upload has ended; from then on the answer is what is watched.
            self._limit = None

    async def reply(
        self,
        status: int,
        lines: tuple[Line, ...],
        read: Callable[[], Awaitable[bytes]],
        close: Callable[[], Awaitable[None]],
    ) -> UpstreamReply:
        """The answer with its body.

        Args:
            status: as it came.
            lines: of the head, as they came.
            read: the next chunk, b"" at the end.
            close: frees the connection, or cuts it when the body has not ended; raises nothing.

        Raises:
            UpstreamRefusedError: the head is larger than 64 KiB, no answer to a request, or has two ends or none.
        """
        headers = Headers(lines)
        too_long = sum(len(name) + len(value) + 4 for name, value in lines) > MAX_HEAD_BYTES
        if status == _SWITCHING or too_long or not _has_one_end(headers):
            await close()
            raise _refused(self._host, "its answer has a head that cannot be passed on")
        if has_body(status, self._method) and not _tells_its_end(headers):
            await close()
            reason = "its answer has no Content-Length and no chunks, so that nobody could tell if it were cut short"
            _log.warning("%s is refused: %s", self._host, reason)
            raise _refused(self._host, reason)
        self._ends = self._began + self._timeouts.lasting(headers.get(b"content-type"))
        return UpstreamReply(status, headers, _Body(self, read, close))

    async def chunk(self, reading: Awaitable[bytes]) -> bytes:
        """What `reading` returns, if it comes before the provider has been idle for too long.

        Raises:
            UpstreamRefusedError: it broke.
            UpstreamTimeoutError: it took too long, or the call's time is over.
            Exception: what the source of the upload raised.
        """
        return await self._ours(reading, asyncio.timeout_at(self.patience()))

    def patience(self) -> float:
        """Until when, by the loop's clock, either side may do nothing."""
        return min(self._ends, asyncio.get_running_loop().time() + self._timeouts.idle)

    @property
    def client_seconds(self) -> float | None:
        """How long a client is to wait for the head by itself: not at all where there is an upload.

        A client counts from the last byte that it handed to the system, which the provider may be far from having; the
        exchange gives the provider its time to take it.
        """
        return self._timeouts.first_byte if self.upload is None or self.is_small else None

    def late(self) -> UpstreamTimeoutError:
        """What is raised where something took too long."""
        return UpstreamTimeoutError(f"{self._host} took too long")

    def _turn(self, turn: Turn) -> None:
        if self._limit is None or self._limit.expired():
            return
        # The head has its time from the moment that the provider has all of the request.
        idle, first_byte = self._timeouts.idle, self._timeouts.first_byte
        seconds = {"source": math.inf, "provider": idle, "end": idle + first_byte}[turn]
        self._limit.reschedule(min(self._ends, asyncio.get_running_loop().time() + seconds))

    async def _ours(self, waiting: Awaitable[T], limit: asyncio.Timeout) -> T:
        failure: Exception
        try:
            async with limit:
                return await waiting
        except UpstreamRefusedError as refused:
            failure = UpstreamRefusedError(refused.hint)
        except self._late:
            failure = self.late()
        except Exception:  # noqa: BLE001  # whatever a client raises may hold a URL with a secret in it
            failure = _refused(self._host, "the exchange with it broke")
        # Out here, so that the client's exception is not even the context of ours.
        if self.upload is not None and self.upload.failure is not None:
            raise self.upload.failure
        raise failure


class _Body:
    """The chunks of an answer. See ByteStream.

    Whoever reads it has as long for a chunk as the provider: after that its connection is cut, so that a caller who
    stops reading holds nothing of the provider's.
    """

    def __init__(
        self, exchange: Exchange, read: Callable[[], Awaitable[bytes]], close: Callable[[], Awaitable[None]]
    ) -> None:
        self._exchange, self._read, self._close = exchange, read, close
        self._over = False
        self._cutting: asyncio.Task[None] | None = None
        self._timer = self._watch()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        self._timer.cancel()
        if self._cutting is not None:
            raise self._exchange.late()
        chunk = b""
        try:
            if not self._over:
                chunk = await self._exchange.chunk(self._read())
        finally:
            if not chunk:
                await self.aclose()
        if not chunk:
            raise StopAsyncIteration
        self._timer = self._watch()
        return chunk

    async def aclose(self) -> None:
        """Free the connection, or cut it when the answer has not ended."""
        self._timer.cancel()
        if not self._over:
            self._over = True
            await self._close()

    def _watch(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(self._exchange.patience(), self._cut)

    def _cut(self) -> None:
        self._cutting = asyncio.get_running_loop().create_task(self.aclose())


def _has_one_end(headers: Headers) -> bool:
    """Whether all readers of an answer find the same end of it, with no transfer coding that nobody undoes."""
    lengths, codings = headers.all(b"content-length"), headers.all(b"transfer-encoding")
    if codings:
        return not lengths and len(codings) == 1 and codings[0].lower() == b"chunked"
    return len(lengths) <= 1 and all(length.isdigit() for length in lengths)


def _tells_its_end(headers: Headers) -> bool:
    """Whether an answer with a body ends by its own word: the end of a connection is also that of a broken one."""
    return b"content-length" in headers or b"transfer-encoding" in headers


def _refused(host: str, reason: str) -> UpstreamRefusedError:
    return UpstreamRefusedError(f"{host}: {reason}")
