"""The ledger is written in a loop of its own, which calls keep waiting for nothing."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable

import pytest

from apikeychain.backends.sql import PostgresStore, SQLStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.eventually import until
from apikeychain.testing.records import ACME, draft
from busy_loop import turns_of
from served_postgres import Database, shop_in

_THREAD = "apikeychain-postgres"


@pytest.fixture
async def store(database: Database) -> AsyncGenerator[PostgresStore, None]:
    async with shop_in(database, connections=3) as store:
        yield store


def threads() -> int:
    return sum(thread.name == _THREAD for thread in threading.enumerate())


async def append(store: PostgresStore) -> None:
    await store.append_many({ACME: [draft(1)]})


async def test_a_group_of_entries_costs_a_busy_loop_few_of_its_turns(store: PostgresStore) -> None:
    await append(store)
    entries = [draft(number) for number in range(100)]
    assert await turns_of(store.append_many({ACME: entries}), 0.3) <= 6
    assert require_chain(await chain(store, ACME)).size == 101


async def test_who_is_cancelled_leaves_the_connection_to_the_next(store: PostgresStore) -> None:
    for moment in range(20):
        writing = asyncio.ensure_future(append(store))
        await asyncio.sleep(moment / 1000)
        writing.cancel()
        await asyncio.wait([writing])
    await append(store)
    # Whoever was cancelled waited for what was on its way, so that all of it stands there now or never will.
    size = require_chain(await chain(store, ACME)).size
    await asyncio.sleep(0.1)
    assert require_chain(await chain(store, ACME)).size == size >= 1


async def test_a_connection_that_was_lost_costs_nobody_an_error(store: PostgresStore, database: Database) -> None:
    await append(store)
    database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'web'")
    await asyncio.sleep(0.1)
    await append(store)
    assert require_chain(await chain(store, ACME)).size == 2


async def test_a_server_that_is_gone_is_told_and_one_that_is_back_is_used(
    store: PostgresStore, database: Database
) -> None:
    await append(store)
    database.server.stop()
    with pytest.raises(BackendUnavailableError):
        await append(store)
    database.server.start()
    await append(store)
    assert require_chain(await chain(store, ACME)).size == 2


async def test_no_more_connections_are_made_than_were_allowed(store: PostgresStore, database: Database) -> None:
    async def read() -> None:
        await store.tenants("", 10)

    deeds: list[Callable[[], Awaitable[None]]] = [read, lambda: append(store)] * 10
    await asyncio.gather(*(deed() for deed in deeds))
    assert database.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'web'").strip() == "3"


async def test_the_thread_goes_with_the_store_and_one_connection_has_none(database: Database) -> None:
    before = threads()
    async with SQLStore.postgres(database.url, pool_size=1) as alone:
        await append(alone)
        assert threads() == before
    store = SQLStore.postgres(database.url)
    for number in range(2):
        async with store:
            assert threads() == before
            await append(store)
            assert threads() == before + 1
            assert require_chain(await chain(store, ACME)).size == number + 2
        await until(lambda: threads() == before)
