import asyncio
from collections.abc import Callable, Coroutine
from itertools import pairwise

import pytest

from apikeychain.errors import BackendUnavailableError, SealedValueError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.snapshots import MAX_SNAPSHOTS
from apikeychain.vault import Vault
from apikeychain.vault.cache import CAPACITY, KEEP_SECONDS, MAX_USES, Label, OpenedValues
from apikeychain.vault.key_services import KeyServices
from hurried_loop import at, hurried
from sample_keys import NOW, CountingKeyService

ONE, TWO = ProjectId("p_aaaaaaaaaaaaaaaaaaaa"), ProjectId("p_bbbbbbbbbbbbbbbbbbbb")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Door:
    """Opens when told to, and counts how often it was asked."""

    def __init__(self, value: str = "opened") -> None:
        self.value, self.asked, self.gate = value, 0, asyncio.Event()

    async def __call__(self) -> str:
        self.asked += 1
        await self.gate.wait()
        return self.value


def label(name: str = "key", project: ProjectId | None = ONE) -> Label:
    return (TenantId("acme"), project, name)


def at_once(value: str) -> Callable[[], Coroutine[None, None, str]]:
    async def open_it() -> str:
        return value

    return open_it


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> OpenedValues[str]:
    return OpenedValues(clock, capacity=3)


async def unreachable() -> str:
    raise BackendUnavailableError


async def test_what_was_opened_is_there_for_five_minutes_and_not_longer(
    opened: OpenedValues[str],
    clock: Clock,
) -> None:
    assert KEEP_SECONDS == 300
    await opened.fetch(label(), at_once("value"))
    clock.now += 299.9
    assert await opened.fetch(label(), unreachable) == "value"
    clock.now += 0.1
    with pytest.raises(BackendUnavailableError):
        await opened.fetch(label(), unreachable)
    assert opened.peek(label()) is None
    assert len(opened) == 0


async def test_what_is_in_use_is_opened_anew_before_its_time_is_over_and_nobody_waits(
    opened: OpenedValues[str],
    clock: Clock,
) -> None:
    await opened.fetch(label(), at_once("old"))
    clock.now += 179.9
    assert opened.peek(label()) == "old"
    clock.now += 90.1
    assert opened.peek(label()) is None
    door = Door("new")
    assert await opened.fetch(label(), door) == "old"
    # Once for all who use it meanwhile.
    assert [await opened.fetch(label(), door) for _ in range(5)] == ["old"] * 5
    await asyncio.sleep(0)
    assert door.asked == 1
    assert opened.peek(label()) == "old"
    door.gate.set()
    await asyncio.sleep(0.01)
    assert opened.peek(label()) == "new"
    clock.now += 179
    assert opened.peek(label()) == "new"
    assert opened.until(label()) == 1000 + 270 + 300


async def test_what_cannot_be_opened_anew_is_tried_again_after_some_seconds_and_serves_on(
    opened: OpenedValues[str],
    clock: Clock,
) -> None:
    asked = list[float]()

    async def count() -> str:
        asked.append(clock.now)
        raise BackendUnavailableError

    await opened.fetch(label(), at_once("value"))
    clock.now += 270
    for _ in range(299):
        assert await opened.fetch(label(), count) == "value"
        await asyncio.sleep(0)
        clock.now += 0.1
    assert 6 <= len(asked) <= 13
    assert min(after - before for before, after in pairwise(asked)) >= 2.5


