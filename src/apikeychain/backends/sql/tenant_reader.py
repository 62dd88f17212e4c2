"""What can be read of one tenant's rows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from sqlalchemy import (
    ColumnElement,
    Executable,
    LargeBinary,
    RowMapping,
    Table,
    and_,
    case,
    cast,
    func,
    true,
    tuple_,
)

from apikeychain.backends.sql.engine import Statements
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.schema import HEADS, LEDGER, SHELVES, Shelf
from apikeychain.backends.sql.scope import OF_ONE_ROW, Scope
from apikeychain.errors import DamagedDataError
from apikeychain.model.codec import load
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import NO_TIME, Head, LedgerEntry, timestamp
from apikeychain.model.records import Key, Record

R = TypeVar("R", bound=Record)
# What an entry can hold as its number; a head at the end of it has no next one.
_MAX_SIZE = (1 << 53) - 1
_HASH_BYTES = 32
# Finer than a payload tells a time.
_GARBLED = NO_TIME + timedelta(microseconds=1)


class SQLTenantReader:
    """See TenantReader.

    Args:
        statements: in a transaction that whoever made it ends.
    """

    scopes: ClassVar[type[Scope]] = Scope

    def __init__(self, statements: Statements, tenant: TenantId) -> None:
        self._statements, self._scope = statements, self.scopes(tenant)

    async def get(self, kind: type[R], key: Key) -> R | None:
        """See TenantReader.get."""
        shelf = SHELVES[kind.kind]
        found = self._scope.select(shelf.table).where(at_key(shelf, key)).execution_options(**OF_ONE_ROW)
        rows = await self._rows(found, self._damaged(kind))
        return self._record(kind, shelf, rows[0]) if rows else None

    async def list(self, kind: type[R], after: Key, limit: int) -> Sequence[R]:
        """See TenantReader.list."""
        shelf = SHELVES[kind.kind]
        if after and not shelf.columns:
            return []
        found = self._scope.select(shelf.table).where(_beyond(shelf, after)).order_by(*shelf.columns).limit(limit)
        return [self._record(kind, shelf, row) for row in await self._rows(found, self._damaged(kind))]

    async def entries(self, after: int, limit: int) -> Sequence[LedgerEntry]:
        """See TenantReader.entries."""
        chain = self._scope.select(LEDGER).where(LEDGER.c.seq > after).order_by(LEDGER.c.seq).limit(limit)
        try:
            return [_entry(row) for row in await self._rows(chain, self._damaged_entry())]
        except DamagedDataError:
            # In SQLite alone: bytes of another coding stand in a text column. Whoever examines the chain needs to
            # know in which entry, so they are read as bytes and become lone surrogates, which no payload holds.
            raw = chain.with_only_columns(*_as_bytes(LEDGER))
            return [_entry(_as_text(row)) for row in await self._rows(raw, self._damaged_entry())]

    async def head(self) -> Head:
        """See TenantReader.head."""
        rows = await self._rows(self._scope.select(HEADS).execution_options(**OF_ONE_ROW), self._damaged_head())
        return head_of(self._scope.tenant, rows[0]) if rows else Head.empty(self._scope.tenant)

    async def _rows(self, statement: Executable, no_text: DamagedDataError | None = None) -> Sequence[RowMapping]:
        with told_as_ours(no_text=no_text):
            return (await self._statements.execute(statement)).mappings().all()

    def _damaged(self, kind: type[R]) -> DamagedDataError:
        return DamagedDataError(f"a stored {kind.kind}", self._scope.tenant)

    def _damaged_entry(self) -> DamagedDataError:
        return DamagedDataError("a ledger entry", self._scope.tenant)

    def _damaged_head(self) -> DamagedDataError:
        """Also where the entries reach beyond it, so that it would fork the chain."""
        return _damaged_head(self._scope.tenant)

    def _record(self, kind: type[R], shelf: Shelf, row: RowMapping) -> R:
        """The record of a row whose columns say the same as its body."""
        key = tuple(row[name] for name in shelf.names)
        try:
            record = load(kind, row["body"])
        except DamagedDataError:
            record = None
        if record is None or record.key != key or record.generation != row["generation"]:
            # Beyond the name, a key may hold a caller's address.
            what = f"the stored {kind.kind} {' '.join(repr(part) for part in key[:2])}".strip()
            raise DamagedDataError(what, self._scope.tenant)
        return record


def head_of(tenant: TenantId, row: RowMapping) -> Head:
    """The end of the tenant's chain as a row of the heads tells it.

    Raises:
        DamagedDataError: it does not.
    """
    size, value = row["size"], row["hash"]
    if (
        not isinstance(size, int)
        or not 0 < size < _MAX_SIZE
        or not isinstance(value, bytes)
        or len(value) != _HASH_BYTES
    ):
        raise _damaged_head(tenant)
    return Head(tenant, size, value)


def _damaged_head(tenant: TenantId) -> DamagedDataError:
    advice = f"restore it from a backup; how far the entries hold says `apikeychain ledger verify {tenant}`"
    return DamagedDataError("the head of the ledger", tenant, advice=advice)


def at_key(shelf: Shelf, key: Key) -> ColumnElement[bool]:
    """That a row of the shelf has the key."""
    return and_(true(), *(column == part for column, part in zip(shelf.columns, key, strict=True)))


def _beyond(shelf: Shelf, after: Key) -> ColumnElement[bool]:
    """Keys that are greater than `after` as Python compares tuples."""
    if not after:
        return true()
    given, here = shelf.columns[: len(after)], after[: len(shelf.columns)]
    # A longer key that begins with `after` is greater than it.
    return tuple_(*given) >= here if len(given) < len(shelf.columns) else tuple_(*given) > here


def _entry(row: RowMapping | dict[str, Any]) -> LedgerEntry:
    """The entry as it is stored. An `at` that is not as it is written becomes one that no payload says."""
    try:
        at = datetime.fromisoformat(row["at"])
    except (ValueError, TypeError):
        at = NO_TIME
    if row["at"] != "" and (at.tzinfo is not UTC or timestamp(at) != row["at"]):
        # It is read as a time from other texts, too.
        at = _GARBLED
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


def _as_bytes(table: Table) -> list[ColumnElement[Any]]:
    """Each column of the table, with texts as their bytes, behind whether it is a text."""
    return [
        part
        for column in table.columns
        for part in (
            (func.typeof(column) == "text").label(f"{column.name} is text"),
            case((func.typeof(column) == "text", cast(column, LargeBinary)), else_=column).label(column.name),
        )
    ]


def _as_text(row: RowMapping) -> dict[str, Any]:
    """A row of `_as_bytes` with its texts as texts again."""
    return {
        name: row[name].decode("utf-8", "surrogateescape") if row[f"{name} is text"] else row[name]
        for name in row
        if not name.endswith(" is text")
    }


def _octets(value: object) -> bytes:
    """A stored blob. Whoever wrote something else there is found by the hash, not by a crash."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")
