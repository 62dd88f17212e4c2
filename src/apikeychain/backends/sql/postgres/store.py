"""The store in PostgreSQL."""

import secrets
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.postgres.aside import Aside
from apikeychain.backends.sql.postgres.chains import append_together
from apikeychain.backends.sql.postgres.engine import POOL_SIZE, WAIT_SECONDS, Bounded, Connections
from apikeychain.backends.sql.postgres.opening import require_safe
from apikeychain.backends.sql.postgres.tenant_store import PostgresTenantStore
from apikeychain.backends.sql.postgres.walls import TENANT, TENANTS_NAMED, TURN
from apikeychain.backends.sql.schema import SCHEMA, metadata
from apikeychain.backends.sql.tenant_reader import SQLTenantReader
from apikeychain.errors import BackendUnavailableError, ConflictError, SettingsError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft

# The last ends the transaction of a worker that was cut off from the database.
_SETTINGS = {
    "lock_timeout": f"{int(WAIT_SECONDS * 1000) - 500}ms",
    "statement_timeout": f"{int(WAIT_SECONDS * 1000) - 250}ms",
    "idle_in_transaction_session_timeout": "30s",
    TENANT: "",
    TENANTS_NAMED: "",
}
_NOW = ", ".join(f"coalesce(current_setting('{name}', true), '') AS \"{name}\"" for name in _SETTINGS)
# What was acknowledged is kept, also where a role or a server is set to answer before it is written down.
_DURABLE = (
    "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'local', true) END"
)
_SET = ", ".join((*(f"set_config('{name}', :{name.replace('.', '_')}, true)" for name in _SETTINGS), _DURABLE))
_READ = text(f"SELECT {_SET}")
_CHANGE = text(f"SELECT {_SET}, {TURN.format(tenant=':apikeychain_tenant')}")
_JOIN = text(
    f"SELECT {_NOW}, current_setting('transaction_isolation') AS isolation, "  # constants
    "row_security_active('apikeychain.secrets') AS walled"
)
_TENANT_OF = text("SELECT apikeychain.tenant_of(:project)")
_TENANTS = text("SELECT tenant FROM apikeychain.tenants_after(:after, :at_most) AS tenant")
_OURS = ", ".join(
    f"{SCHEMA}.{constraint.name}"
    for table in metadata.sorted_tables
    for constraint in sorted(table.foreign_key_constraints, key=lambda constraint: str(constraint.name))
)
# A statement that failed ends the transaction, and COMMIT would say nothing of it: this does.
_SETTLE, _DEFER = (text(f"SET CONSTRAINTS {_OURS} {when}") for when in ("IMMEDIATE", "DEFERRED"))
_ORPHAN = "something belongs to a tenant or project that is not stored"
_CHANGING = {"isolation_level": "READ COMMITTED"}
_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class PostgresStore:
    """Keeps everything in the schema `apikeychain` of one PostgreSQL database. See Store.

    An async context manager: entering it looks whether the database and its role are safe to use. It belongs to the
    event loop in which its engine first connected.

    Args:
        engine: of asyncpg; a host's own serves too, and stays the host's to close.
        places: how many connections it uses at a time; as many as the engine's pool has.
        owned: whether leaving the store closes the engine.
        aside: another engine for the same database, through which the ledger is written in a loop of its own; without
            it the ledger waits for turns of the loop that serves calls.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        places: int = POOL_SIZE,
        owned: bool = False,
        aside: AsyncEngine | None = None,
    ) -> None:
        self.engine, self.connections = engine, Connections(engine, places)
        self._owned = owned
        self._aside = None if aside is None else Aside(aside)
        self._holder = secrets.token_hex(16)

    async def __aenter__(self) -> Self:
        """Look at the database.

        Raises:
            DatabaseVersionError: the migrations have not run, or a newer apikeychain's have, or PostgreSQL is too old.
            SettingsError: the role, a table or the connection is not safe to use; the text has all that is wrong.
            BackendUnavailableError: it does not answer.
        """
        try:
            async with self.connections.one(**_READING) as bounded:
                await _begin(bounded, _READ, "")
                await require_safe(bounded, bounded.driver)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the engines that were made for this store."""
        if self._aside is not None:
            await self._aside.close()
        if self._owned:
            with told_as_ours():
                await self.engine.dispose()

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        """See Store.tenant_of."""
        (found,) = await self._ask(_TENANT_OF, project=project)
        return None if found is None else TenantId(found)

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        """See Store.tenants."""
        return [TenantId(found) for found in await self._ask(_TENANTS, after=after, at_most=limit)]

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """See Store.append_many."""
        deed = partial(_append_together, payloads=payloads)
        try:
            return await (deed(self.connections) if self._aside is None else self._aside.bring(deed))
        except ConflictError:
            return await self._append_in_turn(payloads)

    async def _append_in_turn(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        """As `append_many`, slowly: the error names the tenant whose chain goes on behind its head."""
        heads: dict[TenantId, Head] = {}
        async with self.connections.one(**_CHANGING) as bounded:
            # In one order, so that no two wait for each other.
            for tenant in sorted(payloads):
                await _begin(bounded, _CHANGE, tenant)
                heads[tenant] = await PostgresTenantStore(bounded, tenant, self._holder).append(payloads[tenant])
            with told_as_ours():
                await bounded.commit()
        return heads

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[PostgresTenantStore, None]:
        """See Store.tenant."""
        async with self.connections.one(**_CHANGING) as bounded:
            await _begin(bounded, _CHANGE, tenant)
            yield PostgresTenantStore(bounded, tenant, self._holder)
            with told_as_ours(ConflictError(_ORPHAN)):
                await bounded.execute(_SETTLE)
                await bounded.commit()

    @asynccontextmanager
    async def tenant_within(
        self, connection: AsyncConnection, tenant: TenantId
    ) -> AsyncGenerator[PostgresTenantStore, None]:
        """As `tenant`, in the transaction that the host has open on `connection`; the host commits it, or does not.

        Nobody else changes what is the tenant's until then. After an exception the host's transaction can go on.

        Args:
            connection: of asyncpg, by a role that could open this store, at READ COMMITTED.
            tenant: whose.

        Raises:
            SettingsError: the connection is not such a one.
            ConflictError: at the end, something belongs to a tenant or project that is not stored.
            BackendUnavailableError: the connection is closed, or the database does not answer.
        """
        async with _savepoint(connection):
            with told_as_ours():
                bounded = Bounded(connection, await connection.get_raw_connection())
            with told_as_ours():
                before = (await bounded.execute(_JOIN)).mappings().one()
            _require_joinable(before)
            await _begin(bounded, _CHANGE, tenant)
            yield PostgresTenantStore(bounded, tenant, self._holder)
            with told_as_ours(ConflictError(_ORPHAN)):
                await bounded.execute(_SETTLE)
            with told_as_ours():
                await bounded.execute(_DEFER)
                await _set(bounded, _READ, {name: before[name] for name in _SETTINGS})

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[SQLTenantReader, None]:
        """See Store.reading."""
        async with self.connections.one(**_READING) as bounded:
            await _begin(bounded, _READ, tenant)
            yield SQLTenantReader(bounded, tenant)

    async def _ask(self, statement: TextClause, **values: object) -> Sequence[Any]:
        """The first column of what the statement finds; nobody's tenant is set."""
        async with self.connections.one(**_READING) as bounded:
            await _begin(bounded, _READ, "")
            with told_as_ours():
                return (await bounded.execute(statement.bindparams(**values))).scalars().all()


async def _append_together(
    connections: Connections, payloads: Mapping[TenantId, Sequence[LedgerDraft]]
) -> Mapping[TenantId, Head]:
    async with connections.one(**_CHANGING) as bounded:
        await _begin(bounded, _READ, "")
        heads = await append_together(bounded, payloads)
        with told_as_ours():
            await bounded.commit()
    return heads


@asynccontextmanager
async def _savepoint(connection: AsyncConnection) -> AsyncGenerator[None, None]:
    """What happens inside is taken back where it breaks, and what it broke with is told, lost connection or not."""
    with told_as_ours():
        savepoint = await connection.begin_nested()
    try:
        yield
    except BaseException:
        with suppress(BackendUnavailableError), told_as_ours():
            await savepoint.rollback()
        raise
    with told_as_ours():
        await savepoint.commit()


async def _begin(bounded: Bounded, statement: TextClause, tenant: str) -> None:
    with told_as_ours():
        await _set(bounded, statement, _SETTINGS | {TENANT: tenant})


async def _set(bounded: Bounded, statement: TextClause, settings: Mapping[str, str]) -> None:
    await bounded.execute(statement.bindparams(**{name.replace(".", "_"): value for name, value in settings.items()}))


def _require_joinable(found: RowMapping) -> None:
    problems: list[str] = []
    if found["isolation"] != "read committed":
        problems.append(f"the transaction is {found['isolation']}: begin it as READ COMMITTED")
    if not found["walled"]:
        problems.append("row-level security does not hold for the role of this connection: connect as another")
    if problems:
        raise SettingsError(problems)
