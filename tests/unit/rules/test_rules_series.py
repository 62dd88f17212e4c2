"""One feature over time."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.features import FEATURES, Measure
from apikeychain.rules.series import SETTLES, WARM_UP, Series, Verdict, fresh, judge, packed, rest

RATE, REFUSED, SHARE, LENGTH = (FEATURES[name] for name in ("rate", "refused_origins", "provider-403", "length"))


def _count(seen: float) -> Measure:
    return Measure(RATE, "", seen)


def _learn(series: Series, measures: Iterable[Measure], begin: int = 1) -> list[Verdict | None]:
    return [judge(series, measure, begin + number) for number, measure in enumerate(measures)]


def _learned(measure: Measure, windows: int = 600) -> Series:
    series = fresh(measure.feature, 0)
    assert not any(_learn(series, [measure] * windows))
    return series


def test_while_it_learns_it_finds_nothing() -> None:
    series = fresh(RATE, 0)
    assert not any(_learn(series, [_count(5)] * (WARM_UP - 1)))
    assert judge(series, _count(9000), WARM_UP) is None


def test_what_nobody_would_have_to_learn_is_found_while_it_learns() -> None:
    verdict = judge(fresh(REFUSED, 0), Measure(REFUSED, "", 600), 1)
    assert verdict is not None
    assert verdict.blatant
    assert judge(fresh(REFUSED, 0), Measure(REFUSED, "", 599), 1) is None


def test_what_was_never_anything_is_known_for_as_long_as_the_route() -> None:
    verdict = judge(fresh(SHARE, 500), Measure(SHARE, "", 40, 50), 501)
    assert verdict is not None
    assert verdict.blatant
    assert verdict.expected < 0.3
    assert verdict.seen == 0.8


def test_what_is_far_and_not_blatant_is_sure_in_the_second_window() -> None:
    series = _learned(_count(30))
    first, second = _learn(series, [_count(140)] * 2, 601)
    assert first is not None
    assert second is not None
    assert (first.sure, first.blatant, second.sure, second.since) == (False, False, True, 601)


def test_more_than_expected_that_is_not_worth_a_word_is_none() -> None:
    assert judge(_learned(_count(1)), _count(40), 601) is None


def test_what_the_last_days_have_seen_is_no_surprise() -> None:
    series = _learned(_count(900), 600)
    assert not any(_learn(series, [_count(20)] * 500, 601))
    assert judge(series, _count(900), 1101) is None
    assert judge(series, _count(9000), 1102) is not None


def test_a_finding_lasts_until_it_is_over_for_some_windows() -> None:
    series = _learned(_count(30))
    assert judge(series, _count(900), 601) is not None
    assert judge(series, _count(30), 602) is None
    assert series.is_open
    again = judge(series, _count(900), 603)
    assert again is not None
    assert again.since == 601
    _learn(series, [_count(30)] * 4, 604)
    assert not series.is_open


def test_what_is_far_teaches_little_until_it_has_lasted() -> None:
    series = _learned(_count(30))
    _learn(series, [_count(900)] * 100, 601)
    assert series.level**2 < 60
    _learn(series, [_count(900)] * (SETTLES + 1), 701)
    assert series.level**2 == pytest.approx(900, rel=0.01)
    assert not series.is_open


def test_a_share_that_has_lasted_is_normal_too() -> None:
    series = _learned(Measure(SHARE, "", 1, 100))
    _learn(series, [Measure(SHARE, "", 90, 100)] * (SETTLES + 1), 601)
    assert series.level == pytest.approx(0.9)


def test_a_little_more_for_long_adds_up() -> None:
    series = _learned(Measure(SHARE, "", 0, 100))
    verdicts = _learn(series, [Measure(SHARE, "", 4, 100)] * 60, 601)
    found = next(verdict for verdict in verdicts if verdict)
    assert (found.blatant, found.sure, found.since) == (False, True, 601)
    _learn(series, [Measure(SHARE, "", 0, 100)] * 80, 661)
    assert series.drip == 0


def test_a_mean_is_found_above_and_below_and_not_of_few_values() -> None:
    usual = Measure(LENGTH, "q", 2.2, 40)
    for seen in (0.1, 4.3):
        verdict = judge(_learned(usual), Measure(LENGTH, "q", seen, 40), 601)
        assert verdict is not None
        assert verdict.blatant
        assert (verdict.expected < verdict.seen) == (seen > 2.2)
    assert judge(_learned(usual), Measure(LENGTH, "q", 4.3, 9), 601) is None
    assert judge(_learned(usual), Measure(LENGTH, "q", 2.9, 40), 601) is None


def test_windows_without_calls_are_learned_at_once() -> None:
    series = _learned(_count(100))
    rest(series, 1000)
    assert series.level == pytest.approx(fresh(RATE, 0).level)


def test_a_series_is_as_many_numbers_as_it_needs() -> None:
    assert packed(Series()) == []
    assert packed(Series(level=1.23456, windows=7)) == [1.235, 0, 0, 7]


@given(st.lists(st.floats(0, 1e6), max_size=200), st.sampled_from([RATE, REFUSED, SHARE, LENGTH]))
def test_whatever_comes_its_numbers_stay_numbers(seen: list[float], feature: object) -> None:
    assert isinstance(feature, type(RATE))
    series = fresh(feature, 0)
    _learn(series, [Measure(feature, "", min(one, 1e4) if feature is LENGTH else one, 1e6) for one in seen])
    assert all(0 <= number < 1e9 for number in packed(series))
