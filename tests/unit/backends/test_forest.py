"""A forest over all features of a window at once."""

import json
import sys
from collections.abc import Sequence

import pytest

from apikeychain.backends.forest import ForestDetector
from apikeychain.errors import MissingExtraError
from apikeychain.model.finding import Finding, Window
from apikeychain.rules.features import vector
from apikeychain.testing.detector import ordinary, window


def _live(seen: Sequence[Window], state: str = "") -> tuple[list[list[Finding]], str]:
    detector, found = ForestDetector(vector), list[list[Finding]]()
    for one in seen:
        findings, state = detector.observe(one, state)
        found.append(list(findings))
    return found, state


@pytest.fixture(scope="module")
def learned() -> str:
    found, state = _live([ordinary(number) for number in range(150)])
    assert not any(found)
    return state


def test_a_window_unlike_any_is_laid_to_the_feature_that_makes_it_so(learned: str) -> None:
    (found,), _ = _live([window(150, 25, failed=20)], learned)
    (finding,) = found
    assert (finding.feature, finding.scope, finding.value) == ("provider-401", "project", "")
    assert (finding.expected, finding.seen) == (0.0, 0.8)


def test_what_a_forest_finds_is_told_and_nothing_is_done_about_it(learned: str) -> None:
    (found,), _ = _live([window(150, 4_000, callers=900, failed=3_000)], learned)
    assert [(one.admitted, one.blatant) for one in found] == [(False, False)]


def test_what_lasts_is_one_finding_and_does_not_become_a_point(learned: str) -> None:
    found, state = _live([window(150 + number, 25, failed=20) for number in range(12)], learned)
    assert {one.since for one in found[-1]} == {found[0][0].at}
    assert json.loads(state)["points"] == json.loads(learned)["points"]
    (quiet,), state = _live([ordinary(200)], state)
    assert quiet == []
    assert json.loads(state)["since"] == 0


def test_a_day_of_points_is_kept() -> None:
    _, state = _live([ordinary(number) for number in range(97)])
    told = json.loads(state)
    told["points"] = told["points"][:1] * 256
    _, state = _live([ordinary(102)], json.dumps({**told, "seen": 102}))
    assert len(json.loads(state)["points"]) == 256


def test_points_of_other_features_are_none() -> None:
    detector = ForestDetector(lambda _: {"rate": 1.0})
    _, state = _live([ordinary(0)])
    assert detector.observe(ordinary(1), state) == detector.observe(ordinary(1), "")


@pytest.mark.parametrize("changed", [{"seen": -1}, {"score": [1]}, {"since": 1e300}, {"points": [[1]]}, {"points": 7}])
def test_a_state_that_it_did_not_write_is_none(changed: dict[str, object]) -> None:
    _, state = _live([ordinary(0)])
    foreign = json.dumps({**json.loads(state), **changed})
    assert _live([ordinary(1)], foreign) == _live([ordinary(1)], "")


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rcf3", None)
    with pytest.raises(MissingExtraError, match=r"apikeychain\[ai\]"):
        ForestDetector(vector)
