import asyncio
import gc
from collections.abc import Callable, Coroutine

import pytest

from apikeychain.flights import Flights, Parcel


class Trip:
    """Brings its value when its gate opens, or fails; counts how often it was begun."""

    def __init__(self, value: str = "brought", error: Exception | None = None) -> None:
        self.value, self.error = value, error
        self.begun, self.gate = 0, asyncio.Event()

    async def __call__(self) -> str:
        self.begun += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        return self.value


class Hold:
    """What was kept, in order."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    def __call__(self, value: str) -> None:
        self.kept.append(value)


@pytest.fixture
def flights() -> Flights[str, str]:
    return Flights()


async def joined(
    flights: Flights[str, str], trip: Callable[[], Coroutine[None, None, str]], hold: Hold, count: int = 1
) -> list["asyncio.Task[str]"]:
    """Tasks that wait for the flight of "key", which has begun."""
    waiters = [asyncio.create_task(flights.join("key", trip, hold)) for _ in range(count)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return waiters


async def test_all_who_join_at_once_share_one_flight_and_it_lands_once(flights: Flights[str, str]) -> None:
    trip, hold = Trip(), Hold()
    waiters = await joined(flights, trip, hold, 20)
    assert [*flights] == ["key"]
    trip.gate.set()
    assert await asyncio.gather(*waiters) == ["brought"] * 20
    assert (trip.begun, hold.kept, [*flights]) == (1, ["brought"], [])


async def test_it_has_landed_before_any_waiter_goes_on(flights: Flights[str, str]) -> None:
    trip, hold = Trip(), Hold()
    trip.gate.set()
    assert await flights.join("key", trip, hold) == "brought"
    assert hold.kept == ["brought"]


async def test_whoever_joins_in_the_very_turn_in_which_a_flight_ends_finds_that_it_has_landed(
    flights: Flights[str, str],
) -> None:
    """A loop that joins until something has landed would else never let anything land, nor anybody else go on."""
    trip, hold, seen = Trip(), Hold(), asyncio.get_running_loop().create_future()
    flight = flights.begin("key", trip, hold)
    await asyncio.sleep(0)
    trip.gate.set()
    asyncio.get_running_loop().call_soon(lambda: seen.set_result((flight.done(), [*hold.kept])))
    assert await seen == (True, ["brought"])
    again = flights.begin("key", trip, hold)
    assert again is not flight
    await again


async def test_keys_fly_apart(flights: Flights[str, str]) -> None:
    one, two, hold = Trip("one"), Trip("two"), Hold()
    one.gate.set()
    two.gate.set()
    assert [*await asyncio.gather(flights.join("a", one, hold), flights.join("b", two, hold))] == ["one", "two"]


async def test_a_flight_may_begin_without_a_waiter(flights: Flights[str, str]) -> None:
    trip, hold = Trip(), Hold()
    flight = flights.begin("key", trip, hold)
    assert flights.begin("key", trip, hold) is flight
    trip.gate.set()
    assert (await flight).value == "brought"
    assert hold.kept == ["brought"]


async def test_the_one_after_a_landing_flies_anew(flights: Flights[str, str]) -> None:
    trip, hold = Trip(), Hold()
    trip.gate.set()
    await flights.join("key", trip, hold)
    await flights.join("key", trip, hold)
    assert trip.begun == 2


async def test_a_cancelled_waiter_cancels_nobody(flights: Flights[str, str]) -> None:
    trip, hold = Trip(), Hold()
    first, second = await joined(flights, trip, hold, 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    trip.gate.set()
    assert await second == "brought"
    assert trip.begun == 1


async def test_a_flight_lands_though_every_waiter_left(flights: Flights[str, str]) -> None:
    trip, hold = Trip(), Hold()
    [waiter] = await joined(flights, trip, hold)
    waiter.cancel()
    trip.gate.set()
    await asyncio.gather(waiter, return_exceptions=True)
    await asyncio.sleep(0.01)
    assert hold.kept == ["brought"]


async def test_a_failure_reaches_every_waiter_and_nothing_lands(flights: Flights[str, str]) -> None:
    trip, hold = Trip(error=LookupError()), Hold()
    waiters = await joined(flights, trip, hold, 3)
    trip.gate.set()
    assert [type(end) for end in await asyncio.gather(*waiters, return_exceptions=True)] == [LookupError] * 3
    assert (hold.kept, [*flights]) == ([], [])


async def test_a_failure_that_nobody_waits_for_any_more_is_silent(flights: Flights[str, str]) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    trip, hold = Trip(error=LookupError()), Hold()
    [waiter] = await joined(flights, trip, hold)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    trip.gate.set()
    await asyncio.sleep(0.01)
    gc.collect()
    assert complaints == []


async def test_a_forgotten_flight_is_handed_out_and_never_kept(flights: Flights[str, str]) -> None:
    old, new, hold = Trip("old"), Trip("new"), Hold()
    [before] = await joined(flights, old, hold)
    flights.forget("key")
    [after] = await joined(flights, new, hold)
    new.gate.set()
    old.gate.set()
    assert [*await asyncio.gather(before, after)] == ["old", "new"]
    assert (hold.kept, [*flights]) == (["new"], [])


async def test_what_is_not_under_way_can_be_forgotten(flights: Flights[str, str]) -> None:
    flights.forget("key")
    assert [*flights] == []


async def test_a_flight_that_is_cancelled_leaves_nothing(flights: Flights[str, str]) -> None:
    hold = Hold()
    flight = flights.begin("key", Trip(), hold)
    flight.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flight
    assert (hold.kept, [*flights]) == ([], [])


def test_a_flight_of_another_loop_is_not_waited_for(flights: Flights[str, str]) -> None:
    hold, loops = Hold(), [asyncio.new_event_loop() for _ in range(2)]

    async def leave_one_under_way() -> "asyncio.Task[Parcel[str]]":
        return flights.begin("key", Trip("stranded"), hold)

    async def join() -> str:
        trip = Trip("ours")
        trip.gate.set()
        return await flights.join("key", trip, hold)

    stranded = loops[0].run_until_complete(leave_one_under_way())
    assert loops[1].run_until_complete(join()) == "ours"
    stranded.cancel()
    loops[0].run_until_complete(asyncio.wait([stranded]))
    for loop in loops:
        loop.close()
    assert hold.kept == ["ours"]


async def test_asyncios_debug_mode_shows_nothing_of_what_a_flight_brings(
    flights: Flights[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    loop, hold, trip = asyncio.get_running_loop(), Hold(), Trip("a-secret-value")
    trip.gate.set()
    loop.set_debug(True)
    loop.slow_callback_duration = 0
    with caplog.at_level("DEBUG", "asyncio"):
        assert await flights.join("key", trip, hold) == "a-secret-value"
        await asyncio.sleep(0)
    loop.set_debug(False)
    assert caplog.records
    assert "a-secret-value" not in caplog.text
