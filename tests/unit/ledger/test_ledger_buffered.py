import asyncio
from contextlib import suppress
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeychain.errors import BackendUnavailableError, InternalError, LedgerUnavailableError, RateLimitedError
from apikeychain.ledger.ledger import FLUSH_SECONDS, Ledger
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from ledger_house import ACME, NOON, OTHER, PROJECT, House, Wire, draft, running

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
    assert FLUSH_SECONDS == 0.1  # contracts 6: groups flush at 100 ms
    async with running(house.ledger):
        house.call()
        await until(lambda: house.store.groups)
        assert house.store.groups == [{ACME: 1}]


@pytest.mark.usefixtures("unhurried")
async def test_a_group_that_is_full_does_not_wait(house: House) -> None:
    async with running(house.ledger):
        for number in range(255):
            house.call(number)
        await asyncio.sleep(0.02)
        assert house.store.groups == []
        house.call(255, OTHER)
        await until(lambda: house.store.groups)
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


async def test_one_holder_has_at_most_128_open_places_of_all_tenants(house: House) -> None:
    slots = [house.ledger.reserve(TenantId(f"t{number % 8}"), "203.0.113.9") for number in range(128)]
    with pytest.raises(RateLimitedError, match="128 calls under way") as refused:
        house.ledger.reserve(OTHER, "203.0.113.9")
    assert refused.value.headers == ((b"retry-after", b"1"),)
    for other in ("203.0.113.10", None):
        house.ledger.reserve(OTHER, other)
    slots[0].fill(draft())
    house.ledger.reserve(OTHER, "203.0.113.9")
    with pytest.raises(RateLimitedError):
        house.ledger.reserve(OTHER, "203.0.113.9")


async def test_whom_the_ledger_has_no_place_for_holds_none(house: House) -> None:
    slots = [house.ledger.reserve(ACME) for _ in range(1024)]
    for _ in range(200):
        with pytest.raises(LedgerUnavailableError):
            house.ledger.reserve(ACME, "203.0.113.9")
    slots[0].fill(draft())
    await house.ledger.flush()
    house.ledger.reserve(ACME, "203.0.113.9")


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


@settings(deadline=None)
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
@pytest.mark.parametrize("error", [ZeroDivisionError("its text"), asyncio.CancelledError("its text")])
async def test_a_bug_in_one_turn_is_logged_without_its_text_and_the_background_goes_on(
    house: House, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.bugs.append(error)
    async with running(house.ledger):
        house.call(1)
        await until(lambda: not house.ledger.unwritten)
        house.call(2)
        await until(lambda: not house.ledger.unwritten)
    assert await house.store.numbers() == ["1", "2"]
    assert len(caplog.records) == 1
    assert "its text" not in caplog.text


@pytest.mark.usefixtures("quick")
async def test_a_bug_of_the_ledger_itself_is_logged_by_its_frames_and_the_background_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    moments = iter([NOON, *[None] * 2])

    def now() -> datetime:
        moment = next(moments, NOON)
        if moment is None:
            msg = "its text"
            raise ZeroDivisionError(msg)
        return moment

    store = Wire()
    ledger = Ledger(store, now=now)
    async with running(ledger):
        ledger.count_refusal(ACME, PROJECT, "replayed")
        await until(lambda: len(caplog.messages) == 2)
        ledger.reserve(ACME).fill(draft(1))
        await until(lambda: not ledger.unwritten)
    assert await store.numbers() == ["1"]
    assert [message.split("\n")[0] for message in caplog.messages] == ["the ledger was not written in this turn"] * 2
    assert caplog.messages[0].endswith("ZeroDivisionError")
    assert "its text" not in caplog.text


@pytest.mark.usefixtures("quick")
async def test_the_background_goes_on_when_the_store_is_back(house: House) -> None:
    house.store.cut = True
    async with running(house.ledger):
        house.call(1)
        await until(lambda: house.store.tries > 1)
        house.call(2)
        house.store.cut = False
        await until(lambda: not house.ledger.unwritten)
    assert await house.store.numbers() == ["1", "2"]


async def test_a_ledger_that_is_ended_while_it_writes_ends_and_loses_nothing(house: House) -> None:
    house.store.passing.clear()
    house.call(1)
    async with running(house.ledger):
        await until(lambda: house.store.groups)
        assert house.store.groups == [{ACME: 1}]
    house.store.passing.set()
    await house.ledger.drain()
    assert await house.store.numbers() == ["1"]


async def test_a_store_that_is_down_is_asked_less_and_less_often(house: House) -> None:
    house.store.cut = True
    async with running(house.ledger):
        house.call(1)
        await asyncio.sleep(1.0)
    # after 0.1, 0.1 + 0.1 + 0.1, 0.3 + 0.2 + 0.1, 0.6 + 0.4 + 0.1 s
    assert 2 <= house.store.tries <= 3


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
    assert store.tries > 2
    assert caplog.messages == ["closed with 1 ledger entries that could not be written"]
    store.cut = False
    await ledger.drain(0.1)
    assert await store.numbers() == ["1"]


async def test_an_empty_ledger_drains_at_once(house: House) -> None:
    await asyncio.wait_for(house.ledger.drain(), 0.05)
    assert house.store.groups == []
