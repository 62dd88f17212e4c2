"""What belongs to one event loop, such as a lock: loops come one after the other, and each has one of its own.

And how whoever is cancelled in one waits for what must not be cut.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Generic, TypeVar, final

T = TypeVar("T")


@final
class OfLoop(Generic[T]):
    """One thing of the running loop; that of the loop before it is let go.

    Args:
        make: makes one.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._held: tuple[asyncio.AbstractEventLoop, T] | None = None

    def here(self) -> T:
        """That of the running loop."""
        loop = asyncio.get_running_loop()
        if self._held is None or self._held[0] is not loop:
            self._held = loop, self._make()
        return self._held[1]

    def forget(self) -> None:
        """Let it go."""
        self._held = None


async def until(ended: asyncio.Event) -> None:
    """Wait for it; a cancellation, or a second one, passes on only then."""
    try:
        await ended.wait()
    except asyncio.CancelledError:
        while not ended.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await ended.wait()
        raise
