"""The mode "write-ahead": no call is sent before its intent stands in the chain, and its outcome names that."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeychain.errors import BackendUnavailableError, DoesNotExistError, InternalError, LedgerUnavailableError
from apikeychain.ledger import ledger as buffered
from apikeychain.ledger import slot as slots
from apikeychain.ledger.slot import Slot
from apikeychain.model.ids import TenantId
from apikeychain.testing.eventually import until
from ledger_house import ACME, OTHER, House, draft, running, told


@pytest.fixture
def house() -> House:
    return House(ahead=True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(slots, "MAX_WAIT_SECONDS", 0.05)
    return iter(())


def intending(slot: Slot, number: object = 0) -> "asyncio.Task[None]":
    return asyncio.create_task(slot.intend(draft(number, "intent")))


# contracts 6: write-ahead


async def test_an_intent_stands_before_the_call_goes_on_and_the_outcome_names_it(house: House) -> None:
    async with running(house.ledger):
        slot = house.ledger.reserve(ACME)
        await slot.intend(draft(1, "intent"))
        assert told(await house.store.read()) == [("intent", "1", None)]
        slot.fill(draft(1))
        await house.ledger.flush()
    assert told(await house.store.read()) == [("intent", "1", None), ("call", "1", 1)]
    assert (house.ledger._queues.open, house.ledger._queues.finished) == (0, 0)


async def test_calls_that_wait_are_written_together_and_soon(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffered, "FLUSH_SECONDS", 60.0)
    async with running(house.ledger):
        reserved = [house.ledger.reserve(ACME if number % 2 else OTHER) for number in range(50)]
        began = time.monotonic()
        await asyncio.gather(*(slot.intend(draft(number, "intent")) for number, slot in enumerate(reserved)))
        assert time.monotonic() - began > buffered.COMMIT_SECONDS
    assert house.store.groups == [{OTHER: 25, ACME: 25}]


async def test_outcomes_are_written_with_the_intents_of_others(house: House) -> None:
    async with running(house.ledger):
        first, second = house.ledger.reserve(ACME), house.ledger.reserve(ACME)
        await first.intend(draft(1, "intent"))
        first.fill(draft(1))
        await second.intend(draft(2, "intent"))
    assert house.store.groups == [{ACME: 1}, {ACME: 2}]
    assert told(await house.store.read())[1:] == [("call", "1", 1), ("intent", "2", None)]


async def test_a_full_group_does_not_wait_for_more(house: House) -> None:
    tasks = [intending(house.ledger.reserve(ACME), number) for number in range(300)]
    async with running(house.ledger):
        await asyncio.gather(*tasks)
    assert sum(group[ACME] for group in house.store.groups) == 300


async def test_what_a_call_is_about_to_do_is_told_once_and_ahead_only(house: House) -> None:
    buffered = House().ledger.reserve(ACME)
    assert not buffered.is_ahead
    with pytest.raises(InternalError, match="one intent"):
        await buffered.intend(draft(1, "intent"))
    async with running(house.ledger):
        slot = house.ledger.reserve(ACME)
        assert slot.is_ahead
        await slot.intend(draft(1, "intent"))
        assert not slot.is_ahead
        with pytest.raises(InternalError, match="one intent"):
            await slot.intend(draft(1, "intent"))


# no intent, no call


@pytest.mark.usefixtures("impatient")
async def test_without_an_intent_no_call_is_made_and_the_call_stands_alone(house: House) -> None:
    house.store.cut = True
    async with running(house.ledger):
        slot = house.ledger.reserve(ACME)
        with pytest.raises(LedgerUnavailableError):
            await slot.intend(draft(1, "intent"))
    slot.fill(draft(1))
    assert (house.ledger._queues.open, house.ledger._queues.finished) == (0, 1)
    house.store.cut = False
    await house.ledger.flush()
    assert told(await house.store.read()) == [("call", "1", None)]


@pytest.mark.usefixtures("impatient")
async def test_a_store_that_hangs_is_not_waited_for(house: House) -> None:
    house.store.passing.clear()
    async with running(house.ledger):
        slot = house.ledger.reserve(ACME)
        began = time.monotonic()
        waiting = intending(slot, 1)
        await until(lambda: house.store.groups)
        with pytest.raises(LedgerUnavailableError):
            await waiting
        assert time.monotonic() - began < 4
        slot.fill(draft(1))
        house.store.passing.set()
        await asyncio.sleep(0.05)
        await house.ledger.flush()
    # It was on its way: it stands there, and the outcome says that nothing came of it.
    assert told(await house.store.read()) == [("intent", "1", None), ("call", "1", 1)]


async def test_a_caller_that_leaves_while_it_waits_leaves_no_place_behind(house: House) -> None:
    house.store.cut = True
    slot = house.ledger.reserve(ACME, "203.0.113.9")
    waiting = intending(slot)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    slot.fill(draft(1))
    queues = house.ledger._queues
    assert (queues.open, queues.finished, queues._holders) == (0, 1, {})
    house.store.cut = False
    await house.ledger.flush()
    assert told(await house.store.read()) == [("call", "1", None)]
    assert (queues.finished, [*queues]) == (0, [])


async def test_an_outage_that_is_short_is_waited_out(house: House) -> None:
    house.store.cut = True
    async with running(house.ledger):
        waiting = intending(house.ledger.reserve(ACME), 1)
        await asyncio.sleep(0.05)
        house.store.cut = False
        await waiting
    assert told(await house.store.read()) == [("intent", "1", None)]


async def test_a_tenant_whose_intent_waits_5_seconds_is_closed_and_others_go_on(house: House) -> None:
    house.store.cut = True
    slot = house.ledger.reserve(ACME)
    waiting = intending(slot)
    await asyncio.sleep(0)
    house.seconds = 5.0
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    waiting.cancel()
    slot.fill(draft())
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    house.ledger.reserve(OTHER)


async def test_an_intent_has_a_place_like_any_entry(house: House) -> None:
    slots_of_acme = [house.ledger.reserve(ACME) for _ in range(1023)]
    waiting = intending(slots_of_acme[0])
    await asyncio.sleep(0)
    with pytest.raises(LedgerUnavailableError):
        await slots_of_acme[1].intend(draft(1, "intent"))
    slots_of_acme[1].fill(draft(1))
    await house.ledger.flush()
    await waiting
    assert told(await house.store.read()) == [("intent", "0", None), ("call", "1", None)]


async def test_whoever_waits_for_a_tenant_that_is_gone_is_refused_at_once(house: House) -> None:
    house.store.spoiled[ACME] = DoesNotExistError("acme")
    slot = house.ledger.reserve(ACME)
    waiting = intending(slot)
    await asyncio.sleep(0)
    house.call(2)
    await house.ledger.flush()
    with pytest.raises(LedgerUnavailableError):
        await waiting
    house.store.spoiled.clear()
    slot.fill(draft(1))
    await house.ledger.flush()
    assert told(await house.store.read()) == [("call", "1", None)]


async def test_an_intent_whose_acknowledgement_is_lost_is_found_and_named(house: House) -> None:
    slot = house.ledger.reserve(ACME)
    waiting = intending(slot, 1)
    await asyncio.sleep(0)
    house.store.lost = 1
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush()
    await house.store.sibling().append_many({ACME: [draft("w")]})
    await house.ledger.flush()
    await waiting
    slot.fill(draft(1))
    await house.ledger.flush()
    assert told(await house.store.read()) == [("intent", "1", None), ("call", "w", None), ("call", "1", 1)]


async def test_a_drain_lets_calls_go_on_that_wait(house: House) -> None:
    slot = house.ledger.reserve(ACME)

    async def call() -> None:
        await slot.intend(draft(1, "intent"))
        slot.fill(draft(1))

    calling = asyncio.create_task(call())
    await asyncio.sleep(0)
    await house.ledger.drain()
    await calling
    assert told(await house.store.read()) == [("intent", "1", None), ("call", "1", 1)]


STEPS = ["begin", "other", "end", "leave", "worker", "lose", "cut", "mend", "flush", "hold"]


class Calls:
    """Calls of a ledger that is written ahead; each step is one that a test may take at any time."""

    def __init__(self) -> None:
        self.house = House(ahead=True)
        self.begun: list[tuple[int, Slot, asyncio.Task[None]]] = []
        self.sent: set[int] = set()
        self.flushes: list[asyncio.Task[None]] = []
        self.number = 0

    async def take(self, step: str) -> None:
        await getattr(self, step)()
        for _ in range(20):
            await asyncio.sleep(0)

    async def begin(self, tenant: TenantId = ACME) -> None:
        slot = self.house.ledger.reserve(tenant)
        self.begun.append((self.number, slot, intending(slot, self.number)))
        self.number += 1

    async def other(self) -> None:
        await self.begin(OTHER)

    async def end(self) -> None:
        """The longest waiting call was sent, and is over."""
        if self.begun and self.begun[0][2].done():
            await self._fill()

    async def leave(self) -> None:
        if self.begun and not self.begun[0][2].done():
            await self._fill()

    async def _fill(self) -> None:
        number, slot, waiting = self.begun.pop(0)
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
            self.sent.add(number)
        slot.fill(draft(number))

    async def worker(self) -> None:
        await self.house.store.sibling().append_many({ACME: [draft("w")]})

    async def lose(self) -> None:
        self.house.store.lost += 1

    async def cut(self) -> None:
        self.house.store.cut = True

    async def mend(self) -> None:
        self.house.store.cut, self.house.store.lost = False, 0
        self.house.store.passing.set()

    async def hold(self) -> None:
        self.house.store.passing.clear()

    async def flush(self) -> None:
        self.flushes.append(asyncio.create_task(self.house.ledger.flush()))

    async def finish(self) -> None:
        for step in ("mend", "flush", "flush", *["end"] * self.number, "flush", "flush"):
            await self.take(step)
        await asyncio.gather(*self.flushes, return_exceptions=True)


@settings(deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), max_size=40))
async def test_whatever_is_lost_no_call_went_out_without_its_intent_and_each_leaves_one_outcome(
    steps: list[str],
) -> None:
    calls = Calls()
    for step in steps:
        await calls.take(step)
    await calls.finish()
    chains = [told(await calls.house.store.read(tenant)) for tenant in (ACME, OTHER)]
    for number in map(str, range(calls.number)):
        entries = [entry for chain in chains for entry in chain if entry[1] == number]
        [named] = [intent for kind, _, intent in entries if kind == "call"]
        assert len(entries) == (1 if named is None else 2)
        assert named or int(number) not in calls.sent
    for chain in chains:
        assert all(chain[named - 1][:2] == ("intent", of) for _, of, named in chain if isinstance(named, int))
    assert (calls.house.ledger._queues.open, calls.house.ledger._queues.finished) == (0, 0)
