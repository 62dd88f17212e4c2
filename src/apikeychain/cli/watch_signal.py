"""What was seen of something, minute by minute, in so few columns that they can be drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

MOST_COLUMNS = 1_024


@dataclass(slots=True)
class Column:
    """Some windows in a row.

    Attributes:
        seen: the highest value of one of them.
        expected: the highest that was expected in one of them, or None where nothing was.
    """

    seen: float = 0.0
    expected: float | None = None

    def add(self, seen: float, expected: float | None) -> None:
        """Take another window, or column, in."""
        self.seen = max(self.seen, seen)
        if expected is not None:
            self.expected = max(self.expected or 0.0, expected)


@final
class Signal:
    """Any number of windows in at most 1,024 columns: where there are more, two of them become one.

    A window that is left out was one in which nothing happened.

    Args:
        begin: of the first window.
        window: how long one is.

    Attributes:
        columns: in order, `width` each.
        width: of a column.
    """

    def __init__(self, begin: datetime, window: timedelta) -> None:
        self.begin, self.width = begin, window
        self.columns: list[Column] = []

    def put(self, begin: datetime, seen: float, expected: float | None) -> None:
        """Take a window in that is not before the first one.

        Args:
            begin: of the window.
            seen: in it.
            expected: at most, or None where that is not known yet.
        """
        while (place := (begin - self.begin) // self.width) >= MOST_COLUMNS:
            self._halve()
        self.columns += [Column() for _ in range(place + 1 - len(self.columns))]
        self.columns[place].add(seen, expected)

    @property
    def end(self) -> datetime:
        """Of the last column."""
        return self.begin + len(self.columns) * self.width

    @property
    def highest(self) -> float:
        """Of all that was seen or expected."""
        return max((max(column.seen, column.expected or 0.0) for column in self.columns), default=0.0)

    def _halve(self) -> None:
        self.width *= 2
        self.columns = [_one(self.columns[place : place + 2]) for place in range(0, len(self.columns), 2)]


def _one(columns: Sequence[Column]) -> Column:
    whole = Column()
    for column in columns:
        whole.add(column.seen, column.expected)
    return whole
