"""One flight for each key: whoever asks for what is already being fetched waits for that flight.

A flight is a task of its own, so a waiter that is cancelled ends nobody else's wait. What it brings is handed to
`land`, once, unless its key was forgotten on the way: then those who wait still get it, and it must not be kept. It
lands before it has ended: between the two there is no turn of the loop in which one could join it and find nothing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any, Generic, TypeVar, final

K = TypeVar("K")
V = TypeVar("V")


@final
class Parcel(Generic[V]):
    """What a flight brings, without a repr of it: asyncio's debug mode logs the results of tasks."""

    __slots__ = ("value",)

    def __init__(self, value: V) -> None:
        self.value = value


@final
class Flights(Generic[K, V]):
    """The flights under way, by key. One of another loop can neither be awaited here nor be trusted to land."""

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Task[Parcel[V]]] = {}

    def __iter__(self) -> Iterator[K]:
        """The keys of the flights under way, as they are now."""
        return iter([*self._under_way])

    async def join(self, key: K, start: Callable[[], Coroutine[Any, Any, V]], land: Callable[[V], None]) -> V:
        """What the flight of `key` brings; raises what it raises. See `begin`."""
        return (await asyncio.shield(self.begin(key, start, land))).value

    def begin(
        self, key: K, start: Callable[[], Coroutine[Any, Any, V]], land: Callable[[V], None]
    ) -> "asyncio.Task[Parcel[V]]":
        """The one flight of `key` in this loop, begun now if there is none.

        Args:
            key: what is fetched.
            start: fetches it.
            land: keeps it; called before any waiter goes on, and not for a flight that failed or was forgotten.
        """
        loop = asyncio.get_running_loop()
        flight = self._under_way.get(key)
        if flight is None or flight.done() or flight.get_loop() is not loop:
            flight = self._under_way[key] = loop.create_task(self._fly(key, start, land))
            flight.add_done_callback(partial(self._end, key))
        return flight

    def forget(self, key: K) -> None:
        """Let the next one who asks begin anew; the flight under way brings nothing that may be kept."""
        self._under_way.pop(key, None)

    async def _fly(self, key: K, start: Callable[[], Coroutine[Any, Any, V]], land: Callable[[V], None]) -> Parcel[V]:
        value = await start()
        if self._under_way.get(key) is asyncio.current_task():
            land(value)
        return Parcel(value)

    def _end(self, key: K, flight: "asyncio.Task[Parcel[V]]") -> None:
        if self._under_way.get(key) is flight:
            del self._under_way[key]
        # The exception is looked at in any case: where every waiter left, asyncio would log it as never retrieved.
        if not flight.cancelled():
            flight.exception()
