"""A store of one's own: every tenant is one JSON file of records and entries, replaced whole at each commit.

It is small, and honest about what a store is: a transaction is a private copy that takes the place of the original at
a clean exit, and a record goes in and comes out unchanged. It is for one process and for small data: each commit
writes all of a tenant anew, and a power cut between the files of two tenants leaves `append_many` half done. Hand it
to the keychain in place of its own::

    keychain = APIKeyChain.embedded("./apikeychain-data", store=FolderStore("./tenants"))

The contract that every store keeps is `apikeychain.testing.store.StoreContract`: subclass it in your tests, and pytest
holds yours to each clause. Run this file to see what one tenant leaves behind::

    python examples/custom_store.py
"""

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

from apikeychain import APIKeyChain
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError
from apikeychain.model.codec import dump, load
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import NO_TIME, Head, LedgerDraft, LedgerEntry
from apikeychain.model.records import CHAIN_KINDS, KINDS, Key, Project, ProjectName, Record, Tenant

R = TypeVar("R", bound=Record)
_Records = dict[tuple[str, Key], Record]
_OF_A_PROJECT = KINDS.keys() - CHAIN_KINDS - {Tenant.kind, Project.kind, ProjectName.kind}
_Leases = dict[str, tuple[str, float]]


@dataclass(slots=True)
class TenantFile:
    """What is kept of one tenant. A lease is its holder and the second at which it ends."""

    records: _Records = field(default_factory=dict[tuple[str, Key], Record])
    entries: list[LedgerEntry] = field(default_factory=list[LedgerEntry])
    leases: _Leases = field(default_factory=dict[str, tuple[str, float]])

    @classmethod
    def parse(cls, text: str) -> "TenantFile":
        """The reverse of `text`."""
        stored = json.loads(text)
        records = [load(KINDS[kind], body) for kind, body in stored["records"]]
        return cls(
            records={(record.kind, record.key): record for record in records},
            entries=[_entry(*entry) for entry in stored["entries"]],
            leases={name: (holder, until) for name, (holder, until) in stored["leases"].items()},
        )

    def require_owners(self) -> None:
        """Raise ConflictError where a record has no tenant, or no project of its own."""
        for kind, key in self.records:
            project = (key[0],) if kind in _OF_A_PROJECT else None
            orphan = project is not None and (Project.kind, project) not in self.records
            # What a ledger needs belongs to its chain, which may be there without a tenant.
            if orphan or (kind not in CHAIN_KINDS and (Tenant.kind, ()) not in self.records):
                msg = f"a {kind} would be left without its owner"
                raise ConflictError(msg)

    @property
    def text(self) -> str:
        """All of it as JSON."""
        records = [(record.kind, dump(record)) for record in self.records.values()]
        entries = [(e.tenant, e.seq, e.payload.decode(), e.hash.hex()) for e in self.entries]
        return json.dumps({"records": records, "entries": entries, "leases": self.leases})


