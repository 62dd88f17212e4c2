"""A request's body on its way up: counted, its failure remembered, its end held back until it is sure.

Source: RFC 9112, 6.3 (a message whose length does not match is incomplete); contracts 3 (a mismatch cuts the request
without an end) and 4.
"""

import math
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Literal

from apikeychain.errors import UpstreamRefusedError
from apikeychain.model.call import UpstreamRequest

SLICE = 64 * 1024

# Who is waited for: the source for the next chunk, the provider to take one, or the provider to take the end.
Turn = Literal["source", "provider", "end"]


def seconds_of(turn: Turn, idle: float, first_byte: float) -> float:
    """How long is waited for them: a head has `first_byte` from the moment that the provider has all of the request."""
    return {"source": math.inf, "provider": idle, "end": idle + first_byte}[turn]


class Upload:
    """The chunks of a body for a client to send.

    The chunk that completes the announced length leaves only when the source has ended: a source that fails at its very
    end, or goes on, is thus never taken for a whole body.

    Attributes:
        failure: what the source raised, or None; it is what the call raises, unchanged.
        length: in bytes, or None where it is not known.
        turn: called each time that somebody else is waited for.
    """

    def __init__(self, source: AsyncIterable[bytes], length: int | None) -> None:
        self.failure: Exception | None = None
        self.length = length
        self.turn: Callable[[Turn], None] = _unwatched
        self._cut: Callable[[], None] | None = None
        self._source = aiter(source)
        self._sent = 0
        self._last = b""
        self._over = False

    @classmethod
    def of(cls, request: UpstreamRequest) -> "Upload | None":
        """The upload of `request`, or None where it has no body."""
        if request.body is None:
            return None
        if isinstance(request.body, bytes):
            return cls(_Slices(request.body), len(request.body))
        return cls(request.body, request.content_length)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk, never an empty one.

        Raises:
            UpstreamRefusedError: the source is not as long as it said.
        """
        self.turn("source")
        try:
            chunk = await self._next()
        except StopAsyncIteration:
            self.turn("end")
            raise
        except Exception as failure:
            self.failure = failure
            if self._cut is not None:
                self._cut()
            raise
        self.turn("provider")
        return chunk

    def cut(self, connection: Callable[[], None]) -> None:
        """Call `connection` when the source fails, or now if it has: for an answer that came before the body's end."""
        self._cut = connection
        if self.failure is not None:
            connection()

    async def _next(self) -> bytes:
        while not self._over:
            try:
                chunk = await anext(self._source)
            except StopAsyncIteration:
                break
            self._sent += len(chunk)
            if self.length is not None and self._sent > self.length:
                msg = "the body is longer than announced"
                raise UpstreamRefusedError(msg)
            if chunk and self._sent == self.length:
                self._last = chunk
            elif chunk:
                return chunk
        return self._end()

    def _end(self) -> bytes:
        if not self._over and self.length is not None and self._sent != self.length:
            msg = "the body is shorter than announced"
            raise UpstreamRefusedError(msg)
        self._over = True
        last, self._last = self._last, b""
        if not last:
            raise StopAsyncIteration
        return last


def _unwatched(turn: Turn) -> None:
    del turn


class _Slices:
    """Bytes in pieces that a client can send while others are served."""

    def __init__(self, whole: bytes) -> None:
        self._starts = iter(range(0, len(whole), SLICE))
        self._whole = whole

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        for start in self._starts:
            return self._whole[start : start + SLICE]
        raise StopAsyncIteration
