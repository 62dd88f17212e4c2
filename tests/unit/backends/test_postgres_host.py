"""A store on a host's own engine, within a host's own transaction, and under a whole keychain."""

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from apikeychain.backends.sql import PostgresStore, SQLStore
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError, SettingsError
from apikeychain.model.ids import ProjectId
from apikeychain.model.origin import Origin
from apikeychain.model.records import AllowedOrigin, Project, ProjectName
from apikeychain.testing.chains import chain
from apikeychain.testing.records import ACME, NOW, SHOP, draft, project, tenant
from served_postgres import Database

_NAME = ProjectName(name="shop", project=SHOP)
_SETTINGS = ("apikeychain.tenant", "lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
_ORPHAN = AllowedOrigin(project=ProjectId("p_" + "z" * 20), origin=Origin("https://a.example"), created=NOW)


@pytest.fixture
async def engine(database: Database) -> AsyncGenerator[AsyncEngine, None]:
    """The host's own, with a pool of one and a table of its own whose references wait for the commit."""
    database.execute(
        "CREATE TABLE public.customers (id int PRIMARY KEY, "
        "parent int REFERENCES public.customers DEFERRABLE INITIALLY DEFERRED); GRANT ALL ON public.customers TO web"
    )
    engine = create_async_engine(database.url, pool_size=1, max_overflow=0)
    yield engine
    await engine.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> AsyncGenerator[PostgresStore, None]:
    async with SQLStore.postgres(engine, pool_size=1) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store


async def settings(connection: AsyncConnection) -> list[str]:
    return [
        (
            await connection.execute(text("SELECT coalesce(current_setting(:name, true), '')"), {"name": name})
        ).scalar_one()
        for name in _SETTINGS
    ]


async def add_customer(connection: AsyncConnection, number: int, parent: int | None = None) -> None:
    await connection.execute(
        text("INSERT INTO public.customers VALUES (:id, :parent)"), {"id": number, "parent": parent}
    )


async def customers(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(text("SELECT count(*) FROM public.customers"))).scalar_one())


async def test_a_hosts_engine_stays_open_and_unchanged(engine: AsyncEngine, store: PostgresStore) -> None:
    async with SQLStore.postgres(engine):
        pass
    async with engine.connect() as connection:
        assert await settings(connection) == ["", "0", "0", "0"]
        found = await connection.execute(text("SELECT current_setting('transaction_isolation')"))
        assert found.scalar_one() == "read committed"
    assert await store.tenant_of(SHOP) == ACME


@pytest.mark.usefixtures("store")
async def test_an_engine_that_commits_by_itself_serves_too(database: Database) -> None:
    engine = create_async_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with SQLStore.postgres(engine) as other:
        with pytest.raises(RuntimeError):  # noqa: PT012  # the transaction breaks
            async with other.tenant(ACME) as acme:
                await acme.insert(_NAME)
                raise RuntimeError
        async with other.reading(ACME) as reader:
            assert await reader.get(ProjectName, _NAME.key) is None


