"""The whole gate on PostgreSQL, through one connection."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from apikeychain import Secret
from apikeychain.backends.sql import PostgresSignals, SQLStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.records import Project
from apikeychain.tenants.turning import TurnedKey
from apikeychain.testing.chains import require_chain
from gate import KEY, Gate, open_gate
from served_postgres import Database


@pytest.fixture
async def gate(database: Database) -> AsyncGenerator[Gate, None]:
    store = SQLStore.postgres(database.url, pool_size=1)
    async with open_gate(store=store, signals=PostgresSignals(store)) as gate:
        yield gate


async def test_a_keychain_on_a_pool_of_one_serves_and_keeps_its_ledger(gate: Gate, database: Database) -> None:
    answers = await asyncio.gather(*(gate.get() for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    await gate.until_written()
    entries = await gate.acme.entries(0, 1000)
    assert [entry.kind for entry in entries].count("call") == 20
    require_chain(entries)
    assert KEY not in database.execute("SELECT body FROM apikeychain.secrets")


async def test_what_another_worker_changes_holds_within_a_second(gate: Gate, database: Database) -> None:
    assert (await gate.get()).status == 200
    async with SQLStore.postgres(database.url) as other:
        (tenant,) = await other.tenants("", 10)
        async with other.tenant(tenant) as acme:
            (shop,) = await acme.list(Project, (), 10)
            await acme.replace(replace(shop, enabled=False, generation=99), shop.generation)
    await asyncio.sleep(1)
    assert (await gate.get()).status == 404


async def test_a_database_that_is_gone_for_a_while_is_found_again(gate: Gate, database: Database) -> None:
    assert (await gate.get()).status == 200
    database.server.stop()
    with pytest.raises(BackendUnavailableError):
        await gate.acme.entries(0, 10)
    database.server.start()
    assert (await gate.get()).status == 200
    require_chain(await gate.acme.entries(0, 1000))


async def test_keys_turn_on_a_database_of_many_workers_while_calls_flow(gate: Gate) -> None:
    done = asyncio.Event()

    async def call() -> set[int]:
        statuses = set[int]()
        while not done.is_set():
            statuses.add((await gate.get()).status)
        return statuses

    await gate.shop.configure(quota="1000000/minute", address_quota="1000000/minute")
    for number in range(5):
        await gate.shop.put_secret(f"made-{number}", Secret(f"{KEY}{number}"), provider="weather")
    callers = [asyncio.create_task(call()) for _ in range(2)]
    for number in (2, 3):
        assert await gate.shop.turn_key() == TurnedKey(project=gate.shop.id, number=number, values=6)
    assert (await gate.acme.turn_secret()).values == 6
    done.set()
    assert await asyncio.gather(*callers) == [{200}, {200}]
