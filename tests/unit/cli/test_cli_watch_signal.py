"""A signal keeps what was highest of any number of windows in at most 1,024 columns."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apikeychain.cli.watch_signal import MOST_COLUMNS, Column, Signal

_BEGIN = datetime(2026, 1, 2, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)


def drawn(*windows: tuple[int, float, float | None]) -> Signal:
    signal = Signal(_BEGIN, _MINUTE)
    for minute, seen, expected in windows:
        signal.put(_BEGIN + minute * _MINUTE, seen, expected)
    return signal


def test_a_column_is_a_window_while_there_is_room_and_what_is_left_out_is_nothing() -> None:
    signal = drawn((0, 3, None), (2, 5, 4))
    assert signal.columns == [Column(3), Column(), Column(5, 4)]
    assert (signal.width, signal.end, signal.highest) == (_MINUTE, _BEGIN + 3 * _MINUTE, 5)


def test_beyond_that_two_columns_become_one_that_keeps_what_was_highest() -> None:
    signal = drawn(*((minute, minute % 7, None if minute < 2 else 9) for minute in range(MOST_COLUMNS + 1)))
    assert signal.width == 2 * _MINUTE
    assert len(signal.columns) == MOST_COLUMNS // 2 + 1
    assert signal.columns[:4] == [Column(1), Column(3, 9), Column(5, 9), Column(6, 9)]
    assert signal.highest == 9


def test_nothing_is_as_high_as_nothing() -> None:
    assert (drawn().highest, drawn().end) == (0, _BEGIN)


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 99)), min_size=1, max_size=50))
def test_whatever_comes_it_is_bounded_and_the_highest_stays_where_it_was(windows: list[tuple[int, int]]) -> None:
    signal = drawn(*((minute, seen, None) for minute, seen in windows))
    assert len(signal.columns) <= MOST_COLUMNS
    for minute, seen in windows:
        assert signal.columns[minute * _MINUTE // signal.width].seen >= seen
    assert signal.highest == max(seen for _, seen in windows)
