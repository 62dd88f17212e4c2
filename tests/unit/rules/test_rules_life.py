"""A value that ends by itself does not run out because somebody waits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules import life

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@given(st.integers(0, 100_000), st.integers(0, 100_000))
def test_a_pause_is_a_tenth_of_what_is_left_at_most_or_a_minute(pause: int, left: int) -> None:
    found = life.capped(timedelta(seconds=pause), NOW, NOW + timedelta(seconds=left))
    assert found == timedelta(seconds=min(pause, max(left / 10, 60)))
    assert life.capped(timedelta(seconds=pause), NOW, None) == timedelta(seconds=pause)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        pytest.param(None, 24 * 60, id="a value that stays"),
        pytest.param(NOW + 60 * MINUTE, 6, id="one that ends in an hour"),
        pytest.param(NOW + MINUTE, 1, id="one that ends in a minute"),
        pytest.param(NOW, 60, id="one that has ended"),
    ],
)
def test_a_refused_turn_comes_again_before_the_value_ends_and_each_hour_after_that(
    ends: datetime | None, expected: int
) -> None:
    assert life.capped_refusal(24 * 60 * MINUTE, NOW, ends) == expected * MINUTE


@pytest.mark.parametrize(("seconds", "expected"), [(0, True), (59, True), (60, False)])
def test_a_life_of_less_than_a_minute_is_too_short(seconds: int, expected: bool) -> None:
    assert life.is_too_short(NOW + timedelta(seconds=seconds), NOW) is expected
    assert not life.is_too_short(None, NOW)
