"""Whatever is cancelled at any moment leaves the database to the next one, and no connection behind."""

import asyncio
import random
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.engine import READERS, whole
from apikeychain.model.records import AllowedOrigin, Project
from apikeychain.testing.eventually import until
from apikeychain.testing.records import ACME, SHOP, draft, project, tenant
from busy_loop import turns_of

Deed = Callable[[SQLStore], Awaitable[object]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(tmp_path / "store.sqlite3", busy_seconds=1.0) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store


async def transact(store: SQLStore) -> None:
    async with store.tenant(ACME) as acme:
        await acme.get(Project, (SHOP,))
        await acme.list(AllowedOrigin, (SHOP,), 500)


async def read(store: SQLStore) -> None:
    async with store.reading(ACME) as acme:
        await acme.get(Project, (SHOP,))
        await acme.list(AllowedOrigin, (SHOP,), 500)


async def ask(store: SQLStore) -> None:
    await store.tenant_of(SHOP)


async def append(store: SQLStore) -> None:
    await store.append_many({ACME: [draft(1)]})


async def cut_short(deed: Deed, store: SQLStore, moments: random.Random) -> bool:
    """Whether the deed was cancelled before its end."""
    try:
        async with asyncio.timeout(moments.uniform(0, 0.003)):
            await deed(store)
    except TimeoutError:
        return True
    return False


@pytest.mark.parametrize("deed", [transact, read, ask, append])
async def test_what_is_cancelled_keeps_no_lock(store: SQLStore, deed: Deed) -> None:
    moments = random.Random(5)  # noqa: S311 - moments, not secrets
    ended = 0
    for _ in range(100):
        ended += await cut_short(deed, store, moments)
        await append(store)
        await read(store)
    assert ended > 10


@pytest.mark.parametrize("deed", [transact, read, ask])
async def test_what_is_cancelled_while_it_connects_leaves_no_thread(store: SQLStore, deed: Deed) -> None:
    moments = random.Random(7)  # noqa: S311 - moments, not secrets
    ended = 0
    await store.engine.dispose()
    before = threading.active_count()
    for _ in range(60):
        ended += await cut_short(deed, store, moments)
        await store.engine.dispose()
    assert ended > 10
    # A thread ends a little after its connection.
    await until(lambda: threading.active_count() <= before)


async def test_many_that_are_cancelled_together_leave_every_place_free(store: SQLStore) -> None:
    for _ in range(5):
        tasks = [asyncio.ensure_future(read(store)) for _ in range(10 * READERS)]
        await asyncio.sleep(0.005)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert store.engine.sync_engine.pool.status().count("Current Checked out connections: 0") == 1
        await asyncio.gather(*(read(store) for _ in range(READERS)))
        await append(store)


async def test_a_second_cancellation_does_not_cut_a_statement_either() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def statement() -> None:
        begun.set()
        await asyncio.sleep(0.1)
        ended.set()

    task = asyncio.ensure_future(whole(statement()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_statement_that_breaks_while_it_is_waited_for_is_still_cancelled() -> None:
    begun = asyncio.Event()

    async def statement() -> None:
        begun.set()
        await asyncio.sleep(0.05)
        raise ZeroDivisionError

    async def cut() -> None:
        begun.set()
        await asyncio.sleep(0.05)
        raise asyncio.CancelledError

    for coroutine in (statement, cut):
        begun.clear()
        task = asyncio.ensure_future(whole(coroutine()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_group_of_entries_costs_a_busy_loop_few_of_its_turns(store: SQLStore) -> None:
    await store.append_many({ACME: [draft(1)]})
    entries = [draft(number) for number in range(100)]
    assert await turns_of(store.append_many({ACME: entries}), 0.2) <= 4
