"""A rate limiter of one's own: every call of a bucket costs time, so calls are spaced out instead of counted.

This is the generic cell rate algorithm (GCRA): a bucket keeps one number, the moment at which it would be empty again.
A quota of 60 a minute admits a burst of 60, and then one call a second. Hand it to the keychain in place of its own::

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
        # Of each bucket: when all that was spent will have drained. One that lies in the past is as good as none.
        self._drained: dict[str, float] = {}

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """Take one call from each bucket, from all or from none. It never waits, so no other spend comes between."""
        now = self._clock()
        self._drained = {bucket: drained for bucket, drained in self._drained.items() if drained > now}
        before = [self._drained.get(spend.bucket, now) for spend in spends]
        admitted = [drained - now <= _room(spend.quota) for spend, drained in zip(spends, before, strict=True)]
        after = before
        if all(admitted):
            after = [drained + _cost(spend.quota) for spend, drained in zip(spends, before, strict=True)]
            self._drained |= {spend.bucket: drained for spend, drained in zip(spends, after, strict=True)}
        return tuple(
            _balance(spend, drained - now, admitted=had_room)
            for spend, drained, had_room in zip(spends, after, admitted, strict=True)
        )


def _cost(quota: Quota) -> float:
    """Seconds that one call takes to drain."""
    return quota.window_seconds / quota.amount


def _room(quota: Quota) -> float:
    """Seconds that may be waiting to drain while there is room for one call more."""
    return quota.window_seconds - _cost(quota) + 1e-9


def _balance(spend: Spend, waiting: float, *, admitted: bool) -> Balance:
    remaining = max(0, floor((spend.quota.window_seconds - waiting + 1e-9) / _cost(spend.quota)))
    wait = waiting if admitted else waiting - _room(spend.quota)
    return Balance(spend, admitted, remaining, max(1, floor(wait) + 1))


async def main() -> None:
    """Ten calls at once, then one every half second, under three a second."""
    limiter, spend = SpacingRateLimiter(), Spend("demo", "demo", Quota(3, 1))
    for pause in [0.0] * 10 + [0.5] * 3:
        await asyncio.sleep(pause)
        (balance,) = await limiter.spend([spend])
        print("admitted" if balance.admitted else f"refused, again in {balance.reset_seconds} s")


if __name__ == "__main__":
    asyncio.run(main())
