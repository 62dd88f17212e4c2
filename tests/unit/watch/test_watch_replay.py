"""A replay runs recorded calls through detectors and a policy, and leaves out what a deed would have refused."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from apikeychain.model.finding import Finding, Window
from apikeychain.model.suspension import Scope
from apikeychain.model.watch import Deed, WatchPolicy
from apikeychain.rules.recorded import LATE, RecordedCall
from apikeychain.rules.watch_policy import Planned
from apikeychain.watch import replay as module
from apikeychain.watch.replay import Looked, Replay
from ledger_house import NOON, PROJECT

_MINUTE = timedelta(minutes=1)
_POLICY = WatchPolicy(project=PROJECT, mode="act", answers=("alert", "tighten", "suspend"))
ALICE, BOB = "a" * 32, "b" * 32


class Crowds:
    """A detector that finds more than ten calls in a minute: of a scope, blatantly."""

    name = "crowds"

    def __init__(self, scope: Scope = "caller", value: str = ALICE, feature: str = "heaviest") -> None:
        self._scope, self.value, self._feature = scope, value, feature

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        seen = sum(tally.calls for tally in window.routes.values())
        found = [self._found(window, seen, feature) for feature in {self._feature, "rate"}] if seen > 10 else []
        return found, f"{state}."

    def expected(self, window: Window, state: str) -> Mapping[tuple[str, str], float]:
        return {("", "rate"): float(len(state))}

    def _found(self, window: Window, seen: int, feature: str) -> Finding:
        return Finding(
            project=window.project,
            id=f"f_{feature}{window.begin:%H%M}",
            at=window.begin,
            since=NOON,
            detector=self.name,
            feature=feature,
            scope=self._scope,
            value=self.value,
            expected=10,
            seen=seen,
            sure=99,
            blatant=True,
            admitted=True,
            why="there were more than ten",
        )


def call(minute: float, caller: str = ALICE, route: str = "weather") -> RecordedCall:
    return RecordedCall(project=PROJECT, at=NOON + minute * _MINUTE, route=route, caller=caller)


def refused(minute: float) -> RecordedCall:
    return RecordedCall(project=PROJECT, at=NOON + minute * _MINUTE, refused="replayed", count=3)


def run(replay: Replay, calls: Iterable[RecordedCall]) -> list[Looked]:
    judged = [one for call in calls for one in replay.take(call)]
    return [*judged, *replay.end()]


def crowd(minutes: Iterable[int], caller: str = ALICE, route: str = "weather") -> list[RecordedCall]:
    """Twenty calls in each of these minutes."""
    return [call(minute + second / 20, caller, route) for minute in minutes for second in range(20)]


def test_a_caller_that_would_have_been_suspended_is_left_out_until_that_ends() -> None:
    replay = Replay(_POLICY, [Crowds()], NOON)
    calls = sorted([*crowd(range(20)), *(call(minute, BOB) for minute in range(20))], key=lambda one: one.at)
    judged = run(replay, calls)
    [first, *later] = [one.deed for one in replay.done if one.deed.answer == "suspend"]
    assert (first.value, first.at, first.until) == (ALICE, NOON + _MINUTE + LATE, NOON + _MINUTE * 11 + LATE)
    assert [deed.at for deed in later] == [NOON + 12 * _MINUTE + LATE]
    assert replay.refused == sum(
        one.caller == ALICE and any(deed.at <= one.at < deed.until for deed in (first, *later) if deed.until)
        for one in calls
    )
    assert replay.refused + replay.calls == len(calls)
    assert [sum(tally.calls for tally in one.window.routes.values()) for one in judged[2:10]] == [1] * 8
    assert (replay.windows, replay.late) == (20, 0)


@pytest.mark.parametrize(("scope", "value", "left"), [("route", "weather", 1), ("project", "", 0), ("origin", "x", 21)])
def test_what_a_suspension_would_have_refused_is_left_out(scope: Scope, value: str, left: int) -> None:
    replay = Replay(_POLICY, [Crowds(scope, value, "new_values")], NOON - 10 * _MINUTE)
    calls = sorted([*crowd(range(12)), *(call(minute, BOB, "news") for minute in range(12))], key=lambda one: one.at)
    judged = run(replay, [*calls, refused(12.5)])
    [suspension, *_] = [one.deed for one in replay.done if one.deed.answer == "suspend"]
    assert suspension.until is not None
    within = [one.window for one in judged if suspension.at < one.window.begin < NOON + 12 * _MINUTE]
    assert {sum(tally.calls for tally in window.routes.values()) for window in within} == ({left} if left else set())
    assert judged[-1].window.routes[""].unadmitted == {"replayed": 3}


def test_a_policy_that_observes_refuses_nothing_and_tells_what_it_would_have_done() -> None:
    replay = Replay(replace(_POLICY, mode="observe"), [Crowds()], NOON)
    run(replay, crowd(range(5)))
    assert (replay.refused, replay.calls) == (0, 100)
    assert {(one.deed.answer, one.deed.observed) for one in replay.done} == {("alert", False), ("suspend", True)}


def test_the_same_finding_is_one_until_it_was_away_for_an_hour() -> None:
    replay = Replay(replace(_POLICY, mode="observe"), [Crowds(feature="rate")], NOON)
    run(replay, [*crowd([0, 1]), *crowd([3] * 2), *crowd([70])])
    first, second = replay.episodes
    assert (first.windows, first.first.at, first.end) == (3, NOON, NOON + 4 * _MINUTE)
    assert (first.most.seen, first.last.seen, first.most.at) == (40, 40, NOON + 3 * _MINUTE)
    assert (second.windows, second.first.at) == (1, NOON + 70 * _MINUTE)
    assert first.planned[0].deed.answer == "alert"


def test_beyond_a_bound_findings_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EPISODES", 2)
    replay = Replay(replace(_POLICY, mode="observe"), [Crowds(feature="rate")], NOON)
    run(replay, crowd(range(0, 500, 100)))
    assert (len(replay.episodes), replay.beyond) == (2, 3)
    assert len(replay._going_on) == 1


def test_what_is_over_is_not_looked_for_any_more() -> None:
    detector = Crowds(feature="rate")
    replay = Replay(replace(_POLICY, mode="observe"), [detector], NOON)
    for minute, value in ((0, ALICE), (1, BOB), (100, "c" * 32)):
        detector.value = value
        run(replay, crowd([minute]))
    assert [one.most.value for one in replay.episodes] == [ALICE, BOB, "c" * 32]
    assert len(replay._going_on) == 1


def test_what_no_policy_may_do_is_not_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_long(
        policy: WatchPolicy, findings: Sequence[Finding], deeds: object, created: object, now: datetime
    ) -> list[Planned]:
        deed = Deed(answer="suspend", scope="project", value="", at=now, until=now + timedelta(hours=2))
        return [Planned(deed=deed, finding=finding, why="it wants to") for finding in findings]

    monkeypatch.setattr(module, "decide", too_long)
    replay = Replay(_POLICY, [Crowds()], NOON)
    run(replay, crowd(range(3)))
    assert replay.episodes
    assert (replay.done, replay.refused) == ([], 0)


def test_what_detectors_expect_is_asked_before_they_look_and_only_where_it_is_wanted() -> None:
    wanted = run(Replay(_POLICY, [Crowds()], NOON, is_expecting=True), [call(0), call(2)])
    assert [one.expected for one in wanted] == [{("", "rate"): 0}, {("", "rate"): 1}]
    assert [one.expected for one in run(Replay(_POLICY, [Crowds()], NOON), [call(0)])] == [{}]


class Broken:
    """A detector that raises."""

    name = "broken"

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        raise ZeroDivisionError


def test_a_detector_that_fails_is_counted_and_keeps_no_other_from_looking() -> None:
    replay = Replay(_POLICY, [Broken(), Crowds()], NOON)
    run(replay, crowd([0, 1]))
    assert replay.faults == {"broken": 2}
    assert replay.episodes
