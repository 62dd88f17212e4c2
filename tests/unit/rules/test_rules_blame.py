"""Who a finding is about."""

from dataclasses import replace

import pytest

from apikeychain.model.suspension import Scope
from apikeychain.model.tally import Tally
from apikeychain.rules.blame import Blamed, blame, spared, wide
from apikeychain.rules.features import FEATURES, Measure
from apikeychain.rules.learned import WHOLE, Learned, Route
from apikeychain.rules.series import Series, Verdict

FAILED = Verdict(Measure(FEATURES["provider-401"], "", 300, 400), 20, 0.1, 0.75, 300, blatant=True, since=1, sure=True)
TALLY = Tally(calls=400, callers={"aa": 290, "bb": 10}, origins={"https://a.example": 400})
USUAL = Route(series={"heaviest": Series(level=3, peak=5), "rate": Series(level=9)}, origins={"https://a.example": 1.0})
LEARNED = Learned(1, {"search": USUAL, WHOLE: USUAL, "": USUAL})


def test_one_caller_who_is_more_than_anybody_was_and_most_of_it_is_to_blame() -> None:
    assert blame(FAILED, "search", TALLY, LEARNED) == Blamed("caller", "aa")


@pytest.mark.parametrize(
    ("tally", "route"),
    [
        pytest.param(replace(TALLY, callers={"aa": 200}), USUAL, id="it is not the most of it"),
        pytest.param(replace(TALLY, callers={}), USUAL, id="nobody is known"),
        pytest.param(TALLY, replace(USUAL, series={"heaviest": Series(level=14)}), id="some always call as much"),
        pytest.param(TALLY, replace(USUAL, series={"heaviest": Series(level=3, peak=16)}), id="some did of late"),
        pytest.param(TALLY, replace(USUAL, series={}), id="nothing was learned"),
    ],
)
def test_a_caller_is_not_blamed_where(tally: Tally, route: Route) -> None:
    assert blame(FAILED, "search", tally, Learned(1, {"search": route, WHOLE: USUAL})) == Blamed("route", "search")


def test_of_two_who_call_as_much_the_same_one_is_blamed_whatever_their_order() -> None:
    heaviest = replace(FAILED, measure=Measure(FEATURES["heaviest"], "", 290), excess=280)
    for callers in ({"aa": 290, "bb": 290}, {"bb": 290, "aa": 290}):
        assert blame(heaviest, "search", replace(TALLY, callers=callers), LEARNED) == Blamed("caller", "aa")


def test_an_origin_is_blamed_that_was_never_the_most() -> None:
    tally = replace(TALLY, callers={"bb": 10}, origins={"https://a.example": 100, "https://b.example": 300})
    assert blame(FAILED, "search", tally, LEARNED) == Blamed("origin", "https://b.example")
    known = replace(USUAL, origins={"https://b.example": 0.6})
    assert blame(FAILED, "search", tally, Learned(1, {"search": USUAL, WHOLE: known})) == Blamed("route", "search")


def test_calls_of_no_page_are_of_no_origin() -> None:
    tally = replace(TALLY, callers={"bb": 10}, origins={"": 400})
    assert blame(FAILED, "search", tally, LEARNED) == Blamed("route", "search")


def test_a_mean_is_laid_to_the_calls_that_can_have_moved_it() -> None:
    mean = replace(FAILED, measure=Measure(FEATURES["bytes_out"], "", 12, 400), excess=0)
    assert blame(mean, "search", TALLY, LEARNED) == Blamed("caller", "aa")
    unknown = replace(USUAL, series={"heaviest": USUAL.series["heaviest"]})
    learned = Learned(1, {"search": unknown, WHOLE: USUAL})
    assert blame(mean, "search", replace(TALLY, callers={"aa": 285}), learned) == Blamed("caller", "aa")
    assert blame(mean, "search", replace(TALLY, callers={"aa": 275}), learned) == Blamed("route", "search")


def test_nobody_is_blamed_for_what_anybody_can_cause() -> None:
    refused = replace(FAILED, measure=Measure(FEATURES["refused_origins"], "", 300))
    assert blame(refused, "search", TALLY, LEARNED) == Blamed("route", "search")
    assert (
        blame(refused, "", TALLY, LEARNED)
        == blame(refused, WHOLE, TALLY, LEARNED)
        == wide(WHOLE)
        == Blamed("project", "")
    )


@pytest.mark.parametrize(
    ("feature", "scope", "peak", "blatant"),
    [
        pytest.param("heaviest", "caller", 9.8, True, id="three times as often as all ever were"),
        pytest.param("heaviest", "caller", 9.9, False, id="hardly less may be a batch job"),
        pytest.param("rate", "caller", 9.9, False, id="whatever tells of it"),
        pytest.param("provider-401", "caller", 9.9, True, id="it is more than calls"),
        pytest.param("rate", "route", 9.9, True, id="it is more than one caller"),
    ],
)
def test_one_caller_who_only_calls_much_is_blatant_from_several_times_all_on(
    feature: str, scope: Scope, peak: float, *, blatant: bool
) -> None:
    verdict = replace(FAILED, measure=Measure(FEATURES[feature], "", 290, 400))
    route = replace(USUAL, series={**USUAL.series, "rate": Series(level=9, peak=peak)})
    assert spared(verdict, Blamed(scope, "aa"), TALLY, route).blatant == blatant
