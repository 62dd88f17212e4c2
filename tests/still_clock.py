"""Clocks that tests turn: one that stands still, to the second, and one that goes on and can be ahead."""

import time
from datetime import UTC, datetime, timedelta


class StillClock:
    """Shows one moment until it is set forward.

    Attributes:
        moment: in UTC, at first the second that it is.
    """

    def __init__(self) -> None:
        self.moment = datetime.now(UTC).replace(microsecond=0)

    def now(self) -> datetime:
        return self.moment

    def seconds(self) -> float:
        """Unix seconds."""
        return self.moment.timestamp()

    def go_on(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class GoingClock:
    """Monotonic seconds that a test can let pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead
