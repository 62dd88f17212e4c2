"""How long is waited after so many failures."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.backoff import draw_of, pause_seconds


@pytest.mark.parametrize(("failures", "most"), [(1, 1), (2, 2), (3, 4), (12, 2048), (13, 3600), (10_000, 3600)])
def test_it_doubles_up_to_an_hour_and_half_of_it_is_drawn(failures: int, most: float) -> None:
    assert pause_seconds(failures, 0.0) == most / 2
    assert pause_seconds(failures, 1.0) == most


def test_whoever_waits_says_where_it_begins_and_ends() -> None:
    assert [pause_seconds(n, 1, first_seconds=60, most_seconds=300) for n in (1, 2, 3, 4, 5000)] == [
        *(60, 120, 240, 300, 300)
    ]


@given(st.text(max_size=30), st.integers(1, 10**6))
def test_a_draw_is_the_same_for_the_same_try_and_lies_between_0_and_1(name: str, failures: int) -> None:
    drawn = draw_of(name, failures)
    assert 0 <= drawn < 1
    assert drawn == draw_of(name, failures)
    assert drawn != draw_of(name, failures + 1)


def test_those_that_failed_together_do_not_come_back_together() -> None:
    pauses = sorted(pause_seconds(5, draw_of(f"alert_{number}", 5)) for number in range(1000))
    assert pauses[0] < 8.1
    assert pauses[-1] > 15.9
    assert max(later - sooner for sooner, later in pairwise(pauses)) < 0.2
