"""A few of the threads that all of a process waits for, kept apart for what may take long.

Python lends a loop five threads on one processor, and one more for each further one; names are resolved in them, and
ledgers of a file are written. Whoever may need seconds of one, or for ever where a disk hangs, takes one of its own few
places for that. A place is free again when its thread has ended, not when nobody waits for it any more.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar, final

from apikeychain.loops import OfLoop

T = TypeVar("T")


@final
class ThreadPlaces:
    """Places for deeds in threads. In each event loop there are as many.

    Args:
        most: how many deeds are done at once; the others wait.
    """

    def __init__(self, most: int) -> None:
        self._places = OfLoop(lambda: asyncio.Semaphore(most))

    async def bring(self, deed: Callable[[], T]) -> T:
        """What a deed brings, done in a thread; raises what it raises. One that began goes on to its end."""
        places = self._places.here()
        await places.acquire()

        def leave(ended: asyncio.Future[T]) -> None:
            places.release()
            # Looked at in any case: where nobody waits any more, asyncio would log it as never retrieved.
            _ = ended.cancelled() or ended.exception()

        running = asyncio.ensure_future(asyncio.to_thread(deed))
        running.add_done_callback(leave)
        return await asyncio.shield(running)
