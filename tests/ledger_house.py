"""A ledger, its store and its clocks, as tests turn them."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, DamagedDataError
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.notes import Terms
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry

ACME, OTHER = TenantId("acme"), TenantId("other")
PROJECT = ProjectId("p_" + "a" * 20)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Wire(MemoryStore):
    """A store whose appends can be cut off, held up, spoiled by single tenants, or written and not acknowledged.

    Attributes:
        tries: how often it was asked to append anything, or nothing; `groups`: what it was asked to append.
        spoiled: what it raises of the entries of a tenant; `damaged`: whose chains it cannot read.
        lost: how many acknowledgements are still lost.
        bugs: what it raises next, each once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cut = False
        self.spoiled: dict[TenantId, Exception] = {}
        self.damaged: set[TenantId] = set()
        self.passing = asyncio.Event()
        self.passing.set()
        self.groups: list[dict[TenantId, int]] = []
        self.tries = self.lost = 0
        self.bugs: list[BaseException] = []
        self.asked = threading.Event()

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        self.tries += 1
        if self.bugs:
            raise self.bugs.pop()
        if any(payloads.values()):
            self.groups.append({tenant: len(drafts) for tenant, drafts in payloads.items()})
            self.asked.set()
            await self.passing.wait()
        if self.cut:
            raise BackendUnavailableError
        for tenant, drafts in payloads.items():
            if tenant in self.damaged:
                what = "the head of the ledger"
                raise DamagedDataError(what, tenant)
            if drafts and tenant in self.spoiled:
                raise self.spoiled[tenant]
        heads = await super().append_many(payloads)
        if self.lost and any(payloads.values()):
            self.lost -= 1
            raise BackendUnavailableError
        return heads

    async def read(self, tenant: TenantId = ACME) -> Sequence[LedgerEntry]:
        """All entries, once the chain was verified."""
        head = await verify(self, tenant)
        async with self.reading(tenant) as rows:
            return await rows.entries(0, head.size + 1)

    async def numbers(self, tenant: TenantId = ACME) -> list[str]:
        return [entry.actor for entry in await self.read(tenant)]


class House:
    """A ledger, its store, and clocks that the test turns.

    Args:
        terms: of its notes; without any it notes nothing, and no call waits.
    """

    def __init__(self, store: "Wire | None" = None, *, ahead: bool = False, terms: Terms | None = None) -> None:
        self.store = store or Wire()
        self.seconds = 0.0
        self.ledger = Ledger(
            self.store,
            now=lambda: NOON + timedelta(seconds=self.seconds),
            ahead=ahead,
            terms=terms,
            clock=lambda: self.seconds,
        )

    def call(self, number: object = 0, tenant: TenantId = ACME) -> None:
        self.ledger.reserve(tenant).fill(draft(number))


def draft(number: object = 0, kind: str = "call") -> LedgerDraft:
    return LedgerDraft(at=NOON, kind=kind, actor=str(number), project=PROJECT)


def told(entries: Sequence[LedgerEntry]) -> list[tuple[str, str, object]]:
    """Of each entry its kind, its number, and the intent that it names."""
    return [(entry.kind, entry.actor, json.loads(entry.payload)["data"].get("intent")) for entry in entries]


@asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[None]:
    task = asyncio.create_task(ledger.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
