"""What was opened, kept for a short while: bounded in time and number, one trip for each key.

Source: contracts 5 (at most 5 minutes), 10 (a key service that is down).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from apikeychain.flights import Flights
from apikeychain.model.ids import ProjectId, TenantId

KEEP_SECONDS = 300.0
CAPACITY = 1024

Label = tuple[TenantId, ProjectId | None, object]
V = TypeVar("V")


def always() -> bool:
    """For what does not hang on anything that may have changed meanwhile."""
    return True


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V = field(repr=False)
    until: float


class OpenedValues(Generic[V]):
    """Opened values by label: tenant, project (None for none), and what else tells them apart.

    Args:
        clock: seconds that only grow.
        capacity: when there are more, the one that was used longest ago goes.
    """

    def __init__(self, clock: Callable[[], float], *, capacity: int = CAPACITY) -> None:
        self._clock, self._capacity = clock, capacity
        self._entries: OrderedDict[Label, _Entry[V]] = OrderedDict()
        self._flights: Flights[Label, V] = Flights()

    def __len__(self) -> int:
        return len(self._entries)

    def peek(self, label: Label) -> V | None:
        """The value, if it is here and its time is not over."""
        entry = self._entries.get(label)
        if entry is None:
            return None
        if self._clock() >= entry.until:
            del self._entries[label]
            return None
        self._entries.move_to_end(label)
        return entry.value

    async def fetch(
        self, label: Label, open_it: Callable[[], Coroutine[None, None, V]], current: Callable[[], bool] = always
    ) -> V:
        """The value; where it is not here `open_it` fetches it, once for all who wait.

        A waiter that is cancelled leaves the flight to the others. Nothing is kept of a flight that fails.

        Args:
            label: of the value.
            open_it: fetches it.
            current: whether it may be kept; asked when it is there.
        """
        value = self.peek(label)
        if value is not None:
            return value
        # They begin before the trip: what is late in coming has been valid for less.
        until = self._clock() + KEEP_SECONDS
        return await self._flights.join(
            label, open_it, lambda opened: self._keep(label, _Entry(opened, until)) if current() else None
        )

    def forget(self, project: ProjectId | None) -> None:
        """Drop what belongs to `project`, or all, at once, and keep nothing of what is being opened for it now."""
        for label in (*self._entries, *self._flights):
            if project is None or label[1] == project:
                self._entries.pop(label, None)
                self._flights.forget(label)

    def _keep(self, label: Label, entry: _Entry[V]) -> None:
        self._entries[label] = entry
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        # Dropped by a timer too: what nobody asks for again must not outlive its time in memory.
        asyncio.get_running_loop().call_later(KEEP_SECONDS, self._drop, label, entry)

    def _drop(self, label: Label, entry: _Entry[V]) -> None:
        if self._entries.get(label) is entry:
            del self._entries[label]
