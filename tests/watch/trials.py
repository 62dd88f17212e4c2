"""Detectors are tried on projects: what they say of attacks, and in months without any.

The sets are apart: what was tuned was tuned on the projects of one set alone, and its attacks are of other strength
(`many`), other moments and other targets than those of the set that is held out.
"""

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from apikeychain.model.finding import Finding, Window
from apikeychain.model.tally import Tally
from apikeychain.model.watch import Deed, WatchPolicy
from apikeychain.rules.ewma import look
from apikeychain.rules.learned import Learned
from apikeychain.rules.watch_policy import decide

from .events import ATTACKS, CHANGES, INCIDENTS, NEEDS_TRAFFIC, Scene
from .projects import BEGIN, MINUTES, Project, day, project, window

TUNING, HELD_OUT = 1_000, 500_000
_LOOKED_LATER = timedelta(seconds=75)
_BLATANT_WINDOWS, _DRIP_WINDOWS = 15, 480
_STRENGTHS = {TUNING: (1.0, 2.0), HELD_OUT: (0.9, 3.0)}
_MILD = (0.2, 0.4)
_LEARNED_DAYS = 8
# So many calls in a window, or what happens to all of them is not seen in one.
_VISIBLE = 30


@dataclass(slots=True)
class Attacked:
    """What came of the attacks of one kind.

    Attributes:
        delays: of those that were found, in windows, the first is 1.
        blatant: how many were found blatant; `suspended`: were answered by a suspension or a rotation.
        features: that told of them.
    """

    tried: int = 0
    delays: list[int] = field(default_factory=list[int])
    blatant: int = 0
    suspended: int = 0
    features: Counter[str] = field(default_factory=Counter[str])

    def add(self, other: "Attacked") -> None:
        """As if both were one."""
        self.tried += other.tried
        self.delays += other.delays
        self.blatant += other.blatant
        self.suspended += other.suspended
        self.features += other.features

    def within(self, windows: int) -> int:
        """How many were found so soon."""
        return sum(delay <= windows for delay in self.delays)


@dataclass(slots=True)
class Calm:
    """What came of days without an attack.

    Attributes:
        alarms: episodes that were told, by feature and what happened then.
        deeds: that were done beyond alerts, by what and to which scope.
    """

    days: float = 0
    alarms: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    deeds: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    told: list[str] = field(default_factory=list[str])

    def add(self, other: "Calm") -> None:
        """As if both were one."""
        self.days += other.days
        self.alarms += other.alarms
        self.deeds += other.deeds
        self.told += other.told

    @property
    def suspensions(self) -> int:
        """How many were false."""
        return sum(number for (answer, _), number in self.deeds.items() if answer == "suspend")


class Watched:
    """A project under the detector that is always there and the policy that is the default, from its second week on."""

    def __init__(self, whose: Project) -> None:
        self.project, self.learned, self.deeds = whose, Learned(), list[Deed]()
        self.policy = WatchPolicy(project=whose.id, mode="act", answers=("alert", "tighten", "suspend", "rotate"))

    def see(self, seen: Window) -> tuple[Sequence[Finding], Sequence[Deed]]:
        """What is found in a window, and done."""
        findings = look(seen, self.learned)
        if not findings:
            return (), ()
        now = seen.begin + _LOOKED_LATER
        done = [one.deed for one in decide(self.policy, findings, self.deeds, BEGIN, now)]
        self.deeds = [deed for deed in [*self.deeds, *done] if now - deed.at < timedelta(days=2)]
        return findings, done

    def copy(self) -> "Watched":
        """As it is now; what the copy sees does not change this one."""
        other = Watched(self.project)
        other.learned, other.deeds = copy.deepcopy(self.learned), list(self.deeds)
        return other


def attack(
    first: int,
    projects: int,
    found: Mapping[str, Attacked],
    *,
    each: int = 2,
    mild: bool = False,
    days: int = _LEARNED_DAYS,
) -> None:
    """Attack each of some projects with each kind, after days of learning, each time as if it were the first.

    Args:
        first: TUNING or HELD_OUT.
        projects: how many.
        found: what comes of it, by kind; it is added to.
        each: how often.
        mild: whether they are hardly more than the busiest minute of an ordinary day.
        days: that were learned before.
    """
    for seed in range(first, first + projects):
        whose = project(seed)
        watched = Watched(whose)
        for number in range(days):
            for minute, routes in day(whose, number):
                watched.see(window(whose, minute, routes))
        minutes = list(day(whose, days))
        rng = np.random.default_rng((seed, 77))
        strengths = _MILD if mild else _STRENGTHS[HELD_OUT if seed >= HELD_OUT else TUNING]
        for kind in ATTACKS:
            for _ in range(each):
                _attack(kind, watched, minutes, rng, strengths=strengths, found=found[kind])


