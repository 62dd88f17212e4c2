"""The migration as SQL: executed by psql it makes what `migrate_postgres` makes."""

import asyncio
from collections.abc import Generator

import pytest

from apikeychain.backends.sql import migrate_postgres, migration_script
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS
from apikeychain.errors import DatabaseVersionError, InvalidValueError
from apikeychain.testing.servers.postgres import PostgresServer
from older_database import make_first_version
from served_postgres import Database, shop_in

_QUERIES = (
    "SELECT nspname, pg_get_userbyid(nspowner), nspacl FROM pg_namespace WHERE nspname = 'apikeychain'",
    (
        "SELECT relname, relkind, pg_get_userbyid(relowner), relacl, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relnamespace = 'apikeychain'::regnamespace ORDER BY relname"
    ),
    (
        "SELECT attrelid::regclass::text, attname, atttypid::regtype, atttypmod, attnotnull, attacl, "
        "attcollation::regcollation, attnum FROM pg_attribute JOIN pg_class c ON c.oid = attrelid "
        "WHERE c.relnamespace = 'apikeychain'::regnamespace AND attnum > 0 ORDER BY 1, attnum"
    ),
    (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'apikeychain'::regnamespace ORDER BY 1, 2"
    ),
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'apikeychain' ORDER BY 1",
    (
        "SELECT tablename, policyname, permissive, roles, cmd, qual, with_check FROM pg_policies "
        "WHERE schemaname = 'apikeychain' ORDER BY 1, 2"
    ),
    (
        "SELECT pg_get_functiondef(oid), pg_get_userbyid(proowner), proacl FROM pg_proc "
        "WHERE pronamespace = 'apikeychain'::regnamespace ORDER BY proname"
    ),
    f"SELECT * FROM apikeychain.{VERSION_TABLE}",  # noqa: S608  # constants
    (
        "SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls, rolreplication "
        "FROM pg_roles WHERE rolname IN ('NAME_owner', 'NAME_app') ORDER BY 1"
    ),
    (
        "SELECT roleid::regrole, member::regrole, admin_option FROM pg_auth_members "
        "WHERE roleid IN ('NAME_owner'::regrole, 'NAME_app'::regrole) ORDER BY 1, 2"
    ),
)


@pytest.fixture
def names(postgres: PostgresServer) -> Generator[list[str], None, None]:
    """Databases, each with the roles NAME_owner and NAME_app, which are gone after the test."""
    made: list[str] = []
    yield made
    for name in made:
        postgres.drop_database(name)
        for role in ("owner", "app"):
            postgres.execute(f"DROP ROLE IF EXISTS {name}_{role}")


def catalogue(server: PostgresServer, name: str) -> list[str]:
    """All that a migration makes, without the names of the roles."""
    return [server.execute(query.replace("NAME", name), name).replace(name, "NAME") for query in _QUERIES]


def roles(name: str) -> dict[str, str]:
    return {"owner": f"{name}_owner", "application": f"{name}_app"}


def test_psql_makes_what_the_migration_makes(postgres: PostgresServer, names: list[str]) -> None:
    names += ["by_code", "by_script", "by_both"]
    for name in names:
        postgres.create_database(name)
    asyncio.run(migrate_postgres(postgres.url("by_code"), **roles("by_code")))
    postgres.execute(migration_script(**roles("by_script")), "by_script")
    asyncio.run(make_first_version(postgres.url("by_both"), **roles("by_both")))
    postgres.execute(migration_script(**roles("by_both"), since=VERSIONS[0]), "by_both")
    expected = catalogue(postgres, "by_code")
    assert all(expected)
    assert catalogue(postgres, "by_script") == expected
    assert catalogue(postgres, "by_both") == expected


@pytest.mark.usefixtures("template")
async def test_a_store_opens_what_psql_made(empty_database: Database) -> None:
    empty_database.execute(migration_script())
    async with shop_in(empty_database):
        pass
    assert (await migrate_postgres(empty_database.admin_url)).before == VERSIONS[-1]


@pytest.mark.parametrize(
    ("since", "found", "problem"),
    [
        pytest.param(None, VERSIONS[-1], 'schema "apikeychain" already exists', id="tables are there"),
        pytest.param(
            VERSIONS[0], VERSIONS[-1], f"the database does not have version {VERSIONS[0]}", id="another version"
        ),
        pytest.param(VERSIONS[-1], "v9", f"the database does not have version {VERSIONS[-1]}", id="a newer one"),
    ],
)
def test_a_script_for_another_database_changes_nothing(
    database: Database, since: str | None, found: str, problem: str
) -> None:
    database.execute(f"UPDATE apikeychain.{VERSION_TABLE} SET version_num = '{found}'")  # noqa: S608  # constants
    database.execute("ALTER TABLE apikeychain.secrets NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(RuntimeError, match=problem):
        database.execute(migration_script(since=since))
    assert database.execute("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'secrets'") == "f"


def test_a_role_that_may_more_stops_the_script(empty_database: Database, names: list[str]) -> None:
    names.append(empty_database.name)
    empty_database.execute(f"CREATE ROLE {empty_database.name}_app CREATEDB")
    with pytest.raises(RuntimeError, match="may more than a role of apikeychain should"):
        empty_database.execute(migration_script(**roles(empty_database.name)))


def test_a_version_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="not a version: 'v0009'"):
        migration_script(since="v0009")


def test_the_script_quotes_the_names_of_roles(empty_database: Database) -> None:
    mine = 'it\'s "mine"'
    empty_database.execute(migration_script(owner=mine, application="and yours"))
    owner = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'apikeychain'"
    assert empty_database.execute(owner) == mine
    empty_database.server.drop_database(empty_database.name)
    empty_database.server.execute('DROP ROLE "it\'s ""mine"""; DROP ROLE "and yours"')


@pytest.mark.parametrize(
    ("owner", "application"),
    [
        pytest.param("100%", "yours", id="percent"),
        pytest.param("mine", "a$do$b", id="dollar"),
        pytest.param("", "yours", id="empty"),
        pytest.param("pg_mine", "yours", id="reserved"),
        pytest.param("mine", "ä" * 32, id="too long"),
        pytest.param("mine", "a\nb", id="control"),
        pytest.param("mine", "mine", id="the same"),
    ],
)
async def test_names_that_no_two_roles_can_have_are_refused(
    empty_database: Database, owner: str, application: str
) -> None:
    with pytest.raises(InvalidValueError, match="role"):
        migration_script(owner=owner, application=application)
    with pytest.raises(InvalidValueError, match="role"):
        await migrate_postgres(empty_database.admin_url, owner=owner, application=application)


async def test_a_migration_says_from_where_to_where(empty_database: Database) -> None:
    assert (await migrate_postgres(empty_database.admin_url)).before is None
    done = await migrate_postgres(empty_database.admin_url)
    assert (done.before, done.after) == (VERSIONS[-1], VERSIONS[-1])


async def test_there_is_no_way_back(database: Database) -> None:
    database.execute(f"UPDATE apikeychain.{VERSION_TABLE} SET version_num = 'v9999_later'")  # noqa: S608  # constants
    with pytest.raises(DatabaseVersionError, match="or restore the backup from before: migrations have no way back"):
        await migrate_postgres(database.admin_url)
