"""A call by a client that keeps its own connections: how long it may take, and that nothing of the client comes out.

Source: contracts 4, "Connection" and "Timeouts".
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from apikeychain.backends.failures import told, too_late
from apikeychain.backends.heads import answered, outgoing
from apikeychain.backends.upload import SLICE, Turn, Upload, seconds_of
from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.headers import Line

T = TypeVar("T")

# Clients look for idle connections as often as this, so none lives for twice as long and the second that timers round.
KEPT_SECONDS = 14.0


class Exchange:
    """One call as a client makes it.

    Args:
        late: the client's own classes for what took too long.

    Attributes:
        host: of the provider.
        is_small: whether its body is bytes that a client may send at once, uncounted.
    """

    def __init__(self, request: UpstreamRequest, late: tuple[type[Exception], ...] = ()) -> None:
        self.is_small = isinstance(request.body, bytes) and len(request.body) <= SLICE
        self.upload = Upload.of(request)
        if self.upload is not None:
            self.upload.turn = self._turn
        self.lines = outgoing(request)
        self.host, self._method = request.host, request.method
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
        try:
            headers = answered(self.host, self._method, status, lines)
        except UpstreamRefusedError:
            await close()
            raise
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

    def _turn(self, turn: Turn) -> None:
        if self._limit is None or self._limit.expired():
            return
        seconds = seconds_of(turn, self._timeouts.idle, self._timeouts.first_byte)
        self._limit.reschedule(min(self._ends, asyncio.get_running_loop().time() + seconds))

    async def _ours(self, waiting: Awaitable[T], limit: asyncio.Timeout) -> T:
        try:
            async with limit:
                return await waiting
        except Exception as error:  # noqa: BLE001  # whatever a client raises may hold a URL with a secret in it
            failure = told(error, self.host, self.upload, self._late)
        # Out here, so that the client's exception is not even the context of ours.
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
            raise too_late(self._exchange.host)
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
