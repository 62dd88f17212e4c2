"""A rate limiter of one's own: every call of a bucket costs time, so calls are spaced out instead of counted.

This is the generic cell rate algorithm (GCRA): a bucket keeps one number, the moment at which it would be empty again.
A quota of 60 a minute admits a burst of 60, and then one call a second: up to 119 in its first minute. Where a project
asks for an exact quota (``"60/minute moving-window"``), a bucket keeps the moment of each call instead. Hand it to the
keychain in place of its own::

    keychain = APIKeyChain.embedded("./apikeychain-data", rate_limiter=SpacingRateLimiter())

The contract that every limiter keeps is `apikeychain.testing.rate_limiter.RateLimiterContract`: subclass it in your
tests, and pytest holds yours to each clause. Run this file to see it space calls out::

    python examples/custom_rate_limiter.py
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from math import floor

from apikeychain.model.quota import Balance, Quota, Spend


class SpacingRateLimiter:
    """See `apikeychain.ports.rate_limiter.RateLimiter`. For one process.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Of each bucket, when what was spent will have drained: all of it (one moment) or call by call (exact). What
        # lies in the past is as good as nothing.
        self._drained: dict[str, list[float]] = {}

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """Take one call from each bucket, from all or from none. It never waits, so no other spend comes between."""
        now = self._clock()
        self._drained = {bucket: left for bucket, drained in self._drained.items() if (left := _later(drained, now))}
        states = [self._drained.get(spend.bucket, []) for spend in spends]
        admitted = [_wait(spend.quota, drained, now) <= 0 for spend, drained in zip(spends, states, strict=True)]
        if all(admitted):
            states = [_taken(spend, drained, now) for spend, drained in zip(spends, states, strict=True)]
            self._drained |= {spend.bucket: drained for spend, drained in zip(spends, states, strict=True)}
        return tuple(
            _balance(spend, drained, now, admitted=had_room)
            for spend, drained, had_room in zip(spends, states, admitted, strict=True)
        )


def _later(moments: list[float], now: float) -> list[float]:
    return [moment for moment in moments if moment > now]


def _cost(quota: Quota) -> float:
    """Seconds that one call takes to drain where calls are spaced out."""
    return quota.window_seconds / quota.amount


def _taken(spend: Spend, drained: list[float], now: float) -> list[float]:
    """The bucket after one call more; as it was where nothing is taken."""
    if not spend.cost:
        return drained
    if spend.quota.exact:
        return [*drained, now + spend.quota.window_seconds]
    return [max([now, *drained]) + _cost(spend.quota)]


def _wait(quota: Quota, drained: list[float], now: float) -> float:
    """Seconds until there is room for one call more; 0 or less where there is."""
    if quota.exact:
        return drained[-quota.amount] - now if len(drained) >= quota.amount else 0.0
    return max([now, *drained]) - now - (quota.window_seconds - _cost(quota) + 1e-9)


def _balance(spend: Spend, drained: list[float], now: float, *, admitted: bool) -> Balance:
    quota, waiting = spend.quota, max([now, *drained]) - now
    held = len(drained) if quota.exact else quota.amount - floor((quota.window_seconds - waiting + 1e-9) / _cost(quota))
    wait = waiting if admitted else _wait(quota, drained, now)
    return Balance(spend, admitted, max(0, quota.amount - held), max(1, floor(wait) + 1))


async def main() -> None:
    """Ten calls at once, then one every half second, under three a second."""
    limiter, spend = SpacingRateLimiter(), Spend("demo", "demo", Quota(3, 1))
    for pause in [0.0] * 10 + [0.5] * 3:
        await asyncio.sleep(pause)
        (balance,) = await limiter.spend([spend])
        print("admitted" if balance.admitted else f"refused, again in {balance.reset_seconds} s")


if __name__ == "__main__":
    asyncio.run(main())
