"""A notary, its store, its keys and its witnesses, and clocks that the test turns."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger.notary import Notary
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.model.ledger_records import CheckpointKeys, SignedChain
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.store import Store, TenantStore
from apikeychain.ports.witness import Witness
from apikeychain.proof.checkpoint import Statement, verify_checkpoint
from apikeychain.proof.note import VerifierKey, parse_keys
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.checkpoints import checkpoint_of
from apikeychain.testing.records import tenant
from apikeychain.vault.key_services import KeyServices

ACME, OTHER = TenantId("acme"), TenantId("other")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ORIGIN = "gate.example.com/ledger"


def drafts(count: int) -> list[LedgerDraft]:
    return [LedgerDraft(at=NOON, kind="call", actor="gate", data={"n": n}) for n in range(count)]


class Clocks:
    """Of the wall and of a worker, turned together."""

    def __init__(self) -> None:
        self.past = 0.0

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.past)

    def seconds(self) -> float:
        return self.past


class House:
    """What notaries share, as the workers of one keychain do."""

    def __init__(self, store: Store, keys: KeyService | None = None) -> None:
        self.store, self.keys, self.clocks = store, keys or MemoryKeyService(), Clocks()

    def notary(self, *witnesses: Witness, store: Store | None = None, origin: str = ORIGIN) -> Notary:
        """One of a worker of its own."""
        return Notary(
            store or self.store,
            KeyServices(self.keys),
            witnesses,
            origin=origin,
            now=self.clocks.now,
            clock=self.clocks.seconds,
        )

    async def write(self, *tenants: TenantId, count: int = 1) -> None:
        await self.store.append_many({tenant: drafts(count) for tenant in tenants})

    async def pairs(self) -> Sequence[CheckpointKeys]:
        async with self.store.reading(PLATFORM) as rows:
            return await rows.list(CheckpointKeys, (), 100)

    async def public(self, *places: int) -> list[VerifierKey]:
        """The keys of all pairs, or of those at these places."""
        pairs = await self.pairs()
        wanted: Iterable[CheckpointKeys] = [pairs[place] for place in places] if places else pairs
        return [key for pair in wanted for key in parse_keys(pair.public)]

    async def record(self, tenant: TenantId = ACME) -> SignedChain | None:
        async with self.store.reading(tenant) as rows:
            return await rows.get(SignedChain, ())

    async def said(self, tenant: TenantId = ACME) -> Statement:
        """What the stored checkpoint says, which was verified."""
        record = await self.record(tenant)
        assert record is not None
        return verify_checkpoint(checkpoint_of(record), await self.public())

    async def head(self, tenant: TenantId = ACME) -> Head:
        async with self.store.reading(tenant) as rows:
            return await rows.head()

    async def kinds(self, tenant: TenantId = PLATFORM) -> list[str]:
        async with self.store.reading(tenant) as rows:
            return [entry.kind for entry in await rows.entries(0, 1000)]


async def settle(store: Store, *tenants: TenantId) -> None:
    """Make the tenants, with an entry each."""
    for one in tenants:
        async with store.tenant(one) as rows:
            await rows.insert(tenant(one))
            await rows.append(drafts(1))


class Breaking(MemoryStore):
    """A store in memory that fails, as where a worker is killed, at the checkpoint of one tenant or right behind it.

    Attributes:
        at: the tenant; `late`: whether what was done until then stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at: TenantId | None = None
        self.late = False

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncIterator[TenantStore]:  # type: ignore[override]  # of the port
        async with super().tenant(tenant) as rows:
            yield rows
            breaks = tenant == self.at and await rows.get(SignedChain, ()) is not None
            if breaks and not self.late:
                raise BackendUnavailableError
        if breaks:
            raise BackendUnavailableError


async def changed(store: Store, tenant: TenantId, kind: type[CheckpointKeys | SignedChain], **fields: Any) -> None:
    """Write other fields into the one record of that kind, as whoever may write to the database."""
    async with store.tenant(tenant) as rows:
        (record,) = await rows.list(kind, (), 2)
        await rows.replace(replace(record, **fields), record.generation)
