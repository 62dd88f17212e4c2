"""Rules that a tenant writes, and what they find."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError
from apikeychain.model.finding import Finding, Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.tally import Tally
from apikeychain.ports.detector import MOST_STATE
from apikeychain.rules.rules_detector import RulesDetector
from apikeychain.rules.watch_rules import CountryRule, NumberRule, named_feature, parse_rule, parse_rules

PROJECT = ProjectId("p_aaaaaaaaaaaaaaaaaaaa")
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def _window(number: int, tally: Tally) -> Window:
    return Window(project=PROJECT, begin=BEGIN + timedelta(minutes=number), routes={"search": tally})


def _live(text: str, tallies: Sequence[Tally]) -> list[list[Finding]]:
    detector, state, found = RulesDetector(parse_rules([text])), "", list[list[Finding]]()
    for number, tally in enumerate(tallies):
        findings, state = detector.observe(_window(number, tally), state)
        found.append(list(findings))
    return found


def _fires(text: str, *tallies: Tally) -> list[bool]:
    return [bool(found) for found in _live(text, tallies)]


@pytest.mark.parametrize(
    ("text", "feature", "bound", "seconds"),
    [
        ("refused_origins > 50 / 5 minutes", "refused_origins", 50, 300),
        ("failures >= 20 / minute", "failures", 19, 60),
        ("rate>1000/1 hour", "rate", 1000, 3600),
        ("  bytes_out  > 10000000 / 2 hours", "bytes_out", 10_000_000, 7200),
        ("provider-401 > 0 / day", "provider-401", 0, 86_400),
    ],
)
def test_a_rule_of_numbers_is_read(text: str, feature: str, bound: int, seconds: int) -> None:
    assert parse_rule(text) == NumberRule(text, feature, bound, seconds)


def test_a_rule_about_countries_is_read() -> None:
    assert parse_rule("country not in [DE, FR]") == CountryRule(
        "country not in [DE, FR]", frozenset({"DE", "FR"}), wanted=True
    )
    assert parse_rule("country in [KP]") == CountryRule("country in [KP]", frozenset({"KP"}), wanted=False)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("", 1, "country, or one of"),
        ("speed > 1 / minute", 1, "country, or one of"),
        ("rate < 1 / minute", 6, "> or >="),
        ("rate > many / minute", 8, "a whole number"),
        ("rate > 1.5 / minute", 8, "a whole number"),
        ("rate > 1", 9, "/"),
        ("rate > 1 / fortnight", 12, "one of minute"),
        ("rate > 1 / 5", 13, "one of minute"),
        ("rate > 1 /", 11, "one of minute"),
        ("rate > 1 / 0 minutes", 12, "a time of a minute to a day"),
        ("rate > 1 / 25 hours", 12, "a time of a minute to a day"),
        ("rate >= 0 / minute", 9, "a number that is not always reached"),
        ("rate > 1 / minute or so", 19, "the end of the rule"),
        ("country = DE", 9, "in"),
        ("country in DE", 12, "["),
        ("country in []", 13, "a country, as DE"),
        ("country in [DE FR]", 16, "]"),
        ("country in [DE, Germany]", 17, "a country, as DE"),
        ("country in [de]", 13, "a country, as DE"),
        ("rate >\r\n5 / minute", 7, "a character of a line"),
        ("rate >\u2028 5 / minute", 7, "a character of a line"),
        ("rate >\t5 / minute", 7, "a character of a line"),
        ("rate > 5 / minute\n", 18, "a character of a line"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_place(text: str, place: int, expected: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        parse_rule(text)
    assert f"at character {place} {expected}" in str(refused.value)


def test_rules_have_bounds() -> None:
    with pytest.raises(InvalidValueError, match="at most 200 characters, this one has 250"):
        parse_rule("x" * 250)
    with pytest.raises(InvalidValueError, match="at most 32 rules, not 33"):
        parse_rules(["rate > 1 / minute"] * 33)
    assert len(parse_rules(["rate > 1 / minute"] * 32)) == 1


@given(st.text(alphabet="country in[]DEFR,>=/0123456789 minutesra_5", max_size=60))
def test_whatever_is_written_is_a_rule_or_refused(text: str) -> None:
    try:
        rule = parse_rule(text)
    except InvalidValueError:
        return
    assert rule.text == text


def test_a_rule_counts_what_came_within_its_time() -> None:
    tallies = [Tally(calls=4, unadmitted={"origin-refused": 20})] * 4 + [Tally(calls=4)] * 5
    assert _fires("refused_origins > 50 / 3 minutes", *tallies) == [False, False, True, True] + [False] * 5


def test_a_rule_of_hours_fires_only_while_something_of_it_comes_and_a_row_ends_with_what_does_not() -> None:
    failed, good = Tally(calls=9, failures={"provider-403": 5}), Tally(calls=9)
    found = _live("provider-403 >= 5 / hour", [failed, good, good, failed, failed])
    assert [bool(one) for one in found] == [True, False, False, True, True]
    assert [one.at - one.since for (one,) in found[3:]] == [timedelta(0), timedelta(minutes=1)]


@pytest.mark.parametrize(
    ("text", "feature"),
    [("provider-5xx>10/minute", "provider-5xx"), (" rate > 1 / day", "rate"), ("country in [DE]", "country"), ("", "")],
)
def test_a_rule_tells_what_it_is_about(text: str, feature: str) -> None:
    assert named_feature(text) == feature


def test_more_than_a_bound_and_as_much_are_told_apart() -> None:
    assert _fires("rate > 10 / minute", Tally(calls=10), Tally(calls=11)) == [False, True]
    assert _fires("rate >= 10 / minute", Tally(calls=9), Tally(calls=10)) == [False, True]


def test_failures_of_all_kinds_are_counted_together() -> None:
    failed = Tally(calls=30, failures={"provider-401": 7, "provider-5xx": 7, "refused": 7})
    assert _fires("failures >= 21 / minute", failed) == [True]
    assert _fires("provider-401 >= 21 / minute", failed) == [False]


def test_callers_of_two_windows_are_not_added_up() -> None:
    crowd = Tally(calls=40, sketch=set(range(40)))
    assert _fires("callers > 50 / hour", crowd, crowd) == [False, False]
    assert _fires("callers > 30 / hour", crowd, Tally(calls=1, sketch={1})) == [True, True]


def test_a_call_from_where_nobody_should_be_is_found_and_one_from_nowhere_known_is_not() -> None:
    tallies = [Tally(calls=5, countries={"DE": 3, "": 2}), Tally(calls=5, countries={"DE": 3, "US": 2})]
    assert _fires("country not in [DE, FR]", *tallies) == [False, True]
    assert _fires("country in [US]", *tallies) == [False, True]


def test_a_finding_of_a_rule_says_which_and_since_when() -> None:
    found = _live("rate > 10 / minute", [Tally(calls=11), Tally(calls=12), Tally(calls=1), Tally(calls=60)])
    first, second, last = found[0][0], found[1][0], found[3][0]
    assert (first.feature, first.expected, first.seen, first.sure) == ("rate > 10 / minute", 10, 11, 100)
    assert (first.since, second.since, last.since) == (first.at, first.at, last.at)
    assert (first.blatant, last.blatant, first.admitted) == (False, True, True)
    assert (first.scope, first.value) == ("project", "")


def test_a_rule_about_what_anybody_can_cause_is_never_admitted() -> None:
    seen = Tally(calls=5, callers={"aa": 5}, unadmitted={"replayed": 500})
    (finding,) = _live("replays > 50 / minute", [seen])[0]
    assert (finding.admitted, finding.scope, finding.blatant) == (False, "project", True)


def test_the_caller_who_makes_most_of_it_is_to_blame() -> None:
    (finding,) = _live("rate > 10 / minute", [Tally(calls=20, callers={"aa": 18, "bb": 2})])[0]
    assert (finding.scope, finding.value) == ("caller", "aa")
    (finding,) = _live("rate > 10 / minute", [Tally(calls=20, callers={"aa": 11, "bb": 9})])[0]
    assert finding.scope == "project"


@pytest.mark.parametrize(
    ("text", "before", "calls"),
    [
        ("rate > 10 / hour", {f"{number:02}": 5 for number in range(12)}, 10),
        ("rate >= 1 / day", {f"{number:02}": 5 for number in range(100)}, 4),
        ("heaviest > 20 / hour", {"aa": 110}, 21),
    ],
)
def test_a_caller_is_blatant_only_by_its_own_calls_of_this_window(
    text: str, before: dict[str, int], calls: int
) -> None:
    crowd, lone = Tally(calls=sum(before.values()), callers=before), Tally(calls=calls, callers={"bb": calls})
    finding = _live(text, [crowd, lone])[1][0]
    assert (finding.scope, finding.value, finding.blatant) == ("caller", "bb", False)
    assert finding.why.endswith(f"; this caller called {calls} times in this window")
    many = Tally(calls=120, callers={"bb": 120})
    assert _live(text, [crowd, many])[1][0].blatant


@pytest.mark.parametrize("text", ["failures >= 20 / minute", "bytes_out > 900 / minute", "callers > 1 / minute"])
def test_who_calls_most_is_not_to_blame_for_what_others_may_have_done(text: str) -> None:
    failed = Tally(calls=500, callers={"aa": 400, "bb": 100}, failures={"provider-other": 100}, bytes_out=9000)
    failed.sketch = {1, 2}
    (finding,) = _live(text, [failed])[0]
    assert (finding.scope, finding.value) == ("project", "")


def test_the_state_of_many_rules_over_a_day_has_its_bound() -> None:
    texts = [f"bytes_out > {number} / day".ljust(200) for number in range(32)]
    detector, state = RulesDetector(parse_rules(texts)), ""
    for number in range(0, 2000, 10):
        _, state = detector.observe(_window(number, Tally(calls=1, bytes_out=2**53)), state)
    assert len(state) <= MOST_STATE


@pytest.mark.parametrize(
    "memory",
    ['[{"60": 1}, -1]', '[{"60": -1}, 0]', '[{"60": 1.5}, 0]', '[{"x": 1}, 0]', '[{"60": 1}]', "[{}, 99999999999999]"],
)
def test_a_memory_that_no_rule_made_is_none(memory: str) -> None:
    state = f'{{"v": 1, "rules": {{"rate > 10 / minute": {memory}}}}}'
    detector = RulesDetector(parse_rules(["rate > 10 / minute"]))
    assert detector.observe(_window(0, Tally(calls=4)), state) == detector.observe(_window(0, Tally(calls=4)), "")


def test_a_rule_that_was_taken_away_is_forgotten() -> None:
    _, state = RulesDetector(parse_rules(["rate > 10 / hour"])).observe(_window(0, Tally(calls=4)), "")
    _, state = RulesDetector(parse_rules(["rate > 11 / hour"])).observe(_window(1, Tally(calls=4)), state)
    assert list(json.loads(state)["rules"]) == ["rate > 11 / hour"]
