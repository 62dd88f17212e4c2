"""Checkpoints on the stores that outlive a process: two workers, a rollback, and what was changed behind their back."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.ledger.checkpoint_keys import OVERLAP
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM
from honest_witness import HonestWitness
from notary_house import ACME, OTHER, House, drafts, settle
from workers_stores import PLACES, OneStore, opened_stores, opening

WORKERS = 3


@pytest.fixture(params=PLACES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], OneStore]:
    """Makes the store of one more worker."""
    return opening(request, tmp_path)


@pytest.fixture
async def stores(opened: Callable[[], OneStore]) -> AsyncGenerator[list[Store], None]:
    """Those of several workers, on the same data."""
    async with opened_stores([opened() for _ in range(WORKERS)]) as found:
        await settle(found[0], ACME, OTHER)
        yield [*found]


async def test_workers_that_write_and_sign_at_once_make_one_history(stores: list[Store]) -> None:
    house, witness = House(stores[0]), HonestWitness()
    notaries = [house.notary(witness, store=store) for store in stores]
    for _ in range(4):
        await asyncio.gather(
            *(notary.checkpoint() for notary in notaries),
            *(store.append_many({ACME: drafts(3), OTHER: drafts(1)}) for store in stores),
        )
    await notaries[0].checkpoint()
    assert len(await house.pairs()) == 1
    assert (await house.kinds())[0] == "checkpoint-key.made"
    said = witness.verified(await house.public())
    assert {tenant: one.size for tenant, one in said.items()} == {ACME: 37, OTHER: 13, PLATFORM: 1}
    assert said[ACME] == await house.said(ACME)


async def test_a_new_worker_goes_on_and_a_pair_takes_over(stores: list[Store]) -> None:
    house, witness = House(stores[0]), HonestWitness()
    for store in stores:
        await house.write(ACME, count=7)
        notary = house.notary(witness, store=store)
        await notary.checkpoint()
        await notary.signers.rotate("operator")
        house.clocks.past += OVERLAP.total_seconds()
    await house.notary(witness).checkpoint()
    pairs = await house.pairs()
    assert [bool(pair.wrapped_mldsa65) for pair in pairs] == [False, False, False, True]
    assert witness.verified(await house.public())[ACME].size == 22


async def test_many_tenants_are_signed_together(stores: list[Store]) -> None:
    house, witness = House(stores[0]), HonestWitness()
    await settle(stores[0], *(TenantId(f"t{number:03}") for number in range(60)))
    assert len((await house.notary(witness).checkpoint()).signed) == 63
    assert len({checkpoint.note for kept in witness.kept.values() for checkpoint, _ in kept}) == 1
    assert len(witness.verified()) == 63


async def test_a_restored_copy_of_the_database_is_refused_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place, copy, witness = tmp_path / "ledger.sqlite3", tmp_path / "copy.sqlite3", HonestWitness()
    async with SQLStore.sqlite(place) as store:
        house = House(store)
        await settle(store, ACME, OTHER)
        await house.notary(witness).checkpoint()
        with closing(sqlite3.connect(place)) as database, closing(sqlite3.connect(copy)) as other:
            database.backup(other)
        await house.write(ACME, count=5)
        await house.notary(witness).checkpoint()
    async with SQLStore.sqlite(copy) as store:
        rolled_back = House(store, house.keys)
        await rolled_back.write(ACME, OTHER, count=2)
        (publication,) = (await rolled_back.notary(witness).checkpoint()).publications
    assert publication.refused == {ACME: "the tree of acme cannot have grown from 6 leaves to 3"}
    assert sorted(publication.kept) == [OTHER, PLATFORM]
    assert "acme: the tree of acme cannot have grown" in caplog.text
    assert witness.sizes(ACME) == [1, 6]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ledger SET actor = 'nobody' WHERE tenant = 'acme' AND seq = 4",
        "UPDATE ledger SET payload = x'7b7d' WHERE tenant = 'acme' AND seq = 4",
        "DELETE FROM ledger WHERE tenant = 'acme' AND seq = 4",
        "DELETE FROM ledger WHERE tenant = 'acme' AND seq > 4",
        "UPDATE heads SET size = 4 WHERE tenant = 'acme'",
        "UPDATE heads SET hash = x'00' WHERE tenant = 'acme'",
    ],
)
async def test_a_chain_that_was_changed_is_never_signed(tmp_path: Path, change: str) -> None:
    place, witness = tmp_path / "ledger.sqlite3", HonestWitness()
    async with SQLStore.sqlite(place) as store:
        house = House(store)
        await settle(store, ACME, OTHER)
        await house.notary(witness).checkpoint()
        await house.write(ACME, OTHER, count=9)
        with closing(sqlite3.connect(place)) as database, database:
            assert database.execute(change).rowcount
        came = await house.notary(witness).checkpoint()
    assert ([*came.broken], [*came.signed]) == ([ACME], [OTHER])
    assert (witness.sizes(ACME), witness.sizes(OTHER)) == ([1], [1, 10])
