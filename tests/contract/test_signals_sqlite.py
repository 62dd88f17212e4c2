from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLiteSignals, SQLStore
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import Project
from apikeychain.ports.signals import Change, Signals
from apikeychain.testing.records import ACME, SHOP, draft, project, tenant
from apikeychain.testing.signals import SignalsContract, soon, subscribed

_BLOG = ProjectId("p_" + "b" * 20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keychain.db"


@pytest.fixture
async def store(path: Path) -> AsyncGenerator[SQLStore, None]:
    async with SQLStore.sqlite(path) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store


@pytest.fixture
async def elsewhere(path: Path, store: SQLStore) -> AsyncGenerator[SQLStore, None]:
    """The store of another process."""
    async with SQLStore.sqlite(path) as elsewhere:
        assert elsewhere is not store
        yield elsewhere


@pytest.fixture
def signals(store: SQLStore) -> SQLiteSignals:
    return SQLiteSignals(store, mailbox_size=5)


class TestSQLiteSignals(SignalsContract):
    capacity = 5

    def subscribers(self, signals: Signals) -> int:
        assert isinstance(signals, SQLiteSignals)
        return signals.subscribers

    async def pull_plug(self, signals: Signals) -> None:
        assert isinstance(signals, SQLiteSignals)
        engine = signals.store.engine
        await engine.dispose()
        path = Path(str(engine.url.database))
        path.rename(path.with_suffix(".lost"))
        path.mkdir()


async def change_shop(store: SQLStore, generation: int) -> None:
    async with store.tenant(ACME) as acme:
        await acme.replace(project(SHOP, generation=generation + 1), generation)


async def test_a_commit_of_another_process_is_heard_within_a_second(
    signals: SQLiteSignals, elsewhere: SQLStore
) -> None:
    async with subscribed(signals) as heard:
        await change_shop_when_subscribed(signals, elsewhere)
        assert await soon(heard) == Change(SHOP)


async def change_shop_when_subscribed(signals: SQLiteSignals, store: SQLStore) -> None:
    """Change the project once the subscriber stands, which it does when it hears something."""
    await signals.publish(Change(_BLOG))
    async with subscribed(signals) as probe:
        await signals.publish(Change(_BLOG))
        await soon(probe)
    await change_shop(store, 1)
