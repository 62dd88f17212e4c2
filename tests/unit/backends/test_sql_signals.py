import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLiteSignals, SQLStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import Project
from apikeychain.ports.signals import Change
from apikeychain.testing.records import ACME, GLOBEX, SHOP, draft, project, tenant
from apikeychain.testing.signals import soon, subscribed
from lost_database import put_folder_in_place

_BLOG = ProjectId("p_" + "b" * 20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path) as store:
        for owner, of in ((ACME, SHOP), (GLOBEX, _BLOG)):
            async with store.tenant(owner) as one:
                await one.insert(tenant(owner))
                await one.insert(project(of))
        yield store


@pytest.fixture
async def elsewhere(path: Path, store: SQLStore) -> AsyncGenerator[SQLStore, None]:
    """The store of another process."""
    async with SQLStore.sqlite(path) as elsewhere:
        assert elsewhere is not store
        yield elsewhere


@pytest.fixture
def signals(store: SQLStore) -> SQLiteSignals:
    return SQLiteSignals(store, interval_seconds=0.1)


async def stand(signals: SQLiteSignals, heard: "asyncio.Queue[Change]") -> None:
    """Wait until the subscriber stands: then it has heard something."""
    await signals.publish(Change(None))
    await soon(heard)


async def raise_generation(store: SQLStore, generation: int) -> None:
    async with store.tenant(ACME) as acme:
        await acme.replace(project(SHOP, generation=generation + 1), generation)


async def test_a_commit_of_another_process_is_heard_within_a_second(store: SQLStore, elsewhere: SQLStore) -> None:
    signals = SQLiteSignals(store)
    async with subscribed(signals) as heard:
        await stand(signals, heard)
        await raise_generation(elsewhere, 1)
        assert await soon(heard) == Change(SHOP)


async def test_several_changes_are_told_in_their_order(signals: SQLiteSignals, elsewhere: SQLStore) -> None:
    async with subscribed(signals) as heard:
        await stand(signals, heard)
        async with elsewhere.tenant(GLOBEX) as globex:
            await globex.replace(project(_BLOG, generation=2), 1)
        await raise_generation(elsewhere, 1)
        assert [await soon(heard), await soon(heard)] == [Change(_BLOG), Change(SHOP)]


async def test_the_end_and_the_return_of_a_project_are_heard(signals: SQLiteSignals, elsewhere: SQLStore) -> None:
    async with subscribed(signals) as heard:
        await stand(signals, heard)
        async with elsewhere.tenant(ACME) as acme:
            await acme.remove(Project, (SHOP,), 1)
        assert await soon(heard) == Change(SHOP)
        async with elsewhere.tenant(ACME) as acme:
            await acme.insert(project(SHOP))
        assert await soon(heard) == Change(SHOP)


async def test_a_ledger_that_grows_is_no_change(signals: SQLiteSignals, elsewhere: SQLStore) -> None:
    async with subscribed(signals) as heard:
        await stand(signals, heard)
        for _ in range(5):
            await elsewhere.append_many({ACME: [draft(1)]})
            await asyncio.sleep(0.1)
        assert heard.empty()


async def test_a_change_that_was_rolled_back_is_not_told(signals: SQLiteSignals, elsewhere: SQLStore) -> None:
    async def fail() -> None:
        async with elsewhere.tenant(ACME) as acme:
            await acme.replace(project(SHOP, generation=2), 1)
            raise ZeroDivisionError

    async with subscribed(signals) as heard:
        await stand(signals, heard)
        with pytest.raises(ZeroDivisionError):
            await fail()
        await asyncio.sleep(0.3)
        assert heard.empty()


async def test_an_own_change_is_heard_once(signals: SQLiteSignals, store: SQLStore) -> None:
    async with subscribed(signals) as heard:
        await stand(signals, heard)
        await raise_generation(store, 1)
        await signals.publish(Change(SHOP))
        assert await soon(heard) == Change(SHOP)
        await asyncio.sleep(0.3)
        assert heard.empty()


async def test_what_happened_before_anybody_subscribed_is_not_told(signals: SQLiteSignals, store: SQLStore) -> None:
    await raise_generation(store, 1)
    async with subscribed(signals) as first, subscribed(signals) as second:
        await asyncio.sleep(0.3)
        assert first.empty()
        assert second.empty()


async def test_a_database_that_is_lost_ends_the_subscription(signals: SQLiteSignals, store: SQLStore) -> None:
    changes = signals.subscribe()
    assert await anext(changes) == Change(None)
    listening = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.05)
    put_folder_in_place(store.engine)
    async with store.tenant(ACME) as acme:
        await acme.replace(project(SHOP, generation=2), 1)
    await store.engine.dispose()
    with pytest.raises(BackendUnavailableError):
        await asyncio.wait_for(listening, 2)
    assert signals.subscribers == 0
