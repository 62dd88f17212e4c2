"""One transaction on one tenant's rows."""

import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Executable, bindparam, func, or_, select

from apikeychain.backends.sql.engine import Statements
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.schema import CHANGES, HEADS, LEASES, LEDGER, SHELVES, Shelf
from apikeychain.backends.sql.scope import OF_ONE_ROW
from apikeychain.backends.sql.tenant_reader import SQLTenantReader, at_key
from apikeychain.errors import AlreadyExistsError, APIKeyChainError, ConflictError
from apikeychain.model.codec import dump
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, rows_behind
from apikeychain.model.records import Key, Project, Record


class SQLTenantStore(SQLTenantReader):
    """See TenantStore.

    Args:
        statements: in a transaction that whoever made it commits and closes.
        holder: who takes leases.
    """

    def __init__(self, statements: Statements, tenant: TenantId, holder: str) -> None:
        super().__init__(statements, tenant)
        self._holder = holder

    async def insert(self, record: Record) -> None:
        """See TenantStore.insert."""
        shelf = SHELVES[record.kind]
        key = dict(zip(shelf.names, record.key, strict=True))
        row = self._scope.insert_new(shelf.table, **key, generation=record.generation, body=dump(record))
        taken = AlreadyExistsError(f"there is such a {record.kind} already")
        if not await self._change(row.execution_options(**OF_ONE_ROW), taken):
            raise taken
        await self._stamp(record.kind, record.key)

    async def replace(self, record: Record, generation: int) -> None:
        """See TenantStore.replace."""
        shelf = SHELVES[record.kind]
        row = self._scope.update(shelf.table).where(at_key(shelf, record.key), shelf.table.c.generation == generation)
        await self._change_one(row.values(generation=record.generation, body=dump(record)), record.kind)
        await self._stamp(record.kind, record.key)

    async def replace_all(self, records: Sequence[Record]) -> None:
        """See TenantStore.replace_all: one trip for each kind, since each keeps the others waiting who write."""
        by_kind: dict[str, list[Record]] = {}
        for record in records:
            by_kind.setdefault(record.kind, []).append(record)
        for kind, of_kind in by_kind.items():
            if await self._change_all(SHELVES[kind], of_kind) != len(of_kind):
                raise _conflict(kind)
            for record in of_kind:
                await self._stamp(kind, record.key)

    async def remove(self, kind: type[Record], key: Key, generation: int) -> None:
        """See TenantStore.remove."""
        shelf = SHELVES[kind.kind]
        row = self._scope.delete(shelf.table).where(at_key(shelf, key), shelf.table.c.generation == generation)
        await self._change_one(row, kind.kind)
        await self._stamp(kind.kind, key)

    async def append(self, payloads: Sequence[LedgerDraft]) -> Head:
        """See TenantStore.append."""
        head = await self.head()
        rows = rows_behind(head, payloads)
        if not rows:
            return head
        await self._change(self._scope.insert(LEDGER), self._damaged_head(), rows=[row._asdict() for row in rows])
        await self._put_head(rows[-1].head, new=not head.size)
        return rows[-1].head

    async def retain(self, first: int, last: int, payload: LedgerDraft) -> Head:
        """See TenantStore.retain."""
        (await self.head()).require_entries(first, last)
        head = await self.append([payload])
        await self._drop_bodies(first, last)
        return head

    async def lease(self, name: str, seconds: float) -> bool:
        """See TenantStore.lease."""
        now = self._now()
        term = {"holder": self._holder, "until_ms": now + int(seconds * 1000)}
        name_is, free = LEASES.c.name == name, or_(LEASES.c.holder == self._holder, LEASES.c.until_ms <= now)
        taken = self._scope.update(LEASES).where(name_is, free).values(**term)
        if await self._change(taken.execution_options(**OF_ONE_ROW)):
            return True
        if await self._rows(self._scope.select(LEASES).where(name_is).execution_options(**OF_ONE_ROW)):
            return False
        await self._change(self._scope.insert(LEASES, name=name, **term).execution_options(**OF_ONE_ROW))
        return True

    async def _drop_bodies(self, first: int, last: int) -> None:
        these = self._scope.update(LEDGER).where(LEDGER.c.seq.between(first, last))
        await self._change(these.values(at="", kind="", actor="", project=None, payload=b""))

    def _now(self) -> Any:  # noqa: ANN401  # a number, or the database's word for one
        """This moment, in milliseconds since 1970."""
        return int(time.time() * 1000)

    async def _change(
        self,
        statement: Executable,
        broken_rule: APIKeyChainError | None = None,
        *,
        rows: Sequence[dict[str, object]] | None = None,
    ) -> int:
        """Execute and return how many rows changed."""
        with told_as_ours(broken_rule):
            return (await self._statements.execute(statement, rows)).rowcount

    async def _change_one(self, statement: Executable, kind: str) -> None:
        if await self._change(statement.execution_options(**OF_ONE_ROW)) != 1:
            raise _conflict(kind)

    async def _change_all(self, shelf: Shelf, records: Sequence[Record]) -> int:
        """Replace records of one kind, and return how many there were to be replaced."""
        keys = [column == bindparam(f"key_{column.name}") for column in shelf.columns]
        before = shelf.table.c.generation == bindparam("before")
        new: dict[str, BindParameter[Any]] = {"generation": bindparam("after"), "body": bindparam("now")}
        return await self._change(
            self._scope.update(shelf.table).where(*keys, before).values(**new), rows=_rows_of(shelf, records)
        )

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

    async def _put_head(self, head: Head, *, new: bool) -> None:
        values: dict[str, Any] = {"size": head.size, "hash": head.hash}
        await self._change(
            self._scope.insert(HEADS, **values) if new else self._scope.update(HEADS).values(**values),
        )


def _rows_of(shelf: Shelf, records: Sequence[Record]) -> list[dict[str, object]]:
    return [
        {
            **{f"key_{name}": part for name, part in zip(shelf.names, record.key, strict=True)},
            "before": record.generation - 1,
            "after": record.generation,
            "now": dump(record),
        }
        for record in records
    ]


def _conflict(kind: str) -> ConflictError:
    return ConflictError(f"the {kind} was changed or removed in the meantime: read it again and repeat")
