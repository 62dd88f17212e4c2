"""What is refused at the start: a role, a table or a version by which one tenant could see another's."""

from collections.abc import Generator

import pytest

from apikeychain.backends import sql
from apikeychain.backends.sql import SQLStore
from apikeychain.errors import BackendUnavailableError, DatabaseVersionError, MissingExtraError, SettingsError
from apikeychain.testing.servers.postgres import PostgresServer
from served_postgres import Database


@pytest.fixture
def worker(postgres: PostgresServer) -> Generator[str, None, None]:
    """A login in the role of the application, which the test may make mightier."""
    postgres.execute("CREATE ROLE worker LOGIN IN ROLE apikeychain_app")
    yield "worker"
    postgres.execute("DROP ROLE worker")


async def problems(database: Database, user: str) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        async with SQLStore.postgres(database.server.url(database.name, user)):
            pass
    return caught.value.problems


async def test_a_superuser_is_refused(database: Database) -> None:
    assert any("postgres is a superuser" in problem for problem in await problems(database, "postgres"))


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("ALTER ROLE worker SUPERUSER", "worker is a superuser"),
        ("ALTER ROLE worker BYPASSRLS", "worker has BYPASSRLS"),
        ("ALTER ROLE worker CREATEROLE", "worker has CREATEROLE"),
        ("ALTER ROLE worker REPLICATION", "worker has REPLICATION"),
        ("GRANT pg_execute_server_program TO worker", "pg_execute_server_program reaches the files and programs"),
        ("GRANT pg_read_server_files TO worker", "pg_read_server_files reaches the files and programs"),
        ("GRANT pg_write_server_files TO worker", "pg_write_server_files reaches the files and programs"),
        ("GRANT pg_write_all_data TO worker", "worker may DELETE, UPDATE on the table ledger"),
        ("GRANT apikeychain_owner TO worker", "apikeychain_owner owns the tables"),
    ],
)
async def test_a_role_for_whom_the_policies_do_not_hold_is_refused(
    database: Database, worker: str, deed: str, told: str
) -> None:
    database.execute(deed)
    assert any(told in problem for problem in await problems(database, worker))


async def test_a_role_that_could_become_such_a_one_is_refused(database: Database, worker: str) -> None:
    database.execute("CREATE ROLE mightier SUPERUSER; CREATE ROLE between; GRANT mightier TO between")
    database.execute(f"GRANT between TO {worker} WITH INHERIT FALSE")
    assert await problems(database, worker) == (
        "the role mightier is a superuser, for whom no policy holds: connect as another",
    )
    database.execute("DROP ROLE mightier; DROP ROLE between")


async def test_a_role_that_owns_a_table_is_refused(database: Database, worker: str) -> None:
    database.execute(f"ALTER TABLE apikeychain.secrets OWNER TO {worker}")
    assert any("worker owns the tables" in problem for problem in await problems(database, worker))
    database.execute("ALTER TABLE apikeychain.secrets OWNER TO apikeychain_owner")


@pytest.mark.parametrize(
    ("deed", "told"),
    [
        ("ALTER TABLE apikeychain.{} NO FORCE ROW LEVEL SECURITY", "{} does not FORCE"),
        ("ALTER TABLE apikeychain.{} DISABLE ROW LEVEL SECURITY", "{} does not FORCE"),
        ("CREATE POLICY more ON apikeychain.{} USING (true)", "{} has not the policies"),
        ("GRANT TRUNCATE ON apikeychain.{} TO apikeychain_app", "web may TRUNCATE on the table {}"),
        ("GRANT REFERENCES ON apikeychain.{} TO PUBLIC", "web may REFERENCES on the table {}"),
        ("GRANT TRIGGER ON apikeychain.{} TO web", "web may TRIGGER on the table {}"),
    ],
)
@pytest.mark.parametrize("table", ["secrets", "ledger", "tenants", "apikeychain_version"])
async def test_a_table_whose_wall_has_a_hole_is_refused(database: Database, table: str, deed: str, told: str) -> None:
    database.execute(deed.format(table))
    (problem,) = await problems(database, "web")
    assert told.format(table) in problem
    assert "run `apikeychain migrate`" in problem


async def test_all_that_is_wrong_is_told_at_once(database: Database) -> None:
    database.execute("DROP TABLE apikeychain.leases")
    database.execute("ALTER TABLE apikeychain.heads NO FORCE ROW LEVEL SECURITY")
    assert await problems(database, "web") == (
        "the table leases is missing: run `apikeychain migrate`",
        "the table heads does not FORCE ROW LEVEL SECURITY: run `apikeychain migrate`",
    )


async def test_a_database_that_was_not_migrated_is_refused(empty_database: Database) -> None:
    with pytest.raises(DatabaseVersionError, match="run `apikeychain migrate`, and grant it the role"):
        async with SQLStore.postgres(empty_database.url):
            pass


async def test_a_role_without_grants_is_refused(database: Database) -> None:
    database.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(DatabaseVersionError, match="run `apikeychain migrate`, and grant it the role"):
        async with SQLStore.postgres(database.server.url(database.name, "stranger")):
            pass
    database.execute("DROP ROLE stranger")


async def test_a_version_that_cannot_be_read_for_another_reason_is_told_as_it_is(database: Database) -> None:
    database.execute("ALTER TABLE apikeychain.apikeychain_version RENAME version_num TO version")
    with pytest.raises(BackendUnavailableError, match="UndefinedColumnError"):
        async with SQLStore.postgres(database.url):
            pass


@pytest.mark.parametrize("name", ["PostgresStore", "PostgresSignals", "migrate_postgres"])
def test_a_missing_driver_is_one_line_that_installs_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("apikeychain.backends.on_use.find_spec", lambda package: package != "asyncpg")
    with pytest.raises(MissingExtraError, match=r"the PostgreSQL store needs .* pip install 'apikeychain\[postgres\]'"):
        getattr(sql, name)
    assert sql.SQLStore is SQLStore


def test_a_missing_driver_is_told_of_a_url_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apikeychain.backends.sql.store.find_spec", lambda _package: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'apikeychain\[postgres\]'"):
        SQLStore.postgres("postgresql+asyncpg://web@db.example/keys")
