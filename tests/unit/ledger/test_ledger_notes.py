"""No call is at a worker that may be lost and is not noted: contracts 6."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import pytest

from apikeychain.errors import BackendUnavailableError, ConflictError, InternalError, LedgerUnavailableError
from apikeychain.ledger import ledger as ledgers
from apikeychain.ledger import notes as noting
from apikeychain.ledger.notes import Terms, lease_of
from apikeychain.ledger.queues import MAX_WAIT_SECONDS
from apikeychain.ledger.slot import Slot
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.rules.allowances import FIRST
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from ledger_house import ACME, OTHER, draft, running
from noted_house import LEASE_SECONDS, NotedHouse, Shared


@pytest.fixture
def house() -> NotedHouse:
    return NotedHouse(terms=Terms())


async def held_up(house: NotedHouse, count: int = 1, tenant: TenantId = ACME) -> list["asyncio.Task[Slot]"]:
    """So many calls that wait because the store does not let anything through."""
    house.store.letting.clear()
    calls = [asyncio.create_task(house.take(tenant, f"198.51.100.{number % 250}")) for number in range(count)]
    await asyncio.sleep(0.01)
    assert not any(call.done() for call in calls)
    return calls


# The allowance


async def test_the_first_call_of_a_tenant_waits_until_it_is_noted(house: NotedHouse) -> None:
    (call,) = await held_up(house)
    assert await house.noted() == {}
    await until(lambda: house.store.transactions)
    assert house.store.transactions == 1
    house.store.letting.set()
    slot = await call
    assert await house.own() == {ACME: FIRST}
    assert await house.workers() == [house.worker]
    assert slot.is_noted
    slot.fill(draft(1))
    await house.ledger.flush()
    assert await house.store.numbers() == ["1"]


async def test_a_further_call_asks_the_store_nothing(house: NotedHouse) -> None:
    await house.take()
    house.store.reachable = False
    assert all(house.ledger.reserve(ACME).is_noted for _ in range(FIRST - 1))
    assert house.store.transactions == 1


async def test_at_no_moment_is_more_held_than_noted(house: NotedHouse) -> None:
    for held in range(1, 1025):
        await house.take()
        assert held <= (await house.own())[ACME]
    assert await house.own() == {ACME: 1024}
    assert house.store.transactions == 3
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    assert house.store.transactions == 3


async def test_what_is_not_written_counts_as_what_is_open(house: NotedHouse) -> None:
    for number in range(FIRST):
        (await house.take()).fill(draft(number))
    assert not house.ledger.reserve(ACME).is_noted
    await house.ledger.flush()
    assert house.ledger.reserve(ACME).is_noted


async def test_calls_that_come_at_once_share_a_transaction_for_each_doubling(house: NotedHouse) -> None:
    calls = await held_up(house, 300)
    house.store.letting.set()
    assert all(slot.is_noted for slot in await asyncio.gather(*calls))
    assert await house.own() == {ACME: 512}
    assert house.store.transactions == 2


async def test_tenants_that_come_meanwhile_share_the_next_transaction(house: NotedHouse) -> None:
    calls = await held_up(house)
    for number in range(50):
        calls += await held_up(house, 1, TenantId(f"t{number}"))
    house.store.letting.set()
    await asyncio.gather(*calls)
    assert len(await house.own()) == 51
    assert house.store.transactions == 2
    assert len(await house.workers()) == 1


async def test_a_call_that_leaves_while_it_waits_gives_its_place_back(house: NotedHouse) -> None:
    one, other = await held_up(house, 2)
    assert house.ledger._queues.open == 2
    one.cancel()
    await asyncio.wait([one])
    assert house.ledger._queues.open == 1
    other.cancel()
    await asyncio.wait([other])
    queues = house.ledger._queues
    assert (queues.open, queues._holders, list(queues)) == (0, {}, [])
    house.store.letting.set()
    await until(lambda: ACME in queues.noted)
    assert [house.ledger.reserve(ACME).is_noted for _ in range(FIRST + 1)] == [True] * FIRST + [False]
    assert house.store.transactions == 1


async def test_one_that_leaves_beside_what_is_held_takes_nothing_of_that(house: NotedHouse) -> None:
    await house.take_all(FIRST - 1)
    (await house.take()).fill(draft(1))
    (call,) = await held_up(house)
    call.cancel()
    await asyncio.wait([call])
    house.store.letting.set()
    await house.ledger.flush()
    assert house.ledger._queues.open == FIRST - 1
    assert house.ledger.reserve(ACME).is_noted


async def test_places_that_wait_count_for_the_bound_of_a_tenant(house: NotedHouse) -> None:
    calls = await held_up(house, 1024)
    with pytest.raises(LedgerUnavailableError):
        house.ledger.reserve(ACME)
    house.store.letting.set()
    assert len(await asyncio.gather(*calls)) == 1024


async def test_a_place_that_is_not_noted_takes_no_entry(house: NotedHouse) -> None:
    slot = house.ledger.reserve(ACME)
    with pytest.raises(InternalError, match="none that may be filled"):
        slot.fill(draft(1))
    house.store.reachable = False
    with pytest.raises(LedgerUnavailableError):
        await slot.note()
    with pytest.raises(InternalError, match="none that may be filled"):
        slot.fill(draft(1))
    with pytest.raises(InternalError, match="noted once"):
        await slot.note()
    noted = await NotedHouse().take()
    with pytest.raises(InternalError, match="noted once"):
        await noted.note()


# A store that is away


async def test_while_the_store_is_away_a_tenant_cannot_start_and_others_go_on(house: NotedHouse) -> None:
    await house.take()
    house.store.reachable = False
    with pytest.raises(LedgerUnavailableError):
        await house.take(OTHER)
    assert house.ledger.reserve(ACME).is_noted
    assert house.ledger._queues.open == 2
    house.store.reachable = True
    assert (await house.take(OTHER)).is_noted


async def test_while_the_store_is_away_nothing_grows(house: NotedHouse) -> None:
    await house.take_all(FIRST)
    house.store.reachable = False
    with pytest.raises(LedgerUnavailableError):
        await house.take()
    house.store.reachable = True
    await house.take()
    assert await house.own() == {ACME: 512}


async def test_a_store_that_hangs_is_waited_for_five_seconds(
    house: NotedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_WAIT_SECONDS == 5.0
    monkeypatch.setattr(ledgers, "MAX_WAIT_SECONDS", 0.05)
    house.store.letting.clear()
    for _ in range(3):
        with pytest.raises(LedgerUnavailableError):
            await house.take()
    assert (house.ledger._queues.open, house.store.transactions) == (0, 1)
    house.store.letting.set()
    await house.take()


async def test_a_transaction_that_hangs_is_ended(house: NotedHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    assert noting.WRITE_SECONDS == 10.0
    monkeypatch.setattr(noting, "WRITE_SECONDS", 0.02)
    house.store.letting.clear()
    with pytest.raises(LedgerUnavailableError):
        await house.take()
    house.store.letting.set()
    await house.take()


async def test_a_note_that_was_stored_and_not_acknowledged_is_no_smaller_afterwards(house: NotedHouse) -> None:
    await house.take_all(FIRST)
    house.store.unheard = 1
    with pytest.raises(LedgerUnavailableError):
        await house.take()
    assert await house.own() == {ACME: 512}
    await house.take()
    assert await house.own() == {ACME: 512}
    assert len(await house.workers()) == 1


@pytest.mark.parametrize("bug", [ZeroDivisionError("secret"), asyncio.CancelledError()], ids=["a bug", "a cancelling"])
async def test_a_store_that_breaks_its_contract_once_is_asked_again(
    bug: BaseException, house: NotedHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house.store.broken = [bug]
    with pytest.raises(LedgerUnavailableError):
        await house.take()
    assert "secret" not in caplog.text
    await house.take()
    assert await house.own() == {ACME: FIRST}


async def test_a_worker_whose_record_is_damaged_starts_anew(
    house: NotedHouse, caplog: pytest.LogCaptureFixture
) -> None:
    await house.take()
    before = house.worker
    house.store.broken = [ZeroDivisionError()]
    with pytest.raises(LedgerUnavailableError):
        await house.take(OTHER)
    await house.take(OTHER)
    assert house.worker != before
    assert await house.own() == {ACME: FIRST, OTHER: FIRST}
    assert (await house.noted())[before, ACME] == FIRST
    assert "could not be noted" in caplog.messages[0]


@pytest.mark.parametrize("error", [ConflictError("raced"), ZeroDivisionError()], ids=lambda error: type(error).__name__)
async def test_a_renewal_that_failed_oddly_is_followed_by_one_that_notes_everything_anew(
    house: NotedHouse, error: Exception
) -> None:
    await house.take()
    await house.take(OTHER)
    before = house.worker
    house.store.broken = [error]
    await house.notes.attend()
    assert house.worker == ""
    await house.notes.attend()
    assert house.worker not in {before, ""}
    assert house.worker in await house.workers()
    assert await house.own() == {ACME: FIRST, OTHER: FIRST}


# Ahead of a store that will be away


async def test_a_tenant_with_much_to_write_is_noted_for_five_seconds_of_that(house: NotedHouse) -> None:
    for number in range(2):
        (await house.take()).fill(draft(number))
    await house.ledger.flush()
    await until(lambda: house.ledger._queues.noted[ACME] == 512)
    assert await house.own() == {ACME: 512}
    for number in range(2):
        house.ledger.reserve(ACME).fill(draft(number))
    await house.ledger.flush()
    await asyncio.sleep(0.01)
    assert await house.own() == {ACME: 512}


async def test_one_with_little_to_write_or_without_calls_is_not(house: NotedHouse) -> None:
    for number in range(1):
        (await house.take()).fill(draft(number))
        house.ledger.count_refusal(OTHER, draft().project, f"code-{number}")  # type: ignore[arg-type]  # it has one
    house.seconds = 10.0
    for _ in range(20):
        house.ledger._add_gap(PLATFORM, {"reason": "test"})
    await house.ledger.flush()
    await asyncio.sleep(0.01)
    assert await house.own() == {ACME: FIRST}


async def test_no_note_grows_beyond_the_bound_of_a_tenant(house: NotedHouse) -> None:
    await house.take_all(1000)
    for number in range(24):
        (await house.take()).fill(draft(number))
    await house.ledger.flush()
    await asyncio.sleep(0.01)
    assert (await house.own(), house.store.transactions) == ({ACME: 1024}, 3)


async def test_what_is_written_ahead_needs_no_more(house: NotedHouse) -> None:
    house = NotedHouse(ahead=True)
    async with running(house.ledger):
        slots = await house.take_all(20)
        await asyncio.gather(*(slot.intend(draft(number, "intent")) for number, slot in enumerate(slots)))
        for slot in slots:
            slot.fill(draft())
        await house.ledger.flush()
        await asyncio.sleep(0.01)
    assert await house.own() == {ACME: FIRST}


# How notes go


async def test_a_note_goes_once_nothing_was_held_for_a_minute(house: NotedHouse) -> None:
    slot, other = await house.take(), await house.take(OTHER)
    other.fill(draft(1))
    await house.ledger.flush()
    await house.notes.attend()
    house.seconds = 59.0
    await house.notes.attend()
    assert await house.own() == {ACME: FIRST, OTHER: FIRST}
    house.seconds = 60.0
    await house.notes.attend()
    assert await house.own() == {ACME: FIRST}
    assert not house.ledger.reserve(OTHER).is_noted
    slot.fill(draft(1))
    await house.ledger.flush()
    await house.notes.attend()
    house.seconds = 119.0
    house.call()
    await house.ledger.flush()
    house.seconds = 121.0
    await house.notes.attend()
    assert await house.own() == {ACME: FIRST}


async def test_a_note_that_could_not_be_removed_goes_later_and_is_good_for_nothing(house: NotedHouse) -> None:
    (await house.take()).fill(draft(1))
    await house.ledger.flush()
    await house.notes.attend()
    house.seconds, house.store.reachable = 60.0, False
    await house.notes.attend()
    house.store.reachable = True
    assert await house.own() == {ACME: FIRST}
    assert not house.ledger.reserve(ACME).is_noted
    await house.notes.attend()
    assert await house.own() == {}
    await house.notes.attend()


async def test_a_call_that_comes_while_its_note_goes_waits_for_a_new_one(house: NotedHouse) -> None:
    (await house.take()).fill(draft(1))
    await house.ledger.flush()
    await house.notes.attend()
    house.seconds = 60.0
    house.store.letting.clear()
    attending = asyncio.create_task(house.notes.attend())
    await asyncio.sleep(0.01)
    (call,) = await held_up(house)
    house.store.letting.set()
    await attending
    await call
    assert await house.own() == {ACME: FIRST}


async def test_a_clean_end_leaves_no_note_and_no_worker(house: NotedHouse) -> None:
    for tenant in (ACME, OTHER):
        (await house.take(tenant)).fill(draft(1))
    await house.ledger.drain()
    assert (await house.workers(), await house.noted()) == ([], {})
    assert await house.store.numbers() == ["1"]
    assert await house.gaps() == []


async def test_the_notes_of_another_worker_stay(house: NotedHouse) -> None:
    other = house.beside()
    await house.take()
    await other.take()
    for worker in sorted([house, other], key=lambda either: either.worker):
        await worker.ledger.drain(0.01)
        left = {house.worker, other.worker} - {""}
        assert {*await house.workers()} == left
        assert {owner for owner, _ in await house.noted()} == left


@pytest.mark.usefixtures("quick")
async def test_an_end_that_cannot_write_everything_leaves_what_is_noted(house: NotedHouse) -> None:
    (await house.take()).fill(draft(1))
    house.store.cut, house.ledger._clock = True, time.monotonic
    await house.ledger.drain(0.05)
    assert await house.own() == {ACME: FIRST}
    assert await house.workers() == [house.worker]


async def test_an_end_whose_notes_cannot_be_removed_says_so_and_ends(
    house: NotedHouse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "LAST_SECONDS", 0.05)
    await house.take()
    house.store.letting.clear()
    async with asyncio.timeout(5):
        await house.ledger.drain(0.0)
    assert caplog.messages == ["the ledger will say that this worker ended uncleanly: TimeoutError"]
    house.store.letting.set()
    assert await house.own() == {ACME: FIRST}


async def test_at_the_end_nobody_begins_and_who_waits_is_refused(house: NotedHouse) -> None:
    open_slot = await house.take()
    (call,) = await held_up(house, 1, OTHER)
    draining = asyncio.create_task(house.ledger.drain(0.05))
    await until(lambda: house.notes._is_closed)
    house.store.letting.set()
    with pytest.raises(LedgerUnavailableError):
        await call
    await draining
    assert (await house.workers(), await house.noted()) == ([], {})
    assert [gap["entries"] for gap in await house.gaps()] == [1]
    assert await house.gaps(OTHER) == []
    with pytest.raises(LedgerUnavailableError):
        await house.take()
    open_slot.fill(draft(1))
    house.ledger._queues.short.add(ACME)
    house.notes.lengthen()
    await asyncio.sleep(0.01)
    assert await house.noted() == {}


async def test_a_drain_ends_as_soon_as_the_last_call_that_waited_left(house: NotedHouse) -> None:
    (call,) = await held_up(house)
    draining = asyncio.create_task(house.ledger.drain(5))
    await asyncio.sleep(0.01)
    call.cancel()
    house.store.letting.set()
    async with asyncio.timeout(2):
        await draining


async def test_a_wish_that_hangs_ends_with_the_worker(house: NotedHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledgers, "LAST_SECONDS", 0.05)
    (call,) = await held_up(house)
    await house.ledger.drain(0.05)
    with pytest.raises(LedgerUnavailableError):
        await call
    assert house.notes._granting
    assert house.notes._granting.done()


async def test_an_end_without_any_call_asks_the_store_nothing(house: NotedHouse) -> None:
    await house.ledger.drain()
    await house.notes.attend()
    assert house.store.transactions == 0


# That the worker lives


async def test_a_worker_says_that_it_lives_again_and_again() -> None:
    house = NotedHouse(terms=Terms(lease=1.0, renewal=0.01))
    await house.take()
    other = house.store.beside()
    task = asyncio.create_task(house.notes.run())
    for _ in range(5):
        await asyncio.sleep(0.3)
        house.seconds += 1
        async with other.tenant(PLATFORM) as platform:
            assert not await platform.lease(lease_of(house.worker), 1)

    async def was_seen_lately() -> bool:
        async with house.store.reading(PLATFORM) as rows:
            stored = await rows.get(Worker, (house.worker,))
        return stored is not None and (stored.seen - stored.started).total_seconds() == 5

    await until(was_seen_lately)
    task.cancel()
    await asyncio.wait([task])


async def test_the_defaults_are_those_of_the_contracts() -> None:
    assert Terms(lease=30.0, renewal=10.0, idle=60.0, sweep=30.0) == noting.TERMS


async def test_one_whose_lease_is_another_s_goes_on_under_a_new_id(caplog: pytest.LogCaptureFixture) -> None:
    house = NotedHouse()
    await house.take_all(FIRST + 1)
    await house.take(OTHER)
    before = house.worker
    await asyncio.sleep(LEASE_SECONDS)
    async with house.store.beside().tenant(PLATFORM) as platform:
        assert await platform.lease(lease_of(before), 1)
    await house.notes.attend()
    assert house.worker != before
    assert await house.own() == {ACME: 512, OTHER: FIRST}
    assert {*await house.workers()} == {before, house.worker}
    assert caplog.messages == [
        "this worker was away from the store for so long that it was taken for dead: it starts anew"
    ]


async def test_one_whose_record_is_gone_goes_on_under_a_new_id_before_anything_grows() -> None:
    house = NotedHouse()
    await house.take_all(FIRST)
    before = house.worker
    async with house.store.tenant(PLATFORM) as platform:
        await platform.remove(Worker, (before,), 1)
        await platform.remove(OpenEntries, (before, ACME), 1)
    await house.take()
    assert house.worker != before
    assert await house.noted() == {(house.worker, ACME): 512}


async def test_one_that_was_taken_for_dead_and_does_not_know_it_ends_cleanly() -> None:
    house = NotedHouse()
    await house.take()
    async with house.store.tenant(PLATFORM) as platform:
        await platform.remove(Worker, (house.worker,), 1)
        await platform.remove(OpenEntries, (house.worker, ACME), 1)
    await house.ledger.drain(0.01)
    assert (await house.workers(), await house.noted()) == ([], {})


async def test_a_ledger_without_notes_runs_alone() -> None:
    house = NotedHouse()
    assert _work_of(house.ledger) == ["Ledger.run", "Notes.run", "Sweeper.run"]
    assert _work_of(ledgers.Ledger(Shared(), now=house.ledger._now)) == ["Ledger.run"]


def _work_of(ledger: ledgers.Ledger) -> list[str]:
    works: Sequence[Any] = ledger.work()
    for work in works:
        work.close()
    return [work.__qualname__ for work in works]


async def test_an_error_of_the_store_is_the_store_s(house: NotedHouse) -> None:
    house.store.broken = [BackendUnavailableError("it is away")]
    with pytest.raises(LedgerUnavailableError) as caught:
        await house.take()
    assert "away" not in str(caught.value)