async def test_each_value_is_opened_anew_by_itself_from_its_moment_on(
    opened: OpenedValues[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.vault.cache.RENEW_AFTER", (0.5, 0.5))
    for name in "ab":
        await opened.fetch(label(name), at_once(f"old {name}"))
    clock.now += 149.9
    assert [opened.peek(label(name)) for name in "ab"] == ["old a", "old b"]
    clock.now = 1150
    assert [opened.peek(label(name)) for name in "ab"] == [None, None]
    for name in "ab":
        assert await opened.fetch(label(name), at_once(f"new {name}")) == f"old {name}"
    await asyncio.sleep(0.01)
    assert [opened.peek(label(name)) for name in "ab"] == ["new a", "new b"]


async def test_there_is_room_for_several_keys_of_each_project_that_a_worker_holds() -> None:
    """Else tenants that are called in turn would have each other's keys opened again, at every call."""
    assert CAPACITY >= 6 * MAX_SNAPSHOTS
    service = CountingKeyService()
    vault = Vault(KeyServices(service), kdf="pbkdf2-sha512")
    tenants = [await vault.new_tenant(TenantId(f"t{number}"), NOW) for number in range(3000)]
    for _ in range(3):
        for tenant in tenants:
            await vault.pseudonym_key(tenant)
    assert service.unwraps == 3000


async def test_a_project_is_forgotten_without_a_look_at_the_others(opened: OpenedValues[str], clock: Clock) -> None:
    places = [label("a"), label("b"), label("c", TWO)]
    for place in places:
        await opened.fetch(place, at_once("value"))
    opened.forget(ONE)
    opened.forget(ONE)
    assert [opened.peek(place) for place in places] == [None, None, "value"]
    await opened.fetch(label("d", TWO), at_once("value"))
    clock.now += 300
    assert opened.peek(places[2]) is None
    assert opened._of_project == {TWO: {label("d", TWO)}}
    opened.forget(None)
    assert (len(opened), opened._of_project) == (0, {})


@pytest.mark.parametrize(("left", "kept"), [(-0.5, 0), (0, 0), (0.5, 1)])
async def test_what_has_no_time_left_is_handed_out_and_not_kept(
    opened: OpenedValues[str], clock: Clock, left: float, kept: int
) -> None:
    assert await opened.fetch(label(), at_once("value"), ends=lambda: clock.now + left) == "value"
    assert len(opened) == kept


async def test_when_values_are_opened_anew_is_not_the_same_moment_for_all(clock: Clock) -> None:
    opened = OpenedValues[str](clock)
    for number in range(200):
        await opened.fetch(label(str(number)), at_once("value"))
    due = sorted(entry.renew_at - clock.now for entry in opened._entries.values())
    assert 180 <= due[0] < 200
    assert 250 < due[-1] <= 270
    assert len(set(due)) == 200


async def test_after_as_many_uses_as_it_has_it_is_opened_anew(clock: Clock) -> None:
    opened = OpenedValues[str](clock, max_uses=3)
    await opened.fetch(label(), at_once("old"))
    assert [opened.peek(label()), await opened.fetch(label(), at_once("new")), opened.peek(label())] == ["old"] * 3
    assert opened.peek(label()) is None
    assert await opened.fetch(label(), at_once("new")) == "new"
    assert MAX_USES == 1_048_576


async def test_what_ends_with_something_else_is_kept_until_then_or_not_at_all(
    opened: OpenedValues[str],
    clock: Clock,
) -> None:
    assert await opened.fetch(label("a"), at_once("a"), ends=lambda: clock.now + 10) == "a"
    assert await opened.fetch(label("b"), at_once("b"), ends=lambda: opened.until(label("not here"))) == "b"
    assert opened.until(label("a")) == clock.now + 10
    assert opened.peek(label("b")) is None
    clock.now += 5.9
    assert opened.peek(label("a")) == "a"
    clock.now += 4.1
    assert opened.peek(label("a")) is None
    assert opened.until(label("a")) < 0


async def test_the_five_minutes_begin_before_the_trip(opened: OpenedValues[str], clock: Clock) -> None:
    async def slow() -> str:
        clock.now += 290
        return "value"

    await opened.fetch(label(), slow)
    clock.now += 10
    assert opened.peek(label()) is None


async def test_what_nobody_asks_for_again_is_dropped_by_its_timer(opened: OpenedValues[str], clock: Clock) -> None:
    await opened.fetch(label(), at_once("value"))
    entry = opened._entries[label()]
    opened._drop(label(), entry)
    assert len(opened) == 0
    clock.now += 1
    await opened.fetch(label(), at_once("another"))
    opened._drop(label(), entry)
    assert opened.peek(label()) == "another"


def test_it_is_dropped_from_memory_when_its_time_is_over_though_nobody_asks() -> None:
    async def until_dropped() -> list[int]:
        opened = OpenedValues[str](lambda: 0.0)
        await opened.fetch(label(), at_once("value"))
        held = list[int]()
        for seconds in (299.0, 300.5):
            await at(seconds)
            held.append(len(opened))
        return held

    assert hurried(until_dropped()) == [1, 0]


async def test_no_more_are_held_at_a_time_than_there_is_room_for(clock: Clock) -> None:
    opened = OpenedValues[str](clock, capacity=100)
    for number in range(101):
        await opened.fetch(label(str(number)), at_once("value"))
        assert len(opened) == min(number + 1, 100)
    assert opened.peek(label("0")) is None


async def test_a_held_value_has_no_repr(opened: OpenedValues[str]) -> None:
    await opened.fetch(label(), at_once("the-value"))
    assert "the-value" not in repr(opened._entries)


async def test_the_one_that_was_used_longest_ago_goes_first(opened: OpenedValues[str]) -> None:
    for name in ("a", "b", "c"):
        await opened.fetch(label(name), at_once(name))
    assert opened.peek(label("a")) == "a"
    await opened.fetch(label("d"), at_once("d"))
    assert [opened.peek(label(name)) for name in ("a", "b", "c", "d")] == ["a", None, "c", "d"]


async def test_a_second_fetch_makes_no_trip(opened: OpenedValues[str]) -> None:
    await opened.fetch(label(), at_once("value"))
    assert await opened.fetch(label(), at_once("another")) == "value"


async def test_all_who_wait_for_one_key_make_one_trip(opened: OpenedValues[str]) -> None:
    door = Door()
    waiters = [asyncio.create_task(opened.fetch(label(), door)) for _ in range(20)]
    await asyncio.sleep(0)
    door.gate.set()
    assert await asyncio.gather(*waiters) == ["opened"] * 20
    assert door.asked == 1


async def test_a_failure_reaches_every_waiter_and_is_not_kept(opened: OpenedValues[str]) -> None:
    async def fail() -> str:
        await asyncio.sleep(0)
        raise SealedValueError

    waiters = [asyncio.create_task(opened.fetch(label(), fail)) for _ in range(3)]
    assert [type(end) for end in await asyncio.gather(*waiters, return_exceptions=True)] == [SealedValueError] * 3
    assert await opened.fetch(label(), at_once("value")) == "value"


async def test_forgetting_a_project_drops_all_of_it_and_nothing_else(opened: OpenedValues[str]) -> None:
    await opened.fetch(label("a"), at_once("a"))
    await opened.fetch(label("b", TWO), at_once("b"))
    await opened.fetch(label("c", None), at_once("c"))
    opened.forget(ONE)
    assert [opened.peek(label("a")), opened.peek(label("b", TWO)), opened.peek(label("c", None))] == [None, "b", "c"]


async def test_where_it_is_not_known_what_changed_all_is_dropped(opened: OpenedValues[str]) -> None:
    for project in (ONE, TWO, None):
        await opened.fetch(label(project=project), at_once("value"))
    opened.forget(None)
    assert len(opened) == 0


async def test_what_is_not_current_any_more_once_it_is_open_is_handed_out_and_not_kept(
    opened: OpenedValues[str],
) -> None:
    door, current = Door(), [True]
    waiting = asyncio.create_task(opened.fetch(label(), door, lambda: current[0]))
    await asyncio.sleep(0)
    current[0] = False
    door.gate.set()
    assert await waiting == "opened"
    assert len(opened) == 0
    current[0] = True
    await opened.fetch(label(), door, lambda: current[0])
    assert opened.peek(label()) == "opened"


async def test_what_is_being_opened_while_its_project_is_forgotten_is_handed_out_and_not_kept(
    opened: OpenedValues[str],
) -> None:
    door, other, newer = Door("old"), Door("other"), Door("new")
    before = asyncio.create_task(opened.fetch(label(), door))
    elsewhere = asyncio.create_task(opened.fetch(label("key", TWO), other))
    await asyncio.sleep(0)
    opened.forget(ONE)
    after = asyncio.create_task(opened.fetch(label(), newer))
    await asyncio.sleep(0)
    for each in (door, other, newer):
        each.gate.set()
    assert tuple(await asyncio.gather(before, elsewhere, after)) == ("old", "other", "new")
    assert opened.peek(label()) == "new"
    assert opened.peek(label("key", TWO)) == "other"


async def test_what_has_ended_when_it_comes_is_not_kept_for_a_moment() -> None:
    opened: OpenedValues[str] = OpenedValues(lambda: 5.0)
    opened._keep(label(), "value", 0.0, 5.0)
    assert not opened._entries
    opened._keep(label(), "value", 0.0, 5.5)
    assert [*opened._entries] == [label()]
