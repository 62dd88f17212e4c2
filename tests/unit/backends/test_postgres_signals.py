"""What workers hear of PostgreSQL, and when."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from apikeychain.backends.sql import PostgresSignals, PostgresStore, SQLStore
from apikeychain.backends.sql.postgres.engine import postgres_engine
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.records import ProjectName
from apikeychain.ports.signals import Change
from apikeychain.testing.records import ACME, SHOP, project
from apikeychain.testing.signals import soon, subscribed
from served_postgres import Database, shop_in


@pytest.fixture
async def store(database: Database) -> AsyncGenerator[PostgresStore, None]:
    async with shop_in(database) as store:
        yield store


@pytest.fixture
def signals(store: PostgresStore) -> PostgresSignals:
    return PostgresSignals(store)


async def test_a_change_is_told_when_it_is_committed_and_not_before(
    store: PostgresStore, signals: PostgresSignals
) -> None:
    async with subscribed(signals) as heard:
        async with store.tenant(ACME) as acme:
            await acme.replace(project(SHOP, generation=2), 1)
            await asyncio.sleep(0.1)
            assert heard.empty()
        assert await soon(heard) == Change(SHOP)
        async with store.tenant(ACME) as acme:
            await acme.remove(type(project(SHOP)), (SHOP,), 2)
        assert await soon(heard) == Change(SHOP)


async def test_a_change_that_came_to_nothing_is_not_told(store: PostgresStore, signals: PostgresSignals) -> None:
    async def fail() -> None:
        async with store.tenant(ACME) as acme:
            await acme.replace(project(SHOP, generation=2), 1)
            raise RuntimeError

    async with subscribed(signals) as heard:
        with pytest.raises(RuntimeError):
            await fail()
        async with store.tenant(ACME) as acme:
            await acme.insert(ProjectName(name="shop", project=SHOP))
        await asyncio.sleep(0.1)
        assert heard.empty()


async def test_a_message_that_nobody_of_ours_sent_says_that_something_may_have_changed(
    database: Database, signals: PostgresSignals
) -> None:
    async with subscribed(signals) as heard:
        for payload in ("'; DROP TABLE x", "p_short", SHOP):
            database.execute(f"SELECT pg_notify('apikeychain', $p${payload}$p$)")
        assert [await soon(heard) for _ in range(3)] == [Change(None), Change(None), Change(SHOP)]


async def test_other_workers_hear_and_a_new_one_disturbs_nobody(store: PostgresStore, database: Database) -> None:
    async with SQLStore.postgres(database.url) as other, subscribed(PostgresSignals(other)) as heard:
        async with subscribed(PostgresSignals(store)):
            await PostgresSignals(store).publish(Change(SHOP))
            assert await soon(heard) == Change(SHOP)
        assert heard.empty()


async def test_a_connection_that_was_closed_is_told_at_once(database: Database, signals: PostgresSignals) -> None:
    async with aclosing(signals.subscribe()) as changes:
        assert await anext(changes) == Change(None)
        waiting = asyncio.ensure_future(anext(changes))
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
        with pytest.raises(BackendUnavailableError, match="was closed"):
            await asyncio.wait_for(waiting, 2)
    assert signals.subscribers == 0


async def test_a_silent_connection_is_looked_after(database: Database, store: PostgresStore) -> None:
    signals = PostgresSignals(store, interval_seconds=0.05)
    async with aclosing(signals.subscribe()) as changes:
        assert await anext(changes) == Change(None)
        waiting = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        database.server.freeze()
        try:
            with pytest.raises(BackendUnavailableError):
                await asyncio.wait_for(waiting, 6)
        finally:
            database.server.thaw()


async def test_who_would_hear_nothing_is_told(
    database: Database, empty_database: Database, store: PostgresStore
) -> None:
    """As behind a pooler: what is said on one connection does not come to the other."""
    elsewhere = postgres_engine(database.server.url(empty_database.name))
    signals = PostgresSignals(store, listening=elsewhere)
    with pytest.raises(BackendUnavailableError, match="give `listening`"):
        await anext(signals.subscribe())
    assert signals.subscribers == 0
    await elsewhere.dispose()


async def test_a_listener_may_have_a_way_of_its_own(database: Database, store: PostgresStore) -> None:
    direct = postgres_engine(database.url)
    async with subscribed(PostgresSignals(store, listening=direct)) as heard:
        await PostgresSignals(store).publish(Change(SHOP))
        assert await soon(heard) == Change(SHOP)
    await direct.dispose()


async def test_a_listener_takes_no_place_of_the_pool(store: PostgresStore, signals: PostgresSignals) -> None:
    async with subscribed(signals), subscribed(signals):
        assert await store.tenant_of(SHOP) == ACME
        async with store.tenant(ACME) as acme:
            assert await acme.lease("sweep", 1)
