from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.model.quota import Balance, Quota, Spend
from outside import cases


class Timeline:
    """A limiter whose clock stands where the test puts it."""

    def __init__(self, max_buckets: int = 100_000) -> None:
        self.now = 0.0
        self.limiter = MemoryRateLimiter(max_buckets=max_buckets, clock=lambda: self.now)

    async def spend(self, bucket: str, quota: Quota, name: str = "address") -> Balance:
        (balance,) = await self.limiter.spend([Spend(bucket, name, quota)])
        return balance


# The wall clock of a worker moves nothing here: steps and skew in the cases are those of a clock that is not read.
@pytest.mark.parametrize(
    ("exact", "most"), [(False, "admitted_max_any"), (True, "admitted_max_strict")], ids=["counted", "exact"]
)
@pytest.mark.parametrize(
    "case",
    [case for case in cases("rate_limit") if case["category"] == "timeline"],
    ids=lambda case: case["id"],
)
async def test_as_many_are_admitted_as_the_case_allows(case: dict[str, Any], most: str, *, exact: bool) -> None:
    timeline, quota = Timeline(), Quota(case["limit"], case["window_s"], exact)
    moments = sorted(start + step * number for start, count, step, *_ in case["runs"] for number in range(count))
    admitted = 0
    for timeline.now in moments:
        admitted += (await timeline.spend("p", quota)).admitted
    assert case["admitted_min"] <= admitted <= case[most]


# Workers that share one limiter are one to it: all calls of the case come evenly, whoever serves them.
@pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])
@pytest.mark.parametrize(
    "case",
    [case for case in cases("rate_limit") if case["category"] == "multinode"],
    ids=lambda case: case["id"],
)
async def test_a_steady_load_gets_all_that_the_quota_gives(case: dict[str, Any], *, exact: bool) -> None:
    timeline, quota = Timeline(), Quota(case["limit"], case["window_s"], exact)
    span, admitted = case["windows"] * case["window_s"], 0
    for number in range(case["total"]):
        timeline.now = span * number / case["total"]
        admitted += (await timeline.spend("p", quota)).admitted
    assert case["admitted_min"] <= admitted <= case["admitted_max"]


@given(
    amount=st.integers(1, 8),
    window=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 30), max_size=60),
)
async def test_no_span_holds_more_than_an_exact_quota(amount: int, window: int, pauses: list[float]) -> None:
    timeline, quota = Timeline(), Quota(amount, window, exact=True)
    admitted: list[float] = []
    for pause in pauses:
        timeline.now += pause
        balance = await timeline.spend("p", quota)
        counted = sum(moment + window > timeline.now for moment in admitted)
        assert balance.admitted == (counted < amount)
        admitted += [timeline.now] * balance.admitted
        assert balance.remaining == amount - counted - balance.admitted
    for moment in admitted:
        assert sum(moment <= other and moment + window > other for other in admitted) <= amount


@given(
    amount=st.integers(1, 8),
    window=st.integers(1, 20),
    pauses=st.lists(st.floats(0, 30), max_size=60),
)
async def test_bursts_gain_little_and_nothing_in_the_long_run(amount: int, window: int, pauses: list[float]) -> None:
    timeline, quota = Timeline(), Quota(amount, window)
    admitted: list[float] = []
    for pause in pauses:
        timeline.now += pause
        balance = await timeline.spend("p", quota)
        assert balance.remaining >= 0
        if balance.admitted:
            admitted.append(timeline.now)
    for moment in admitted:
        assert sum(moment <= other < moment + window for other in admitted) <= 2 * amount
    assert len(admitted) <= amount * (timeline.now // window + 1)


@given(
    amount=st.integers(1, 50),
    window=st.integers(1, 100),
    pauses=st.lists(st.floats(0, 5), min_size=1, max_size=100),
    exact=st.booleans(),
)
async def test_the_first_call_after_the_told_time_is_admitted(
    amount: int, window: int, pauses: list[float], *, exact: bool
) -> None:
    timeline, quota = Timeline(), Quota(amount, window, exact)
    for pause in pauses:
        timeline.now += pause
        balance = await timeline.spend("p", quota)
        if not balance.admitted:
            timeline.now += balance.reset_seconds
            assert (await timeline.spend("p", quota)).admitted


async def test_no_room_is_promised_earlier_than_there_is_any() -> None:
    timeline, quota = Timeline(), Quota(2, 60)
    for _ in range(2):
        await timeline.spend("p", quota)
    refused = await timeline.spend("p", quota)
    assert refused.reset_seconds == 61
    timeline.now = 60.0
    assert not (await timeline.spend("p", quota)).admitted
    timeline.now = 61.0
    assert (await timeline.spend("p", quota)).admitted
    refused = await timeline.spend("p", quota)
    assert (refused.admitted, refused.reset_seconds) == (False, 30)
    timeline.now = 61.0 + refused.reset_seconds
    assert (await timeline.spend("p", quota)).admitted


@pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])
async def test_a_lowered_quota_counts_what_was_spent_before(*, exact: bool) -> None:
    timeline, lowered = Timeline(), Quota(5, 60, exact)
    for timeline.now in range(10):
        await timeline.spend("p", Quota(10, 60, exact))
    refused = await timeline.spend("p", lowered)
    assert (refused.admitted, refused.remaining) == (False, 0)
    timeline.now += refused.reset_seconds
    assert (await timeline.spend("p", lowered)).admitted


