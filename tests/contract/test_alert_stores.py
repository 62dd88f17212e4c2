"""Alerts on the stores that outlive a process: three workers at once, and a database that goes."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from alert_house import ACME, Sink, filed, waiting
from apikeychain.alerts.delivery import Delivery
from apikeychain.backends.sql import SQLStore
from apikeychain.model.ids import TenantId
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from apikeychain.testing.servers.postgres import PostgresServer
from served_postgres import Database
from workers_stores import PLACES, OneStore, opened_stores, opening

WORKERS = 3
TENANTS = [PLATFORM, ACME, *(TenantId(f"t{number:02}") for number in range(18))]
now = partial(datetime.now, UTC)


@pytest.fixture(params=PLACES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], OneStore]:
    """Makes the store of one more worker."""
    return opening(request, tmp_path)


@pytest.fixture
async def stores(opened: Callable[[], OneStore]) -> AsyncGenerator[list[OneStore], None]:
    """Those of several workers, on the same data."""
    async with opened_stores([opened() for _ in range(WORKERS)]) as found:
        yield found


async def deliver(worker: Delivery) -> None:
    await worker.look()
    await worker.settled()


async def test_workers_at_once_send_each_alert_once(stores: list[OneStore]) -> None:
    ids = await filed(stores[0], now(), *TENANTS, each=3)
    sinks = {"first": Sink(), "second": Sink(faults=[OSError(), None] * 10)}
    workers = [Delivery(store, sinks, now=now) for store in stores]
    async with asyncio.timeout(60):
        while [each for tenant in TENANTS for each in await waiting(stores[0], tenant)]:
            await asyncio.gather(*map(deliver, workers))
            await asyncio.sleep(0.1)
    for sink in sinks.values():
        assert sorted(sink.taken) == sorted(ids)


async def test_a_database_that_goes_loses_none(
    database: Database, postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    sink = Sink()
    sink.passing.clear()
    async with SQLStore.postgres(database.url) as store:
        ids = await filed(store, now(), ACME, PLATFORM)
        worker = Delivery(store, {"mine": sink}, now=now)
        await worker.look()
        await until(lambda: sink.waits >= len(ids))
        postgres.stop()
        sink.passing.set()
        await deliver(worker)
        assert "wait: the store does not answer" in caplog.text
        postgres.start()
        async with asyncio.timeout(60):
            while await waiting(store, ACME) or await waiting(store, PLATFORM):
                await deliver(worker)
                await asyncio.sleep(0.1)
    # What was sent when nobody could note it is sent once more, and nothing else is.
    assert sorted(sink.taken) == sorted(ids * 2)
