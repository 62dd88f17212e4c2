"""Kill -9 of one of four workers, over and over: the chain stays one, and says what may be missing of whom."""

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest
import pytest_asyncio

from apikeychain.backends.sql import SQLStore
from apikeychain.ledger.notes import Terms
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import OpenEntries
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.valkey import ValkeyServer
from chain_reader import ChainReader, until_registered
from fleet import WORKERS, Fleet, Workers, running
from served_postgres import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")
# Beside the kills of one server, in both modes, once in every run is enough.
MODES = ["buffered", pytest.param("write-ahead", marks=pytest.mark.long)]
TERMS = Terms(lease=3.0, renewal=0.5, sweep=0.5)
# Longer than it takes by those terms until somebody states what is missing.
STATED_SECONDS = 60.0


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=MODES)
async def workers(
    request: pytest.FixtureRequest,
    database: Database,
    valkey: ValkeyServer,
    openbao: OpenBaoServer,
    provider: LocalProvider,
) -> AsyncGenerator[Workers, None]:
    news = f"kills-{request.param}"
    async with running(database, valkey, openbao, provider, news=news, mode=request.param, terms=TERMS) as fleet:
        yield fleet


@pytest_asyncio.fixture(loop_scope="module")
async def store(database: Database) -> AsyncGenerator[Store, None]:
    async with SQLStore.postgres(database.url, pool_size=1) as store:
        yield store


async def written(acme: ChainReader) -> int:
    """How many calls came to the chain, once whoever lives has written all of his."""
    calls, quiet = 0, 0
    while quiet < 2:
        await asyncio.sleep(0.3)
        came = await acme.read_on()
        calls, quiet = calls + came, 0 if came else quiet + 1
    return calls


async def kill_often(fleet: Fleet, provider: LocalProvider, store: Store, kills: int) -> None:
    moments = random.Random(2026)  # noqa: S311  # moments, not secrets
    acme, missing = ChainReader(store, TenantId("acme")), 0
    await written(acme)
    before, intents, asked = {*acme.stated()}, len(acme.of("intent")), len(provider.requests)
    for _ in range(kills):
        sent, worker = len(provider.requests), moments.randrange(WORKERS)
        async with fleet.load():
            await asyncio.sleep(moments.uniform(0.1, 0.6))
            fleet.workers.kill(worker)
        calls = await written(acme)
        lost = len(provider.requests) - sent - calls
        assert lost >= 0
        missing += lost
        await fleet.workers.begin(worker)
    await until_registered(store, lambda workers: workers <= WORKERS, STATED_SECONDS)
    await written(acme)
    said = {worker: entries for worker, entries in acme.stated().items() if worker not in before}
    assert len(said) <= kills
    assert said
    assert 0 < missing <= sum(said.values())
    served = [call for call in acme.of("call") if call["project"] == fleet.shop.id and call["status"] == 200]
    assert fleet.got()[200] - missing <= len(served)
    if fleet.workers.shared.ledger_mode == "write-ahead":
        assert len(acme.of("intent")) - intents >= len(provider.requests) - asked


async def test_ten_kills_among_four_workers_leave_one_chain_that_is_true(
    fleet: Fleet, provider: LocalProvider, store: Store
) -> None:
    await kill_often(fleet, provider, store, 10)


@pytest.mark.long
async def test_a_hundred_kills_among_four_workers_leave_one_chain_that_is_true(
    fleet: Fleet, provider: LocalProvider, store: Store
) -> None:
    await kill_often(fleet, provider, store, 100)


async def test_workers_that_are_told_to_end_leave_nothing_noted(fleet: Fleet, store: Store) -> None:
    """The last test of the file: the servers end."""
    async with fleet.load():
        await asyncio.sleep(0.5)
    # The last one that was killed may be stated after a living one, which began since, is there.
    await until_registered(store, lambda workers: workers == WORKERS, STATED_SECONDS)
    platform = ChainReader(store, PLATFORM)
    await platform.read_on()
    gaps = len(platform.of("gap"))
    for worker in range(WORKERS):
        fleet.workers.end(worker)
    await until_registered(store, lambda workers: not workers, STATED_SECONDS)
    async with store.reading(PLATFORM) as rows:
        assert await rows.list(OpenEntries, (), 10) == []
    await platform.read_on()
    assert len(platform.of("gap")) == gaps
