"""What a worker remembers of many chains, within a bound: for what is forgotten, others are asked again."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """The values that were used last.

    Args:
        capacity: when there are more, the one that was used longest ago goes.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity, self._values = capacity, OrderedDict[K, V]()

    def get(self, key: K) -> V | None:
        """The value, or None."""
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Remember it."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._capacity:
            self._values.popitem(last=False)

    def forget(self, key: K) -> None:
        """Forget it, where it is remembered."""
        self._values.pop(key, None)
