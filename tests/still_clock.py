"""A wall clock that stands still, for tests of what is asked of time to the second."""

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
