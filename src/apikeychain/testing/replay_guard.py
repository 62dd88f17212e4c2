"""The contract of ReplayGuard, for whoever writes one."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import AbstractAsyncContextManager

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.replay_guard import KEPT_SECONDS, ReplayGuard

NOW = 1_800_000_000


def token(number: int) -> bytes:
    """A token of 32 bytes."""
    return number.to_bytes(32, "big")


class Clock:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = float(NOW)

    def __call__(self) -> float:
        """Unix seconds."""
        return self.seconds


async def _outcome(guard: ReplayGuard, number: int) -> str:
    try:
        return await guard.claim(token(number), NOW)
    except BackendUnavailableError:
        return "full"


class ReplayGuardContract(ABC):
    """One test for each clause of `apikeychain.ports.replay_guard.ReplayGuard`."""

    @abstractmethod
    def make(self, clock: Clock, room: int) -> AbstractAsyncContextManager[ReplayGuard]:
        """A guard by that clock, which is full with `room` claims or somewhat more."""

    @abstractmethod
    async def pull_plug(self, guard: ReplayGuard) -> bool:
        """Make the guard unreachable; False where nothing lies between it and its caller."""

    async def test_p1_each_token_passes_once(self) -> None:
        """P1: also with another timestamp, and beside other tokens."""
        async with self.make(Clock(), 100) as guard:
            assert await guard.claim(token(1), NOW) == "claimed"
            assert await guard.claim(token(1), NOW) == "replayed"
            assert await guard.claim(token(1), NOW + 20) == "replayed"
            assert await guard.claim(token(2), NOW) == "claimed"

    async def test_p2_of_many_at_once_one_passes(self) -> None:
        """P2: at one moment and for several tokens."""
        async with self.make(Clock(), 100) as guard:
            claims = await asyncio.gather(*(guard.claim(token(number % 3), NOW) for number in range(60)))
            assert Counter(claims) == {"claimed": 3, "replayed": 57}

    async def test_p3_a_claim_is_kept_until_its_time_is_over(self) -> None:
        """P3: while the clock moves on and others come and go."""
        clock = Clock()
        async with self.make(clock, 100) as guard:
            assert await guard.claim(token(1), NOW + 29) == "claimed"
            for second in range(1, KEPT_SECONDS + 29):
                clock.seconds = NOW + second
                assert await guard.claim(token(1), NOW + 29) == "replayed"
                assert await guard.claim(token(1000 + second), int(clock.seconds)) == "claimed"

    async def test_p4_what_may_be_forgotten_does_not_pass(self) -> None:
        """P4: with a clock that was set ahead and back again."""
        clock = Clock()
        async with self.make(clock, 100) as guard:
            assert await guard.claim(token(1), NOW) == "claimed"
            clock.seconds = NOW + 1000
            assert await guard.claim(token(2), NOW + 1000) == "claimed"
            clock.seconds = NOW
            assert await guard.claim(token(1), NOW) in {"replayed", "forgotten"}

    async def test_p5_a_full_guard_closes_and_drops_nothing(self) -> None:
        """P5: and has room again when time has passed."""
        clock, room = Clock(), 50
        async with self.make(clock, room) as guard:
            outcomes = [await _outcome(guard, number) for number in range(room * 100)]
            claimed = outcomes.count("claimed")
            assert claimed >= room
            assert outcomes == ["claimed"] * claimed + ["full"] * (room * 100 - claimed)
            assert outcomes[-1] == "full"
            assert [await guard.claim(token(number), NOW) for number in range(claimed)] == ["replayed"] * claimed
            clock.seconds = NOW + KEPT_SECONDS + 2
            assert await guard.claim(token(room * 100), int(clock.seconds)) == "claimed"

    async def test_p6_a_guard_that_is_down_says_so(self) -> None:
        """P6: in our words."""
        async with self.make(Clock(), 100) as guard:
            if await self.pull_plug(guard):
                with pytest.raises(BackendUnavailableError):
                    await guard.claim(token(1), NOW)
            else:
                assert await guard.claim(token(1), NOW) == "claimed"
