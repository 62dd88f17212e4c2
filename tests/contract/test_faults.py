"""The plugs that are down on command keep the contracts, and say that they are down as a real one does."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import ReplayGuard
from apikeychain.testing.faults import BreakableRateLimiter, BreakableReplayGuard
from apikeychain.testing.rate_limiter import RateLimiterContract
from apikeychain.testing.replay_guard import NOW, Clock, ReplayGuardContract, token


class TestBreakableRateLimiter(RateLimiterContract):
    @pytest.fixture
    def limiter(self) -> BreakableRateLimiter:
        return BreakableRateLimiter()

    async def cut_off(self, limiter: RateLimiter) -> bool:
        assert isinstance(limiter, BreakableRateLimiter)
        limiter.reachable = False
        return True


class TestBreakableReplayGuard(ReplayGuardContract):
    @asynccontextmanager
    async def make(self, clock: Clock, room: int) -> AsyncGenerator[BreakableReplayGuard, None]:
        yield BreakableReplayGuard(MemoryReplayGuard(max_claims=room, now=clock))

    async def pull_plug(self, guard: ReplayGuard) -> bool:
        assert isinstance(guard, BreakableReplayGuard)
        guard.reachable = False
        return True


async def test_what_was_claimed_before_a_fault_is_remembered_after_it() -> None:
    guard = BreakableReplayGuard(MemoryReplayGuard(now=Clock()))
    assert await guard.claim(token(1), NOW) == "claimed"
    guard.reachable = False
    guard.reachable = True
    assert await guard.claim(token(1), NOW) == "replayed"


async def test_without_a_guard_of_ones_own_it_has_one_in_memory() -> None:
    assert await BreakableReplayGuard().claim(token(1), int(time.time())) == "claimed"
