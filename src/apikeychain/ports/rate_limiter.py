"""Who counts calls."""

from collections.abc import Sequence
from typing import Protocol

from apikeychain.model.quota import Balance, Spend


class RateLimiter(Protocol):
    """Counts calls per bucket in a sliding window, by counters or, where the quota is exact, by each call's moment.

    Contract (tested by `apikeychain.testing.RateLimiterContract`):
        R1: the first `amount` spends of a bucket in a window are admitted.
        R2: the next one is not, and its balance says in how many seconds there is room.
        R3: when the window has passed there is room again.
        R4: a spend of several buckets takes from all of them or, when one is empty, from none.
        R5: concurrent spends never admit more than `amount`.
        R6: buckets do not touch each other.
        R7: the balances come in the order of the spends.
        R8: a limiter that cannot be reached raises BackendUnavailableError.
        R9: a spend that costs 0 takes nothing, and is admitted while there is room for one call.
        R10: of an exact quota no span of `window_seconds` holds more than `amount`, wherever it begins.
    """

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """Take one call from each bucket, from all or from none; from one whose spend costs 0, nothing."""
        ...
