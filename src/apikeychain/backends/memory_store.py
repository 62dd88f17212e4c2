"""A store in the memory of one process: for tests, and to show in one file what a store is."""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar, cast

from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry, chained
from apikeychain.model.records import CHAIN_KINDS, Key, Project, ProjectName, Record, Tenant

R = TypeVar("R", bound=Record)


@dataclass(slots=True)
class _Room:
    """What is kept of one tenant. A lease is its holder and when it ends."""

    records: dict[tuple[str, Key], Record] = field(default_factory=dict[tuple[str, Key], Record])
    entries: list[LedgerEntry] = field(default_factory=list[LedgerEntry])
    leases: dict[str, tuple[object, float]] = field(default_factory=dict[str, tuple[object, float]])


@dataclass(slots=True)
class _House:
    """All rooms, and whose turn it is."""

    rooms: dict[TenantId, _Room] = field(default_factory=dict[TenantId, _Room])
    reachable: bool = True
    loop: asyncio.AbstractEventLoop | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def turn(self) -> asyncio.Lock:
        """The lock of transactions, one for each loop: loops come one after the other."""
        loop = asyncio.get_running_loop()
        if loop is not self.loop:
            self.loop, self.lock = loop, asyncio.Lock()
        return self.lock

    def reach(self) -> None:
        """Raise BackendUnavailableError while the house is made unreachable."""
        if not self.reachable:
            msg = "the store was made unreachable"
            raise BackendUnavailableError(msg)

    def owner(self, project: ProjectId) -> TenantId | None:
        """Whose project this is."""
        key = (Project.kind, (project,))
        return next((tenant for tenant, room in self.rooms.items() if key in room.records), None)


class MemoryStore:
    """Keeps everything in memory. See Store."""

    def __init__(self) -> None:
        self._house = _House()
        self._holder = object()

    @property
    def reachable(self) -> bool:
        """Whether verbs work; set to False, all fail as with a lost database, so that tests can pull the plug."""
        return self._house.reachable

    @reachable.setter
    def reachable(self, reachable: bool) -> None:
        self._house.reachable = reachable

    def sibling(self) -> "MemoryStore":
        """A store on the same data, as another worker has one: it holds leases of its own."""
        store = MemoryStore()
        store._house = self._house
        return store

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        """See Store.tenant_of."""
        self._house.reach()
        return self._house.owner(project)

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        """See Store.tenants."""
        self._house.reach()
        rooms = self._house.rooms.items()
        return sorted(tenant for tenant, room in rooms if (Tenant.kind, ()) in room.records and tenant > after)[:limit]

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """See Store.append_many."""
        async with self._house.turn():
            self._house.reach()
            stores = {tenant: MemoryTenantStore(self._house, tenant, self._holder) for tenant in payloads}
            heads = {tenant: await store.append(payloads[tenant]) for tenant, store in stores.items()}
            for store in stores.values():
                store.commit()
            return heads

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> "AsyncGenerator[MemoryTenantStore, None]":
        """See Store.tenant."""
        async with self._house.turn():
            self._house.reach()
            store = MemoryTenantStore(self._house, tenant, self._holder)
            yield store
            store.commit()

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> "AsyncGenerator[MemoryTenantReader, None]":
        """See Store.reading."""
        self._house.reach()
        yield MemoryTenantReader(self._house, tenant)


class MemoryTenantReader:
    """See TenantReader. What it shows stays as it is: a commit puts other collections in the place of these."""

    def __init__(self, house: _House, tenant: TenantId) -> None:
        self._house, self._tenant = house, tenant
        room = house.rooms.get(tenant, _Room())
        self._records, self._entries = room.records, room.entries

    async def get(self, kind: type[R], key: Key) -> R | None:
        """See TenantReader.get."""
        self._house.reach()
        return cast("R | None", self._records.get((kind.kind, key)))

    async def list(self, kind: type[R], after: Key, limit: int) -> Sequence[R]:
        """See TenantReader.list."""
        self._house.reach()
        keys = sorted(key for of, key in self._records if of == kind.kind and (not after or key > after))
        return [cast("R", self._records[kind.kind, key]) for key in keys[:limit]]

    async def entries(self, after: int, limit: int) -> Sequence[LedgerEntry]:
        """See TenantReader.entries."""
        self._house.reach()
        start = max(after, 0)
        return self._entries[start : start + limit]

    async def head(self) -> Head:
        """See TenantReader.head."""
        self._house.reach()
        return self._entries[-1].head if self._entries else Head.empty(self._tenant)


