"""What is done about findings."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from apikeychain.model.finding import Answer, Finding
from apikeychain.model.ids import ProjectId
from apikeychain.model.suspension import Scope
from apikeychain.model.watch import ANSWERS, Deed, WatchPolicy
from apikeychain.rules.features import FEATURES
from apikeychain.rules.watch_bounds import is_within
from apikeychain.rules.watch_policy import (
    ALERTS_A_DAY,
    CALLERS_A_DAY,
    CALLERS_AN_HOUR,
    COOL,
    Planned,
    decide,
    mode_of,
)

PROJECT = ProjectId("p_aaaaaaaaaaaaaaaaaaaa")
NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)
CREATED = NOW - timedelta(days=30)
POLICY = WatchPolicy(project=PROJECT, answers=ANSWERS)
MINUTE = timedelta(minutes=1)
# All the ways in which somebody who is not admitted can be seen.
ANYBODY = [name for name, feature in FEATURES.items() if not feature.admitted]

FINDING = Finding(
    project=PROJECT,
    id="f_1",
    at=NOW - MINUTE,
    since=NOW - MINUTE,
    detector="ewma",
    feature="provider-401",
    scope="route",
    value="login",
    expected=0.1,
    seen=0.9,
    sure=99,
    blatant=True,
    admitted=True,
    why="calls that ended as provider-401",
)
SURGE = replace(FINDING, id="f_2", feature="rate")
CALLER = replace(FINDING, feature="heaviest", scope="caller", value="0123")
OUTAGE = replace(FINDING, id="f_3", feature="provider-5xx", scope="route", value="other")
SECRET = replace(FINDING, feature="secret(provider-401)", scope="project", value="")


def _live(findings: Sequence[Finding], minutes: int, policy: WatchPolicy = POLICY) -> list[tuple[int, Answer, Planned]]:
    """What is done while findings last, minute by minute."""
    deeds: list[Deed] = []
    told: list[tuple[int, Answer, Planned]] = []
    for minute in range(minutes):
        now = NOW + minute * MINUTE
        lasting = [replace(finding, at=now - MINUTE) for finding in findings]
        planned = decide(policy, lasting, deeds, CREATED, now)
        deeds += [one.deed for one in planned]
        told += [(minute, one.deed.answer, one) for one in planned]
    return told


def _beyond_alerts(findings: Sequence[Finding], minutes: int, policy: WatchPolicy = POLICY) -> list[tuple[int, Answer]]:
    return [(minute, answer) for minute, answer, _ in _live(findings, minutes, policy) if answer != "alert"]


def test_a_step_up_is_taken_only_where_the_finding_lasts() -> None:
    assert [(minute, one.deed.answer) for minute, _, one in _live([FINDING, SURGE], 6) if one.finding.id == "f_1"] == [
        (0, "alert"),
        (2, "tighten"),
        (5, "suspend"),
    ]


def test_what_is_over_after_an_alert_is_followed_by_nothing() -> None:
    assert _beyond_alerts([FINDING, SURGE], 1) == []


def test_what_is_back_within_a_day_goes_on_where_it_was() -> None:
    alert = Deed(answer="alert", scope="route", value="login", at=NOW - timedelta(hours=2), feature="provider-401")
    planned = decide(POLICY, [FINDING, SURGE], [alert], CREATED, NOW)
    assert [one.deed.answer for one in planned if one.finding == FINDING] == ["tighten"]


def test_what_is_back_after_a_day_begins_anew() -> None:
    old = [
        Deed(answer=answer, scope="route", value="login", at=NOW - timedelta(hours=25), feature="provider-401")
        for answer in ANSWERS
    ]
    planned = decide(POLICY, [FINDING, SURGE], old, CREATED, NOW)
    assert {one.deed.answer for one in planned} == {"alert"}


def test_a_caller_is_suspended_at_once_where_it_is_blatant_and_not_else() -> None:
    assert [one.deed.answer for one in decide(POLICY, [CALLER], [], CREATED, NOW)] == ["alert", "suspend"]
    mild = replace(CALLER, blatant=False)
    assert [answer for _, answer, _ in _live([mild], 60)] == ["alert"]


def test_a_caller_is_suspended_for_ten_minutes_and_then_twice_as_long_and_an_hour_at_most() -> None:
    suspended = [
        (minute, one.deed.until - one.deed.at)
        for minute, answer, one in _live([CALLER], 200)
        if answer == "suspend" and one.deed.until
    ]
    assert suspended == [
        (0, 10 * MINUTE),
        (10, 20 * MINUTE),
        (30, 40 * MINUTE),
        (70, 60 * MINUTE),
        (130, 60 * MINUTE),
        (190, 60 * MINUTE),
    ]


def test_routes_origins_and_the_project_are_suspended_three_times_a_day_together_whatever_a_policy_says() -> None:
    policy = replace(POLICY, suspensions_a_day=50)
    places: list[tuple[Scope, str]] = [("route", "a"), ("route", "b"), ("origin", "https://a.example"), ("project", "")]
    findings = [replace(one, scope=scope, value=value) for scope, value in places for one in (FINDING, SURGE)]
    told = _live(findings, 1440, policy)
    assert sum(answer == "suspend" for _, answer, _ in told) == 3
    assert all(one.deed.until - one.deed.at <= timedelta(hours=1) for _, _, one in told if one.deed.until)


def test_a_policy_may_have_less_suspensions_a_day_and_none() -> None:
    for most in (0, 1):
        policy = replace(POLICY, suspensions_a_day=most)
        assert [answer for _, answer in _beyond_alerts([FINDING, SURGE], 600, policy)].count("suspend") == most


@pytest.mark.parametrize("most", [0, 3])
def test_where_no_suspension_is_left_the_quota_stays_small(most: int) -> None:
    done = _beyond_alerts([FINDING, SURGE], 300, replace(POLICY, suspensions_a_day=most))
    begin = {0: 2, 3: 75}[most]
    assert [minute for minute, answer in done if answer == "suspend"] == [5, 15, 35][:most]
    smaller = [minute for minute, answer in done if answer == "tighten" and minute >= begin]
    assert smaller == list(range(begin, 300, 30))


def test_without_a_quota_among_the_answers_no_suspension_left_is_nothing_left() -> None:
    policy = replace(POLICY, answers=("alert", "suspend"), suspensions_a_day=1)
    assert _beyond_alerts([FINDING, SURGE], 600, policy) == [(2, "suspend")]


def test_the_callers_that_are_suspended_in_an_hour_and_a_day_have_a_bound() -> None:
    deeds: list[Deed] = []
    suspended: list[int] = []
    for hour in range(12):
        findings = [replace(CALLER, value=f"{hour} {number}") for number in range(CALLERS_AN_HOUR + 20)]
        planned = [one.deed for one in decide(POLICY, findings, deeds, CREATED, NOW + hour * 60 * MINUTE)]
        suspended.append(sum(deed.answer == "suspend" for deed in planned))
        deeds += planned
    assert suspended == [CALLERS_AN_HOUR] * 6 + [0] * 6
    assert sum(suspended) == CALLERS_A_DAY


def test_where_no_more_callers_can_be_suspended_the_quota_of_the_project_is_made_smaller() -> None:
    findings = [replace(CALLER, value=str(number)) for number in range(CALLERS_AN_HOUR + 5)]
    planned = decide(POLICY, findings, [], CREATED, NOW)
    (wide,) = [one for one in planned if one.deed.answer == "tighten"]
    assert (wide.deed.scope, wide.deed.value, wide.finding.value) == ("project", "", str(CALLERS_AN_HOUR))
    assert is_within(wide, [one.deed for one in planned if one != wide], NOW)
    deeds = [one.deed for one in planned]
    again = [replace(CALLER, value="another")]
    for later, answers in ((29, ["alert"]), (30, ["alert", "tighten"])):
        found = decide(POLICY, again, deeds, CREATED, NOW + later * MINUTE)
        assert [one.deed.answer for one in found] == answers
    for policy, finding in (
        (replace(POLICY, answers=("alert", "suspend")), CALLER),
        (POLICY, replace(CALLER, admitted=False)),
    ):
        same = [replace(finding, value=str(number)) for number in range(CALLERS_AN_HOUR + 5)]
        assert "tighten" not in {one.deed.answer for one in decide(policy, same, [], CREATED, NOW)}


def test_callers_take_no_alert_from_what_is_wide_nor_what_is_mild_all_from_what_is_blatant() -> None:
    mild = [replace(CALLER, value=str(number), blatant=False) for number in range(ALERTS_A_DAY)]
    strangers = [replace(FINDING, value=str(number), admitted=False) for number in range(ALERTS_A_DAY)]
    told = [one.deed for one in decide(POLICY, [*mild, *strangers], [], CREATED, NOW)]
    assert len(told) == ALERTS_A_DAY
    blatant = decide(POLICY, [replace(CALLER, value="x"), FINDING], told, CREATED, NOW)
    assert [(one.deed.answer, one.deed.scope) for one in blatant][::2] == [("alert", "caller"), ("alert", "route")]


def test_the_last_alert_of_a_day_says_that_it_is() -> None:
    findings = [replace(CALLER, value=str(number)) for number in range(ALERTS_A_DAY + 20)]
    last = [one for one in decide(POLICY, findings, [], CREATED, NOW) if "so many alerts" in one.why]
    assert [(one.deed.answer, int(one.finding.value)) for one in last] == [
        ("alert", ALERTS_A_DAY // 2 - 1),
        ("alert", ALERTS_A_DAY - 1),
    ]


def test_alerts_have_a_bound_a_day_and_what_is_done_has_not_that_one() -> None:
    findings = [replace(CALLER, value="same", feature=f"length(q{number})") for number in range(ALERTS_A_DAY + 20)]
    planned = decide(POLICY, findings, [], CREATED, NOW)
    assert sum(one.deed.answer == "alert" for one in planned) == ALERTS_A_DAY
    told = [one.deed for one in planned if one.deed.answer == "alert"]
    assert [one.deed.answer for one in decide(POLICY, [replace(CALLER, value="x")], told, CREATED, NOW)] == ["suspend"]


def test_the_same_is_told_again_after_six_hours() -> None:
    told = [minute for minute, answer, _ in _live([replace(FINDING, blatant=False)], 721) if answer == "alert"]
    assert told == [0, 360, 720]


@pytest.mark.parametrize("feature", ANYBODY)
@pytest.mark.parametrize(("scope", "value"), [("project", ""), ("route", "login"), ("origin", "https://a.example")])
@pytest.mark.parametrize("detector", ["ewma", "rules", "forest"])
def test_what_anybody_can_cause_is_told_and_nothing_wide_is_done(
    feature: str, scope: Scope, value: str, detector: str
) -> None:
    text = f"{feature} > 50 / 5 minutes" if detector == "rules" else feature
    finding = replace(FINDING, feature=text, scope=scope, value=value, detector=detector, admitted=False)
    surges = [replace(SURGE, scope=scope, value=value), replace(SURGE, scope="project", value="")]
    assert _beyond_alerts([finding, *(replace(one, admitted=False) for one in surges)], 400) == []


@pytest.mark.parametrize("feature", ["secret(provider-401)", "provider-401", "rate", "new_values(q)"])
def test_whatever_it_is_that_was_found_who_is_not_admitted_changes_no_project(feature: str) -> None:
    finding = replace(FINDING, feature=feature, scope="project", value="", admitted=False)
    assert _beyond_alerts([finding, replace(SURGE, admitted=False)], 600) == []


def test_a_caller_who_was_admitted_may_be_suspended_for_what_anybody_can_cause() -> None:
    finding = replace(CALLER, feature="refused_signatures", admitted=False)
    assert _beyond_alerts([finding], 1) == [(0, "suspend")]


def test_an_outage_suspends_nothing() -> None:
    assert _beyond_alerts([OUTAGE, replace(OUTAGE, scope="project", value="")], 600) == []
    assert _beyond_alerts([replace(OUTAGE, scope="caller", value="0123")], 600) == []


@pytest.mark.parametrize(("scope", "value"), [("project", ""), ("route", "login")])
def test_while_a_provider_is_out_nothing_wide_is_done_about_it(scope: Scope, value: str) -> None:
    assert _beyond_alerts([FINDING, SURGE, replace(OUTAGE, scope=scope, value=value), SECRET], 600) == []


def test_while_one_route_is_out_another_is_answered_and_the_project_is_not() -> None:
    assert _beyond_alerts([FINDING, SURGE, OUTAGE, SECRET], 6) == [(2, "tighten"), (5, "suspend")]


@pytest.mark.parametrize("text", ["provider-5xx > 10 / minute", "provider-5xx>10/minute"])
def test_a_rule_about_outages_is_known_as_one_however_it_is_spaced(text: str) -> None:
    rule = replace(FINDING, detector="rules", feature=text, scope="project", value="")
    assert _beyond_alerts([rule], 600) == []


@pytest.mark.parametrize(
    "before",
    [
        [replace(FINDING, detector="rules", feature="rate > 10 / minute", scope="project", value="")],
        [replace(CALLER, value=str(number)) for number in range(CALLERS_AN_HOUR + 1)],
    ],
)
def test_what_answered_a_rule_or_too_many_callers_is_no_step_of_what_else_is_found(before: list[Finding]) -> None:
    at = NOW - 20 * MINUTE
    deeds = [
        one.deed for one in decide(POLICY, [replace(one, at=at, since=at - COOL) for one in before], [], CREATED, at)
    ]
    assert [deed.scope for deed in deeds if deed.answer == "tighten"] == ["project"]
    wide = [replace(one, scope="project", value="", since=NOW - COOL) for one in (FINDING, SURGE)]
    done = [one.deed.answer for one in decide(POLICY, wide, deeds, CREATED, NOW) if one.finding.id == FINDING.id]
    assert done == ["alert", "tighten"]


def test_a_caller_whom_a_rule_has_suspended_is_not_suspended_twice_at_once() -> None:
    rule = replace(CALLER, detector="rules", feature="rate > 10 / minute")
    assert _beyond_alerts([rule, CALLER], 12) == [(0, "suspend"), (10, "suspend")]


def test_what_could_not_be_done_is_tried_again_after_three_minutes_and_counts_for_nothing() -> None:
    for minutes, answers in ((1, ["alert"]), (2, ["alert"]), (3, ["alert", "suspend"]), (-1, ["alert", "suspend"])):
        tried = Deed(answer="suspend", scope="caller", value=CALLER.value, at=NOW - minutes * MINUTE)
        planned = decide(POLICY, [CALLER], [], CREATED, NOW, failed=[tried])
        assert [one.deed.answer for one in planned] == answers
        other = decide(POLICY, [replace(CALLER, value="another")], [], CREATED, NOW, failed=[tried] * CALLERS_A_DAY)
        assert [one.deed.answer for one in other] == ["alert", "suspend"]
    assert planned[1].deed.until == NOW + 10 * MINUTE


def test_a_rule_does_not_do_again_what_holds() -> None:
    rule = replace(FINDING, detector="rules", feature="rate > 10 / minute", scope="project", value="")
    other = replace(rule, feature="callers > 10 / minute")
    assert _beyond_alerts([rule, other], 60) == [(2, "tighten"), (32, "tighten")]


def test_a_rule_that_is_broken_now_and_then_is_told_only_and_one_about_countries_always() -> None:
    rule = replace(FINDING, detector="rules", feature="failures >= 20 / minute", scope="project", value="")
    deeds: list[Deed] = []
    for minute in range(0, 1440, 5):
        now = NOW + minute * MINUTE
        deeds += [one.deed for one in decide(POLICY, [replace(rule, at=now, since=now - MINUTE)], deeds, CREATED, now)]
    assert {deed.answer for deed in deeds} == {"alert"}
    assert _beyond_alerts([replace(rule, feature="country not in [DE, FR]")], 600) == []


def test_a_crowd_is_told_only() -> None:
    assert _beyond_alerts([SURGE, replace(SURGE, feature="callers")], 600) == []


@pytest.mark.parametrize("scope", ["route", "origin", "project"])
def test_a_used_up_quota_is_told_only(scope: Scope) -> None:
    used = [replace(FINDING, feature=name, scope=scope, value="x") for name in ("rate-limited", "provider-429")]
    assert _beyond_alerts([*used, replace(SURGE, scope=scope, value="x")], 600) == []


def test_strangers_are_slowed_down_and_not_shut_out() -> None:
    finding = replace(FINDING, feature="new_countries", scope="project", value="")
    done = _beyond_alerts([finding, replace(SURGE, scope="project", value="")], 600)
    assert {answer for _, answer in done} == {"tighten"}


def test_what_was_always_there_is_not_answered_for_what_it_is() -> None:
    assert _beyond_alerts([FINDING], 600) == []
    assert _beyond_alerts([replace(FINDING, blatant=False), SURGE], 600) == []
    assert _beyond_alerts([FINDING, replace(SURGE, value="another")], 600) == []


def test_the_secret_is_rotated_once_a_day() -> None:
    assert _beyond_alerts([SECRET], 1440) == [(2, "rotate")]
    assert [answer for _, answer in _beyond_alerts([SECRET], 1500)] == ["rotate", "rotate"]


def test_the_secret_is_not_rotated_for_what_is_not_blatant() -> None:
    assert _beyond_alerts([replace(SECRET, blatant=False)], 600) == []


def test_a_policy_gives_only_the_answers_that_it_names() -> None:
    assert _live([FINDING, SURGE, CALLER, SECRET], 60, replace(POLICY, answers=())) == []
    only = replace(POLICY, answers=("suspend",))
    assert _beyond_alerts([FINDING, SURGE], 10, only) == [(2, "suspend")]
    assert all(
        answer == "alert" for _, answer, _ in _live([FINDING, SURGE, CALLER], 60, replace(POLICY, answers=("alert",)))
    )


def test_a_rule_of_the_tenant_slows_down_and_suspends_one_caller() -> None:
    rule = replace(
        FINDING, detector="rules", feature="failures >= 20 / minute", scope="project", value="", blatant=False
    )
    assert {answer for _, answer in _beyond_alerts([rule], 600)} == {"tighten"}
    caller = replace(rule, scope="caller", value="0123", blatant=True)
    assert _beyond_alerts([caller], 1) == [(0, "suspend")]


def test_a_project_is_observed_in_its_first_week_and_told_what_would_have_been_done() -> None:
    young = NOW - timedelta(days=7) + MINUTE
    planned = decide(POLICY, [CALLER], [], young, NOW)
    assert [(one.deed.answer, one.deed.observed) for one in planned] == [("alert", False), ("suspend", True)]
    assert mode_of(POLICY, young, NOW + MINUTE) == "act"
    assert mode_of(POLICY, young, NOW) == "observe"


def test_what_was_only_observed_counts_for_nothing_once_it_acts() -> None:
    observed = Deed(answer="rotate", scope="project", value="", at=NOW - timedelta(hours=2), observed=True)
    since = replace(SECRET, since=NOW - timedelta(hours=1))
    assert "rotate" in [one.deed.answer for one in decide(POLICY, [since], [observed], CREATED, NOW)]
    observing = replace(POLICY, mode="observe")
    assert "rotate" not in [one.deed.answer for one in decide(observing, [since], [observed], CREATED, NOW)]


def test_a_policy_that_is_off_tells_nothing() -> None:
    assert decide(replace(POLICY, mode="off"), [CALLER, FINDING], [], CREATED, NOW) == []


def test_a_plan_says_why() -> None:
    lasting = replace(CALLER, since=NOW - 5 * MINUTE)
    one, other = decide(POLICY, [CALLER], [], CREATED, NOW)[0], decide(POLICY, [lasting], [], CREATED, NOW)[0]
    assert one.why == "calls that ended as provider-401 (in one window, 99 % sure)"
    assert "since 2026-03-12 11:55 UTC" in other.why