def _attack(
    kind: str,
    watched: Watched,
    minutes: Sequence[tuple[int, dict[str, Tally]]],
    rng: Any,
    *,
    strengths: tuple[float, float],
    found: Attacked,
) -> None:
    lasts = _DRIP_WINDOWS if kind == "slow drip" else _BLATANT_WINDOWS
    begin = int(rng.integers(1, MINUTES - lasts))
    if kind in NEEDS_TRAFFIC:
        begin = max(range(1, MINUTES - lasts), key=lambda at: _calls(minutes[at : at + lasts]))
        if _calls(minutes[begin : begin + 2]) < 2 * _VISIBLE:
            return
    copied = watched.copy()
    target = watched.project.routes[int(rng.integers(0, len(watched.project.routes)))]
    key, many = f"{watched.project.seed} {kind} {begin}", float(rng.uniform(*strengths))
    peak = max(routes[target.name].calls for _, routes in minutes if target.name in routes)
    # Until just before it the project goes on as it did.
    before = set[str]()
    for minute, routes in minutes[max(0, begin - 30) : begin]:
        findings, _ = copied.see(window(copied.project, minute, copy.deepcopy(routes)))
        before |= {finding.feature for finding in findings}
    found.tried += 1
    was_found = was_suspended = was_blatant = False
    for step, (minute, given) in enumerate(minutes[begin : begin + lasts]):
        routes = copy.deepcopy(given)
        ATTACKS[kind](Scene(copied.project, rng, key, step, target.name, peak, many, minutes[0][0] // MINUTES, routes))
        findings, deeds = copied.see(window(copied.project, minute, routes))
        fresh = [finding for finding in findings if finding.feature not in before]
        if fresh and not was_found:
            found.delays.append(step + 1)
            found.features[fresh[0].feature.partition("(")[0]] += 1
            was_found = True
        was_blatant = was_blatant or any(finding.blatant for finding in fresh)
        was_suspended = was_suspended or any(deed.answer in {"suspend", "rotate"} for deed in deeds)
    found.suspended += was_suspended
    found.blatant += was_blatant


def _calls(minutes: Sequence[tuple[int, dict[str, Tally]]]) -> int:
    return sum(tally.calls for _, routes in minutes for tally in routes.values())


def life_of(seed: int, *, days: int) -> Calm:
    """What came of the days of one project."""
    calm = Calm()
    live(seed, days, calm)
    return calm


def live(seed: int, days: int, calm: Calm) -> None:
    """Let a project live some weeks with everything that happens to projects but an attack."""
    whose = project(seed)
    rng = np.random.default_rng((seed, 99))
    incidents = list(_happens(whose, rng, days))
    watched = Watched(whose)
    told = set[tuple[str, str, str, str]]()
    for number in range(days):
        for minute, routes in day(whose, number):
            now = [one for one in incidents if one.begin <= minute < one.end]
            for one in now:
                INCIDENTS[one.kind][0](_scene(whose, rng, one, minute, routes))
            findings, deeds = watched.see(window(whose, minute, routes))
            for finding in findings:
                episode = (finding.feature, finding.scope, finding.value, finding.since.isoformat())
                if episode not in told:
                    told.add(episode)
                    calm.alarms[finding.feature.partition("(")[0], _during(whose, now, minute)] += 1
            for deed in deeds:
                if deed.answer != "alert":
                    calm.deeds[deed.answer, deed.scope] += 1
                    calm.told.append(
                        f"{seed} {minute} {deed.answer} {deed.scope} {deed.feature} {_during(whose, now, minute)}"
                    )
        calm.days += 1


@dataclass(frozen=True, slots=True)
class _Incident:
    kind: str
    begin: int
    end: int
    target: int


def _happens(whose: Project, rng: Any, days: int) -> Iterator[_Incident]:
    """About one thing in four days, each kind as often."""
    kinds = [*CHANGES, *INCIDENTS]
    launched = False
    for number in range(1, days):
        if rng.random() > 1 / 4:
            continue
        kind = kinds[int(rng.integers(0, len(kinds)))]
        at = number * MINUTES + int(rng.integers(0, MINUTES))
        if kind in CHANGES:
            if kind != "launch" or not launched:
                CHANGES[kind](whose, rng, at)
            launched = launched or kind == "launch"
        else:
            lasts = max(10, int(rng.uniform(0.2, 1) * INCIDENTS[kind][1]))
            lasts = days * MINUTES if kind.startswith("deploy with") else lasts
            yield _Incident(kind, at, at + lasts, int(rng.integers(0, len(whose.routes))))


def _scene(whose: Project, rng: Any, one: _Incident, minute: int, routes: dict[str, Tally]) -> Scene:
    target = whose.routes[one.target]
    key = f"{whose.seed} {one.kind} {one.begin}"
    return Scene(whose, rng, key, minute - one.begin, target.name, target.calls * 2, 1.0, minute // MINUTES, routes)


def _during(whose: Project, now: Sequence[_Incident], minute: int) -> str:
    surges = ["surge" for one in whose.surges if one.begin <= minute < min(one.end, one.begin + 3 * MINUTES)]
    return ", ".join(sorted({*(one.kind for one in now), *surges})) or "nothing"
