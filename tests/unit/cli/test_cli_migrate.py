"""`apikeychain migrate`."""

import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS
from apikeychain.embedded import DATABASE
from command import SCRIPTS
from management import CANARY, fill, kinds
from older_database import LATER, make_first_file, make_first_version
from served_postgres import Database
from terminal import Terminal

_FRESH = f"the database is migrated from nothing to {VERSIONS[-1]}\n"
_UPGRADED = f"the database is migrated from {VERSIONS[0]} to {VERSIONS[-1]}\n"
_DONE = f"the database has version {VERSIONS[-1]} already\n"


@pytest.fixture
def outside(terminal: Terminal) -> Terminal:
    """A terminal that names no directory."""
    return replace(terminal, names_data=False)


def test_postgres_is_migrated_by_the_url_in_a_file(outside: Terminal, empty_database: Database, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(empty_database.admin_url)
    assert outside.told("migrate", "--database-url-file", tmp_path / "url") == _FRESH
    assert outside.told("migrate", "--database-url-file", tmp_path / "url") == _DONE
    done = outside.read("migrate", "--database-url-file", tmp_path / "url")
    assert done == {"before": VERSIONS[-1], "after": VERSIONS[-1], "mended": False}


def test_walls_that_are_put_up_again_are_told(outside: Terminal, database: Database, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(database.admin_url)
    database.execute("ALTER POLICY tenant ON apikeychain.secrets USING (true)")
    told = outside.told("migrate", "--database-url-file", tmp_path / "url")
    assert told == _DONE.replace("\n", "; walls between tenants that were not as they were made are up again\n")


def test_postgres_is_migrated_by_the_url_in_the_environment(
    outside: Terminal, empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIKEYCHAIN_MIGRATION_URL", empty_database.admin_url)
    monkeypatch.setenv("APIKEYCHAIN_DATABASE_URL_FILE", str(tmp_path / "not for who migrates"))
    assert outside.told("migrate", "--owner", "apikeychain_owner", "--application", "apikeychain_app") == _FRESH


def test_who_serves_does_not_migrate(
    outside: Terminal, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIKEYCHAIN_DATABASE_URL", database.url)
    monkeypatch.setenv("APIKEYCHAIN_DATA", str(tmp_path))
    assert outside.refused("migrate") == (
        "APIKEYCHAIN_MIGRATION_URL: who migrates is not who serves: set it, or APIKEYCHAIN_MIGRATION_URL_FILE, "
        "or say --database-url-file"
    )


def test_a_file_that_is_not_there_is_told(outside: Terminal) -> None:
    assert outside.refused("migrate", "--database-url-file", "nowhere") == (
        "APIKEYCHAIN_MIGRATION_URL_FILE: the file cannot be read (FileNotFoundError)"
    )


def test_the_sql_is_what_psql_executes(outside: Terminal, empty_database: Database) -> None:
    empty_database.execute(outside.told("migrate", "--sql"))
    empty_database.execute(outside.told("migrate", "--sql", "--since", VERSIONS[-1]))
    assert empty_database.execute(f"SELECT * FROM apikeychain.{VERSION_TABLE}") == VERSIONS[-1]  # noqa: S608  # constants
    assert outside.refused("migrate", "--since", VERSIONS[0]).startswith("--since is for --sql")


def test_a_directory_is_migrated_and_none_is_made(terminal: Terminal, outside: Terminal) -> None:
    assert "there is no keychain" in terminal.refused("migrate")
    assert "there is no keychain in 'apikeychain-data' to migrate" in outside.refused("migrate")
    terminal.told("tenant", "create", "acme")
    assert terminal.told("migrate") == _DONE


async def _first_use(keychain: APIKeyChain) -> None:
    """What the first version could store."""
    async with keychain:
        await fill(await (await keychain.create_tenant("acme")).create_project("shop"))


async def _later_use(keychain: APIKeyChain) -> None:
    """All that was stored is there, and what the newest version can store can be stored."""
    async with keychain:
        acme = await keychain.tenant("acme")
        shop = await acme.project("shop")
        assert [told.name for told in await shop.list_secrets()] == ["weather"]
        before = await kinds(acme)
        await fill(shop, CANARY)
        assert await kinds(acme) == before
        await shop.add_signing_key()
        assert (await kinds(acme))[-1] == "signing-key.added"


async def test_a_directory_of_the_first_version_keeps_its_data(terminal: Terminal, tmp_path: Path) -> None:
    keychain = APIKeyChain.embedded(terminal.data)
    await _first_use(keychain)
    data = _rows(terminal.data / DATABASE)
    (terminal.data / DATABASE).unlink()
    make_first_file(terminal.data / DATABASE)
    with closing(sqlite3.connect(terminal.data / DATABASE)) as database, database:
        for table, rows in data.items():
            for row in rows:
                database.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  # names of ours
    told = await _in_another_process(["--data", str(terminal.data), "migrate"])
    assert told == [(0, _UPGRADED)]
    await _later_use(keychain)


def _rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All that is stored, but for the version, in the tables of the first version."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: database.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608  # names of ours
            for (name,) in names
            if name not in {VERSION_TABLE, *LATER}
        }


async def test_a_postgres_of_the_first_version_keeps_its_data(
    terminal: Terminal, database: Database, empty_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIKEYCHAIN_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("APIKEYCHAIN_DATABASE_URL", database.url)
    await _first_use(APIKeyChain.from_environment())
    await make_first_version(empty_database.admin_url)
    _copy(database, empty_database)
    (tmp_path / "url").write_text(empty_database.admin_url)
    told = await _in_another_process(["migrate", "--database-url-file", str(tmp_path / "url")])
    assert told == [(0, _UPGRADED)]
    monkeypatch.setenv("APIKEYCHAIN_DATABASE_URL", empty_database.url)
    await _later_use(APIKeyChain.from_environment())


def _copy(source: Database, target: Database) -> None:
    """All that is stored, but for the version, in the tables of the first version."""
    tables = source.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'apikeychain'").split()
    for table in set(tables) - {VERSION_TABLE, *LATER}:
        name = f"apikeychain.{table}"
        rows = source.execute(f"SELECT coalesce(json_agg(t), '[]') FROM {name} t")  # noqa: S608  # names of ours
        insert = f"INSERT INTO {name} SELECT * FROM json_populate_recordset(NULL::{name}, $j${rows}$j$)"  # noqa: S608  # names of ours
        target.execute(f"SET session_replication_role = replica; {insert}")


async def _in_another_process(arguments: list[str], times: int = 1) -> list[tuple[int, str]]:
    """Exit codes and what is said, in order; all run at once."""
    command = [str(SCRIPTS / "apikeychain"), *arguments]
    started = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # noqa: S603, ASYNC220  # our own command, and nothing else runs here
        for _ in range(times)
    ]
    told = [process.communicate(timeout=60)[0] for process in started]
    return sorted((process.returncode, said) for process, said in zip(started, told, strict=True))


async def test_two_processes_migrate_a_postgres_at_once(
    terminal: Terminal, empty_database: Database, tmp_path: Path
) -> None:
    (tmp_path / "url").write_text(empty_database.admin_url)
    told = await _in_another_process(["migrate", "--database-url-file", str(tmp_path / "url")], 2)
    assert told == [(0, _DONE), (0, _FRESH)]


async def test_two_processes_migrate_a_directory_at_once(terminal: Terminal) -> None:
    terminal.data.mkdir()
    make_first_file(terminal.data / DATABASE)
    told = await _in_another_process(["--data", str(terminal.data), "migrate"], 2)
    assert told == [(0, _DONE), (0, _UPGRADED)]


@pytest.mark.parametrize("where", ["directory", "postgres"])
def test_a_newer_database_is_refused(terminal: Terminal, database: Database, tmp_path: Path, where: str) -> None:
    newer = f"UPDATE {{}}{VERSION_TABLE} SET version_num = 'v9999_later'"  # noqa: S608  # constants
    (tmp_path / "url").write_text(database.admin_url)
    options = () if where == "directory" else ("--database-url-file", tmp_path / "url")
    if where == "directory":
        terminal.told("tenant", "create", "acme")
        with closing(sqlite3.connect(terminal.data / DATABASE)) as file, file:
            file.execute(newer.format(""))
    else:
        database.execute(newer.format("apikeychain."))
    problem = terminal.refused("migrate", *options)
    assert "has version v9999_later, this apikeychain knows up to" in problem
    assert problem.endswith("or restore the backup from before: migrations have no way back")
