import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from apikeychain.backends.sql import SQLStore
from apikeychain.errors import BackendUnavailableError, ConflictError
from apikeychain.model.records import AllowedOrigin, Project, ProjectName, Record, Tenant
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.records import ACME, GLOBEX, RECORDS, SHOP, draft, project, tenant

_NAME = ProjectName(name="shop", project=SHOP)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path, busy_seconds=0.3) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
            await acme.append([draft(1)])
        yield store


async def change(store: SQLStore) -> None:
    async with store.tenant(ACME) as acme:
        await acme.insert(_NAME)
        await acme.append([draft(2)])


def corrupt(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + b"\xa5" * 200_000)


async def require_unchanged(store: SQLStore) -> None:
    async with store.tenant(ACME) as acme:
        assert await acme.get(ProjectName, _NAME.key) is None
        assert await acme.get(Project, (SHOP,)) == project(SHOP)
    assert require_chain(await chain(store, ACME)).size == 1


async def test_a_locked_database_closes_the_gate_and_loses_nothing(store: SQLStore, path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(BackendUnavailableError, match="SQLITE_BUSY") as caught:
        await change(store)
    assert caught.value.__suppress_context__
    assert await store.tenant_of(SHOP) == ACME
    holder.execute("ROLLBACK")
    holder.close()
    await require_unchanged(store)
    await change(store)


async def test_a_full_disk_closes_the_gate_and_loses_nothing(store: SQLStore) -> None:
    def limit(connection: sqlite3.Connection, _entry: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA max_page_count = 1")
        cursor.close()

    store._in_thread.dispose()
    event.listen(store._in_thread, "connect", limit)
    with pytest.raises(BackendUnavailableError, match="SQLITE_FULL"):
        async with store.tenant(ACME) as acme:
            await acme.append([draft(number) for number in range(2000)])
    event.remove(store._in_thread, "connect", limit)
    store._in_thread.dispose()
    await require_unchanged(store)


async def test_a_read_only_file_closes_the_gate_and_loses_nothing(store: SQLStore) -> None:
    def forbid(connection: sqlite3.Connection, _entry: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only = ON")
        cursor.close()

    store._in_thread.dispose()
    event.listen(store._in_thread, "connect", forbid)
    with pytest.raises(BackendUnavailableError, match="SQLITE_READONLY"):
        await change(store)
    event.remove(store._in_thread, "connect", forbid)
    store._in_thread.dispose()
    await require_unchanged(store)


async def test_a_corrupt_file_closes_the_gate(store: SQLStore, path: Path) -> None:
    await store.engine.dispose()
    store._in_thread.dispose()
    corrupt(path)
    with pytest.raises(BackendUnavailableError, match="SQLITE_"):
        await store.tenant_of(SHOP)
    with pytest.raises(BackendUnavailableError, match="SQLITE_"):
        await change(store)


async def test_a_commit_that_fails_is_told_and_leaves_nothing(store: SQLStore) -> None:
    def fail(_connection: Connection) -> None:
        raise sqlite3.OperationalError

    event.listen(store._in_thread, "commit", fail)
    with pytest.raises(BackendUnavailableError):
        await change(store)
    event.remove(store._in_thread, "commit", fail)
    await require_unchanged(store)


@pytest.mark.parametrize("number", [2**70, -(2**70)])
async def test_a_number_beyond_the_columns_is_no_crash(store: SQLStore, number: int) -> None:
    async with store.tenant(ACME) as acme:
        with pytest.raises(BackendUnavailableError, match="OverflowError"):
            await acme.entries(number, 1)


async def test_what_belongs_to_nothing_is_a_conflict_at_the_end(store: SQLStore) -> None:
    async def orphan_tenant() -> None:
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(_NAME)

    async def orphan_project() -> None:
        async with store.tenant(ACME) as acme:
            for record in RECORDS:
                if isinstance(record, AllowedOrigin):
                    await acme.insert(record)
            await acme.remove(Project, (SHOP,), 1)

    async def another_tenants_project() -> None:
        origin = next(record for record in RECORDS if isinstance(record, AllowedOrigin))
        async with store.tenant(GLOBEX) as globex:
            await globex.insert(tenant(GLOBEX))
            await globex.insert(origin)

    deeds: list[Callable[[], Awaitable[None]]] = [orphan_tenant, orphan_project, another_tenants_project]
    for deed in deeds:
        with pytest.raises(ConflictError, match="is not stored"):
            await deed()
    await require_unchanged(store)
    assert await store.tenants("", 10) == [ACME]


async def test_a_tenant_goes_with_everything_in_any_order(store: SQLStore) -> None:
    async with store.tenant(ACME) as acme:
        for record in RECORDS:
            await acme.insert(record)
    everything: list[Record] = [tenant(ACME), project(SHOP), *RECORDS]
    async with store.tenant(ACME) as acme:
        for record in everything:
            await acme.remove(type(record), record.key, 1)
    assert not await store.tenants("", 10)
    async with store.tenant(ACME) as acme:
        assert await acme.get(Tenant, ()) is None
        assert len(await acme.entries(0, 10)) == 1


async def test_who_waits_too_long_for_its_turn_is_told(store: SQLStore) -> None:
    async with store.tenant(ACME):
        with pytest.raises(BackendUnavailableError, match="too many transactions wait"):
            await change(store)
    await change(store)


async def test_a_transaction_that_is_cancelled_leaves_nothing(store: SQLStore) -> None:
    begun = asyncio.Event()

    async def linger() -> None:
        async with store.tenant(ACME) as acme:
            await acme.insert(_NAME)
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.ensure_future(linger())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await require_unchanged(store)
    await change(store)


def test_a_store_serves_one_event_loop_after_another(path: Path) -> None:
    store = SQLStore.sqlite(path)

    async def visit(number: int) -> int:
        async with store:
            await asyncio.gather(*(store.append_many({ACME: [draft(number)]}) for _ in range(5)))
            return require_chain(await chain(store, ACME)).size

    assert [asyncio.run(visit(number)) for number in range(3)] == [5, 10, 15]


def test_a_store_that_was_left_open_serves_the_next_event_loop(path: Path) -> None:
    store = SQLStore.sqlite(path)

    async def visit() -> int:
        await asyncio.gather(*(store.append_many({ACME: [draft(1)]}) for _ in range(5)))
        return require_chain(await chain(store, ACME)).size

    asyncio.run(_enter(store))
    assert [asyncio.run(visit()) for _ in range(3)] == [5, 10, 15]
    asyncio.run(store.__aexit__())


async def _enter(store: SQLStore) -> None:
    await store.__aenter__()
