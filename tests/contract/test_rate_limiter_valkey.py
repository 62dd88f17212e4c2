"""The limiter on a real server: the contract, and the same answers as the windows in memory give."""

from collections.abc import AsyncGenerator, Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeychain.backends.memory_windows import Counter, Moments, Window, balance_of
from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.model.quota import Balance, Quota, Spend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.testing import fixtures
from apikeychain.testing.rate_limiter import RateLimiterContract
from apikeychain.testing.servers import valkey
from valkey_clock import Turned, turned

valkey_server = fixtures.valkey_server
server = fixtures.valkey
NOW = 1_800_000_000.0
one_server = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestValkeyGuard(RateLimiterContract):
    @pytest.fixture
    async def limiter(self, server: valkey.ValkeyServer) -> AsyncGenerator[ValkeyGuard, None]:
        self.server = server
        async with ValkeyGuard(server.url) as guard:
            yield guard

    async def cut_off(self, limiter: RateLimiter) -> bool:
        self.server.stop()
        return True


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Twins:
    """The windows of memory_windows and those on the server, by one clock.

    What takes nothing leaves a window as it was: MemoryRateLimiter lets one that is asked about turn, the server does
    not write for that.
    """

    def __init__(self, guard: Turned, clock: Clock) -> None:
        self.guard, self.clock = guard, clock
        self.windows: dict[Spend, Window] = {}

    async def spend(self, *spends: Spend) -> tuple[Balance, ...]:
        """What both answer."""
        answers = await self.guard.spend(spends)
        assert answers == self.expected(spends, self.clock.now)
        return answers

    def expected(self, spends: Sequence[Spend], now: float) -> tuple[Balance, ...]:
        keys = [spend._replace(cost=1, quota=replace(spend.quota, amount=1)) for spend in spends]
        windows = [self.window(key, now) for key in keys]
        admitted = [window.used(now) < spend.quota.amount for spend, window in zip(spends, windows, strict=True)]
        for key, spend, window in zip(keys, spends, windows, strict=True):
            if all(admitted) and spend.cost:
                window.take(now)
                self.windows[key] = window
        found = zip(spends, windows, admitted, strict=True)
        return tuple(balance_of(spend, window, now, admitted=had_room) for spend, window, had_room in found)

    def window(self, key: Spend, now: float) -> Window:
        kept = self.windows.get(key)
        if kept is None or kept.is_over(now):
            return (Moments if key.quota.exact else Counter)(key.quota.window_seconds, now)
        window = deepcopy(kept)
        window.turn(now)
        return window


# Eighths of a second have no rounding, in neither.
pauses = st.integers(0, 240).map(lambda eighths: eighths / 8)
quotas = st.builds(Quota, st.integers(1, 8), st.integers(1, 20), st.booleans())


@given(quota=quotas, steps=st.lists(st.tuples(pauses, st.sampled_from([1, 1, 1, 0])), max_size=40))
@one_server
async def test_it_answers_as_the_windows_in_memory_do(
    server: valkey.ValkeyServer, quota: Quota, steps: list[tuple[float, int]]
) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        twins = Twins(guard, clock)
        for pause, cost in steps:
            clock.now += pause
            await twins.spend(Spend("p", "address", quota, 1 if cost else 0))


@given(
    buckets=st.lists(quotas, min_size=2, max_size=4),
    steps=st.lists(st.tuples(pauses.map(lambda pause: pause / 8), st.sets(st.integers(0, 3), min_size=1)), max_size=30),
)
@one_server
async def test_it_spends_from_all_or_none_as_the_windows_in_memory_do(
    server: valkey.ValkeyServer, buckets: list[Quota], steps: list[tuple[float, set[int]]]
) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        twins = Twins(guard, clock)
        for pause, chosen in steps:
            clock.now += pause
            spends = [
                Spend(f"b{number}", "address", buckets[number]) for number in sorted(chosen & {*range(len(buckets))})
            ]
            await twins.spend(*spends)


@pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])
async def test_a_lowered_quota_counts_what_was_spent_before(server: valkey.ValkeyServer, *, exact: bool) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        twins = Twins(guard, clock)
        for _ in range(10):
            clock.now += 1
            await twins.spend(Spend("p", "address", Quota(10, 60, exact)))
        (refused,) = await twins.spend(Spend("p", "address", Quota(5, 60, exact)))
        assert (refused.admitted, refused.remaining) == (False, 0)
        clock.now += refused.reset_seconds
        (again,) = await twins.spend(Spend("p", "address", Quota(5, 60, exact)))
        assert again.admitted


@pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])
@pytest.mark.parametrize("back", [1.0, 3600.0])
async def test_a_clock_that_is_set_back_refills_nothing_and_blocks_no_longer_than_two_windows(
    server: valkey.ValkeyServer, back: float, *, exact: bool
) -> None:
    clock, spends = Clock(), [Spend("p", "address", Quota(3, 60, exact))]
    async with turned(server, clock) as guard:
        for _ in range(3):
            clock.now += 10
            assert (await guard.spend(spends))[0].admitted
        clock.now -= back
        (refused,) = await guard.spend(spends)
        assert (refused.admitted, refused.remaining) == (False, 0)
        clock.now += 30
        assert not (await guard.spend(spends))[0].admitted
        clock.now += 91
        assert (await guard.spend(spends))[0].admitted


async def test_what_is_spent_expires_by_itself(server: valkey.ValkeyServer) -> None:
    server.ask("FLUSHALL")
    async with ValkeyGuard(server.url) as guard:
        await guard.spend(
            [Spend("counted", "address", Quota(3, 60)), Spend("exact", "address", Quota(3, 60, exact=True))]
        )
    keys = {key.decode() for key in server.ask("KEYS", "*")}
    assert keys == {
        "{apikeychain}:marks",
        "{apikeychain}:spent:60-:address:counted",
        "{apikeychain}:spent:60x:address:exact",
    }
    left = {key.rpartition(":")[2]: server.ask("PTTL", key) for key in keys}
    assert left["marks"] == -1
    assert 119_000 < left["counted"] <= 121_000
    assert 59_000 < left["exact"] <= 61_000


async def test_who_only_asks_and_who_is_refused_makes_no_bucket(server: valkey.ValkeyServer) -> None:
    server.ask("FLUSHALL")
    async with ValkeyGuard(server.url) as guard:
        full = Spend("full", "project", Quota(1, 60))
        await guard.spend([full])
        await guard.spend([Spend("asks", "address", Quota(1, 60), cost=0)])
        await guard.spend([Spend("refused", "address", Quota(1, 60, exact=True)), full])
        assert await guard.spend([]) == ()
    assert {key.decode().rpartition(":")[2] for key in server.ask("KEYS", "*")} == {"marks", "full"}


async def test_a_full_exact_bucket_answers_in_time(server: valkey.ValkeyServer) -> None:
    clock, quota = Clock(), Quota(10_000, 60, exact=True)
    async with turned(server, clock) as guard:
        server.ask(
            "EVAL",
            "for at = 1, 10000 do redis.call('RPUSH', KEYS[1], ARGV[1] + at / 1000) end",
            1,
            "{apikeychain}:spent:60x:address:p",
            NOW,
        )
        clock.now = NOW + 10.001
        (refused,) = await guard.spend([Spend("p", "address", quota)])
        assert (refused.admitted, refused.reset_seconds) == (False, 51)
        clock.now = NOW + 65
        (balance,) = await guard.spend([Spend("p", "address", quota)])
        assert (balance.admitted, balance.remaining) == (True, 4_999)
