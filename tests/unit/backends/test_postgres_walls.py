"""The walls between tenants in PostgreSQL, tried by the role that the store has and by the owner."""

from collections.abc import AsyncGenerator

import pytest
from sqlalchemy import NullPool, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from apikeychain.backends.sql import PostgresStore, SQLStore
from apikeychain.backends.sql.postgres.roles import OWNER
from apikeychain.backends.sql.postgres.walls import TABLES
from apikeychain.backends.sql.schema import SCHEMA, metadata
from apikeychain.testing.chains import chain
from apikeychain.testing.records import ACME, GLOBEX, RECORDS, SHOP, draft, project, tenant
from served_postgres import Database

_DENIED = "42501"
_TRIGGER = "suppress_redundant_updates_trigger"


@pytest.fixture
async def store(database: Database) -> AsyncGenerator[PostgresStore, None]:
    """A store in which one tenant has a row in every table."""
    async with SQLStore.postgres(database.url) as store:
        async with store.tenant(ACME) as acme:
            for record in (tenant(ACME), project(SHOP), *RECORDS):
                await acme.insert(record)
            await acme.append([draft(1)])
            await acme.lease("sweep", 60)
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(tenant(GLOBEX))
        yield store


@pytest.fixture
async def session(database: Database, store: PostgresStore) -> AsyncGenerator[AsyncConnection, None]:
    """What somebody has who can execute any SQL as a worker."""
    assert await store.tenants("", 10) == [ACME, GLOBEX]
    engine = create_async_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


async def become(connection: AsyncConnection, name: str) -> None:
    await connection.exec_driver_sql(f"SELECT set_config('apikeychain.tenant', '{name}', false)")


async def counts(connection: AsyncConnection) -> dict[str, int]:
    return {
        name: (await connection.exec_driver_sql(f"SELECT count(*) FROM apikeychain.{name}")).scalar_one()  # noqa: S608  # a table of ours
        for name in TABLES
    }


async def require_denied(connection: AsyncConnection, statement: str, code: str = _DENIED) -> None:
    with pytest.raises(DBAPIError) as caught:
        await connection.exec_driver_sql(statement)
    assert getattr(caught.value.orig, "sqlstate", None) == code, statement


async def test_whoever_is_nobody_finds_nothing_and_writes_nothing(session: AsyncConnection) -> None:
    assert set((await counts(session)).values()) == {0}
    await require_denied(session, "INSERT INTO apikeychain.tenants VALUES ('acme2', 1, '{}')")
    await become(session, "")
    assert set((await counts(session)).values()) == {0}
    await require_denied(session, "INSERT INTO apikeychain.tenants VALUES ('', 1, '{}')")


async def test_a_tenant_finds_its_own_in_every_table_and_nothing_of_others(session: AsyncConnection) -> None:
    await become(session, ACME)
    assert min((await counts(session)).values()) > 0
    await become(session, GLOBEX)
    assert {name for name, found in (await counts(session)).items() if found} == {"tenants"}


@pytest.mark.parametrize("name", TABLES)
async def test_no_row_is_written_for_or_moved_to_another_tenant(session: AsyncConnection, name: str) -> None:
    await become(session, GLOBEX)
    made = f'json_populate_record(NULL::apikeychain.{name}, \'{{"tenant": "acme"}}\')'
    row = f"INSERT INTO apikeychain.{name} SELECT * FROM {made}"  # noqa: S608  # a table of ours
    await require_denied(session, row)
    await become(session, ACME)
    await require_denied(session, f"UPDATE apikeychain.{name} SET tenant = 'globex'")  # noqa: S608  # likewise


@pytest.mark.parametrize("name", TABLES)
async def test_a_worker_may_not_empty_refer_to_or_change_a_table(
    session: AsyncConnection, database: Database, name: str
) -> None:
    database.execute("CREATE SCHEMA theirs AUTHORIZATION web")
    await become(session, ACME)
    key = metadata.tables[f"{SCHEMA}.{name}"].primary_key.columns
    mine, theirs = ", ".join(f"{column.name} {column.type}" for column in key), ", ".join(key.keys())
    for statement in (
        f"TRUNCATE apikeychain.{name}",
        f"CREATE TABLE theirs.mine ({mine}, FOREIGN KEY ({theirs}) REFERENCES apikeychain.{name} ({theirs}))",
        f"ALTER TABLE apikeychain.{name} DISABLE ROW LEVEL SECURITY",
        f"DROP TABLE apikeychain.{name}",
        f"CREATE POLICY more ON apikeychain.{name} USING (true)",
        f"CREATE TRIGGER mine BEFORE INSERT ON apikeychain.{name} EXECUTE FUNCTION {_TRIGGER}()",
        f"CREATE TABLE apikeychain.more_{name} ()",
        f"SET ROLE {OWNER}",
    ):
        await require_denied(session, statement)


async def test_a_chain_is_only_read_and_appended_to(session: AsyncConnection) -> None:
    await become(session, ACME)
    await require_denied(session, "UPDATE apikeychain.ledger SET hash = ''")
    await require_denied(session, "DELETE FROM apikeychain.ledger")
    await require_denied(session, "DELETE FROM apikeychain.heads")


