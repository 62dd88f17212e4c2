"""MemoryRateLimiter: quotas of one process, for the embedded default and for hosts' tests.

A bucket is a sliding-window counter or, where its quota is exact, a moving window: see `memory_windows`. A spend is
admitted while ``used < amount``. A bucket comes into being with the first spend that takes from it: what is refused
elsewhere, or only asks, makes none.

The `limits` package has the same algorithms. It was measured and left: its memory storage reads the wall clock (a step
back refills every quota), forgets buckets in a thread (sync; 28 to 44 us for two buckets) or in a task over all keys
(async; 2 ms with 20,000 buckets), and its reset times come before there is room. Here two buckets cost 8 us.

Memory: buckets are kept by name and quota's kind, the one spent longest ago first, so that the forgotten ones are found
without a search. Beyond `max_buckets` the oldest bucket of the heaviest group makes room: a flood of addresses pushes
out addresses and never a project's bucket. An exact bucket counts for several, as it fills.
"""

import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence

from apikeychain.backends.memory_windows import Counter, Moments, Window, balance_of
from apikeychain.model.quota import Balance, Spend

MAX_BUCKETS = 100_000


class _Group(OrderedDict[str, Window]):
    """The buckets of one name and kind of quota, and what they weigh together."""

    weight = 0


class MemoryRateLimiter:
    """See RateLimiter. Bound to no loop; nothing to open or close. A bucket stands at most once in a spend.

    Args:
        max_buckets: how many buckets are remembered.
        clock: seconds, never going back.
    """

    def __init__(self, *, max_buckets: int = MAX_BUCKETS, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_buckets, self._clock = max_buckets, clock
        self._groups: defaultdict[tuple[str, int, bool], _Group] = defaultdict(_Group)
        self._size = 0
        # A host's tests may drive one keychain from several loops, each in its thread.
        self._lock = threading.Lock()

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        """See RateLimiter.spend."""
        with self._lock:
            now = self._clock()
            asked = [self._asked(spend, now) for spend in spends]
            full = [spend for spend, _, window in asked if window.used(now) >= spend.quota.amount]
            if not full:
                for spend, group, window in asked:
                    if spend.cost:
                        self._take(spend.bucket, group, window, now)
            return tuple([balance_of(spend, window, now, admitted=spend not in full) for spend, _, window in asked])

    def _asked(self, spend: Spend, now: float) -> tuple[Spend, _Group, Window]:
        """A spend with its bucket's window as it is now; one that has none yet gets it when something is taken."""
        bucket, name, quota, _ = spend
        group = self._groups[name, quota.window_seconds, quota.exact]
        for oldest in group.values():
            if oldest.is_over(now):
                self._sweep(group, now)
            break
        window = group.get(bucket)
        if window is None:
            return spend, group, (Moments if quota.exact else Counter)(quota.window_seconds, now)
        if less := window.turn(now):
            self._weigh(group, less)
        group.move_to_end(bucket)
        return spend, group, window

    def _take(self, bucket: str, group: _Group, window: Window, now: float) -> None:
        more = window.take(now)
        if bucket not in group:
            group[bucket] = window
            more = window.weight
        if more:
            self._weigh(group, more)
            while self._size > self._max_buckets:
                self._forget_oldest(max(self._groups.values(), key=lambda group: group.weight))

    def _sweep(self, group: _Group, now: float) -> None:
        """Drop the oldest buckets, as long as nothing in them counts any more."""
        while group and group[next(iter(group))].is_over(now):
            self._forget_oldest(group)

    def _forget_oldest(self, group: _Group) -> None:
        self._weigh(group, -group.popitem(last=False)[1].weight)

    def _weigh(self, group: _Group, more: int) -> None:
        self._size += more
        group.weight += more
