import logging
from typing import Any

import pytest

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.errors import HeaderLines, RateLimitedError
from apikeychain.model.origin import Origin
from apikeychain.rules.caller import Caller
from apikeychain.rules.snapshot import Snapshot
from apikeychain.watch import labels
from apikeychain.watch.meter import Meter
from sample_project import APP, PROJECT, a_snapshot


class House:
    """A meter, its limiter and the clock of both."""

    def __init__(self, project: Snapshot) -> None:
        self.seconds, self.project = 1000.0, project
        self.limiter = MemoryRateLimiter(clock=lambda: self.seconds)
        self.meter = Meter(self.limiter, clock=lambda: self.seconds)

    async def call(self, user: str | None = None, *, address: str = "203.0.113.9", proven: bool = False) -> HeaderLines:
        caller, route = Caller(address, "https", "app.example.com"), self.project.routes[b"weather"]
        asked = self.meter.spends(self.project, route, caller, origin=Origin(APP), user=user, proven=proven)
        return await self.meter.spend(self.project, asked)

    async def outcome(self) -> tuple[HeaderLines, bool]:
        """The RateLimit lines of a call, and whether it was refused."""
        try:
            return await self.call(), False
        except RateLimitedError as error:
            return tuple(line for line in error.headers if line[0] != b"retry-after"), True

    async def limit(self, *args: Any, **more: Any) -> str:
        return dict(await self.call(*args, **more))[b"ratelimit"].decode()


async def test_a_call_is_told_what_is_left_of_each_bucket() -> None:
    house = House(a_snapshot(user_quota="5/minute", origin_quota="50/minute"))
    told = '"address";r=59;t=61, "user";r=4;t=61, "origin";r=49;t=61, "project";r=599;t=61'
    assert await house.limit("alice") == told


async def test_a_user_is_counted_over_all_addresses_and_then_refused() -> None:
    house = House(a_snapshot(user_quota="2/minute"))
    for number in range(2):
        await house.call("alice", address=f"203.0.113.{number}", proven=True)
    with pytest.raises(RateLimitedError, match="'user' of 2 calls in 60 s"):
        await house.call("alice", address="203.0.113.2", proven=True)
    await house.call("bob", address="203.0.113.2", proven=True)


async def test_whoever_claims_to_be_a_user_takes_from_nobody_elsewhere() -> None:
    house = House(a_snapshot(user_quota="2/minute"))
    for _ in range(2):
        await house.call("alice", address="203.0.113.66")
    with pytest.raises(RateLimitedError, match="'user' of 2 calls in 60 s"):
        await house.call("alice", address="203.0.113.66")
    await house.call("alice")
    await house.call("alice", proven=True)


async def test_a_refused_call_takes_from_no_bucket() -> None:
    house = House(a_snapshot(address_quota="1/minute", user_quota="5/minute"))
    await house.call("alice", proven=True)
    for _ in range(10):
        with pytest.raises(RateLimitedError):
            await house.call("alice", proven=True)
    assert '"user";r=3' in await house.limit("alice", address="203.0.113.10", proven=True)


async def test_a_flood_of_users_is_counted_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MAX_LIVE", 3)
    house = House(a_snapshot(user_quota="1/minute"))
    for name in ("a", "b", "c"):
        await house.call(name)
    for name in ("d", "e", "e"):
        assert '"user"' not in await house.limit(name)
    with pytest.raises(RateLimitedError):
        await house.call("a")
    assert '"user";r=0' in await house.limit("alice", proven=True)
    house.seconds += 121
    assert '"user";r=0' in await house.limit("d")


async def test_a_flood_of_users_from_one_address_takes_the_memory_of_its_admitted_calls_alone() -> None:
    house = House(a_snapshot(address_quota="30/minute", user_quota="1/minute", quota="100000/minute"))
    refused = 0
    for number in range(3000):
        try:
            await house.call(f"user-{number}")
        except RateLimitedError:
            refused += 1
    assert refused == 2970
    assert house.limiter._size == 30 + 2
    assert house.meter._labels._size == 30


async def test_an_observed_quota_admits_and_is_named_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    house = House(a_snapshot(address_quota="2/minute", user_quota="1/minute", observe_quotas=True))
    with caplog.at_level(logging.WARNING, "apikeychain.gate"):
        for _ in range(20):
            await house.call("alice")
    said = f"project {PROJECT}: the quota 'user' is used up; its calls are admitted all the same, since "
    said += "quotas are only observed"
    assert caplog.messages == [said]
    house.seconds += 61
    caplog.clear()
    for _ in range(20):
        await house.call("alice")
        await house.call("bob")
    assert sorted(caplog.messages) == [said.replace("'user'", "'address'"), said]
    assert not any(word in caplog.text for word in ("alice", "bob", "203.0.113.9"))


async def test_an_observed_quota_counts_as_one_that_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    kept = House(a_snapshot(address_quota="3/minute"))
    observed = House(a_snapshot(address_quota="3/minute", observe_quotas=True))
    outcomes: list[bool] = []
    for pause in [0.0] * 5 + [15.0] * 20:
        kept.seconds += pause
        observed.seconds += pause
        observed.meter._mentions._minutes.clear()
        caplog.clear()
        lines, refused = await kept.outcome()
        assert await observed.call() == lines
        assert len(caplog.messages) == refused
        outcomes.append(refused)
    assert set(outcomes) == {True, False}
