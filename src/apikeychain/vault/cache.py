"""What was opened, kept for a short while: bounded in time, uses and number, one trip for each key.

A value that is in use is opened anew before its time is over, in the background: nobody waits for a key service that
is slow or throttles, and one that is down lets what is open serve out its time. When that begins is drawn for each
value, so that keys which were opened in one moment, after a start, are not all asked for in one moment again.

Source: contracts 5 (at most 5 minutes), 10 (a key service that is down).
"""

import asyncio
import math
import random
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from apikeychain.flights import Flights
from apikeychain.model.ids import ProjectId, TenantId

KEEP_SECONDS = 300.0
# Several of each project that a worker holds (`snapshots`), or those who call in turn would have each other's keys
# opened again at every call. 64 Ki take some 60 MiB, and only where so many are called within 5 minutes.
CAPACITY = 1 << 16
# More than a process can answer calls in 5 minutes: what it bounds is a bug that uses a key in a loop.
MAX_USES = 1 << 20
# Of its time a value has had this part when it is opened anew.
RENEW_AFTER = 0.6, 0.9
# An attempt that brought nothing new is repeated after some seconds.
RENEW_AGAIN_SECONDS = 2.5, 5.0

Label = tuple[TenantId, ProjectId | None, object]
V = TypeVar("V")


def always() -> bool:
    """For what does not hang on anything that may have changed meanwhile."""
    return True


def never() -> float:
    """For what ends with nothing else."""
    return math.inf


@dataclass(slots=True)
class _Entry(Generic[V]):
    value: V = field(repr=False)
    until: float
    renew_at: float
    uses: int = 0


class OpenedValues(Generic[V]):
    """Opened values by label: tenant, project (None for none), and what else tells them apart.

    Args:
        clock: seconds that only grow.
        capacity: when there are more, the one that was used longest ago goes.
        max_uses: after as many it is opened anew.
    """

    def __init__(self, clock: Callable[[], float], *, capacity: int = CAPACITY, max_uses: float = math.inf) -> None:
        self._clock, self._capacity, self._max_uses = clock, capacity, max_uses
        self._entries: OrderedDict[Label, _Entry[V]] = OrderedDict()
        self._of_project: dict[ProjectId | None, set[Label]] = {}
        self._flights: Flights[Label, V] = Flights()

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, label: Label) -> V | None:
        """The value, if it is here, its time is not over, and it is not yet to be opened anew: `fetch` sees to that."""
        now = self._clock()
        entry = self._live(label, now)
        if entry is None or now >= entry.renew_at:
            return None
        return self._used(label, entry)

    def until(self, label: Label) -> float:
        """When the time of a value is over, by the clock; that was long ago for one that is not here."""
        entry = self._live(label, self._clock())
        return -math.inf if entry is None else entry.until

    async def fetch(
        self,
        label: Label,
        open_it: Callable[[], Coroutine[None, None, V]],
        current: Callable[[], bool] = always,
        ends: Callable[[], float] = never,
    ) -> V:
        """The value; where it is not here `open_it` fetches it, once for all who wait.

        A waiter that is cancelled leaves the flight to the others. Nothing is kept of a flight that fails.

        Args:
            label: of the value.
            open_it: fetches it.
            current: whether it may be kept; asked when it is there.
            ends: until when it may be kept at most, by the clock; likewise.
        """
        # They begin before the trip: what is late in coming has been valid for less.
        now = self._clock()

        def land(opened: V) -> None:
            if current():
                self._keep(label, opened, now, min(now + KEEP_SECONDS, ends()))

        entry = self._live(label, now)
        if entry is None:
            return await self._flights.join(label, open_it, land)
        if now >= entry.renew_at:
            entry.renew_at = now + random.uniform(*RENEW_AGAIN_SECONDS)  # noqa: S311 - spreads the load, keeps no secret
            self._flights.begin(label, open_it, land)
        return self._used(label, entry)

    def forget(self, project: ProjectId | None) -> None:
        """Drop what belongs to `project`, or all, at once, and keep nothing of what is being opened for it now."""
        for label in [*self._entries] if project is None else [*self._of_project.get(project, ())]:
            self._remove(label)
        for label in self._flights:
            if project is None or label[1] == project:
                self._flights.forget(label)

    def _live(self, label: Label, now: float) -> _Entry[V] | None:
        entry = self._entries.get(label)
        if entry is not None and now >= entry.until:
            self._remove(label)
            return None
        return entry

    def _used(self, label: Label, entry: _Entry[V]) -> V:
        entry.uses += 1
        self._entries.move_to_end(label)
        if entry.uses >= self._max_uses:
            self._remove(label)
        return entry.value

    def _keep(self, label: Label, value: V, began: float, until: float) -> None:
        lasting = until - self._clock()
        if lasting <= 0:
            return
        renew_at = began + (until - began) * random.uniform(*RENEW_AFTER)  # noqa: S311 - spreads the load, keeps no secret
        self._entries[label] = entry = _Entry(value, until, renew_at)
        self._of_project.setdefault(label[1], set()).add(label)
        while len(self._entries) > self._capacity:
            self._remove(next(iter(self._entries)))
        # Dropped by a timer too: what nobody asks for again must not outlive its time in memory.
        asyncio.get_running_loop().call_later(lasting, self._drop, label, entry)

    def _drop(self, label: Label, entry: _Entry[V]) -> None:
        if self._entries.get(label) is entry:
            self._remove(label)

    def _remove(self, label: Label) -> None:
        del self._entries[label]
        others = self._of_project[label[1]]
        others.discard(label)
        if not others:
            del self._of_project[label[1]]
