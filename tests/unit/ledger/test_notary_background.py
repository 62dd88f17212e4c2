"""When the notary acts: every so often, as soon as enough was written, and at the end; whatever fails, it goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.ledger import notary as notaries
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.notary import Notary
from apikeychain.ledger.turn import lease
from apikeychain.testing.eventually import until
from honest_witness import HonestWitness
from ledger_house import Wire, draft
from notary_house import ACME, OTHER, House, settle


@pytest.fixture
def store() -> Wire:
    return Wire()


@pytest.fixture
async def house(store: Wire) -> House:
    await settle(store, ACME, OTHER)
    return House(store)


@pytest.fixture
def witness() -> HonestWitness:
    return HonestWitness()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notaries, "ROUND_SECONDS", 0.01)
    monkeypatch.setattr(notaries, "PAUSE_SECONDS", 0.0)


@asynccontextmanager
async def running(notary: Notary) -> AsyncIterator[None]:
    task = asyncio.create_task(notary.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await notary.close(is_last=False)


@pytest.mark.usefixtures("often")
async def test_it_acts_every_so_often(house: House, witness: HonestWitness) -> None:
    async with running(house.notary(witness)):
        await until(lambda: witness.sizes(ACME) == [1])
        await house.write(ACME, count=2)
        await until(lambda: witness.sizes(ACME) == [1, 3])
    assert witness.verified()[ACME].size == 3


async def test_it_acts_as_soon_as_1000_entries_were_written(
    house: House, store: Wire, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notaries, "PAUSE_SECONDS", 0.0)
    notary = house.notary(witness)
    ledger = Ledger(store, now=house.clocks.now, clock=house.clocks.seconds, written=notary.count)
    async with running(notary):
        for _ in range(999):
            ledger.reserve(ACME).fill(draft())
        await ledger.flush()
        await asyncio.sleep(0.05)
        assert witness.kept == {}
        ledger.reserve(ACME).fill(draft())
        await ledger.flush()
        await until(lambda: witness.sizes(ACME) == [1001])
        ledger.reserve(ACME).fill(draft())
        await ledger.flush()
        await asyncio.sleep(0.05)
        assert witness.sizes(ACME) == [1001]


@pytest.mark.usefixtures("often")
async def test_of_several_workers_one_makes_the_rounds_of_every_minute(
    house: House, store: Wire, witness: HonestWitness
) -> None:
    other = store.sibling()
    assert await lease(other, "checkpoints-clock", 60)
    async with running(house.notary(witness)):
        await asyncio.sleep(0.05)
        assert witness.kept == {}
        assert await lease(other, "checkpoints-clock", 0)
        await until(lambda: witness.sizes(ACME) == [1])


@pytest.mark.usefixtures("often")
async def test_a_store_that_is_away_is_told_once_and_waited_out(
    house: House, store: Wire, witness: HonestWitness, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(house.notary(witness)):
        await until(lambda: witness.sizes(ACME))
        store.reachable = False
        await until(lambda: "the store or the key service does not answer" in caplog.text)
        await asyncio.sleep(0.05)
        store.reachable = True
        await house.write(ACME)
        await until(lambda: witness.sizes(ACME) == [1, 2])
    told = [record.getMessage() for record in caplog.records if record.name == "apikeychain.ledger"]
    (sentence,) = told
    assert sentence.startswith("no checkpoints are signed for now: the store or the key service does not answer: ")


@pytest.mark.usefixtures("often")
async def test_a_bug_in_one_round_is_told_without_its_text_and_the_next_one_comes(
    house: House, store: Wire, witness: HonestWitness, caplog: pytest.LogCaptureFixture
) -> None:
    store.bugs.append(ZeroDivisionError("a secret"))
    async with running(house.notary(witness)):
        await until(lambda: witness.sizes(ACME))
    assert "no checkpoints are signed for now: ZeroDivisionError" in caplog.text
    assert "a secret" not in caplog.text


@pytest.mark.usefixtures("often")
async def test_keys_that_do_not_open_end_nothing(
    house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
) -> None:
    await house.notary(witness).checkpoint()
    keys, house.keys = house.keys, MemoryKeyService()
    notary = house.notary(witness)
    await house.write(ACME)
    async with running(notary):
        await until(lambda: "no checkpoints are signed for now" in caplog.text)
        assert witness.sizes(ACME) == [1]
    house.keys = keys
    assert (await house.notary(witness).checkpoint()).signed == {ACME: 2}


@pytest.mark.usefixtures("often")
async def test_who_finds_another_at_work_comes_again(house: House, store: Wire, witness: HonestWitness) -> None:
    other = store.sibling()
    assert await lease(other, "checkpoints", 60)
    async with running(house.notary(witness)):
        await asyncio.sleep(0.05)
        assert await lease(other, "checkpoints", 0)
        await until(lambda: witness.sizes(ACME))


class TestTheEnd:
    async def test_what_was_written_is_signed(self, house: House, witness: HonestWitness) -> None:
        notary = house.notary(witness)
        notary.count(1)
        await notary.close(is_last=True)
        assert witness.sizes(ACME) == [1]

    async def test_where_nothing_was_written_nothing_is_signed(self, house: House, witness: HonestWitness) -> None:
        notary = house.notary(witness)
        await notary.close(is_last=True)
        notary.count(1)
        await notary.checkpoint()
        await house.write(ACME)
        await notary.close(is_last=True)
        assert witness.sizes(ACME) == [1]

    async def test_what_a_round_that_failed_did_not_sign_is_signed(
        self, house: House, store: Wire, witness: HonestWitness
    ) -> None:
        notary = house.notary(witness)
        notary.count(1)
        store.bugs.append(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await notary.checkpoint()
        await notary.close(is_last=True)
        assert witness.sizes(ACME) == [1]

    async def test_a_loop_that_ends_signs_nothing(self, house: House, witness: HonestWitness) -> None:
        notary = house.notary(witness)
        notary.count(1)
        await notary.close(is_last=False)
        assert witness.kept == {}

    async def test_a_round_under_way_is_waited_for(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notaries, "ROUND_SECONDS", 0.01)
        witness.passing.clear()
        notary = house.notary(witness)
        task = asyncio.create_task(notary.run())
        await until(lambda: notary._publishing)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, witness.passing.set)
        await notary.close(is_last=True)
        assert witness.sizes(ACME) == [1]

    @pytest.mark.parametrize("entries", [0, 1])
    async def test_a_witness_that_hangs_does_not_hold_it_up(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch, entries: int
    ) -> None:
        monkeypatch.setattr(notaries, "ROUND_SECONDS", 0.01)
        witness.passing.clear()
        notary = house.notary(witness)
        notary.count(entries)
        task = asyncio.create_task(notary.run())
        await until(lambda: notary._publishing)
        task.cancel()
        async with asyncio.timeout(5):
            await notary.close(is_last=True, seconds=0.05)
        assert all(publishing.done() for publishing in notary._publishing.values())

    async def test_a_store_that_cannot_be_cancelled_does_not_hold_it_up(
        self, house: House, store: Wire, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notaries, "_LAST_SECONDS", 0.02)
        ends = asyncio.Event()

        async def hang(*_: object) -> object:
            while not ends.is_set():
                try:
                    await ends.wait()
                except asyncio.CancelledError:
                    continue
            return []

        monkeypatch.setattr(store, "tenants", hang)
        notary = house.notary(witness)
        notary.count(1)
        async with asyncio.timeout(5):
            await notary.close(is_last=True, seconds=0.02)
        ends.set()
        assert notary._acting is not None
        await asyncio.wait([notary._acting])
        assert isinstance(house.store, MemoryStore)
