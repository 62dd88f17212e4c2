"""The agenda, on each store: what is noted is looked at, whoever else acts at that moment."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from apikeychain import agenda
from apikeychain.backends.memory_store import MemoryStore, MemoryTenantStore
from apikeychain.errors import AlreadyExistsError, ConflictError
from apikeychain.model.errand import STORING, Errand
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store
from apikeychain.rules.chain import PLATFORM
from workers_stores import PLACES, opening

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME = TenantId("acme")
LATER = NOON + timedelta(hours=72)
# When nobody can be storing any more what was noted for noon.
OVER = NOON + 2 * STORING
WORKERS = 3


@pytest.fixture(params=["memory", *PLACES])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes the store of one more worker."""
    if request.param == "memory":
        return MemoryStore().sibling
    return opening(request, tmp_path)


@pytest.fixture
async def stores(opened: Callable[[], Store]) -> AsyncGenerator[list[Store], None]:
    """Those of several workers, on the same data."""
    async with AsyncExitStack() as stack:
        found = [opened() for _ in range(WORKERS)]
        for store in found:
            if hasattr(store, "__aenter__"):
                await stack.enter_async_context(cast("AbstractAsyncContextManager[Any]", store))
        yield found


async def due(store: Store, now: datetime, topic: str = "alerts") -> list[tuple[str, str]]:
    return [(errand.tenant, errand.subject) for errand in await agenda.due(store, topic, now)]


async def the_one(store: Store, now: datetime = OVER) -> Errand:
    (errand,) = await agenda.due(store, "alerts", now)
    return errand


async def look_until_over(store: Store) -> None:
    """Look at the only errand and find nothing, until it is gone."""
    while found := await agenda.due(store, "alerts", OVER):
        await agenda.settle(store, found[0], None)


async def test_what_is_noted_is_due_from_its_moment_on(stores: list[Store]) -> None:
    store = stores[0]
    await agenda.note(store, "alerts", ACME, "a", NOON)
    assert await due(store, NOON - timedelta(seconds=1)) == []
    assert await due(stores[1], NOON) == [("acme", "a")]
    assert await due(store, NOON, "rotation") == []


async def test_noted_again_it_is_due_at_the_sooner_moment(stores: list[Store]) -> None:
    store = stores[0]
    for moment in (LATER, NOON, LATER):
        await agenda.note(store, "alerts", ACME, "", moment)
    errand = await the_one(store, NOON)
    assert (errand.due, errand.last, errand.generation) == (NOON, LATER, 3)


async def test_all_that_are_due_are_found_among_other_topics_and_those_that_waited_longest_first(
    stores: list[Store],
) -> None:
    store = stores[0]
    errands = [
        Errand(topic=topic, tenant=TenantId(f"t{number:04}"), subject="s", due=NOON + timedelta(seconds=-number % 7))
        for topic in ("aaaa", "alerts", "alerts2", "rotation")
        for number in range(1203 if topic == "alerts" else 3)
    ]
    async with store.tenant(PLATFORM) as platform:
        for errand in errands:
            await platform.insert(errand)
    found = await agenda.due(store, "alerts", NOON + timedelta(seconds=3))
    expected = [each for each in errands if each.topic == "alerts" and each.due <= NOON + timedelta(seconds=3)]
    assert sorted(found, key=lambda each: each.key) == expected
    assert len(found) > 600
    assert [each.due for each in found] == sorted(each.due for each in found)
    assert len(await agenda.due(store, "rotation", LATER)) == 3


async def test_of_many_that_note_the_same_at_once_none_is_lost(stores: list[Store]) -> None:
    moments = [NOON + timedelta(seconds=number) for number in range(8)]
    workers = [stores[number % WORKERS] for number in range(len(moments))]
    pairs = zip(workers, moments, strict=True)
    await asyncio.gather(*(agenda.note(store, "alerts", ACME, "", moment) for store, moment in pairs))
    errand = await the_one(stores[0], NOON)
    assert (errand.due, errand.last, errand.generation) == (NOON, moments[-1], len(moments))


async def test_it_moves_and_goes_once_nobody_can_be_storing(stores: list[Store]) -> None:
    store = stores[0]
    await agenda.note(store, "alerts", ACME, "", NOON)
    await agenda.settle(store, await the_one(store), LATER)
    assert (await the_one(store)).due == NOON + timedelta(seconds=1)
    while found := await agenda.due(store, "alerts", OVER):
        await agenda.settle(store, found[0], LATER)
    assert (await the_one(store, LATER)).due == LATER
    await agenda.settle(store, await the_one(store, LATER), None)
    assert await due(store, LATER) == []


async def test_who_looks_before_it_is_stored_does_not_take_the_errand_away(stores: list[Store]) -> None:
    store, other = stores[:2]
    await agenda.note(store, "alerts", ACME, "", NOON)
    for _ in range(5):
        await agenda.settle(other, await the_one(other), None)
    # Stored now: whoever looks next finds it.
    assert await due(other, NOON + timedelta(seconds=16)) == [("acme", "")]
    await look_until_over(other)
    assert await due(store, LATER) == []


@pytest.mark.parametrize("is_struck", [True, False], ids=["struck", "moved"])
async def test_one_that_was_noted_anew_meanwhile_stays(stores: list[Store], is_struck: bool) -> None:
    store, other = stores[:2]
    async with store.tenant(PLATFORM) as platform:
        await platform.insert(Errand(topic="alerts", tenant=ACME, subject="", due=NOON))
    seen = await the_one(store)
    await agenda.note(other, "alerts", ACME, "", OVER)
    await agenda.settle(store, seen, None if is_struck else LATER)
    assert (await the_one(store)).generation == 2
    # And once it is gone, nothing is left to move or to strike.
    async with store.tenant(PLATFORM) as platform:
        await platform.remove(Errand, seen.key, 2)
    await agenda.settle(store, seen, None if is_struck else LATER)
    assert await due(store, LATER) == []


async def test_notes_looks_and_strikes_at_once_leave_what_was_noted_last(stores: list[Store]) -> None:
    async def look(store: Store) -> None:
        for _ in range(15):
            for errand in await agenda.due(store, "alerts", NOON + timedelta(hours=9)):
                await agenda.settle(store, errand, None)

    async def noting(store: Store) -> None:
        for number in range(10):
            await agenda.note(store, "alerts", ACME, "", NOON + timedelta(hours=number))

    await asyncio.gather(noting(stores[0]), noting(stores[1]), look(stores[1]), look(stores[2]))
    # The last moment that was noted is looked at, however often the others were struck.
    errand = await the_one(stores[0], LATER)
    assert errand.last == NOON + timedelta(hours=9)


class Contested(MemoryStore):
    """Somebody else writes the same errand first, so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times, self.tries = times, 0

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantStore, None]:
        self.tries += 1
        if self.tries <= self.times:
            raise ConflictError if self.tries % 2 else AlreadyExistsError
        async with super().tenant(tenant) as rows:
            yield rows


async def test_a_note_that_meets_others_is_repeated() -> None:
    store = Contested(19)
    await agenda.note(store, "alerts", ACME, "", NOON)
    assert (store.tries, await due(store, NOON)) == (20, [("acme", "")])


async def test_a_note_gives_up_after_a_bound() -> None:
    store = Contested(1000)
    with pytest.raises(AlreadyExistsError):
        await agenda.note(store, "alerts", ACME, "", NOON)
    assert store.tries == 20
