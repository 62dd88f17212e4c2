import asyncio
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from apikeychain.backends import sql
from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.engine import sqlite_engine
from apikeychain.backends.sql.opening import MIGRATIONS, VERSION_TABLE, VERSIONS
from apikeychain.backends.sql.schema import SCHEMA, metadata
from apikeychain.errors import BackendUnavailableError, DatabaseVersionError, DataDirectoryError, MissingExtraError
from apikeychain.testing.records import ACME, draft, tenant


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


def tables_of(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    connection.close()
    return {name: " ".join(text.split()) for name, text in rows}


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def execute(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


async def test_a_new_file_is_made_for_its_owner_only(path: Path) -> None:
    async with SQLStore.sqlite(path) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


async def test_migrations_make_the_tables_that_the_code_speaks_of(path: Path, tmp_path: Path) -> None:
    async with SQLStore.sqlite(path):
        pass
    made = create_engine(
        f"sqlite:///{tmp_path / 'made.db'}", execution_options={"schema_translate_map": {SCHEMA: None}}
    )
    metadata.create_all(made)
    made.dispose()
    migrated = tables_of(path)
    assert migrated.pop(VERSION_TABLE)
    assert migrated == tables_of(tmp_path / "made.db")


def test_the_versions_that_the_code_knows_are_the_migrations() -> None:
    steps = reversed(list(ScriptDirectory(MIGRATIONS).walk_revisions()))
    assert tuple(step.revision for step in steps) == VERSIONS


async def test_commits_are_acknowledged_when_they_are_on_the_disk(path: Path) -> None:
    async with SQLStore.sqlite(path) as store, store.engine.connect() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
        assert found == ["wal", 2, 1, 5000]


async def test_opening_again_keeps_everything_and_writes_nothing(path: Path) -> None:
    async with SQLStore.sqlite(path) as store, store.tenant(ACME) as acme:
        head = await acme.append([draft(1)])
    before = read(path)
    async with SQLStore.sqlite(path) as store:
        assert read(path) == before
        async with store.tenant(ACME) as acme:
            assert await acme.append([]) == head


def test_the_hosts_log_hears_nothing_and_alembic_is_loaded_only_to_migrate(path: Path) -> None:
    program = (
        "import asyncio, logging, sys\n"
        "from apikeychain.backends.sql import SQLStore\n"
        "logging.basicConfig(level=logging.INFO)\n"
        "async def main():\n"
        "    async with SQLStore.sqlite(sys.argv[1]):\n"
        "        print('alembic' in sys.modules, logging.getLogger('alembic.runtime.migration').disabled)\n"
        "asyncio.run(main())\n"
    )
    for loaded in (True, False):
        told = subprocess.run([sys.executable, "-c", program, path], check=True, capture_output=True, text=True)  # noqa: S603  # our own program
        assert (told.stdout, told.stderr) == (f"{loaded} False\n", "")


def test_many_who_open_at_once_do_no_harm(path: Path) -> None:
    program = (
        "import asyncio, sys\n"
        "from apikeychain.backends.sql import SQLStore\n"
        "async def main():\n"
        "    async with SQLStore.sqlite(sys.argv[1]) as store:\n"
        "        print(await store.tenants('', 1))\n"
        "sys.stdin.read()\n"
        "asyncio.run(main())\n"
    )
    openers = [
        subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-c", program, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(4)
    ]
    for opener in openers:
        assert opener.stdin
        opener.stdin.close()
    for opener in openers:
        assert opener.stdout
        assert opener.stdout.read() == b"[]\n"
        opener.stdout.close()
        assert opener.wait(30) == 0


async def test_one_who_waited_finds_the_migration_done(path: Path) -> None:
    async with SQLStore.sqlite(path):
        pass
    tables = tables_of(path)
    remove(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("PRAGMA journal_mode = WAL")
    holder.execute("BEGIN IMMEDIATE")

    async def open_it() -> None:
        async with SQLStore.sqlite(path):
            pass

    waiting = asyncio.ensure_future(open_it())
    await asyncio.sleep(0.3)
    for text in tables.values():
        holder.execute(text)
    holder.execute(f"INSERT INTO {VERSION_TABLE} VALUES ('{VERSIONS[-1]}')")  # noqa: S608  # constants
    holder.execute("COMMIT")
    holder.close()
    await asyncio.wait_for(waiting, 10)


async def test_a_database_of_a_newer_version_is_left_alone(path: Path) -> None:
    async with SQLStore.sqlite(path):
        pass
    execute(path, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")  # noqa: S608  # a constant
    with pytest.raises(DatabaseVersionError, match=r"has version 9999.* install a newer apikeychain"):
        await SQLStore.sqlite(path).__aenter__()
    assert ("9999",) in sqlite_rows(path)


def sqlite_rows(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute(f"SELECT * FROM {VERSION_TABLE}").fetchall()  # noqa: S608  # a constant
    connection.close()
    return rows


async def test_the_database_of_something_else_is_left_alone(path: Path) -> None:
    execute(path, "CREATE TABLE customers (id INTEGER)")
    before = read(path)
    with pytest.raises(DatabaseVersionError, match="the database of something else"):
        await SQLStore.sqlite(path).__aenter__()
    assert read(path) == before


async def test_what_is_no_database_is_left_alone(path: Path) -> None:
    write(path, b"letters to my aunt " * 100)
    with pytest.raises(DataDirectoryError, match="cannot be used: SQLITE_NOTADB"):
        await SQLStore.sqlite(path).__aenter__()
    assert read(path) == b"letters to my aunt " * 100


async def test_a_folder_that_does_not_exist_is_named(path: Path) -> None:
    with pytest.raises(DataDirectoryError, match=r"missing/x.db cannot be used: FileNotFoundError"):
        await SQLStore.sqlite(path / "missing" / "x.db").__aenter__()


@pytest.mark.parametrize("mode", ["wal", "delete"])
async def test_a_file_that_another_keeps_locked_is_told_after_the_wait(path: Path, mode: str) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute(f"PRAGMA journal_mode = {mode}")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendUnavailableError, match="is locked by another process"):
        await SQLStore.sqlite(path, busy_seconds=0.2).__aenter__()
    holder.close()


async def test_a_hosts_engine_stays_open(path: Path) -> None:
    engine = sqlite_engine(path)
    async with SQLStore(engine) as store:
        assert not await store.tenants("", 1)
    connections = engine.pool.status()
    assert "Connections in pool: 1" in connections
    await engine.dispose()


def test_the_packages_are_loaded_when_they_are_asked_for() -> None:
    program = (
        "import sys, apikeychain, apikeychain.backends.sql\n"
        "print(sorted({'sqlalchemy', 'alembic', 'aiosqlite'} & sys.modules.keys()))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)  # noqa: S603  # our own program
    assert told.stdout == "[]\n"


@pytest.mark.parametrize("package", ["sqlalchemy", "aiosqlite", "alembic", "greenlet"])
def test_a_missing_package_is_told_with_what_brings_it(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"the SQLite store needs .* pip install 'apikeychain\[embedded\]'"):
        sql.SQLStore  # noqa: B018  # the look-up is the test


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'OracleStore'"):
        sql.OracleStore  # noqa: B018  # the look-up is the test
