"""A store that never answers keeps nobody waiting for ever: neither a turn nor the end."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger import ledger as buffered
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.testing.eventually import until
from ledger_house import ACME, NOON, House, Wire, draft, running


class Stubborn(Wire):
    """A store that hangs, as a disk does, also when it is cancelled."""

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        while not self.passing.is_set():
            with suppress(asyncio.CancelledError):
                await self.passing.wait()
        return await super().append_many(payloads)


@pytest.fixture(params=[Wire, Stubborn], ids=["it can be cancelled", "it cannot"])
def hanging(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(buffered, "LAST_SECONDS", 0.05)
    house = House(request.param())
    house.ledger = buffered.Ledger(house.store, now=lambda: NOON)
    house.store.passing.clear()
    return house


async def test_a_turn_that_hangs_counts_as_not_answered_and_each_entry_is_written_once(hanging: House) -> None:
    hanging.call(1)
    for _ in range(3):
        began = time.monotonic()
        with pytest.raises(BackendUnavailableError, match="it has been writing for"):
            await hanging.ledger.flush(0.05)
        assert time.monotonic() - began < 1
    hanging.store.passing.set()
    hanging.call(2)
    with suppress(BackendUnavailableError):
        # The turn that was cancelled last ends first.
        await hanging.ledger.flush()
    await hanging.ledger.flush()
    await hanging.ledger.flush()
    assert await hanging.store.numbers() == ["1", "2"]


async def test_nothing_is_written_beside_a_turn_that_cannot_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(Stubborn())
    house.store.passing.clear()
    house.call(1)
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush(0.02)
    first = house.ledger._writing
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush(0.02)
    assert house.ledger._writing is first
    house.store.passing.set()
    await house.ledger.flush()
    assert await house.store.numbers() == ["1"]


@pytest.mark.usefixtures("quick")
async def test_the_background_goes_on_once_the_store_does(hanging: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffered, "WRITE_SECONDS", 0.02)
    monkeypatch.setattr(buffered.Ledger._flush_or_wait, "__defaults__", (0.02,))
    async with running(hanging.ledger):
        hanging.call(1)
        await asyncio.sleep(0.1)
        hanging.call(2)
        hanging.store.passing.set()
        await until(lambda: not hanging.ledger.unwritten)
        assert await hanging.store.numbers() == ["1", "2"]


async def test_a_drain_ends_in_its_time_and_says_what_is_left(hanging: House, caplog: pytest.LogCaptureFixture) -> None:
    hanging.call(1)
    began = time.monotonic()
    await hanging.ledger.drain(0.1)
    assert time.monotonic() - began < 1
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.ERROR, "closed with 1 ledger entries that could not be written")
    ]
    hanging.store.passing.set()
    await hanging.ledger.flush()
    assert await hanging.store.numbers() == ["1"]


async def test_a_drain_in_the_middle_of_a_turn_that_hangs_ends_too(hanging: House) -> None:
    async with running(hanging.ledger):
        hanging.call(1)
        await asyncio.sleep(0.15)
    slot = hanging.ledger.reserve(ACME)
    began = time.monotonic()
    await hanging.ledger.drain(0.1)
    assert time.monotonic() - began < 1
    hanging.store.passing.set()
    slot.fill(draft(2))
    await hanging.ledger.flush()
    assert (await hanging.store.numbers())[:1] == ["1"]


@pytest.mark.parametrize("turns", range(6))
async def test_a_ledger_that_is_ended_in_the_moment_in_which_a_group_is_full_ends(turns: int) -> None:
    house = House()
    task = asyncio.create_task(house.ledger.run())
    await asyncio.sleep(0.01)
    for number in range(buffered.FLUSH_ENTRIES):
        house.call(number)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()
