"""What was opened, kept for a short while: bounded in time and number, one trip for each key.

Source: contracts 5 (at most 5 minutes), 10 (a key service that is down).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Generic, TypeVar

from apikeychain.model.ids import ProjectId, TenantId

KEEP_SECONDS = 300.0
CAPACITY = 1024

Label = tuple[TenantId, ProjectId | None, object]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[V]):
    value: V
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
        self._flights: dict[Label, asyncio.Task[V]] = {}

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

    async def fetch(self, label: Label, open_it: Callable[[], Coroutine[None, None, V]]) -> V:
        """The value; where it is not here `open_it` fetches it, once for all who wait.

        A waiter that is cancelled leaves the flight to the others. Nothing is kept of a flight that fails.
        """
        value = self.peek(label)
        if value is not None:
            return value
        flight = self._flights.get(label)
        # A flight of another loop can neither be awaited here nor be trusted to land.
        if flight is None or flight.get_loop() is not asyncio.get_running_loop():
            flight = asyncio.get_running_loop().create_task(self._fly(label, open_it))
            self._flights[label] = flight
            flight.add_done_callback(_own_up)
        return await asyncio.shield(flight)

    def forget(self, project: ProjectId) -> None:
        """Drop what belongs to `project` at once, and keep nothing of what is being opened for it now."""
        for label in [label for label in self._entries if label[1] == project]:
            del self._entries[label]
        for label in [label for label in self._flights if label[1] == project]:
            del self._flights[label]

    async def _fly(self, label: Label, open_it: Callable[[], Coroutine[None, None, V]]) -> V:
        until = self._clock() + KEEP_SECONDS
        try:
            value = await open_it()
        finally:
            wanted = self._flights.get(label) is asyncio.current_task()
            if wanted:
                del self._flights[label]
        if wanted:
            self._keep(label, _Entry(value, until))
        return value

    def _keep(self, label: Label, entry: _Entry[V]) -> None:
        self._entries[label] = entry
        self._entries.move_to_end(label)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
        # Dropped by a timer too: what nobody asks for again must not outlive its time in memory.
        asyncio.get_running_loop().call_later(KEEP_SECONDS, self._drop, label, entry)

    def _drop(self, label: Label, entry: _Entry[V]) -> None:
        if self._entries.get(label) is entry:
            del self._entries[label]


def _own_up(flight: asyncio.Task[V]) -> None:
    # Where every waiter was cancelled nobody is left to hear of the failure; asyncio would log it as forgotten.
    if not flight.cancelled():
        flight.exception()
