"""What other threads do for a loop, and a few of those that all of a process waits for, kept apart for what takes long.

Python lends a loop five threads on one processor, and one more for each further one; names are resolved in them, and
ledgers of a file are written. Whoever may need seconds of one, or for ever where a disk hangs, takes one of its own few
places for that. A place is free again when its thread has ended, not when nobody waits for it any more.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar, final

from apikeychain.loops import OfLoop, until

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


async def brought(deed: Future[T]) -> T:
    """What a deed brings that another thread does; raises what it raises. A cancellation passes on once it has ended.

    It is waited for in two turns of the loop, where a task around it would take four.
    """
    ended = asyncio.Event()
    deed.add_done_callback(partial(_tell, asyncio.get_running_loop(), ended))
    await until(ended)
    return deed.result()


def _tell(loop: asyncio.AbstractEventLoop, ended: asyncio.Event, _: object) -> None:
    """In the thread: tell the loop, where there is still one."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(ended.set)
