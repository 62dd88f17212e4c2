"""What workers that ended uncleanly may have lost is stated in the chains, by whichever worker finds them first.

A worker is dead where it was not seen for 30 s and its lease is free: whoever takes that states for it. For each of its
notes the chain of the tenant gets a `gap` entry, then the note goes; last, the chain of the platform gets one, and the
worker goes. A sweeper that dies between an entry and its note leaves an entry that the next one repeats, and none that
is missing. The worker's record counts what was stated, so that the chain of the platform says as much in any case.

What cannot be stated, because a chain is damaged, stays noted and is tried again.

Source: contracts 6 (after an unclean end the next one writes a gap entry); pitfalls 50 (loss is counted and chained).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import final

from apikeychain.errors import BackendUnavailableError, DoesNotExistError
from apikeychain.frames import frames_of
from apikeychain.ledger.notes import Notes, lease_of
from apikeychain.listing import every
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.ports.store import Store, TenantStore
from apikeychain.rules.allowances import gap_of, gap_of_all, is_overdue
from apikeychain.rules.chain import PLATFORM
from apikeychain.telemetry import gap_stated, reach

_LEASE = "sweep"
_log = logging.getLogger("apikeychain.ledger")


@final
class Sweeper:
    """States what others may have lost.

    Args:
        store: where chains and notes are.
        notes: of the worker that sweeps.
        now: the wall clock.
    """

    def __init__(self, store: Store, notes: Notes, now: Callable[[], datetime]) -> None:
        self._store, self._notes, self._now, self._terms = store, notes, now, notes.terms

    async def run(self) -> None:
        """Sweep again and again, until cancelled: from the first call on, or 10 s after the start.

        Who opens a keychain for a moment, as a command does, leaves that to those who serve.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._terms.renewal):
                await self._notes.serving.wait()
        while True:
            await self._try()
            await asyncio.sleep(self._terms.sweep)

    async def _try(self) -> None:
        try:
            await reach("store", self.sweep())
        except BackendUnavailableError:
            pass
        except Exception as error:  # noqa: BLE001 - it is tried again, and must not end the background work
            _log.error("what other workers lost could not be stated\n%s", frames_of(error))

    async def sweep(self) -> None:
        """State for every worker that is dead, unless another one is sweeping."""
        for worker in await self._overdue():
            await self._state(worker)

    async def _overdue(self) -> list[str]:
        async with self._store.tenant(PLATFORM) as platform:
            if not await platform.lease(_LEASE, self._terms.sweep):
                return []
            found = await every(platform, Worker)
        return [worker.id for worker in found if self._is_overdue(worker)]

    def _is_overdue(self, worker: Worker) -> bool:
        return worker.id != self._notes.worker and is_overdue(worker, self._now(), self._terms.lease)

    async def _state(self, worker: str) -> None:
        async with self._store.tenant(PLATFORM) as platform:
            dead = await self._held(platform, worker)
            notes = await every(platform, OpenEntries, worker) if dead else []
        for note in notes:
            if dead is not None and await self._add(note.tenant, gap_of(dead, note, self._now())):
                dead = await self._strike(note)
        if dead is not None:
            await self._end(worker)

    async def _held(self, platform: TenantStore, worker: str) -> Worker | None:
        """The worker, where it is dead and this one states for it."""
        stored = await platform.get(Worker, (worker,))
        if stored is None or not self._is_overdue(stored):
            return None
        return stored if await platform.lease(lease_of(worker), self._terms.lease) else None

    async def _add(self, tenant: TenantId, gap: LedgerDraft) -> bool:
        """Put it into the chain of the tenant; where that is gone, into the one of the platform."""
        try:
            await self._store.append_many({tenant: [gap]})
        except BackendUnavailableError:
            raise
        except DoesNotExistError:
            await self._store.append_many({PLATFORM: [replace(gap, data={**gap.data, "tenant": tenant})]})
        except Exception as error:  # noqa: BLE001 - one chain that cannot be gone on with keeps no other waiting
            _log.error("tenant %s: what a worker may have lost cannot be stated: %s", tenant, type(error).__name__)
            return False
        gap_stated()
        return True

    async def _strike(self, note: OpenEntries) -> Worker | None:
        """Take away a note that was stated; the worker, where this one still states for it."""
        async with self._store.tenant(PLATFORM) as platform:
            dead = await self._held(platform, note.worker)
            if dead is not None:
                dead = replace(dead, stated=dead.stated + note.at_most, generation=dead.generation + 1)
                await platform.remove(OpenEntries, note.key, note.generation)
                await platform.replace(dead, dead.generation - 1)
        return dead

    async def _end(self, worker: str) -> None:
        async with self._store.tenant(PLATFORM) as platform:
            dead = await self._held(platform, worker)
            if dead is None or await every(platform, OpenEntries, worker):
                return
            await platform.append([gap_of_all(dead, self._now())])
            await platform.remove(Worker, dead.key, dead.generation)
        gap_stated()
        _log.warning("worker %s ended uncleanly: at most %d calls have no entry", worker, dead.stated)
