"""The axes of a picture: round marks, few of them, and what is written beside them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.cli.watch_axes import time_label, times, value_label, values

_MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "step", "count"), [(0.1, 1, 7), (1, 10, 7), (24, 180, 9), (168, 1440, 8), (24 * 30, 7 * 1440, 5)]
)
def test_the_marks_of_time_are_round(hours: float, step: int, count: int) -> None:
    marks = times(_MONDAY, _MONDAY + timedelta(hours=hours))
    assert marks == [_MONDAY + number * timedelta(minutes=step) for number in range(count)]


def test_marks_begin_at_the_first_round_moment() -> None:
    begin = _MONDAY + timedelta(hours=1, minutes=1)
    assert times(begin, begin + timedelta(hours=5))[0] == _MONDAY + timedelta(hours=2)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(60, 10**8))  # noqa: DTZ001 - they get one
def test_marks_of_time_are_within_and_few(begin: datetime, seconds: int) -> None:
    begin = begin.replace(tzinfo=UTC)
    marks = times(begin, begin + timedelta(seconds=seconds))
    assert 1 <= len(marks) <= 10 or seconds < 120
    assert all(begin <= mark <= begin + timedelta(seconds=seconds) for mark in marks)


def test_a_day_is_named_where_it_begins() -> None:
    assert time_label(_MONDAY, None) == ("00:00", "Mon 23 Nov")
    assert time_label(_MONDAY + timedelta(hours=3), _MONDAY) == ("03:00", "")
    assert time_label(_MONDAY + timedelta(days=1), _MONDAY) == ("00:00", "Tue 24 Nov")


@pytest.mark.parametrize(
    ("highest", "marks"),
    [
        (0, [0, 1]),
        (4, [0, 1, 2, 3, 4]),
        (100, [0, 20, 40, 60, 80, 100]),
        (101, [0, 50, 100, 150]),
        (0.3, [0, 0.1, 0.2, 0.3]),
    ],
)
def test_the_marks_of_values_reach_the_highest(highest: float, marks: list[float]) -> None:
    assert values(highest) == pytest.approx(marks)


@given(st.floats(1e-6, 1e15))
def test_marks_of_values_are_few_and_reach_the_highest(highest: float) -> None:
    marks = values(highest)
    assert 3 <= len(marks) <= 6
    assert marks[-1] >= highest * (1 - 1e-6)
    assert marks[-2] < highest


@pytest.mark.parametrize(
    ("value", "label"),
    [(0, "0"), (0.25, "0.25"), (9_999, "9999"), (10_000, "10 k"), (340_000, "340 k"), (1.5e6, "1.5 M"), (2e9, "2 G")],
)
def test_a_value_is_written_short(value: float, label: str) -> None:
    assert value_label(value) == label