async def test_an_exact_quota_says_when_its_oldest_call_leaves() -> None:
    timeline, quota = Timeline(), Quota(2, 60, exact=True)
    told = []
    for timeline.now in (0.0, 10.5, 20.0, 59.9, 60.0):
        balance = await timeline.spend("p", quota)
        told.append((balance.admitted, balance.remaining, balance.reset_seconds))
    assert told == [(True, 1, 61), (True, 0, 50), (False, 0, 41), (False, 0, 1), (True, 0, 11)]


async def test_who_only_asks_about_a_bucket_that_is_not_there_makes_none() -> None:
    timeline = Timeline()
    for exact in (False, True):
        for number in range(100):
            asks = Spend(f"address-{number}", "address", Quota(1, 60, exact), cost=0)
            (balance,) = await timeline.limiter.spend([asks])
            assert (balance.admitted, balance.remaining, balance.reset_seconds) == (True, 1, 61)
    assert timeline.limiter._size == 0


async def test_a_refused_spend_makes_no_bucket() -> None:
    timeline, empty = Timeline(), Spend("p", "project", Quota(1, 60))
    await timeline.limiter.spend([empty])
    for number in range(100):
        await timeline.limiter.spend([Spend(f"user-{number}", "user", Quota(1, 60)), empty])
    assert timeline.limiter._size == 1


async def test_a_full_exact_bucket_counts_for_as_many_as_its_memory_takes() -> None:
    timeline, quota = Timeline(max_buckets=100), Quota(10_000, 60, exact=True)
    for _ in range(320):
        await timeline.spend("p", quota)
    assert timeline.limiter._size == 11
    for number in range(1000):
        await timeline.spend(f"address-{number % 40}", quota)
        assert timeline.limiter._size <= 100
    timeline.now = 60.0
    assert (await timeline.spend("address-0", quota)).remaining == 9_999
    assert timeline.limiter._size == 1


async def test_the_heaviest_group_makes_room() -> None:
    timeline, exact = Timeline(max_buckets=50), Quota(10_000, 60, exact=True)
    for number in range(20):
        await timeline.spend(f"address-{number}", Quota(1, 60))
    for number in range(2000):
        await timeline.spend(f"user-{number % 4}", exact, "user")
    assert timeline.limiter._size <= 50
    assert not (await timeline.spend("address-0", Quota(1, 60))).admitted


async def test_an_exact_bucket_is_forgotten_after_one_window() -> None:
    timeline, quota = Timeline(), Quota(2, 10, exact=True)
    await timeline.spend("older", quota)
    timeline.now = 10.0
    await timeline.spend("younger", quota)
    assert timeline.limiter._size == 1


async def test_forgotten_buckets_leave_the_memory() -> None:
    timeline = Timeline()
    for number in range(1000):
        timeline.now = number / 10
        await timeline.spend(f"address-{number}", Quota(60, 10))
    assert timeline.limiter._size == ceil(20 / 0.1)


async def test_a_flood_of_addresses_pushes_out_addresses_and_no_project() -> None:
    timeline = Timeline(max_buckets=50)
    project = Quota(1, 86400)
    assert (await timeline.spend("p", project, "project")).admitted
    for number in range(1000):
        await timeline.spend(f"address-{number}", Quota(1, 60))
    assert timeline.limiter._size == 50
    assert not (await timeline.spend("p", project, "project")).admitted
    assert not (await timeline.spend("address-999", Quota(1, 60))).admitted
    assert (await timeline.spend("address-0", Quota(1, 60))).admitted


async def test_nothing_to_spend_is_no_balance() -> None:
    assert await MemoryRateLimiter().spend([]) == ()


async def test_a_bucket_behind_a_younger_one_is_empty_after_two_windows() -> None:
    timeline, quota = Timeline(), Quota(2, 10)
    await timeline.spend("older", quota)
    timeline.now = 9.0
    await timeline.spend("younger", quota)
    timeline.now = 9.5
    assert (await timeline.spend("older", quota)).remaining == 0
    timeline.now = 20.0
    assert (await timeline.spend("older", quota)).remaining == 1


async def test_an_exact_bucket_weighs_only_what_still_counts() -> None:
    timeline, quota = Timeline(), Quota(100, 10, exact=True)
    for number in range(100):
        timeline.now = number / 100
        await timeline.spend("busy", quota)
    assert timeline.limiter._size == 1 + 100 // 32
    timeline.now = 10.5
    await timeline.spend("busy", quota)
    assert timeline.limiter._size == 1 + 50 // 32
