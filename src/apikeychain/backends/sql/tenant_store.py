"""One transaction on one tenant's rows."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Executable, RowMapping, and_, func, or_, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from apikeychain.backends.sql.engine import whole
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.schema import CHANGES, HEADS, LEASES, LEDGER, SHELVES, Shelf
from apikeychain.backends.sql.scope import Scope
from apikeychain.errors import AlreadyExistsError, APIKeyChainError, BackendUnavailableError, ConflictError
from apikeychain.model.codec import dump, load
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry, timestamp
from apikeychain.model.records import Key, Project, Record

R = TypeVar("R", bound=Record)
_NO_TIME = datetime.min.replace(tzinfo=UTC)


class SQLTenantStore:
    """See TenantStore.

    Args:
        connection: in a transaction that whoever made it commits and closes.
        holder: who takes leases.
    """

    def __init__(self, connection: AsyncConnection, tenant: TenantId, holder: str) -> None:
        self._connection, self._scope, self._holder = connection, Scope(tenant), holder

    async def get(self, kind: type[R], key: Key) -> R | None:
        """See TenantStore.get."""
        shelf = SHELVES[kind.kind]
        rows = await self._rows(self._scope.select(shelf.table).where(_at(shelf, key)))
        return _record(kind, shelf, rows[0]) if rows else None

    async def list(self, kind: type[R], after: Key, limit: int) -> Sequence[R]:
        """See TenantStore.list."""
        shelf = SHELVES[kind.kind]
        if after and not shelf.columns:
            return []
        found = self._scope.select(shelf.table).where(_beyond(shelf, after))
        return [_record(kind, shelf, row) for row in await self._rows(found.order_by(*shelf.columns).limit(limit))]

    async def insert(self, record: Record) -> None:
        """See TenantStore.insert."""
        shelf = SHELVES[record.kind]
        key = dict(zip(shelf.names, record.key, strict=True))
        row = self._scope.insert(shelf.table, **key, generation=record.generation, body=dump(record))
        await self._change(row, AlreadyExistsError(f"there is such a {record.kind} already"))
        await self._stamp(record.kind, record.key)

    async def replace(self, record: Record, generation: int) -> None:
        """See TenantStore.replace."""
        shelf = SHELVES[record.kind]
        row = self._scope.update(shelf.table).where(_at(shelf, record.key), shelf.table.c.generation == generation)
        await self._change_one(row.values(generation=record.generation, body=dump(record)), record.kind)
        await self._stamp(record.kind, record.key)

    async def remove(self, kind: type[Record], key: Key, generation: int) -> None:
        """See TenantStore.remove."""
        shelf = SHELVES[kind.kind]
        row = self._scope.delete(shelf.table).where(_at(shelf, key), shelf.table.c.generation == generation)
        await self._change_one(row, kind.kind)
        await self._stamp(kind.kind, key)

    async def append(self, payloads: Sequence[LedgerDraft]) -> Head:
        """See TenantStore.append."""
        head = first = await self._head()
        entries: list[LedgerEntry] = []
        for draft in payloads:
            entries.append(draft.behind(head))
            head = entries[-1].head
        if entries:
            await self._change(self._scope.insert(LEDGER), rows=[self._columns(entry) for entry in entries])
            await self._put_head(head, new=not first.size)
        return head

    async def entries(self, after: int, limit: int) -> Sequence[LedgerEntry]:
        """See TenantStore.entries."""
        chain = self._scope.select(LEDGER).where(LEDGER.c.seq > after)
        return [_entry(row) for row in await self._rows(chain.order_by(LEDGER.c.seq).limit(limit))]

    async def lease(self, name: str, seconds: float) -> bool:
        """See TenantStore.lease."""
        now = int(time.time() * 1000)
        term = {"holder": self._holder, "until_ms": now + int(seconds * 1000)}
        name_is, free = LEASES.c.name == name, or_(LEASES.c.holder == self._holder, LEASES.c.until_ms <= now)
        if await self._change(self._scope.update(LEASES).where(name_is, free).values(**term)):
            return True
        if await self._rows(self._scope.select(LEASES).where(name_is)):
            return False
        await self._change(self._scope.insert(LEASES, name=name, **term))
        return True

    async def _rows(self, statement: Executable) -> Sequence[RowMapping]:
        with told_as_ours():
            return (await whole(self._connection.execute(statement))).mappings().all()

    async def _change(
        self,
        statement: Executable,
        broken_rule: APIKeyChainError | None = None,
        *,
        rows: Sequence[dict[str, object]] | None = None,
    ) -> int:
        """Execute and return how many rows changed."""
        with told_as_ours(broken_rule):
            return (await whole(self._connection.execute(statement, rows))).rowcount

    async def _change_one(self, statement: Executable, kind: str) -> None:
        if await self._change(statement) != 1:
            msg = f"the {kind} was changed or removed in the meantime: read it again and repeat"
            raise ConflictError(msg)

    async def _stamp(self, kind: str, key: Key) -> None:
        """Let whoever watches the database see that a project changed, with the change itself."""
        if kind != Project.kind:
            return
        (project,) = key
        # The one look beyond the tenant: a bare number, so that all projects' changes stand in one order.
        following = select(func.coalesce(func.max(CHANGES.c.stamp), 0) + 1).scalar_subquery()
        again = self._scope.update(CHANGES).where(CHANGES.c.project == project).values(stamp=following)
        if not await self._change(again):
            await self._change(self._scope.insert(CHANGES, project=project, stamp=following))

    async def _head(self) -> Head:
        rows = await self._rows(self._scope.select(HEADS).with_for_update())
        if not rows:
            return Head.empty(self._scope.tenant)
        size, value = rows[0]["size"], rows[0]["hash"]
        if not isinstance(size, int) or not isinstance(value, bytes):
            msg = "a stored head cannot be read"
            raise BackendUnavailableError(msg)
        return Head(self._scope.tenant, size, value)

    async def _put_head(self, head: Head, *, new: bool) -> None:
        values: dict[str, Any] = {"size": head.size, "hash": head.hash}
        await self._change(
            self._scope.insert(HEADS, **values) if new else self._scope.update(HEADS).values(**values),
        )

    def _columns(self, entry: LedgerEntry) -> dict[str, object]:
        return {
            "tenant": self._scope.tenant,
            "seq": entry.seq,
            "at": timestamp(entry.at),
            "kind": entry.kind,
            "actor": entry.actor,
            "project": entry.project,
            "payload": entry.payload,
            "hash": entry.hash,
        }


def _at(shelf: Shelf, key: Key) -> ColumnElement[bool]:
    return and_(true(), *(column == part for column, part in zip(shelf.columns, key, strict=True)))


def _beyond(shelf: Shelf, after: Key) -> ColumnElement[bool]:
    """Keys that are greater than `after` as Python compares tuples."""
    if not after:
        return true()
    given, here = shelf.columns[: len(after)], after[: len(shelf.columns)]
    # A longer key that begins with `after` is greater than it.
    return tuple_(*given) >= here if len(given) < len(shelf.columns) else tuple_(*given) > here


def _record(kind: type[R], shelf: Shelf, row: RowMapping) -> R:
    """The record of a row whose columns say the same as its body."""
    record = load(kind, row["body"])
    key = tuple(row[name] for name in shelf.names)
    if record.key != key or record.generation != row["generation"]:
        msg = f"a stored {kind.kind} is not what its key says"
        raise BackendUnavailableError(msg)
    return record


def _entry(row: RowMapping) -> LedgerEntry:
    """The entry as it is stored. An `at` that is no time becomes the year 1, which no payload agrees with."""
    try:
        at = datetime.fromisoformat(row["at"])
    except (ValueError, TypeError):
        at = _NO_TIME
    project = None if row["project"] is None else ProjectId(row["project"])
    return LedgerEntry(
        tenant=TenantId(row["tenant"]),
        seq=row["seq"],
        at=at,
        kind=row["kind"],
        actor=row["actor"],
        project=project,
        payload=_octets(row["payload"]),
        hash=_octets(row["hash"]),
    )


def _octets(value: object) -> bytes:
    """A stored blob. Whoever wrote something else there is found by the hash, not by a crash."""
    return value if isinstance(value, bytes) else str(value).encode()
