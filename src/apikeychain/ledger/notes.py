"""What a worker may lose, noted in the store before it can lose it, so that an unclean end can be stated afterwards.

- A worker is registered with its first note (`Worker`), under an id that it draws, and holds a lease of that name.
  Every 10 s it says that it lives: it renews the lease for 30 s and the moment at which it was seen.
- For each tenant that has calls open or unwritten there is a note, `OpenEntries`: at no moment are there more of them.
  Whoever would be one too many waits until a greater note was committed. All that wait share one transaction.
- A note goes where nothing was held of its tenant for 60 s. All of them go, and the worker, at an end where everything
  was written.

Who finds that its lease or its record is gone was away from the store for longer than the lease, and taken for dead:
another worker states what it may have lost (`sweep`). It goes on under a new id, with all its notes. Until it finds
that, it holds no more than what was noted, and what it still writes was stated as lost: the statement says "at most".

Source: contracts 6 (a worker notes how many entries it has open per tenant).
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import final

from apikeychain.errors import BackendUnavailableError, LedgerUnavailableError
from apikeychain.frames import frames_of
from apikeychain.ledger.queues import MAX_HELD_OF_TENANT, Queues
from apikeychain.listing import every
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.ports.store import Store, TenantStore
from apikeychain.rules.allowances import grown
from apikeychain.rules.chain import PLATFORM
from apikeychain.telemetry import reach

# What a store lets through that answers at all takes less.
WRITE_SECONDS = 10.0
_log = logging.getLogger("apikeychain.ledger")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How long what holds, in seconds.

    Attributes:
        lease: how long a worker that is not heard of is taken for alive.
        renewal: how often it says that it is.
        idle: how long a note outlives the last entry that it is for.
        sweep: how often it is looked for workers that ended uncleanly.
    """

    lease: float = 30.0
    renewal: float = 10.0
    idle: float = 60.0
    sweep: float = 30.0


TERMS = Terms()


def lease_of(worker: str) -> str:
    """The name of the lease that a living worker holds."""
    return f"worker-{worker}"


