"""Whose turn it is: SQLite would have everybody wait in a thread of their own, without an order."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from apikeychain.errors import BackendUnavailableError
from apikeychain.loops import OfLoop


class Turns:
    """So many at a time, in the order they came. Event loops come one after the other.

    Args:
        places: how many at a time.
        seconds: how long anybody waits.
        of: what they do, in the plural, for the error.
    """

    def __init__(self, places: int, seconds: float, of: str) -> None:
        self._seconds, self._of = seconds, of
        self._free = OfLoop(lambda: asyncio.Semaphore(places))

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[None, None]:
        """A place, until the end.

        Raises:
            BackendUnavailableError: none became free in time.
        """
        free = self._free.here()
        try:
            async with asyncio.timeout(self._seconds):
                await free.acquire()
        except TimeoutError:
            msg = f"the store does not answer: too many {self._of} wait"
            raise BackendUnavailableError(msg) from None
        try:
            yield
        finally:
            free.release()
