"""MemoryRateLimiter: quotas of one process, for the embedded default and for hosts' tests.

A sliding-window counter: two counters a bucket, the previous window weighing as much as the window still overlaps it::

    used = current + previous * (window - elapsed) / window        a spend is admitted while floor(used) < amount

The weight takes the previous window's calls as evenly spread: two bursts round the border of two windows can come
close to twice the amount within one window's length, and never to more than the amount in each. A bucket's first window
begins with its first spend.

The `limits` package has the same algorithm. It was measured and left: its memory storage reads the wall clock (a step
back refills every quota), forgets buckets in a thread (sync; 28 to 44 us for two buckets) or in a task over all keys
(async; 2 ms with 20,000 buckets), and its reset times come before there is room. Here two buckets cost 7 us.

Memory: buckets are kept by name and window, the one spent longest ago first, so that the forgotten ones are found
without a search. Beyond `max_buckets` the oldest bucket of the largest group makes room: a flood of addresses pushes
out addresses and never a project's bucket.
"""

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor

from apikeychain.model.quota import Balance, Quota, Spend

MAX_BUCKETS = 100_000


@dataclass(slots=True)
class _Bucket:
    """Attributes: `start`: of the current window, seconds of the limiter's clock."""

    start: float
    previous: int = 0
    current: int = 0

    def turn(self, now: float, window: int) -> None:
        """Begin the window that `now` lies in."""
        windows = (now - self.start) // window
        if windows == 1:
            self.start, self.previous, self.current = self.start + window, self.current, 0
        elif windows > 1:
            self.start, self.previous, self.current = now, 0, 0

    def used(self, now: float, window: int) -> int:
        return self.current + floor(self.previous * (self.start + window - now) / window)

    def room_in(self, now: float, quota: Quota) -> float:
        """Seconds until one more fits, for a bucket that is full: after them, not at them."""
        window, amount = quota.window_seconds, quota.amount
        if self.current < amount:
            return self.start + window * (1 - (amount - self.current) / self.previous) - now
        return self.start + window + window * (1 - amount / self.current) - now


class MemoryRateLimiter:
    """See RateLimiter. Bound to no loop; nothing to open or close. A bucket stands at most once in a spend.

    Args:
        max_buckets: how many buckets are remembered.
        clock: seconds, never going back.
    """

    def __init__(self, *, max_buckets: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_buckets, self._clock = max_buckets, clock
        self._groups: defaultdict[tuple[str, int], OrderedDict[str, _Bucket]] = defaultdict(OrderedDict)
        self._size = 0
        # A host's tests may drive one keychain from several loops, each in its thread.
        self._lock = threading.Lock()

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """See RateLimiter.spend."""
        with self._lock:
            now = self._clock()
            buckets = [self._bucket(spend, now) for spend in spends]
            admitted = [
                bucket.used(now, spend.quota.window_seconds) < spend.quota.amount
                for spend, bucket in zip(spends, buckets, strict=True)
            ]
            if all(admitted):
                for bucket in buckets:
                    bucket.current += 1
            return tuple(
                Balance(spend, had_room, *_rest(bucket, spend.quota, now, had_room=had_room))
                for spend, bucket, had_room in zip(spends, buckets, admitted, strict=True)
            )

    def _bucket(self, spend: Spend, now: float) -> _Bucket:
        window = spend.quota.window_seconds
        group = self._groups[spend.name, window]
        while group and now - next(iter(group.values())).start >= 2 * window:
            self._forget_oldest(group)
        bucket = group.get(spend.bucket)
        if bucket is None:
            if self._size >= self._max_buckets:
                self._forget_oldest(max(self._groups.values(), key=len))
            bucket = group[spend.bucket] = _Bucket(now)
            self._size += 1
        bucket.turn(now, window)
        group.move_to_end(spend.bucket)
        return bucket

    def _forget_oldest(self, group: OrderedDict[str, _Bucket]) -> None:
        group.popitem(last=False)
        self._size -= 1


def _rest(bucket: _Bucket, quota: Quota, now: float, *, had_room: bool) -> tuple[int, int]:
    """What remains in the window, and the seconds of `Balance.reset_seconds`."""
    wait = bucket.start + quota.window_seconds - now if had_room else bucket.room_in(now, quota)
    return max(0, quota.amount - bucket.used(now, quota.window_seconds)), max(1, floor(wait) + 1)