@final
class Notes:
    """Those of one worker, in one event loop.

    Args:
        store: where they are.
        queues: what is held, and how much of it may be.
        now: the wall clock; `clock`: that of the queues.

    Attributes:
        worker: its id, once it is registered, or "".
        serving: set with the first note.
        terms: how long what holds.
    """

    def __init__(
        self,
        store: Store,
        queues: Queues,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        terms: Terms = TERMS,
    ) -> None:
        self._store, self._queues, self._now, self._clock = store, queues, now, clock
        self.worker, self.serving, self.terms = "", asyncio.Event(), terms
        self._turn = asyncio.Lock()
        self._wishes: dict[TenantId, asyncio.Future[bool]] = {}
        self._granting: asyncio.Task[None] | None = None
        # Tenants of which the store may have a note, also where nothing is held by it any more.
        self._stored: set[TenantId] = set()
        self._is_closed = False

    async def grow(self, tenant: TenantId) -> None:
        """Wait until more was noted for the tenant; concurrent calls share one wish.

        Raises:
            LedgerUnavailableError: the store does not answer, or the tenant is at its bound, or this is the end.
        """
        if self._is_closed or self._queues.noted.get(tenant, 0) >= MAX_HELD_OF_TENANT:
            raise LedgerUnavailableError
        if not await asyncio.shield(self._wish(tenant)):
            raise LedgerUnavailableError

    def lengthen(self) -> None:
        """Have more noted, in the background, for tenants that a store that is away would close too early."""
        for tenant in self._queues.short:
            if not self._is_closed and self._queues.noted.get(tenant, MAX_HELD_OF_TENANT) < MAX_HELD_OF_TENANT:
                self._wish(tenant)
        self._queues.short.clear()

    def _wish(self, tenant: TenantId) -> "asyncio.Future[bool]":
        if tenant not in self._wishes:
            self._wishes[tenant] = asyncio.get_running_loop().create_future()
        if self._granting is None or self._granting.done():
            self._granting = asyncio.create_task(self._grant())
        return self._wishes[tenant]

    async def _grant(self) -> None:
        """Note what is wished for, all that is there together, until nothing is."""
        while wishes := self._wishes.copy():
            notes = {tenant: grown(self._queues.noted.get(tenant, 0), MAX_HELD_OF_TENANT) for tenant in wishes}
            is_granted = False
            try:
                is_granted = not self._is_closed and await self._commit(notes) and not self._is_closed
            finally:
                for tenant in wishes:
                    if is_granted:
                        self._queues.allow(tenant, notes[tenant])
                    self._wishes.pop(tenant).set_result(is_granted)

    async def run(self) -> None:
        """Say that the worker lives, and take back what is idle, until cancelled."""
        while True:
            await asyncio.sleep(self.terms.renewal)
            await self.attend()

    async def attend(self) -> None:
        """Do that once; a worker of which nothing is to be noted says nothing.

        One of which something was noted, and which an odd failure has left without a name, registers anew with that.
        """
        if self.worker or self._queues.noted:
            self._queues.forget_idle(self._clock(), self.terms.idle)
            await self._commit({})

    def close(self) -> None:
        """Allow nothing more to anybody."""
        self._is_closed = True
        self._queues.close()

    async def take_back(self, seconds: float) -> None:
        """Leave no note and no worker behind: nothing can be lost any more. Waits for at most `seconds`."""
        try:
            async with asyncio.timeout(seconds), self._turn:
                await reach("store", self._remove())
        except Exception as error:  # noqa: BLE001 - whatever keeps them must not keep the keychain open
            _log.warning("the ledger will say that this worker ended uncleanly: %s", type(error).__name__)
        if self._granting is not None:
            self._granting.cancel()

    async def _commit(self, notes: Mapping[TenantId, int]) -> bool:
        """Renew, and put the notes, and remove those that are idle; whether all of that is stored."""
        try:
            async with self._turn, asyncio.timeout(WRITE_SECONDS):
                await reach("store", self._put(notes))
        except (BackendUnavailableError, TimeoutError):
            return False
        except asyncio.CancelledError:
            # One that a plug let out and nobody asked for.
            if (task := asyncio.current_task()) is None or task.cancelling():
                raise
            return False
        except Exception as error:  # noqa: BLE001 - what is stored of this worker is damaged: it starts anew
            _log.error("what this worker may lose could not be noted\n%s", frames_of(error))
            self.worker = ""
            return False
        self.serving.set()
        return True

    async def _put(self, notes: Mapping[TenantId, int]) -> None:
        worker, given = self.worker, self._stored - self._queues.noted.keys() - notes.keys()
        async with self._store.tenant(PLATFORM) as platform:
            if not await self._renew(platform, worker):
                worker, notes = await self._register(platform), {**self._queues.noted, **notes}
            self._stored |= notes.keys()
            for tenant, at_most in notes.items():
                await _put_note(platform, OpenEntries(worker=worker, tenant=tenant, at_most=at_most))
            for tenant in given:
                await _remove(platform, await platform.get(OpenEntries, (worker, tenant)))
        self._stored -= given
        self.worker = worker

    async def _renew(self, platform: TenantStore, worker: str) -> bool:
        """Say that it lives; whether it is not taken for dead."""
        stored = await platform.get(Worker, (worker,)) if worker else None
        if stored is None or not await platform.lease(lease_of(worker), self.terms.lease):
            return False
        await platform.replace(replace(stored, seen=self._now(), generation=stored.generation + 1), stored.generation)
        return True

    async def _register(self, platform: TenantStore) -> str:
        """A new id, and its record."""
        if self.worker:
            _log.warning("this worker was away from the store for so long that it was taken for dead: it starts anew")
        worker, now = secrets.token_hex(8), self._now()
        await platform.lease(lease_of(worker), self.terms.lease)
        await platform.insert(Worker(id=worker, started=now, seen=now))
        return worker

    async def _remove(self) -> None:
        if not self.worker:
            return
        async with self._store.tenant(PLATFORM) as platform:
            for note in await every(platform, OpenEntries, self.worker):
                await _remove(platform, note)
            await _remove(platform, await platform.get(Worker, (self.worker,)))
        self.worker = ""


async def _put_note(platform: TenantStore, note: OpenEntries) -> None:
    """Store it, in place of a smaller one: one that was not acknowledged may stand there."""
    stored = await platform.get(OpenEntries, note.key)
    if stored is None:
        await platform.insert(note)
    elif stored.at_most < note.at_most:
        await platform.replace(replace(note, generation=stored.generation + 1), stored.generation)


async def _remove(platform: TenantStore, record: Worker | OpenEntries | None) -> None:
    if record is not None:
        await platform.remove(type(record), record.key, record.generation)
