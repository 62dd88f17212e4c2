"""Streams that are made of another one, or of what is there already.

Source: contracts 4 (a caller that goes away closes the upstream request); PEP 525 (a generator that never started).
"""

from abc import ABC, abstractmethod
from typing import Self

from apikeychain.model.call import ByteStream


class WholeStream:
    """What is there already, as one chunk. See ByteStream."""

    __slots__ = ("_left",)

    def __init__(self, whole: bytes) -> None:
        self._left = whole

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        whole, self._left = self._left, b""
        if not whole:
            raise StopAsyncIteration
        return whole

    async def aclose(self) -> None:
        """Let go of it."""
        self._left = b""


class FilteredStream(ABC):
    """See ByteStream. A class, since a generator that was never started would not close what it wraps."""

    __slots__ = ("_closed", "_ended", "_inner")

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner
        self._ended = self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._ended:
            if piece := await self._next():
                return piece
        raise StopAsyncIteration

    async def aclose(self) -> None:
        """Close what is wrapped, once."""
        self._ended = True
        if not self._closed:
            self._closed = True
            await self._inner.aclose()

    @abstractmethod
    async def _next(self) -> bytes:
        """What comes next; empty where there is nothing yet, and at the end, at which `_ended` is set."""
