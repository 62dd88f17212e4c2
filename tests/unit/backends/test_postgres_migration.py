"""What the migrations make of a PostgreSQL database, whoever runs them and however often."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, CursorResult, Executable, NullPool, Table, inspect, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from apikeychain.backends.sql import SQLStore, migrate_postgres
from apikeychain.backends.sql.engine import Whole
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS
from apikeychain.backends.sql.postgres.opening import require_server
from apikeychain.backends.sql.schema import CHANGES, SCHEMA, metadata
from apikeychain.errors import BackendUnavailableError, DatabaseVersionError, SettingsError
from apikeychain.testing.records import ACME, tenant
from apikeychain.testing.servers.postgres import PostgresServer
from older_database import LATER
from served_postgres import Database

_TABLES = [table for table in metadata.sorted_tables if table is not CHANGES]


@pytest.fixture
async def engine(database: Database) -> AsyncGenerator[AsyncEngine, None]:
    engine = create_async_engine(database.admin_url, poolclass=NullPool)
    yield engine
    await engine.dispose()


@pytest.fixture
def roles(postgres: PostgresServer) -> Generator[list[str], None, None]:
    """Names of roles that are gone after the test."""
    made: list[str] = []
    yield made
    for role in made:
        postgres.execute(f'DROP ROLE IF EXISTS "{role}"')


async def open_store(database: Database, user: str = "web") -> None:
    url = database.server.url(database.name, user)
    async with SQLStore.postgres(url, pool_size=1) as store, store.tenant(ACME) as acme:
        await acme.insert(tenant(ACME))


def shape(connection: Connection, table: Table) -> object:
    """What the database has of the table, in the words of the other two functions."""
    found = inspect(connection)
    columns = [
        (column["name"], column["type"].compile(connection.dialect), column["nullable"])
        for column in found.get_columns(table.name, SCHEMA)
    ]
    keys = sorted(
        (
            key["name"] or "",
            tuple(key["constrained_columns"]),
            key["referred_table"],
            tuple(sorted(key["options"].items())),
        )
        for key in found.get_foreign_keys(table.name, SCHEMA)
    )
    return columns, found.get_pk_constraint(table.name, SCHEMA)["constrained_columns"], keys


def declared(connection: Connection, table: Table) -> object:
    columns = [
        (column.name, column.type.compile(connection.dialect), bool(column.nullable)) for column in table.columns
    ]
    keys = sorted(
        (
            str(key.name),
            tuple(key.column_keys),
            key.referred_table.name,
            (("deferrable", True), ("initially", "DEFERRED")),
        )
        for key in table.foreign_key_constraints
    )
    return columns, [column.name for column in table.primary_key.columns], keys


async def test_migrations_make_the_tables_that_the_code_speaks_of(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: inspect(sync).get_table_names(SCHEMA))
        assert set(names) == {table.name for table in _TABLES} | {VERSION_TABLE}
        for table in _TABLES:
            found = await connection.run_sync(shape, table)
            assert str(found) == str(await connection.run_sync(declared, table)), table.name


async def test_every_reference_carries_the_tenant() -> None:
    for table in _TABLES:
        for key in table.foreign_key_constraints:
            assert key.column_keys[0] == "tenant"
            assert key.elements[0].column.name == "tenant"


async def test_a_migrated_database_is_left_alone(database: Database) -> None:
    state = "SELECT string_agg(oid::text || xmin::text, ',' ORDER BY oid) FROM pg_class WHERE relname = 'secrets'"
    before = database.execute(state)
    assert not (await migrate_postgres(database.admin_url)).mended
    assert database.execute(state) == before
    await open_store(database)


async def test_two_may_migrate_at_once(empty_database: Database) -> None:
    await asyncio.gather(*(migrate_postgres(empty_database.admin_url) for _ in range(3)))
    await open_store(empty_database)


async def test_two_databases_of_a_server_may_be_migrated_at_once_by_new_roles(
    postgres: PostgresServer, roles: list[str]
) -> None:
    roles += ["some owner", "some app"]
    names = [postgres.create_database() for _ in range(2)]
    await asyncio.gather(
        *(migrate_postgres(postgres.url(name), owner="some owner", application="some app") for name in names)
    )
    for name in names:
        postgres.drop_database(name)


async def test_who_may_create_needs_not_be_a_superuser(empty_database: Database, roles: list[str]) -> None:
    roles += ["migrator", "our_worker", "our_app", "our_owner"]
    empty_database.execute("CREATE ROLE migrator LOGIN CREATEROLE")
    empty_database.execute(f"GRANT CREATE ON DATABASE {empty_database.name} TO migrator")
    url = empty_database.server.url(empty_database.name, "migrator")
    for _ in range(2):
        await migrate_postgres(url, owner="our_owner", application="our_app")
    empty_database.execute("CREATE ROLE our_worker LOGIN IN ROLE our_app")
    await open_store(empty_database, "our_worker")
    # A role that is in that of the owner may mend, and needs no right to make roles.
    empty_database.execute("ALTER ROLE migrator NOCREATEROLE")
    empty_database.execute("ALTER TABLE apikeychain.secrets NO FORCE ROW LEVEL SECURITY")
    await migrate_postgres(url, owner="our_owner", application="our_app")
    await open_store_again(empty_database, "our_worker")
    empty_database.server.drop_database(empty_database.name)


async def open_store_again(database: Database, user: str) -> None:
    async with SQLStore.postgres(database.server.url(database.name, user)) as store:
        assert await store.tenants("", 10) == [ACME]


async def test_who_may_not_create_is_told_what_is_missing(empty_database: Database) -> None:
    for _ in range(2):
        with pytest.raises(SettingsError, match="it needs CREATE on the database"):
            await migrate_postgres(empty_database.url)


async def test_a_database_that_is_down_is_told(empty_database: Database) -> None:
    empty_database.server.stop()
    with pytest.raises(BackendUnavailableError):
        await migrate_postgres(empty_database.admin_url)


async def test_another_error_of_the_server_is_told_as_one(empty_database: Database) -> None:
    empty_database.execute("CREATE SCHEMA apikeychain AUTHORIZATION apikeychain_owner")
    empty_database.execute("CREATE TABLE apikeychain.secrets ()")
    with pytest.raises(BackendUnavailableError, match="DuplicateTableError"):
        await migrate_postgres(empty_database.admin_url)


@pytest.mark.parametrize(
    "damage",
    [
        "ALTER TABLE apikeychain.ledger NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE apikeychain.ledger DISABLE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON apikeychain.secrets",
        "GRANT TRUNCATE ON apikeychain.secrets TO apikeychain_app",
    ],
)
async def test_a_wall_that_was_taken_down_is_put_up_again(database: Database, damage: str) -> None:
    database.execute(damage)
    with pytest.raises(SettingsError):
        await open_store(database)
    assert (await migrate_postgres(database.admin_url)).mended
    await open_store(database)


async def test_an_engine_of_the_hosts_serves_and_stays_open(empty_database: Database) -> None:
    engine = create_async_engine(empty_database.admin_url)
    await migrate_postgres(engine)
    assert engine.pool.checkedin() == 1  # type: ignore[attr-defined]  # of a queue
    await engine.dispose()
    await open_store(empty_database)


@pytest.mark.parametrize("attribute", ["SUPERUSER", "BYPASSRLS", "CREATEROLE", "CREATEDB", "REPLICATION"])
async def test_a_role_that_may_more_is_not_taken(empty_database: Database, roles: list[str], attribute: str) -> None:
    roles.append("mighty")
    empty_database.execute(f"CREATE ROLE mighty {attribute}")
    for names in ({"owner": "mighty"}, {"application": "mighty"}):
        with pytest.raises(SettingsError, match="mighty exists and may more"):
            await migrate_postgres(empty_database.admin_url, **names)


async def test_a_schema_of_somebody_else_is_not_taken(empty_database: Database) -> None:
    empty_database.execute("CREATE SCHEMA apikeychain")
    with pytest.raises(SettingsError, match="exists and belongs to postgres"):
        await migrate_postgres(empty_database.admin_url)


async def test_a_newer_database_is_left_alone(database: Database) -> None:
    database.execute(f"UPDATE apikeychain.{VERSION_TABLE} SET version_num = 'v9999_later'")  # noqa: S608  # constants
    with pytest.raises(DatabaseVersionError, match="install a newer one"):
        await migrate_postgres(database.admin_url)
    with pytest.raises(DatabaseVersionError, match="install a newer one"):
        await open_store(database)


async def test_an_older_database_is_taken_the_missing_steps(empty_database: Database) -> None:
    await migrate_postgres(empty_database.admin_url)
    empty_database.execute(f"UPDATE apikeychain.{VERSION_TABLE} SET version_num = '{VERSIONS[0]}'")  # noqa: S608  # constants
    for later in LATER:
        empty_database.execute(f"DROP TABLE apikeychain.{later}")
    with pytest.raises(DatabaseVersionError, match=f"has version {VERSIONS[0]}.*apikeychain migrate"):
        await open_store(empty_database)
    await migrate_postgres(empty_database.admin_url)
    await open_store(empty_database)


async def test_a_database_that_cannot_hold_all_text_is_refused(postgres: PostgresServer) -> None:
    postgres.execute("CREATE DATABASE narrow TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    with pytest.raises(SettingsError, match="encoded as LATIN1"):
        await migrate_postgres(postgres.url("narrow"))
    postgres.drop_database("narrow")


async def test_a_server_that_is_too_old_is_refused(engine: AsyncEngine) -> None:
    """The newest is all there is here: another number stands in for its own."""

    class Older(Whole):
        async def execute(
            self, statement: Executable, rows: Sequence[dict[str, object]] | None = None
        ) -> CursorResult[Any]:
            found = str(statement).replace("current_setting('server_version_num')::int / 10000", "14")
            return await super().execute(text(found), rows)

    async with engine.connect() as connection:
        with pytest.raises(DatabaseVersionError, match="this is PostgreSQL 14: 15 is the oldest"):
            await require_server(Older(connection))
