"""Who signs checkpoints: one worker at a time, by a lease of the store.

The lease keeps workers from doing the same work. That no two of them sign one chain into two histories hangs on no
clock: a checkpoint is stored in place of the very one that it goes on from, and published only then.

Source: architecture "State, and many workers"; contracts 6.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import final

from apikeychain.errors import BackendUnavailableError, ConflictError
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM

LEASE = "checkpoints"
LEASE_SECONDS = 60.0
_RENEW_SECONDS = 20.0
# The worker that makes the rounds of every minute keeps that for so long, so that the others need not look.
CLOCK_LEASE = "checkpoints-clock"
CLOCK_SECONDS = 90.0
_ASK_SECONDS = 0.1


class TurnLostError(Exception):
    """Another worker signs now; what was not stored yet is left to it."""


@final
class Turn:
    """The turn to sign, while it is held.

    Args:
        store: that has the lease.
        clock: seconds that only grow.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._clock, self._renewed = store, clock, 0.0

    async def keep(self) -> None:
        """Renew it where that is time.

        Raises:
            TurnLostError: another worker has it.
        """
        if self._clock() >= self._renewed + _RENEW_SECONDS and not await self.take():
            raise TurnLostError

    async def take(self) -> bool:
        """Whether it is ours now."""
        self._renewed = self._clock()
        return await lease(self._store, LEASE, LEASE_SECONDS)


@asynccontextmanager
async def turn(store: Store, clock: Callable[[], float], *, wait_seconds: float) -> AsyncGenerator[Turn, None]:
    """The turn, let go at the end.

    Args:
        store: that has the lease.
        clock: seconds that only grow.
        wait_seconds: for how long to ask for it.

    Raises:
        ConflictError: another worker has it for longer.
    """
    mine, end = Turn(store, clock), clock() + wait_seconds
    while not await mine.take():
        if clock() >= end:
            msg = "another worker is signing checkpoints: try again"
            raise ConflictError(msg)
        await asyncio.sleep(_ASK_SECONDS)
    try:
        yield mine
    finally:
        # Where the store is away the lease ends by itself.
        with contextlib.suppress(BackendUnavailableError):
            await lease(store, LEASE, 0)


async def lease(store: Store, name: str, seconds: float, tenant: TenantId = PLATFORM) -> bool:
    """Whether a lease, of the platform or of a tenant, is ours for so long."""
    async with store.tenant(tenant) as records:
        return await records.lease(name, seconds)