async def test_whoever_names_tenants_reaches_their_chains_and_nothing_else_of_them(session: AsyncConnection) -> None:
    await session.exec_driver_sql("SELECT set_config('apikeychain.tenants', '{globex,acme}', false)")
    assert {name for name, found in (await counts(session)).items() if found} == {"ledger", "heads"}
    await require_denied(session, "UPDATE apikeychain.ledger SET hash = ''")
    await require_denied(session, "DELETE FROM apikeychain.heads")
    await require_denied(session, "INSERT INTO apikeychain.heads VALUES ('initech', 1, '')")
    await require_denied(session, "INSERT INTO apikeychain.leases VALUES ('acme', 'x', 'y', 0)")
    for nobody in ("{}", "", "{initech}"):
        await session.exec_driver_sql(f"SELECT set_config('apikeychain.tenants', '{nobody}', false)")
        assert set((await counts(session)).values()) == {0}
        await require_denied(session, "INSERT INTO apikeychain.heads VALUES ('globex', 1, '')")


async def test_a_transaction_of_one_tenant_reaches_no_chain_of_another(store: PostgresStore) -> None:
    await store.append_many({ACME: [draft(2)], GLOBEX: [draft(1)]})
    for tenant_id, size in ((ACME, 2), (GLOBEX, 1)):
        async with store.tenant(tenant_id) as own:
            found = await own._statements.execute(text("SELECT tenant, size FROM apikeychain.heads"))
            assert [tuple(row) for row in found] == [(tenant_id, size)]


async def test_the_version_is_read_and_not_written(session: AsyncConnection) -> None:
    found = await session.exec_driver_sql("SELECT count(*) FROM apikeychain.apikeychain_version")
    assert found.scalar_one() == 1
    await require_denied(session, "UPDATE apikeychain.apikeychain_version SET version_num = 'x'")
    await require_denied(session, "DELETE FROM apikeychain.apikeychain_version")


@pytest.mark.usefixtures("store")
async def test_the_owner_is_nobody_too(database: Database) -> None:
    for name in TABLES:
        found = database.execute(f"SET ROLE {OWNER}; SELECT count(*) FROM apikeychain.{name}")  # noqa: S608  # likewise
        assert found == "0", name
        assert database.execute(f"SELECT count(*) > 0 FROM apikeychain.{name}") == "t"  # noqa: S608  # likewise


async def test_two_functions_look_across_and_tell_ids_alone(session: AsyncConnection, database: Database) -> None:
    assert (await session.exec_driver_sql(f"SELECT apikeychain.tenant_of('{SHOP}')")).scalar() == ACME
    assert (await session.exec_driver_sql("SELECT apikeychain.tenant_of('p_unknown')")).scalar() is None
    found = await session.exec_driver_sql("SELECT * FROM apikeychain.tenants_after('acme', 10)")
    assert found.scalars().all() == [GLOBEX]
    told = database.execute(
        "SELECT p.proname, array_to_string(p.proconfig, ';'), pg_get_userbyid(p.proowner), "
        "has_function_privilege('web', p.oid, 'EXECUTE'), "
        "EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0) "
        "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'apikeychain' ORDER BY 1"
    )
    path = "search_path=pg_catalog, pg_temp"
    assert told.splitlines() == [f"{name}|{path}|{OWNER}|t|f" for name in ("drop_bodies", "tenant_of", "tenants_after")]


async def test_one_function_drops_bodies_of_the_own_tenant_alone_and_writes_nothing(
    session: AsyncConnection, store: PostgresStore
) -> None:
    await store.append_many({tenant_id: [draft(number) for number in range(4)] for tenant_id in (ACME, GLOBEX)})
    before = {tenant_id: await chain(store, tenant_id) for tenant_id in (ACME, GLOBEX)}
    drop = "SELECT apikeychain.drop_bodies({}, {})"
    for nobody in ("", "{globex}", "{globex,acme}"):
        # Whoever names tenants may append to their chains, and drops nothing of them, also beside his own.
        await session.exec_driver_sql(f"SELECT set_config('apikeychain.tenants', '{nobody}', false)")
        await session.exec_driver_sql(drop.format(1, 100))
    assert {tenant_id: await chain(store, tenant_id) for tenant_id in (ACME, GLOBEX)} == before
    await become(session, ACME)
    await session.exec_driver_sql(drop.format(2, 3))
    assert [entry.is_dropped for entry in await chain(store, ACME)] == [False, True, True, False, False]
    # The last entry is what says of the others that they were dropped.
    await session.exec_driver_sql(drop.format(-(1 << 62), 1 << 62))
    after = await chain(store, ACME)
    assert after == [*(entry.dropped() for entry in before[ACME][:-1]), before[ACME][-1]]
    assert await chain(store, GLOBEX) == before[GLOBEX]
    await require_denied(session, "UPDATE apikeychain.ledger SET payload = ''")
    await require_denied(session, "SELECT apikeychain.drop_bodies(1, 'x')", "22P02")


async def test_a_worker_cannot_give_the_functions_other_tables(session: AsyncConnection) -> None:
    await session.exec_driver_sql("CREATE TEMP TABLE projects AS SELECT 'mine'::text AS tenant, 'p_x'::text AS project")
    await session.exec_driver_sql("SET search_path = pg_temp, apikeychain, public")
    assert (await session.exec_driver_sql("SELECT apikeychain.tenant_of('p_x')")).scalar() is None
    # What opens the owner's policy opens nobody else's.
    await session.exec_driver_sql("SET search_path = pg_catalog, pg_temp")
    assert set((await counts(session)).values()) == {0}
