"""What a worker that ended uncleanly may have lost stands in the chains afterwards, whoever sweeps: contracts 6."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest

from apikeychain.backends.memory_store import MemoryTenantStore
from apikeychain.errors import BackendUnavailableError, DoesNotExistError
from apikeychain.ledger.notes import Terms, lease_of
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.rules.allowances import FIRST
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from ledger_house import ACME, NOON, OTHER, draft
from noted_house import LEASE_SECONDS, NotedHouse, Shared

LATER = 31.0
QUICK = Terms(lease=0.05, sweep=0.05)


async def killed(house: NotedHouse, *tenants: TenantId) -> NotedHouse:
    """Another worker, which comes when the lease of `house` is over; that one had calls open, and says no more."""
    for tenant in tenants:
        await house.take(tenant)
    await asyncio.sleep(LEASE_SECONDS)
    return house.beside(LATER)


def gap(worker: str, entries: int) -> dict[str, object]:
    return {"reason": "unclean", "worker": worker, "last_seen": "2026-01-02T12:00:00.000Z", "entries": entries}


async def until_stated(house: NotedHouse, count: int) -> None:
    """Until that many entries of losses stand in the chain."""

    async def are_stated() -> bool:
        return len(await house.gaps()) >= count

    await until(are_stated)
    assert len(await house.gaps()) == count


async def test_each_chain_says_what_may_be_missing_in_it(caplog: pytest.LogCaptureFixture) -> None:
    house = NotedHouse()
    await house.take_all(FIRST)
    dead = house.worker
    other = await killed(house, ACME, OTHER)
    await other.sweeper.sweep()
    assert await other.gaps(ACME) == [gap(dead, 512)]
    assert await other.gaps(OTHER) == [gap(dead, FIRST)]
    assert await other.gaps(PLATFORM) == [gap(dead, 512 + FIRST)]
    assert (await other.workers(), await other.noted()) == ([], {})
    assert caplog.messages == [f"worker {dead} ended uncleanly: at most 768 calls have no entry"]
    await other.sweeper.sweep()
    assert len(await other.store.read(ACME)) == 1


async def test_one_that_had_nothing_to_lose_is_told_of_in_the_chain_of_the_platform_alone() -> None:
    house = NotedHouse(terms=Terms(lease=0.05, idle=0.0))
    (await house.take()).fill(draft(1))
    await house.ledger.flush()
    await house.notes.attend()
    other = await killed(house)
    await other.sweeper.sweep()
    assert await other.gaps(ACME) == []
    assert await other.gaps(PLATFORM) == [gap(house.worker, 0)]


async def test_nothing_is_said_of_one_that_lives() -> None:
    house = NotedHouse(terms=Terms())
    await house.take()
    await house.beside(0.0).sweeper.sweep()
    # Its lease holds, also where the clock of another worker is wrong.
    await house.beside(3600.0).sweeper.sweep()
    # And it was seen, also where it shares its store, and so its leases, with whoever sweeps.
    same = NotedHouse(house.store)
    await same.sweeper.sweep()
    house.seconds = 3600.0
    await house.sweeper.sweep()
    assert await house.gaps() == await house.gaps(PLATFORM) == []
    assert await house.own() == {ACME: FIRST}


async def test_of_two_that_sweep_at_once_one_states() -> None:
    house = NotedHouse()
    other = await killed(house, ACME, OTHER)
    dead, third = house.worker, other.beside()
    await asyncio.gather(other.sweeper.sweep(), third.sweeper.sweep())
    assert [await other.gaps(tenant) for tenant in (ACME, OTHER, PLATFORM)] == [
        [gap(dead, FIRST)],
        [gap(dead, FIRST)],
        [gap(dead, 2 * FIRST)],
    ]


async def test_while_another_sweeps_nothing_is_stated() -> None:
    house = NotedHouse()
    other = await killed(house, ACME)
    async with other.store.beside().tenant(PLATFORM) as platform:
        assert await platform.lease("sweep", 1)
    await other.sweeper.sweep()
    assert await other.gaps() == []


async def test_where_the_entry_cannot_be_written_now_the_note_stays() -> None:
    house = NotedHouse()
    other = await killed(house, ACME)
    other.store.cut = True
    with pytest.raises(BackendUnavailableError):
        await other.sweeper.sweep()
    assert await other.noted() == {(house.worker, ACME): FIRST}
    other.store.cut = False
    await other.sweeper.sweep()
    assert await other.gaps() == [gap(house.worker, FIRST)]


async def test_one_whose_lease_on_the_dead_is_another_s_leaves_it_to_that() -> None:
    house = NotedHouse()
    other = await killed(house, ACME)
    async with other.store.beside().tenant(PLATFORM) as platform:
        assert await platform.lease(lease_of(house.worker), 1)
    await other.sweeper.sweep()
    assert await other.gaps() == []
    assert len(await other.workers()) == 1


class Dying(Shared):
    """A store from which its worker is cut off in the transaction of a number."""

    last = 0

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantStore, None]:
        if self.last and self.transactions >= self.last:
            raise BackendUnavailableError
        async with super().tenant(tenant) as rows:
            yield rows

    def beside(self) -> "Dying":
        other = Dying()
        other._house = self._house
        return other


@pytest.mark.parametrize("last", range(1, 5))
async def test_a_sweeper_that_dies_leaves_nothing_unsaid(last: int) -> None:
    """Wherever it does: an entry may come twice, and the chain of the platform counts each note once."""
    house = NotedHouse(Dying(), terms=QUICK)
    other = await killed(house, ACME, OTHER)
    dead = house.worker
    assert isinstance(other.store, Dying)
    other.store.last = last
    with pytest.raises(BackendUnavailableError):
        await other.sweeper.sweep()
    await asyncio.sleep(LEASE_SECONDS)
    third = other.beside()
    await third.sweeper.sweep()
    for tenant in (ACME, OTHER):
        said = await third.gaps(tenant)
        assert said in ([gap(dead, FIRST)], [gap(dead, FIRST)] * 2)
    assert await third.gaps(PLATFORM) == [gap(dead, 2 * FIRST)]
    assert (await third.workers(), await third.noted()) == ([], {})


async def test_another_that_took_over_meanwhile_is_left_to_it() -> None:
    house = NotedHouse()
    other = await killed(house, ACME, OTHER)
    append_many = other.store.append_many

    async def slow(payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        other.store.append_many = append_many  # type: ignore[method-assign]  # the first time only
        await asyncio.sleep(LEASE_SECONDS)
        async with other.store.beside().tenant(PLATFORM) as platform:
            assert await platform.lease(lease_of(house.worker), 1)
        return await append_many(payloads)

    other.store.append_many = slow  # type: ignore[method-assign]  # it takes longer than the lease
    await other.sweeper.sweep()
    assert len(await other.noted()) == 2
    assert await other.gaps(PLATFORM) == []


async def test_it_is_held_until_the_end() -> None:
    house = NotedHouse()
    other = await killed(house, ACME)
    other.store.broken = [None, None, None, BackendUnavailableError()]
    with pytest.raises(BackendUnavailableError):
        await other.sweeper.sweep()
    assert (await other.noted(), len(await other.workers())) == ({}, 1)
    await asyncio.sleep(LEASE_SECONDS)
    async with other.store.beside().tenant(PLATFORM) as platform:
        assert await platform.lease(lease_of(house.worker), 0.5)
    await other.sweeper.sweep()
    assert await other.gaps(PLATFORM) == []
    await asyncio.sleep(0.55)
    await other.sweeper.sweep()
    assert await other.gaps(PLATFORM) == [gap(house.worker, FIRST)]
    await other.sweeper._end(house.worker)
    assert len(await other.gaps(PLATFORM)) == 1


async def test_a_chain_that_cannot_be_gone_on_with_keeps_no_other_waiting(caplog: pytest.LogCaptureFixture) -> None:
    house = NotedHouse()
    other = await killed(house, ACME, OTHER)
    dead = house.worker
    other.store.spoiled[ACME] = ZeroDivisionError("secret")
    await other.sweeper.sweep()
    assert await other.gaps(OTHER) == [gap(dead, FIRST)]
    assert await other.noted() == {(dead, ACME): FIRST}
    assert await other.gaps(PLATFORM) == []
    assert caplog.messages == ["tenant acme: what a worker may have lost cannot be stated: ZeroDivisionError"]
    other.store.spoiled.clear()
    await other.sweeper.sweep()
    assert await other.gaps(ACME) == [gap(dead, FIRST)]
    assert await other.gaps(OTHER) == [gap(dead, FIRST)]
    assert await other.gaps(PLATFORM) == [gap(dead, 2 * FIRST)]


async def test_of_a_tenant_that_is_gone_the_chain_of_the_platform_says_it() -> None:
    house = NotedHouse()
    other = await killed(house, ACME)
    other.store.spoiled[ACME] = DoesNotExistError("acme")
    await other.sweeper.sweep()
    assert await other.gaps(PLATFORM) == [gap(house.worker, FIRST) | {"tenant": "acme"}, gap(house.worker, FIRST)]
    assert await other.noted() == {}


async def test_more_workers_and_notes_than_a_page_are_all_found() -> None:
    house = NotedHouse()
    async with house.store.tenant(PLATFORM) as platform:
        for number in range(501):
            await platform.insert(Worker(id=f"w{number:03}", started=NOON, seen=NOON))
        for number in range(501):
            await platform.insert(OpenEntries(worker="w007", tenant=TenantId(f"t{number:03}"), at_most=1))
    house.seconds = LATER
    await house.sweeper.sweep()
    said = await house.gaps(PLATFORM)
    assert len(said) == 501
    assert sum(each["entries"] for each in said) == 501
    assert await house.gaps(TenantId("t500")) == [gap("w007", 1)]


# A worker that was taken for dead and is not


async def test_one_that_was_away_for_longer_than_its_lease_loses_less_than_was_said() -> None:
    house = NotedHouse(terms=QUICK)
    slots = await house.take_all(3)
    house.store.reachable = False
    slots[0].fill(draft(0))
    with pytest.raises(BackendUnavailableError):
        await house.ledger.flush()
    await house.notes.attend()
    before = house.worker
    await asyncio.sleep(LEASE_SECONDS)
    house.store.reachable = True
    other = house.beside(LATER)
    await other.sweeper.sweep()
    assert await other.gaps() == [gap(before, FIRST)]
    # It serves what it may, and no more, before it finds out.
    assert all(house.ledger.reserve(ACME).is_noted for _ in range(FIRST - 3))
    assert await other.noted() == {}
    slots[1].fill(draft(1))
    await house.ledger.flush()
    assert await house.store.numbers() == ["gate", "0", "1"]
    house.seconds = LATER
    await house.notes.attend()
    assert house.worker != before
    # Two entries in one turn are more than the first allowance would outlast.
    assert await house.noted() == {(house.worker, ACME): 2 * FIRST}
    slots[2].fill(draft(2))
    await house.ledger.flush()
    third = await killed(house)
    third.seconds = 2 * LATER
    await third.sweeper.sweep()
    assert [each["entries"] for each in await third.gaps()] == [FIRST, 2 * FIRST]


async def test_one_that_sweeps_before_it_renews_does_not_take_itself_for_dead() -> None:
    house = NotedHouse()
    await house.take()
    await asyncio.sleep(LEASE_SECONDS)
    house.seconds = LATER
    await house.sweeper.sweep()
    await house.notes.attend()
    assert len(await house.workers()) == 1
    assert await house.gaps() == []


# In the background


async def test_it_is_swept_from_the_first_call_on_and_again_and_again() -> None:
    terms = Terms(lease=0.02, renewal=5.0, sweep=0.05)
    house = NotedHouse(terms=terms)
    await house.take()
    other = house.beside(LATER)
    task = asyncio.create_task(other.sweeper.run())
    await asyncio.sleep(0.1)
    assert await other.gaps() == []
    await other.take(OTHER)
    await until_stated(other, 1)
    third = other.beside()
    await third.take()
    third.seconds -= 2 * LATER
    await third.notes.attend()
    await until_stated(other, 2)
    task.cancel()
    await asyncio.wait([task])


async def test_one_that_is_not_called_sweeps_a_while_after_its_start() -> None:
    house = NotedHouse(terms=Terms(lease=0.02, renewal=0.5))
    await house.take()
    other = house.beside(LATER)
    task = asyncio.create_task(other.sweeper.run())
    await asyncio.sleep(0.05)
    assert await other.gaps() == []
    await until_stated(other, 1)
    task.cancel()
    await asyncio.wait([task])


async def test_a_store_that_is_away_or_breaks_its_contract_ends_no_sweeping(caplog: pytest.LogCaptureFixture) -> None:
    house = NotedHouse(terms=Terms(lease=0.02, renewal=0.0, sweep=0.02))
    await house.take()
    other = house.beside(LATER)
    other.store.broken = [BackendUnavailableError(), ZeroDivisionError("secret")]
    task = asyncio.create_task(other.sweeper.run())
    await until_stated(other, 1)
    assert "what other workers lost could not be stated" in caplog.messages[0]
    assert "secret" not in caplog.text
    task.cancel()
    await asyncio.wait([task])
