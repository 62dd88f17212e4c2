"""A ledger that notes what it may lose, on a store that other workers use too."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from apikeychain.backends.memory_store import MemoryTenantStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger.notes import Notes, Terms
from apikeychain.ledger.slot import Slot
from apikeychain.ledger.sweep import Sweeper
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.rules.chain import PLATFORM
from ledger_house import ACME, House, Wire

# The clock of leases is the machine's.
SHORT = Terms(lease=0.05)
LEASE_SECONDS = 0.06


class Shared(Wire):
    """A store whose transactions can be held up, broken, or committed and not acknowledged, and are counted.

    Attributes:
        letting: cleared, transactions are held up.
        broken: what the next ones raise, before they did anything, each once; None breaks none.
        unheard: how many commits are not acknowledged next.
        transactions: how many began.
    """

    def __init__(self) -> None:
        super().__init__()
        self.letting = asyncio.Event()
        self.letting.set()
        self.broken: list[BaseException | None] = []
        self.unheard = self.transactions = 0

    def beside(self) -> "Shared":
        """As another worker has it."""
        other = Shared()
        other._house = self._house
        return other

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantStore, None]:
        self.transactions += 1
        await self.letting.wait()
        if self.broken and (error := self.broken.pop(0)):
            raise error
        async with super().tenant(tenant) as rows:
            yield rows
        if self.unheard:
            self.unheard -= 1
            raise BackendUnavailableError


class NotedHouse(House):
    """One worker."""

    store: Shared

    def __init__(self, store: Shared | None = None, *, terms: Terms = SHORT, ahead: bool = False) -> None:
        super().__init__(store or Shared(), terms=terms, ahead=ahead)
        assert self.ledger._notes
        self.notes: Notes = self.ledger._notes
        self.sweeper = Sweeper(self.store, self.notes, self.ledger._now)

    def beside(self, seconds: float = 0.0) -> "NotedHouse":
        """Another worker on the same store, whose clock is so many seconds further."""
        other = NotedHouse(self.store.beside(), terms=self.notes.terms)
        other.seconds = self.seconds + seconds
        return other

    async def take(self, tenant: TenantId = ACME, holder: str | None = None) -> Slot:
        """A place, once it is noted."""
        slot = self.ledger.reserve(tenant, holder)
        return slot if slot.is_noted else await slot.note()

    async def take_all(self, count: int, tenant: TenantId = ACME) -> list[Slot]:
        return [await self.take(tenant) for _ in range(count)]

    async def workers(self) -> list[str]:
        """The ids of those that are registered."""
        async with self.store.reading(PLATFORM) as rows:
            return [worker.id for worker in await rows.list(Worker, (), 1000)]

    async def noted(self) -> dict[tuple[str, str], int]:
        """What is noted, by worker and tenant."""
        async with self.store.reading(PLATFORM) as rows:
            return {(note.worker, note.tenant): note.at_most for note in await rows.list(OpenEntries, (), 1000)}

    async def own(self) -> dict[str, int]:
        """What is noted of this worker, by tenant."""
        return {tenant: at_most for (worker, tenant), at_most in (await self.noted()).items() if worker == self.worker}

    @property
    def worker(self) -> str:
        return self.notes.worker

    async def gaps(self, tenant: TenantId = ACME) -> list[dict[str, Any]]:
        """What the chain, which holds, says of losses."""
        found = await self.store.read(tenant)
        return [json.loads(entry.payload)["data"] for entry in found if entry.kind == "gap"]