class Folder:
    """The files of all tenants, and one lock for whoever writes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()

    @property
    def turn(self) -> asyncio.Lock:
        """The lock of transactions; a new one in a new event loop."""
        if self._loop is not asyncio.get_running_loop():
            self._loop, self._lock = asyncio.get_running_loop(), asyncio.Lock()
        return self._lock

    def tenants(self) -> list[TenantId]:
        """Whoever has a file."""
        try:
            return [TenantId(file.stem) for file in self._path.iterdir() if file.suffix == ".tenant"]
        except OSError:
            raise BackendUnavailableError from None

    def read(self, tenant: TenantId) -> TenantFile:
        """A private copy of what is kept of `tenant`."""
        self.tenants()
        file = self._path / f"{tenant}.tenant"
        return TenantFile.parse(file.read_text()) if file.exists() else TenantFile()

    def write(self, tenant: TenantId, kept: TenantFile) -> None:
        """Put `kept` in the place of what was there, in one step of the file system."""
        draft = self._path / f"{tenant}.draft"
        draft.write_text(kept.text)
        draft.replace(self._path / f"{tenant}.tenant")


class FolderStore:
    """See `apikeychain.ports.store.Store`.

    Args:
        path: a folder that exists and is yours alone: it holds wrapped keys.
        holder: the name of this worker, for leases.
    """

    def __init__(self, path: str | Path, holder: str = "one") -> None:
        self._folder, self._holder = Folder(Path(path)), holder

    def sibling(self, holder: str) -> "FolderStore":
        """Another worker of this process on the same folder."""
        store = FolderStore("", holder)
        store._folder = self._folder
        return store

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        """See Store.tenant_of."""
        key = (Project.kind, (project,))
        return next((t for t in self._folder.tenants() if key in self._folder.read(t).records), None)

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        """See Store.tenants."""
        found = [t for t in self._folder.tenants() if (Tenant.kind, ()) in self._folder.read(t).records]
        return sorted(tenant for tenant in found if tenant > after)[:limit]

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """See Store.append_many."""
        async with self._folder.turn, AsyncExitStack() as stack:
            rooms = {t: await stack.enter_async_context(self._transaction(t)) for t in payloads}
            return {tenant: await room.append(payloads[tenant]) for tenant, room in rooms.items()}

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator["FolderTenantStore", None]:
        """See Store.tenant."""
        async with self._folder.turn, self._transaction(tenant) as room:
            yield room

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator["FolderTenantReader", None]:
        """See Store.reading. A file is replaced in one step, so that nobody has to wait."""
        yield FolderTenantReader(tenant, self._folder.read(tenant))

    @asynccontextmanager
    async def _transaction(self, tenant: TenantId) -> AsyncGenerator["FolderTenantStore", None]:
        kept = self._folder.read(tenant)
        yield FolderTenantStore(tenant, kept, self._holder)
        kept.require_owners()
        self._folder.write(tenant, kept)


class FolderTenantReader:
    """See `apikeychain.ports.store.TenantReader`. Reads a private copy."""

    def __init__(self, tenant: TenantId, kept: TenantFile) -> None:
        self._tenant, self._kept = tenant, kept

    async def get(self, kind: type[R], key: Key) -> R | None:
        """See TenantReader.get."""
        return cast("R | None", self._kept.records.get((kind.kind, key)))

    async def list(self, kind: type[R], after: Key, limit: int) -> Sequence[R]:
        """See TenantReader.list."""
        keys = sorted(key for of, key in self._kept.records if of == kind.kind and (not after or key > after))
        return [cast("R", self._kept.records[kind.kind, key]) for key in keys[:limit]]

    async def entries(self, after: int, limit: int) -> Sequence[LedgerEntry]:
        """See TenantReader.entries."""
        return self._kept.entries[after : after + limit]

    async def head(self) -> Head:
        """See TenantReader.head."""
        return self._kept.entries[-1].head if self._kept.entries else Head.empty(self._tenant)


class FolderTenantStore(FolderTenantReader):
    """See `apikeychain.ports.store.TenantStore`. Changes the private copy."""

    def __init__(self, tenant: TenantId, kept: TenantFile, holder: str) -> None:
        super().__init__(tenant, kept)
        self._holder = holder

    async def insert(self, record: Record) -> None:
        """See TenantStore.insert."""
        if (record.kind, record.key) in self._kept.records:
            msg = f"there is such a {record.kind} already"
            raise AlreadyExistsError(msg)
        self._kept.records[record.kind, record.key] = record

    async def replace(self, record: Record, generation: int) -> None:
        """See TenantStore.replace."""
        self._require(record.kind, record.key, generation)
        self._kept.records[record.kind, record.key] = record

    async def replace_all(self, records: Sequence[Record]) -> None:
        """See TenantStore.replace_all."""
        for record in records:
            await self.replace(record, record.generation - 1)

    async def remove(self, kind: type[Record], key: Key, generation: int) -> None:
        """See TenantStore.remove."""
        self._require(kind.kind, key, generation)
        del self._kept.records[kind.kind, key]

    async def append(self, payloads: Sequence[LedgerDraft]) -> Head:
        """See TenantStore.append."""
        head = await self.head()
        for draft in payloads:
            self._kept.entries.append(draft.behind(head))
            head = self._kept.entries[-1].head
        return head

    async def retain(self, first: int, last: int, payload: LedgerDraft) -> Head:
        """See TenantStore.retain."""
        (await self.head()).require_entries(first, last)
        entries = self._kept.entries
        entries[first - 1 : last] = [entry.dropped() for entry in entries[first - 1 : last]]
        return await self.append([payload])

    async def lease(self, name: str, seconds: float) -> bool:
        """See TenantStore.lease."""
        now = time.time()
        holder, until = self._kept.leases.get(name, (self._holder, now))
        if holder != self._holder and until > now:
            return False
        self._kept.leases[name] = (self._holder, now + seconds)
        return True

    def _require(self, kind: str, key: Key, generation: int) -> None:
        stored = self._kept.records.get((kind, key))
        if stored is None or stored.generation != generation:
            msg = f"the {kind} was changed or removed in the meantime"
            raise ConflictError(msg)


def _entry(tenant: str, seq: int, payload: str, digest: str) -> LedgerEntry:
    """An entry whose other columns are what its payload says, where it was not dropped."""
    said = json.loads(payload or "{}")
    return LedgerEntry(
        tenant=TenantId(tenant),
        seq=seq,
        at=datetime.fromisoformat(said["at"]) if payload else NO_TIME,
        kind=said.get("kind", ""),
        actor=said.get("actor", ""),
        project=said.get("project"),
        payload=payload.encode(),
        hash=bytes.fromhex(digest),
    )


async def main() -> None:
    """One tenant, one project, and what they leave in the folder."""
    with tempfile.TemporaryDirectory() as folder:
        async with APIKeyChain.in_memory(store=FolderStore(folder)) as keychain:
            acme = await keychain.create_tenant("acme")
            await acme.create_project("storefront")
            for entry in await acme.entries():
                print(entry.seq, entry.kind)
        files = await asyncio.to_thread(lambda: list(Path(folder).iterdir()))
        print(*sorted(file.name for file in files))


if __name__ == "__main__":
    asyncio.run(main())
