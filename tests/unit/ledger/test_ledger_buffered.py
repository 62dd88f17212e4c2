import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, DoesNotExistError, InternalError, LedgerUnavailableError
from apikeychain.ledger import ledger as buffered
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry
from apikeychain.rules.chain import PLATFORM

ACME, OTHER = TenantId("acme"), TenantId("other")
PROJECT = ProjectId("p_" + "a" * 20)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


class Wire(MemoryStore):
    """A store whose appends can be cut off, held up or spoiled by single tenants."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False
        self.spoiled: dict[TenantId, Exception] = {}
        self.passing = asyncio.Event()
        self.passing.set()
        self.groups: list[dict[TenantId, int]] = []
        self.asked = threading.Event()

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        self.groups.append({tenant: len(drafts) for tenant, drafts in payloads.items()})
        self.asked.set()
        await self.passing.wait()
        if self.cut:
            raise BackendUnavailableError
        for tenant in payloads:
            if tenant in self.spoiled:
                raise self.spoiled[tenant]
        return await super().append_many(payloads)

    async def read(self, tenant: TenantId = ACME) -> Sequence[LedgerEntry]:
        """All entries, once the chain was verified."""
        head = await verify(self, tenant)
        async with self.tenant(tenant) as rows:
            return await rows.entries(0, head.size + 1)

    async def numbers(self, tenant: TenantId = ACME) -> list[str]:
        return [entry.actor for entry in await self.read(tenant)]


class House:
    """A ledger, its store, and clocks that the test turns."""

    def __init__(self) -> None:
        self.store = Wire()
        self.seconds = 0.0
        self.ledger = Ledger(self.store, now=lambda: NOON + timedelta(seconds=self.seconds), clock=lambda: self.seconds)

    def call(self, number: object = 0, tenant: TenantId = ACME) -> None:
        self.ledger.reserve(tenant).fill(draft(number))


@pytest.fixture
def house() -> House:
    return House()


def draft(number: object = 0) -> LedgerDraft:
    return LedgerDraft(at=NOON, kind="call", actor=str(number), project=PROJECT)


@asynccontextmanager
async def running(ledger: Ledger) -> AsyncIterator[None]:
    task = asyncio.create_task(ledger.run())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(buffered, "FLUSH_SECONDS", 0.005)
    monkeypatch.setattr(buffered, "MAX_BACKOFF_SECONDS", 0.005)
    return iter(())


# contracts 6: groups


async def test_a_finished_call_is_one_entry(house: House) -> None:
    slot = house.ledger.reserve(ACME)
    await house.ledger.flush()
    assert await house.store.read() == []
    slot.fill(draft("x"))
    await house.ledger.flush()
    await house.ledger.flush()
    (entry,) = await house.store.read()
    assert (entry.kind, entry.actor, entry.project) == ("call", "x", PROJECT)
    assert len(house.store.groups) == 1


async def test_a_slot_is_filled_once(house: House) -> None:
    slot = house.ledger.reserve(ACME)
    slot.fill(draft(1))
    with pytest.raises(InternalError, match="filled twice"):
        slot.fill(draft(2))
    await house.ledger.flush()
    assert await house.store.numbers() == ["1"]


async def test_entries_stand_in_the_order_in_which_calls_ended(house: House) -> None:
    first, second = house.ledger.reserve(ACME), house.ledger.reserve(ACME)
    second.fill(draft("second"))
    first.fill(draft("first"))
    await house.ledger.flush()
    assert await house.store.numbers() == ["second", "first"]


async def test_calls_are_written_within_a_tenth_of_a_second(house: House) -> None:
    async with running(house.ledger):
        house.call()
        await asyncio.sleep(0.05)
        assert house.store.groups == []
        await asyncio.sleep(0.1)
    assert house.store.groups == [{ACME: 1}]


async def test_a_group_that_is_full_does_not_wait(house: House) -> None:
    async with running(house.ledger):
        for number in range(255):
            house.call(number)
        await asyncio.sleep(0.02)
        assert house.store.groups == []
        house.call(255, OTHER)
        await asyncio.sleep(0.02)
        assert house.store.groups == [{ACME: 255, OTHER: 1}]


async def test_nobody_waiting_for_a_flush_can_break_it_off(house: House) -> None:
    house.call()
    house.store.passing.clear()
    waiting = asyncio.create_task(house.ledger.flush())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    joined = asyncio.create_task(house.ledger.flush())
    await asyncio.sleep(0)
    house.store.passing.set()
    await joined
    assert await house.store.numbers() == ["0"]
    assert len(house.store.groups) == 1


def test_each_loop_can_flush(house: House) -> None:
    async def leave_a_flush_behind() -> None:
        house.call(1)
        house.store.passing = asyncio.Event()
        with suppress(TimeoutError):
            await asyncio.wait_for(house.ledger.flush(), 0.01)

    async def flush() -> list[str]:
        house.store.passing = asyncio.Event()
        house.store.passing.set()
        await house.ledger.flush()
        return await house.store.numbers()

    asyncio.run(leave_a_flush_behind())
    assert asyncio.run(flush()) == ["1"]
    assert asyncio.run(flush()) == ["1"]


async def test_a_flush_in_another_thread_is_neither_awaited_nor_doubled(house: House) -> None:
    async def flush_slowly() -> None:
        house.store.passing = asyncio.Event()
        asyncio.get_running_loop().call_later(0.1, house.store.passing.set)
        await house.ledger.flush()

    house.call(1)
    elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, flush_slowly()))
    await asyncio.to_thread(house.store.asked.wait)
    await house.ledger.flush()
    assert house.store.groups == [{ACME: 1}]
    await elsewhere
    house.call(2)
    await house.ledger.flush()
    assert house.store.groups == [{ACME: 1}, {ACME: 1}]


# contracts 6: bounds


async def test_a_tenant_holds_at_most_1024_entries_and_others_go_on(house: House) -> None:
    slots = [house.ledger.reserve(ACME) for _ in range(1000)]
    for number in range(24):
        house.call(number)
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    house.call(0, OTHER)
    await house.ledger.flush()
    slots.append(house.ledger.reserve(ACME))
    for slot in slots:
        slot.fill(draft())
    await house.ledger.flush()
    assert len(await house.store.read()) == 1025


async def test_a_worker_holds_at_most_4096_entries(house: House) -> None:
    slots = [house.ledger.reserve(TenantId(f"t{number % 8}")) for number in range(4096)]
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(OTHER)
    slots[0].fill(draft())
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(OTHER)
    await house.ledger.flush()
    house.ledger.reserve(OTHER)
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(OTHER)


async def test_a_tenant_whose_entry_waits_5_seconds_is_closed_and_others_go_on(house: House) -> None:
    house.store.cut = True
    house.call(1)
    house.seconds = 4.9
    house.call(2)
    house.seconds = 5.0
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    house.call(3, OTHER)
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush()
    house.store.cut = False
    await house.ledger.flush()
    house.call(4)
    await house.ledger.flush()
    assert await house.store.numbers() == ["1", "2", "4"]
    assert await house.store.numbers(OTHER) == ["3"]


async def test_a_call_that_is_open_for_long_closes_nothing(house: House) -> None:
    slot = house.ledger.reserve(ACME)
    house.seconds = 900.0
    house.call(1)
    slot.fill(draft(2))
    await house.ledger.flush()
    assert await house.store.numbers() == ["1", "2"]


async def test_a_store_that_hangs_closes_the_tenant_after_5_seconds(house: House) -> None:
    house.store.passing.clear()
    house.call(1)
    hanging = asyncio.create_task(house.ledger.flush())
    await asyncio.sleep(0)
    house.seconds = 5.0
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    house.store.passing.set()
    await hanging
    house.call(2)


# contracts 6: nothing is lost


@given(steps=st.lists(st.sampled_from(["call", "slow", "cut", "mend", "flush"]), max_size=40))
async def test_each_call_leaves_one_entry_however_often_the_store_fails(steps: list[str]) -> None:
    house = House()
    slots, expected = [], 0
    for step in steps:
        if step in {"call", "slow"}:
            slots.append(house.ledger.reserve(ACME))
        if step == "call":
            slots.pop().fill(draft(expected))
            expected += 1
        elif step == "flush":
            with suppress(BackendUnavailableError):
                await house.ledger.flush()
        elif step != "slow":
            house.store.cut = step == "cut"
    house.store.cut = False
    for slot in slots:
        slot.fill(draft(expected))
        expected += 1
    await house.ledger.flush()
    assert await house.store.numbers() == [str(number) for number in range(expected)]


@pytest.mark.usefixtures("quick")
async def test_the_background_goes_on_when_the_store_is_back(house: House) -> None:
    house.store.cut = True
    async with running(house.ledger):
        house.call(1)
        await asyncio.sleep(0.05)
        assert len(house.store.groups) > 1
        house.call(2)
        house.store.cut = False
        await asyncio.sleep(0.05)
    assert await house.store.numbers() == ["1", "2"]


async def test_a_store_that_is_down_is_asked_less_and_less_often(house: House) -> None:
    house.store.cut = True
    async with running(house.ledger):
        house.call(1)
        await asyncio.sleep(1.0)
    # after 0.1, 0.1 + 0.1 + 0.1, 0.3 + 0.2 + 0.1, 0.6 + 0.4 + 0.1 s
    assert 2 <= len(house.store.groups) <= 3


async def test_a_tenant_that_spoils_the_group_keeps_nobody_waiting(house: House) -> None:
    house.store.spoiled[ACME] = RuntimeError("a bug")
    house.call(1)
    house.call(2, OTHER)
    await house.ledger.flush()
    assert await house.store.numbers(OTHER) == ["2"]
    house.call(3)
    house.call(4, OTHER)
    house.store.groups.clear()
    await house.ledger.flush()
    assert house.store.groups == [{OTHER: 1}, {ACME: 2}]
    house.store.spoiled.clear()
    await house.ledger.flush()
    assert await house.store.numbers() == ["1", "3"]
    house.call(5)
    house.call(6, OTHER)
    house.store.groups.clear()
    await house.ledger.flush()
    assert house.store.groups == [{ACME: 1, OTHER: 1}]


async def test_a_store_that_goes_down_while_a_tenant_is_apart_loses_nothing(house: House) -> None:
    house.store.spoiled[ACME] = RuntimeError("a bug")
    house.call(1)
    await house.ledger.flush()
    house.store.cut = True
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush()
    house.store.cut = False
    house.store.spoiled.clear()
    await house.ledger.flush()
    assert await house.store.numbers() == ["1"]


async def test_a_tenant_that_is_gone_loses_its_entries_and_the_platform_says_so(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.spoiled[ACME] = DoesNotExistError("acme")
    house.call(1)
    house.call(2)
    house.call(3, OTHER)
    await house.ledger.flush()
    await house.ledger.flush()
    (gap,) = await house.store.read(PLATFORM)
    assert gap.kind == "gap"
    assert b'"data":{"entries":2,"reason":"gone","tenant":"acme"}' in gap.payload
    assert await house.store.numbers(OTHER) == ["3"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


async def test_a_tenant_that_fails_for_a_minute_is_given_up_without_the_text_of_its_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.spoiled[ACME] = RuntimeError("what was to be written")
    house.call(1)
    await house.ledger.flush()
    house.seconds = 59.9
    await house.ledger.flush()
    assert caplog.records == []
    house.seconds = 60.0
    await house.ledger.flush()
    await house.ledger.flush()
    (gap,) = await house.store.read(PLATFORM)
    assert b'"data":{"entries":1,"reason":"RuntimeError","tenant":"acme"}' in gap.payload
    assert caplog.messages == ["gave up 1 ledger entries of tenant acme: RuntimeError"]
    house.store.spoiled.clear()
    house.call(2)
    await house.ledger.flush()
    assert await house.store.numbers() == ["2"]


async def test_a_platform_chain_that_is_gone_ends_in_the_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    house.store.spoiled = {ACME: DoesNotExistError("acme"), PLATFORM: DoesNotExistError("platform")}
    house.call(1)
    await house.ledger.flush()
    await house.ledger.flush()
    await house.ledger.flush()
    assert caplog.messages == [
        "gave up 1 ledger entries of tenant acme: gone",
        "gave up 1 ledger entries of tenant platform: gone",
    ]


# contracts 6: refusals


async def test_refusals_are_one_entry_for_each_project_code_and_10_seconds(house: House) -> None:
    elsewhere = ProjectId("p_" + "b" * 20)
    for _ in range(1000):
        house.ledger.count_refusal(ACME, PROJECT, "origin-refused")
        house.ledger.count_refusal(ACME, PROJECT, "replayed")
        house.ledger.count_refusal(ACME, elsewhere, "replayed")
    house.seconds = 9.9
    await house.ledger.flush()
    assert await house.store.read() == []
    house.seconds = 10.0
    await house.ledger.flush()
    await house.ledger.flush()
    entries = await house.store.read()
    assert [(entry.kind, entry.project) for entry in entries] == [
        ("refusals", PROJECT),
        ("refusals", PROJECT),
        ("refusals", elsewhere),
    ]
    assert b'"data":{"code":"origin-refused","count":1000,"since":"2026-01-02T12:00:00.000Z"}' in entries[0].payload
    house.ledger.count_refusal(ACME, PROJECT, "replayed")
    house.seconds = 20.0
    await house.ledger.flush()
    assert len(await house.store.read()) == 4


async def test_refusals_grow_nothing_while_the_store_is_down(house: House) -> None:
    house.call()
    house.store.cut = True
    for _ in range(100):
        house.seconds += 10
        house.ledger.count_refusal(ACME, PROJECT, "replayed")
        with pytest.raises(BackendUnavailableError):
            await house.ledger.flush()
    house.store.cut = False
    await house.ledger.flush()
    await house.ledger.flush()
    entries = await house.store.read()
    assert [entry.kind for entry in entries] == ["call", "refusals", "refusals"][: len(entries)]
    assert b'"count":' in entries[-1].payload


async def test_refusals_beyond_the_bound_are_counted_on_the_platform(house: House) -> None:
    for number in range(4100):
        house.ledger.count_refusal(ACME, ProjectId(f"p_{number}"), "replayed")
    await house.ledger.flush()
    (gap,) = await house.store.read(PLATFORM)
    assert b'"data":{"entries":4,"reason":"refusals"}' in gap.payload
    house.seconds = 10.0
    await house.ledger.flush()
    assert len(await house.store.read()) == 4096
    assert len(await house.store.read(PLATFORM)) == 1


# contracts 6: the end


async def test_a_drain_waits_for_open_calls_and_writes_everything(house: House) -> None:
    slot = house.ledger.reserve(ACME)
    house.call(1)
    house.ledger.count_refusal(ACME, PROJECT, "replayed")
    draining = asyncio.create_task(house.ledger.drain())
    await asyncio.sleep(0.01)
    assert not draining.done()
    slot.fill(draft(2))
    await draining
    assert [entry.kind for entry in await house.store.read()] == ["call", "call", "refusals"]


async def test_calls_that_stay_open_leave_a_gap_entry(house: House) -> None:
    late, _ = house.ledger.reserve(ACME), house.ledger.reserve(ACME)
    await house.ledger.drain(0.01)
    (gap,) = await house.store.read()
    assert b'"data":{"entries":2,"reason":"closed"},"kind":"gap"' in gap.payload
    late.fill(draft(1))
    await house.ledger.flush()
    assert len(await house.store.read()) == 2


@pytest.mark.usefixtures("quick")
async def test_a_drain_tries_again_until_its_time_is_over(caplog: pytest.LogCaptureFixture) -> None:
    store = Wire()
    ledger = Ledger(store, now=lambda: NOON)
    ledger.reserve(ACME).fill(draft(1))
    store.cut = True
    await ledger.drain(0.1)
    assert len(store.groups) > 2
    assert caplog.messages == ["closed with 1 ledger entries that could not be written"]
    store.cut = False
    await ledger.drain(0.1)
    assert await store.numbers() == ["1"]


async def test_an_empty_ledger_drains_at_once(house: House) -> None:
    await asyncio.wait_for(house.ledger.drain(), 0.05)
    assert house.store.groups == []
