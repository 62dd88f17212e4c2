"""Whoever changes anything does so in one thread and few trips, and keeps the ledger waiting as little as can be."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncGenerator, Coroutine
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import event

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.own_thread import OwnThread
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.records import AllowedOrigin, Project
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.eventually import until
from apikeychain.testing.records import ACME, SHOP, draft, project, tenant


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path, busy_seconds=0.5) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store


async def test_the_ledger_waits_for_one_change_and_for_no_other(store: SQLStore) -> None:
    order, end = list[str](), asyncio.Event()

    async def change(name: str) -> None:
        async with store.tenant(ACME) as acme:
            await acme.get(Project, (SHOP,))
            order.append(name)
            await end.wait()

    async def append() -> None:
        await store.append_many({ACME: [draft(1)]})
        order.append("entry")

    async with asyncio.TaskGroup() as tasks:
        for name in ("first", "second", "third"):
            tasks.create_task(change(name))
        await asyncio.sleep(0.05)
        tasks.create_task(append())
        await asyncio.sleep(0.05)
        end.set()
    assert order == ["first", "entry", "second", "third"]


async def test_a_row_is_looked_at_where_it_is_asked_for_and_the_rest_in_the_thread(store: SQLStore) -> None:
    here: list[tuple[str, bool]] = []

    def note(_connection: object, _cursor: object, text: str, *_: object) -> None:
        here.append((text.split(maxsplit=1)[0], threading.current_thread() is threading.main_thread()))

    event.listen(store._in_thread, "before_cursor_execute", note)
    async with store.tenant(ACME) as acme:
        await acme.get(Project, (SHOP,))
        await acme.get(Project, (SHOP,))
        await acme.list(AllowedOrigin, (SHOP,), 10)
        await acme.replace(project(SHOP, generation=2), 1)
    await store.append_many({ACME: [draft(1)]})
    assert here[:5] == [("BEGIN", False), ("SELECT", False), ("SELECT", True), ("SELECT", False), ("UPDATE", True)]
    assert not any(is_here for _, is_here in here[-4:])


async def test_who_changes_nothing_waits_for_nobody(store: SQLStore, path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    async with store.tenant(ACME):
        pass
    with pytest.raises(ZeroDivisionError):
        async with store.tenant(ACME):
            raise ZeroDivisionError
    with pytest.raises(BackendUnavailableError, match="SQLITE_BUSY"):
        async with store.tenant(ACME) as acme:
            await acme.get(Project, (SHOP,))
    holder.close()
    async with store.tenant(ACME) as acme:
        assert await acme.get(Project, (SHOP,)) == project(SHOP)


async def test_a_transaction_that_could_not_begin_begins_with_the_next_statement(store: SQLStore, path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    async with store.tenant(ACME) as acme:
        with pytest.raises(BackendUnavailableError, match="SQLITE_BUSY"):
            await acme.get(Project, (SHOP,))
        holder.execute("ROLLBACK")
        assert await acme.get(Project, (SHOP,)) == project(SHOP)
        # From here on nobody else writes.
        holder.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            holder.execute("BEGIN IMMEDIATE")
    holder.execute("BEGIN IMMEDIATE")
    holder.close()


@pytest.mark.parametrize("entries", [1, 1_024, 1_025, 2_500])
async def test_entries_go_together_however_many_they_are(store: SQLStore, entries: int) -> None:
    texts: list[str] = []
    event.listen(store._in_thread, "before_cursor_execute", lambda *given: texts.append(given[2]))
    await store.append_many({ACME: [draft(number) for number in range(entries)]})
    assert require_chain(await chain(store, ACME)).size == entries
    assert sum(text.startswith("INSERT INTO ledger ") for text in texts) == -(-entries // 1_024)


async def test_the_thread_goes_with_the_store(path: Path) -> None:
    before = threading.active_count()
    async with SQLStore.sqlite(path) as store, store.tenant(ACME) as acme:
        await acme.insert(tenant(ACME))
        assert "apikeychain-sqlite_0" in {thread.name for thread in threading.enumerate()}
    await until(lambda: threading.active_count() <= before)


def test_a_deed_that_outlives_its_loop_tells_nobody(caplog: pytest.LogCaptureFixture) -> None:
    thread, go_on, done = OwnThread(), threading.Event(), threading.Event()

    async def begin() -> Coroutine[object, object, bool]:
        waiting = thread.bring(partial(go_on.wait, 10))
        waiting.send(None)
        thread._executor.here().submit(done.set)
        return waiting

    loop = asyncio.new_event_loop()
    waiting = loop.run_until_complete(begin())
    loop.close()
    caplog.clear()
    go_on.set()
    assert done.wait(10)
    waiting.close()
    assert not caplog.records
