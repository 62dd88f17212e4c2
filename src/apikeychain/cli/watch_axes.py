"""Where the marks of an axis stand, and what is written beside them."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_STEPS = (
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28, 56, 112, 364)),
)
_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday, so that steps of a week begin on one
_MOST_TIMES, _MOST_VALUES = 10, 5
_THOUSANDS = ((1e9, " G"), (1e6, " M"), (1e4, " k"))


def times(begin: datetime, end: datetime) -> Sequence[datetime]:
    """At most ten round moments from `begin` to `end`; more where that is longer than years."""
    seconds = (end - begin).total_seconds()
    step = next((step for step in _STEPS if seconds / step < _MOST_TIMES), _STEPS[-1])
    return list(_multiples(begin, end, step))


def _multiples(begin: datetime, end: datetime, step: int) -> Iterator[datetime]:
    number = math.ceil((begin - _EPOCH).total_seconds() / step)
    while (moment := _EPOCH + timedelta(seconds=number * step)) <= end:
        yield moment
        number += 1


def time_label(moment: datetime, before: datetime | None) -> tuple[str, str]:
    """The hour of a moment, and its day where that is another than that of the mark before it."""
    is_new = before is None or before.date() != moment.date()
    return f"{moment:%H:%M}", f"{moment:%a} {moment.day} {moment:%b}" if is_new else ""


def values(highest: float) -> Sequence[float]:
    """Round values from 0 to `highest` or just above it, at most six."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / _MOST_VALUES
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * (1 - 1e-9))
    return [number * step for number in range(math.ceil(highest / step - 1e-9) + 1)]


def value_label(value: float) -> str:
    """A number in at most six characters: 12, 0.25, 340 k, 1.5 M."""
    scale, suffix = next(((scale, suffix) for scale, suffix in _THOUSANDS if value >= scale), (1.0, ""))
    return f"{value / (1_000.0 if suffix == ' k' else scale):.4g}{suffix}"
