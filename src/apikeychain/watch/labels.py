"""Which users of a project are counted at the moment, so that a flood of made-up ones takes bounded memory.

A label is live from a call of it that was admitted until its bucket is empty again. Beyond 10,000 live ones of a
project a further one has no bucket, and its address alone counts. What callers merely claim has a bound of its own, so
that a flood of claims takes no bucket from a user whom somebody vouches for. Each worker counts its own.

Source: contracts 7 ("beyond 10,000 live ones the address counts").
"""

from collections import OrderedDict
from typing import final

MAX_LIVE = 10_000
MAX_IN_ALL = 100_000


@final
class Labels:
    """The buckets of users that are live, by project and kind, the one that was kept longest ago first."""

    def __init__(self) -> None:
        self._groups: dict[str, OrderedDict[str, float]] = {}
        self._size = 0

    def have_room(self, bucket: str, seconds: float) -> bool:
        """Whether `bucket`, a `quotas.user_bucket`, is live or may become so.

        Args:
            bucket: its key.
            seconds: the moment, on a monotonic clock.
        """
        group = self._groups.get(_group_of(bucket))
        if group is None or bucket in group:
            return True
        while group and next(iter(group.values())) <= seconds:
            self._forget_oldest(group)
        return len(group) < MAX_LIVE

    def keep(self, bucket: str, until: float) -> None:
        """Count `bucket` as live until that moment; one beyond the bound is not kept."""
        group = self._groups.setdefault(_group_of(bucket), OrderedDict())
        if bucket not in group:
            if len(group) >= MAX_LIVE:
                return
            self._size += 1
        group[bucket] = until
        group.move_to_end(bucket)
        if self._size > MAX_IN_ALL:
            self._forget_oldest(max(self._groups.values(), key=len))

    def _forget_oldest(self, group: OrderedDict[str, float]) -> None:
        group.popitem(last=False)
        self._size -= 1


def _group_of(bucket: str) -> str:
    project, kind, _ = bucket.split(":", 2)
    return f"{project}:{kind}"
