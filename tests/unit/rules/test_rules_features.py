"""What of a window is looked at."""

import pytest

from apikeychain.model.finding import Window
from apikeychain.model.tally import FAILURES, UNADMITTED, Tally
from apikeychain.rules.features import FEATURES, counts_of, feature_of, measures_of_calls, vector, whole_of
from apikeychain.testing.detector import BEGIN, PROJECT
from watched_windows import calls, values


def _window(**routes: Tally) -> Window:
    return Window(project=PROJECT, begin=BEGIN, routes=routes)


def test_every_failure_and_every_refusal_has_its_feature() -> None:
    assert set(FAILURES) <= FEATURES.keys()
    refused = Tally(unadmitted=dict.fromkeys(UNADMITTED, 3))
    assert [one.name for one in measures_of_calls(refused) if one.seen == 3] == [
        "refused_origins",
        "refused_signatures",
        "replays",
        "other_refusals",
    ]


def test_only_what_is_refused_before_it_is_admitted_is_not_admitted() -> None:
    assert {name for name, one in FEATURES.items() if not one.admitted} == {
        "refused_origins",
        "refused_signatures",
        "replays",
        "other_refusals",
    }


def test_a_window_without_calls_has_no_shares_and_no_means() -> None:
    assert {one.feature.kind for one in measures_of_calls(Tally())} == {"count"}
    assert {one.feature.kind for one in measures_of_calls(calls(10))} == {"count", "share", "mean"}


def test_the_routes_of_a_window_are_added_up_without_their_parameters() -> None:
    total = whole_of(_window(a=calls(30, 10), b=calls(20, 10)))
    assert (total.calls, total.bytes_out, len(total.sketch), total.parameters) == (50, 45_000, 10, {})
    assert whole_of(_window()) == Tally()


def test_counts_are_told_by_the_name_of_their_feature() -> None:
    counts = counts_of(calls(30, 10))
    assert (counts["rate"], counts["callers"], counts["heaviest"], counts["bytes_out"]) == (30, 10, 3, 27_000)
    assert counts.keys() <= FEATURES.keys()


@pytest.mark.parametrize(("name", "feature"), [("length(q)", "length"), ("rate", "rate"), ("speed", None), ("", None)])
def test_a_feature_is_known_by_the_name_that_a_finding_has(name: str, feature: str | None) -> None:
    found = feature_of(name)
    assert (found.name if found else None) == feature


def test_a_window_is_a_point_of_always_the_same_features() -> None:
    empty, full = vector(_window()), vector(_window(a=calls(30, 10), b=Tally(unadmitted={"replayed": 9})))
    assert list(empty) == list(full)
    assert not any(empty.values())
    assert full["replays"] == pytest.approx(2.303, abs=0.001)
    assert full["length"] == pytest.approx(2.197, abs=0.001)


def test_more_hashes_than_values_are_told_apart_by_nothing() -> None:
    odd = calls(4, 2)
    odd.parameters["q"] = values(3)
    odd.parameters["q"].hashes |= {1, 2, 3, 4}
    assert vector(_window(a=odd))["variety"] == 1
