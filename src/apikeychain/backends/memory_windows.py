"""What one bucket of a limiter remembers: two counters, or the moments of its calls.

A *counter* keeps two numbers; the previous window weighs as much as the window still overlaps it::

    used = current + previous * (window - elapsed) / window

The weight takes the previous window's calls as evenly spread: two bursts round the border of two windows can come
close to twice the amount within one window's length, and never to more than the amount in each. A bucket's first window
begins with its first spend.

*Moments* are exact: one float for each call that lies in the window. No span of a window's length holds more than the
amount, wherever it begins; 8 bytes a call is the price.
"""

from array import array
from bisect import bisect_right
from dataclasses import dataclass, field
from math import floor
from typing import ClassVar

from apikeychain.model.quota import Balance, Spend

# So many moments take the memory of one counter.
_MOMENTS_OF_A_COUNTER = 32


@dataclass(slots=True)
class Counter:
    """Attributes: `start`: of the current window, seconds of the limiter's clock; `weight`: counted in counters."""

    weight: ClassVar[int] = 1
    window: int
    start: float
    previous: int = 0
    current: int = 0

    def is_over(self, now: float) -> bool:
        """Whether nothing in it counts any more."""
        return now - self.start >= 2 * self.window

    def turn(self, now: float) -> int:
        """Begin the window that `now` lies in; by how much the weight changed."""
        elapsed = now - self.start
        if elapsed >= 2 * self.window:
            self.start, self.previous, self.current = now, 0, 0
        elif elapsed >= self.window:
            self.start, self.previous, self.current = self.start + self.window, self.current, 0
        return 0

    def take(self, now: float) -> int:
        """Count one call; by how much the weight changed."""
        del now
        self.current += 1
        return 0

    def used(self, now: float) -> int:
        """The calls that count."""
        if not self.previous:
            return self.current
        return self.current + floor(self.previous * (self.start + self.window - now) / self.window)

    def passes_in(self, now: float) -> float:
        """Seconds until its window has passed."""
        return self.start + self.window - now

    def room_in(self, now: float, amount: int) -> float:
        """Seconds until one more fits, for a bucket that is full: after them, not at them."""
        if self.current < amount:
            return self.start + self.window * (1 - (amount - self.current) / self.previous) - now
        return self.start + self.window + self.window * (1 - amount / self.current) - now


@dataclass(slots=True)
class Moments:
    """Attributes: `start`: of its window while it is empty."""

    window: int
    start: float
    moments: "array[float]" = field(default_factory=lambda: array("d"))

    @property
    def weight(self) -> int:
        """See Counter.weight."""
        return 1 + len(self.moments) // _MOMENTS_OF_A_COUNTER

    def is_over(self, now: float) -> bool:
        """See Counter.is_over."""
        return (self.moments[-1] if self.moments else self.start) + self.window <= now

    def turn(self, now: float) -> int:
        """Forget the calls that left the window. See Counter.turn."""
        self.start, before = now, self.weight
        if self.moments and self.moments[0] + self.window <= now:
            del self.moments[: bisect_right(self.moments, now, key=lambda moment: moment + self.window)]
        return self.weight - before

    def take(self, now: float) -> int:
        """See Counter.take."""
        before = self.weight
        self.moments.append(now)
        return self.weight - before

    def used(self, now: float) -> int:
        """See Counter.used."""
        del now
        return len(self.moments)

    def passes_in(self, now: float) -> float:
        """See Counter.passes_in; it begins with the oldest call that counts."""
        return (self.moments[0] if self.moments else self.start) + self.window - now

    def room_in(self, now: float, amount: int) -> float:
        """See Counter.room_in."""
        return self.moments[len(self.moments) - amount] + self.window - now


Window = Counter | Moments


def balance_of(spend: Spend, window: Window, now: float, *, admitted: bool) -> Balance:
    """What a spend is told of its bucket.

    Args:
        spend: of the bucket.
        window: what is remembered, after the spend.
        now: of the limiter's clock.
        admitted: whether it had room before.
    """
    amount = spend.quota.amount
    if admitted:
        return Balance(spend, True, amount - window.used(now), max(1, int(window.passes_in(now)) + 1))  # noqa: FBT003 - as its field is
    return Balance(spend, False, 0, max(1, int(window.room_in(now, amount)) + 1))  # noqa: FBT003 - likewise
