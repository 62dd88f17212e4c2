"""The SQL store."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sqlalchemy import URL, Executable, RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from apikeychain.backends.sql.chains import append_together
from apikeychain.backends.sql.engine import (
    BUSY_SECONDS,
    READERS,
    Statements,
    Whole,
    connection_of,
    sqlite_engine,
    thread_engine,
    whole,
)
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.opening import migrate
from apikeychain.backends.sql.own_thread import InThread, OwnThread
from apikeychain.backends.sql.schema import CHANGES, PROJECTS, TENANTS
from apikeychain.backends.sql.tenant_reader import SQLTenantReader
from apikeychain.backends.sql.tenant_store import SQLTenantStore
from apikeychain.backends.sql.turns import Turns
from apikeychain.errors import ConflictError, MissingExtraError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft

if TYPE_CHECKING:
    from apikeychain.backends.sql.postgres.store import PostgresStore


class SQLStore:
    """Keeps everything in one SQLite database. See Store.

    An async context manager: entering it creates or migrates the database. It may be left and entered again, from
    another event loop too. A record whose tenant or project is not stored when the transaction ends is ConflictError.

    Args:
        engine: as `sqlite_engine` makes it; it stays the caller's to close.
        busy_seconds: how long a transaction waits for the one of this process before it, and a reading for a place.
    """

    def __init__(self, engine: AsyncEngine, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.engine = engine
        self._busy_seconds = busy_seconds
        self._in_thread = thread_engine(Path(engine.url.database or ""), busy_seconds=busy_seconds)
        self._thread = OwnThread()
        # Whoever changes anything waits for its like first, so that the ledger never waits for more than one of them.
        self._writing, self._changing = (Turns(1, busy_seconds, "transactions") for _ in range(2))
        self._reading = Turns(READERS, busy_seconds, "readings")
        self._holder = secrets.token_hex(16)
        self._owned = False

    @classmethod
    def sqlite(cls, path: str | Path, *, busy_seconds: float = BUSY_SECONDS) -> Self:
        """A store in the SQLite file at `path`, in a folder that exists.

        Args:
            path: of the file; entering the store creates it, readable by its owner only.
            busy_seconds: how long a transaction waits for others, of this process and of any other.
        """
        store = cls(sqlite_engine(Path(path), busy_seconds=busy_seconds), busy_seconds=busy_seconds)
        store._owned = True
        return store

    @staticmethod
    def postgres(
        url_or_engine: str | URL | AsyncEngine, *, trust: str | Path | None = None, pool_size: int = 10
    ) -> "PostgresStore":
        """A store in the PostgreSQL database at a URL or of an engine of the host's, where `migrate_postgres` ran.

        Args:
            url_or_engine: ``postgresql+asyncpg://...``, or an engine of asyncpg, which stays the host's to close.
            trust: a file with the authorities that the server's certificate may be from; the system's unless given.
            pool_size: how many connections at most; of a host's engine, how many it has. One is enough; where this
                makes the engine and there are more, one of them is the ledger's, in a thread of its own.

        Raises:
            InvalidValueError: not such a URL.
            MissingExtraError: asyncpg is not installed.
        """
        if not find_spec("asyncpg"):
            asked = "the PostgreSQL store"
            raise MissingExtraError(asked, "postgres")
        # Imported here: SQLite needs none of it.
        from apikeychain.backends.sql.postgres.engine import postgres_engine  # noqa: PLC0415  # see above
        from apikeychain.backends.sql.postgres.store import PostgresStore  # noqa: PLC0415  # see above

        if isinstance(url_or_engine, AsyncEngine):
            return PostgresStore(url_or_engine, places=pool_size)
        aside = postgres_engine(url_or_engine, trust=trust, pool_size=1) if pool_size > 1 else None
        places = pool_size - (aside is not None)
        engine = postgres_engine(url_or_engine, trust=trust, pool_size=places)
        return PostgresStore(engine, places=places, owned=True, aside=aside)

    async def __aenter__(self) -> Self:
        """Create or migrate the database.

        Raises:
            DataDirectoryError: the file cannot be used, or is no database.
            DatabaseVersionError: it was written by a newer version, or is the database of something else.
            BackendUnavailableError: another process keeps it locked.
        """
        try:
            await migrate(self.engine, self._busy_seconds)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close what was opened here."""
        with told_as_ours():
            self._in_thread.dispose()
            self._thread.close()
            if self._owned:
                await self.engine.dispose()

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        """See Store.tenant_of."""
        rows = await self._rows(select(PROJECTS.c.tenant).where(PROJECTS.c.project == project))
        return TenantId(rows[0]["tenant"]) if rows else None

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        """See Store.tenants."""
        column = TENANTS.c.tenant
        rows = await self._rows(select(column).where(column > after).order_by(column).limit(limit))
        return [TenantId(row["tenant"]) for row in rows]

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """See Store.append_many. It goes to the thread as one piece: each piece costs turns of a busy loop."""
        try:
            async with self._writing.one():
                return await self._thread.bring(partial(self._append_together, payloads))
        except ConflictError:
            return await self._append_in_turn(payloads)

    def _append_together(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        transaction = InThread(self._thread, self._in_thread)
        try:
            with told_as_ours():
                connection = transaction.begun()
            heads = append_together(connection, payloads)
        except BaseException:
            transaction.close()
            raise
        with told_as_ours(_homeless()):
            transaction.commit()
        return heads

    async def _append_in_turn(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """As `append_many`, slowly: the error names the tenant whose chain cannot be gone on with."""
        async with self._transaction() as statements:
            return {
                tenant: await SQLTenantStore(statements, tenant, self._holder).append(drafts)
                for tenant, drafts in payloads.items()
            }

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[SQLTenantStore, None]:
        """See Store.tenant."""
        async with self._transaction() as statements:
            yield SQLTenantStore(statements, tenant, self._holder)

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[SQLTenantReader, None]:
        """See Store.reading. SQLite's write-ahead log shows readers the moment of their first question."""
        async with self._reader() as connection:
            with told_as_ours():
                await whole(connection.exec_driver_sql("BEGIN"))
            yield SQLTenantReader(Whole(connection), tenant)

    async def last_change(self) -> int:
        """The stamp of the last change of any project, or 0."""
        rows = await self._rows(select(func.coalesce(func.max(CHANGES.c.stamp), 0).label("stamp")))
        return int(rows[0]["stamp"])

    async def changes(self, after: int) -> Sequence[tuple[int, ProjectId]]:
        """The projects that changed or were removed after the change with the stamp `after`, with stamps, in order."""
        stamp = CHANGES.c.stamp
        rows = await self._rows(select(stamp, CHANGES.c.project).where(stamp > after).order_by(stamp))
        return [(row["stamp"], ProjectId(row["project"])) for row in rows]

    async def _rows(self, statement: Executable) -> Sequence[RowMapping]:
        async with self._reader() as connection:
            with told_as_ours():
                return (await whole(connection.execute(statement))).mappings().all()

    @asynccontextmanager
    async def _reader(self) -> AsyncGenerator[AsyncConnection, None]:
        async with self._reading.one(), connection_of(self.engine) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Statements, None]:
        transaction = InThread(self._thread, self._in_thread)
        async with self._changing.one(), self._writing.one():
            try:
                yield transaction
            except BaseException:
                with told_as_ours():
                    await self._thread.bring(transaction.close)
                raise
            with told_as_ours(_homeless()):
                await self._thread.bring(transaction.commit)


def _homeless() -> ConflictError:
    return ConflictError("something belongs to a tenant or project that is not stored")
