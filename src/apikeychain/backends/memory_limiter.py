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
            windows = [self._window(spend, now) for spend in spends]
            admitted = [window.used(now) < spend.quota.amount for spend, window in zip(spends, windows, strict=True)]
            if all(admitted):
                for spend, window in zip(spends, windows, strict=True):
                    if spend.cost:
                        self._take(spend, window, now)
            return tuple(
                balance_of(spend, window, now, admitted=had_room)
                for spend, window, had_room in zip(spends, windows, admitted, strict=True)
            )

    def _group(self, spend: Spend) -> _Group:
        quota = spend.quota
        return self._groups[spend.name, quota.window_seconds, quota.exact]

    def _window(self, spend: Spend, now: float) -> Window:
        """The window of a bucket as it is now; one that has none yet gets it when something is taken."""
        group = self._group(spend)
        while group and next(iter(group.values())).is_over(now):
            self._forget_oldest(group)
        window = group.get(spend.bucket)
        if window is None:
            return (Moments if spend.quota.exact else Counter)(spend.quota.window_seconds, now)
        self._weigh(group, window.turn(now))
        group.move_to_end(spend.bucket)
        return window

    def _take(self, spend: Spend, window: Window, now: float) -> None:
        group = self._group(spend)
        if spend.bucket not in group:
            group[spend.bucket] = window
            self._weigh(group, window.weight)
        self._weigh(group, window.take(now))
        while self._size > self._max_buckets:
            self._forget_oldest(max(self._groups.values(), key=lambda group: group.weight))

    def _forget_oldest(self, group: _Group) -> None:
        self._weigh(group, -group.popitem(last=False)[1].weight)

    def _weigh(self, group: _Group, more: int) -> None:
        if more:
            self._size += more
            group.weight += more
