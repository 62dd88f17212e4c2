"""An event loop in a thread of its own, with one connection, where no statement waits for its turn behind calls.

A group of ledger entries takes the driver more than fifty turns of its loop. Where many calls are under way each turn
is long, and a group that took seconds would have calls refused, since their entries could not be written.
"""

import asyncio
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, TypeVar, final

from sqlalchemy.ext.asyncio import AsyncEngine

from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.postgres.engine import Connections
from apikeychain.threads import brought

T = TypeVar("T")


@final
class Aside:
    """The loop, which begins with the first deed; after `close` it may begin anew.

    Args:
        engine: that nobody else uses.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine, self._connections = engine, Connections(engine, 1)
        self._loop: asyncio.AbstractEventLoop | None = None

    async def bring(self, deed: Callable[[Connections], Coroutine[Any, Any, T]]) -> T:
        """What a deed with the connection brings, see `brought`."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            Thread(target=_run, args=(self._loop,), name="apikeychain-postgres", daemon=True).start()
        return await brought(asyncio.run_coroutine_threadsafe(deed(self._connections), self._loop))

    async def close(self) -> None:
        """Close the engine, and let the thread end."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        try:
            with told_as_ours():
                await brought(asyncio.run_coroutine_threadsafe(self._engine.dispose(), loop))
        finally:
            loop.call_soon_threadsafe(loop.stop)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()