async def test_a_change_within_a_hosts_transaction_is_committed_with_it(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    async with engine.begin() as connection:
        await connection.execute(text("SELECT set_config('lock_timeout', '7s', true)"))
        before = await settings(connection)
        await add_customer(connection, 1)
        async with store.tenant_within(connection, ACME) as acme:
            await acme.insert(_NAME)
            await acme.append([draft(1)])
        assert await settings(connection) == before
        await add_customer(connection, 2)
    assert await customers(engine) == 2
    async with store.tenant(ACME) as acme:
        assert await acme.get(ProjectName, _NAME.key) == _NAME
        assert (await acme.head()).size == 1


async def test_a_change_within_a_hosts_transaction_goes_with_it(engine: AsyncEngine, store: PostgresStore) -> None:
    async with engine.connect() as connection:
        async with store.tenant_within(connection, ACME) as acme:
            await acme.insert(_NAME)
            await acme.append([draft(1)])
        await connection.rollback()
    assert not await chain(store, ACME)
    async with store.tenant(ACME) as acme:
        assert await acme.get(ProjectName, _NAME.key) is None


async def test_a_change_that_breaks_leaves_the_hosts_transaction_whole(
    engine: AsyncEngine, store: PostgresStore
) -> None:
    async with engine.begin() as connection:
        before = await settings(connection)
        await add_customer(connection, 1)
        with pytest.raises(AlreadyExistsError):  # noqa: PT012  # likewise
            async with store.tenant_within(connection, ACME) as acme:
                await acme.insert(_NAME)
                await acme.insert(project(SHOP))
        with pytest.raises(ConflictError, match="is not stored"):  # noqa: PT012  # likewise
            async with store.tenant_within(connection, ACME) as acme:
                await acme.insert(_NAME)
                await acme.insert(_ORPHAN)
        with pytest.raises(BackendUnavailableError, match="DivisionByZeroError"):  # noqa: PT012  # likewise
            async with store.tenant_within(connection, ACME) as acme:
                await acme.insert(_NAME)
                await acme._rows(text("SELECT 1 / 0"))
        assert await settings(connection) == before
        await add_customer(connection, 2)
    assert await customers(engine) == 2
    async with store.tenant(ACME) as acme:
        assert await acme.get(ProjectName, _NAME.key) is None
        assert await acme.get(Project, (SHOP,)) == project(SHOP)


async def test_the_hosts_own_references_still_wait_for_its_commit(engine: AsyncEngine, store: PostgresStore) -> None:
    async with engine.begin() as connection:
        await add_customer(connection, 2, parent=1)
        async with store.tenant_within(connection, ACME) as acme:
            await acme.insert(_NAME)
        await add_customer(connection, 1)
    assert await customers(engine) == 2


async def test_ours_may_wait_again_after_it(engine: AsyncEngine, store: PostgresStore) -> None:
    with pytest.raises(IntegrityError):  # noqa: PT012  # its end raises
        async with engine.begin() as connection:
            async with store.tenant_within(connection, ACME) as acme:
                await acme.insert(_NAME)
            await connection.execute(text("SELECT set_config('apikeychain.tenant', 'acme', true)"))
            row = "INSERT INTO apikeychain.routes VALUES ('acme', 'p_x', 'x', 1, '{}')"
            # It is told at the end, not here.
            await connection.execute(text(row))
            await add_customer(connection, 1)
    assert await customers(engine) == 0


async def test_a_transaction_of_another_isolation_is_refused(engine: AsyncEngine, store: PostgresStore) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="SERIALIZABLE")
        with pytest.raises(SettingsError, match="is serializable: begin it as READ COMMITTED"):
            async with store.tenant_within(connection, ACME):
                pass


async def test_a_connection_of_a_role_without_walls_is_refused(database: Database, store: PostgresStore) -> None:
    engine = create_async_engine(database.admin_url, poolclass=NullPool)
    async with engine.connect() as connection:
        with pytest.raises(SettingsError, match="row-level security does not hold"):
            async with store.tenant_within(connection, ACME):
                pass


async def test_a_connection_that_is_lost_is_told_as_every_fault(
    engine: AsyncEngine, store: PostgresStore, database: Database
) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        _cut_all(database)
        with pytest.raises(BackendUnavailableError):
            async with store.tenant_within(connection, ACME):
                pass
        await connection.invalidate()


async def test_a_connection_that_is_lost_inside_hides_no_fault_of_the_hosts(
    engine: AsyncEngine, store: PostgresStore, database: Database
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(LookupError):  # noqa: PT012  # likewise
            async with store.tenant_within(connection, ACME):
                _cut_all(database)
                raise LookupError
        await connection.invalidate()


async def test_a_connection_that_is_lost_before_the_end_is_told(
    engine: AsyncEngine, store: PostgresStore, database: Database
) -> None:
    async with engine.connect() as connection:
        with pytest.raises(BackendUnavailableError):  # likewise
            async with store.tenant_within(connection, ACME):
                _cut_all(database)
        await connection.invalidate()


def _cut_all(database: Database) -> None:
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'web'")


@pytest.mark.parametrize(("chosen", "used"), [("off", "local"), ("on", "on"), ("remote_apply", "remote_apply")])
async def test_what_is_acknowledged_is_written_down_whatever_the_server_is_set_to(
    engine: AsyncEngine, store: PostgresStore, database: Database, chosen: str, used: str
) -> None:
    database.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = {chosen}")
    await engine.dispose()
    asked = text("SELECT current_setting('synchronous_commit')")
    async with engine.connect() as connection:
        assert (await connection.execute(asked)).scalar_one() == chosen
        async with store.tenant_within(connection, ACME):
            assert (await connection.execute(asked)).scalar_one() == used
        await connection.rollback()
    async with store.tenant(ACME) as acme:
        assert [tuple(row) for row in await acme._statements.execute(asked)] == [(used,)]
