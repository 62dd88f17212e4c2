"""Readings stand beside whoever writes, and there are never more of them than a few."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from sqlalchemy import event

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.engine import READERS, sqlite_engine
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.ids import TenantId, new_project_id
from apikeychain.model.records import Project, ProjectName
from apikeychain.testing.records import ACME, SHOP, draft, project, tenant


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path, busy_seconds=0.3) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store


@pytest.fixture
def writer(store: SQLStore) -> Generator[sqlite3.Connection, None, None]:
    """Another process's connection, in a transaction that has changed something."""
    connection = sqlite3.connect(str(store.engine.url.database), isolation_level=None, timeout=0)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE projects SET generation = 7")
    yield connection
    connection.close()


def connections(store: SQLStore) -> list[object]:
    """Every connection that is opened from now on."""
    opened: list[object] = []
    event.listen(store.engine.sync_engine, "connect", lambda connection, _entry: opened.append(connection))
    return opened


async def test_readings_do_not_wait_for_a_writer_of_another_process(
    store: SQLStore, writer: sqlite3.Connection
) -> None:
    assert writer.in_transaction
    async with store.reading(ACME) as acme:
        assert await acme.get(Project, (SHOP,)) == project(SHOP)
    assert await store.tenant_of(SHOP) == ACME
    assert await store.tenants("", 10) == [ACME]


async def test_a_reading_keeps_no_writer_of_another_process_waiting(store: SQLStore, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    async with store.reading(ACME) as acme:
        assert await acme.get(Project, (SHOP,)) == project(SHOP)
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM projects")
        other.execute("COMMIT")
        assert await acme.get(Project, (SHOP,)) == project(SHOP)
    other.close()
    async with store.reading(ACME) as acme:
        assert await acme.get(Project, (SHOP,)) is None


@pytest.mark.usefixtures("store")
async def test_any_number_of_questions_needs_few_connections(path: Path) -> None:
    async with SQLStore.sqlite(path, busy_seconds=60) as store:
        opened = connections(store)

        async def read() -> None:
            async with store.reading(ACME) as acme:
                assert await acme.get(ProjectName, ("none",)) is None

        asked = [store.tenant_of(new_project_id()) for _ in range(200)]
        assert set(await asyncio.gather(*asked, *(read() for _ in range(100)))) == {None}
    assert len(opened) <= READERS


async def test_a_change_is_made_while_all_readings_are_taken(store: SQLStore) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(READERS):
            await stack.enter_async_context(store.reading(ACME))
        assert (await store.append_many({ACME: [draft(1)]}))[ACME].size == 1


async def test_who_waits_too_long_for_a_reading_is_told(store: SQLStore) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(READERS):
            await stack.enter_async_context(store.reading(ACME))
        with pytest.raises(BackendUnavailableError, match="too many readings wait"):
            await store.tenant_of(SHOP)
    assert await store.tenant_of(SHOP) == ACME


async def test_no_log_of_the_driver_tells_what_is_stored(
    store: SQLStore, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("aiosqlite").setLevel(logging.NOTSET)
    caplog.set_level(logging.DEBUG)
    told = SQLStore(sqlite_engine(path))
    async with told, told.tenant(ACME) as acme:
        await acme.insert(ProjectName(name="quiet-name", project=SHOP))
    await told.engine.dispose()
    async with store.reading(ACME) as acme:
        assert await acme.get(ProjectName, ("quiet-name",))
    assert "quiet-name" not in caplog.text


async def test_more_tenants_than_a_statement_takes_are_appended_for_together(
    store: SQLStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.backends.sql.chains._TENANTS", 2)
    tenants = [TenantId(f"tenant-{number}") for number in range(5)]
    for size in (1, 2):
        heads = await store.append_many({each: [draft(size)] for each in tenants})
        assert [(head.tenant, head.size) for head in heads.values()] == [(each, size) for each in tenants]