class MemoryTenantStore(MemoryTenantReader):
    """See TenantStore. Works on copies, and puts them in place of the originals at `commit`."""

    def __init__(self, house: _House, tenant: TenantId, holder: object) -> None:
        super().__init__(house, tenant)
        self._records, self._entries = self._records.copy(), self._entries.copy()
        self._leases = house.rooms.get(tenant, _Room()).leases.copy()
        self._holder, self._changed = holder, False

    async def insert(self, record: Record) -> None:
        """See TenantStore.insert."""
        self._house.reach()
        taken = isinstance(record, Project) and self._house.owner(record.id) not in {None, self._tenant}
        if taken or (record.kind, record.key) in self._records:
            msg = f"there is such a {record.kind} already"
            raise AlreadyExistsError(msg)
        self._records[record.kind, record.key] = record
        self._changed = True

    async def replace(self, record: Record, generation: int) -> None:
        """See TenantStore.replace."""
        self._require(record.kind, record.key, generation)
        self._records[record.kind, record.key] = record

    async def replace_all(self, records: Sequence[Record]) -> None:
        """See TenantStore.replace_all."""
        for record in records:
            await self.replace(record, record.generation - 1)

    async def remove(self, kind: type[Record], key: Key, generation: int) -> None:
        """See TenantStore.remove."""
        self._require(kind.kind, key, generation)
        del self._records[kind.kind, key]
        self._changed = True

    async def append(self, payloads: Sequence[LedgerDraft]) -> Head:
        """See TenantStore.append."""
        head = await self.head()
        self._entries += chained(head, payloads)
        return self._entries[-1].head if payloads else head

    async def retain(self, first: int, last: int, payload: LedgerDraft) -> Head:
        """See TenantStore.retain."""
        (await self.head()).require_entries(first, last)
        self._entries[first - 1 : last] = [entry.dropped() for entry in self._entries[first - 1 : last]]
        return await self.append([payload])

    async def lease(self, name: str, seconds: float) -> bool:
        """See TenantStore.lease."""
        self._house.reach()
        now = time.monotonic()
        holder, until = self._leases.get(name, (self._holder, now))
        if holder is not self._holder and until > now:
            return False
        self._leases[name] = (self._holder, now + seconds)
        return True

    def commit(self) -> None:
        """Make what was done last.

        Raises:
            ConflictError: it would leave a record whose tenant or project is not stored.
        """
        self._house.reach()
        if self._changed and self._has_orphans():
            msg = "something belongs to a tenant or project that is not stored"
            raise ConflictError(msg)
        self._house.rooms[self._tenant] = _Room(self._records, self._entries, self._leases)

    def _has_orphans(self) -> bool:
        owned = [key for key in self._records if key[0] != Tenant.kind and key[0] not in CHAIN_KINDS]
        projects = {key for kind, key in owned if kind == Project.kind}
        of_projects = [key for kind, key in owned if kind not in {Project.kind, ProjectName.kind}]
        has_tenant = (Tenant.kind, ()) in self._records
        return (bool(owned) and not has_tenant) or any(key[:1] not in projects for key in of_projects)

    def _require(self, kind: str, key: Key, generation: int) -> None:
        self._house.reach()
        stored = self._records.get((kind, key))
        if stored is None or stored.generation != generation:
            msg = f"the {kind} was changed or removed in the meantime: read it again and repeat"
            raise ConflictError(msg)
