"""What is done about findings: the least that may help, and one step more only where that did not.

===================================================  ===============================================
what was found                                       the most that is done, in steps
===================================================  ===============================================
anybody can cause it; an outage                      alert
one caller, who was admitted, not blatant            alert
one caller, blatant                                  alert and suspend at once; where so many were that there is
                                                     no room for one more, tighten the project
wide, blatant, and more calls came too: abuse        alert, tighten, suspend
the same: strangers                                  alert, tighten
a crowd, as launches bring it                        alert
what a tenant's rule of numbers says, wide           alert, tighten
the secret, blatant                                  alert, rotate
anything else                                        alert
===================================================  ===============================================

Wide is an origin, a route or the project. A step up is taken where the finding lasts, or is back within a day, `COOL`
after the step before; what still holds is not done again. Where that step is a suspension for which there is no room,
the quota is made smaller again once it no longer is, so that it stays small while the finding lasts. A quota that is
smaller for a rule of the tenant's, or for callers who were too many, is no step of what else is found. A rule of a
tenant's tightens where it fires in three windows in a row, so that few calls now and then do not keep a quota small;
one about countries is told. An outage that is seen in the same window leaves nothing wide but alerts, of a route where
that or the whole project is out.

Source: contracts 7; spec 8.2; decision 32.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from apikeychain.model.finding import Answer, Finding
from apikeychain.model.suspension import Scope
from apikeychain.model.watch import Deed, WatchPolicy
from apikeychain.rules.features import Points, feature_of
from apikeychain.rules.watch_rules import named_feature

OBSERVED: Final = timedelta(days=7)
DAY: Final = timedelta(hours=24)
COOL: Final = timedelta(minutes=3)
# The same is not told again sooner.
QUIET: Final = timedelta(hours=6)
TIGHT: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=1)
# From the first to the third window in a row.
ROW: Final = timedelta(minutes=2)
# Whatever a policy says.
WIDE_A_DAY: Final = 3
# So that what is remembered has a bound: of callers, who have to be many for hours to use it up, and of alerts about
# them and about all else. Of alerts half is for what is blatant and was admitted.
CALLERS_AN_HOUR: Final = 20
CALLERS_A_DAY: Final = 120
ALERTS_A_DAY: Final = 100
_LAST: Final[Mapping[int, str]] = {
    ALERTS_A_DAY // 2: "; so many alerts were sent today that of the like only what is blatant is told from now on",
    ALERTS_A_DAY: "; so many alerts were sent today that of the like only what is done is told from now on",
}
_RULES, _COUNTRY = "rules", "country"
_WIDE: Final[Mapping[Points, tuple[Answer, ...]]] = {"abuse": ("tighten", "suspend"), "stranger": ("tighten",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What is to be done about a finding.

    Attributes:
        deed: what, to which scope, until when; `observed` where it is only told.
        finding: that it answers.
        why: in one sentence.
    """

    deed: Deed
    finding: Finding
    why: str


def mode_of(policy: WatchPolicy, created: datetime, now: datetime) -> str:
    """``"off"``, ``"observe"`` or ``"act"``; where the policy leaves it open, the second for a week, then the third."""
    return policy.mode or ("observe" if now < created + OBSERVED else "act")


def decide(
    policy: WatchPolicy,
    findings: Sequence[Finding],
    deeds: Sequence[Deed],
    project_created: datetime,
    now: datetime,
    *,
    failed: Sequence[Deed] = (),
) -> list[Planned]:
    """What is to be done about the findings of one window, worst first; each is to be remembered as a deed.

    Args:
        policy: of the project.
        findings: of all detectors.
        deeds: that were planned before, also those that were only observed.
        project_created: when.
        now: the moment.
        failed: that were planned before and could not be done; each is tried again after `COOL`.
    """
    mode = mode_of(policy, project_created, now)
    if mode == "off":
        return []
    observes = mode == "observe"
    known = [deed for deed in deeds if now - deed.at < DAY and (observes or not deed.observed)]
    waiting = {deed.place for deed in failed if timedelta(0) <= now - deed.at < COOL}
    planned: list[Planned] = []
    for finding in findings:
        for answer in _answers(policy, finding, findings, known, now):
            deed = _deed(policy, finding, answer, known, now, observed=observes and answer != "alert")
            if deed.place in waiting:
                continue
            known.append(deed)
            last = _LAST.get(len(_told(finding.scope, known)), "") if answer == "alert" else ""
            planned.append(Planned(deed=deed, finding=finding, why=_why(finding) + last))
    return planned


def _answers(
    policy: WatchPolicy, finding: Finding, findings: Sequence[Finding], known: Sequence[Deed], now: datetime
) -> Iterator[Answer]:
    if "alert" in policy.answers and _may_tell(finding, known, now):
        yield "alert"
    steps: list[Answer] = [answer for answer in _steps(finding, findings) if answer in policy.answers]
    same = [deed for deed in known if (deed.scope, deed.value) == (finding.scope, finding.value)]
    if steps and (finding.scope == "caller" or _lasts(finding, same, now)):
        done = [deed for deed in same if deed.answer in steps and (not deed.aside or finding.detector == _RULES)]
        following = _following(steps, done, now)
        if following is not None and _may(policy, following, finding.scope, known, now):
            yield following
        elif following == "suspend" and "tighten" in policy.answers and _has_its_quota(finding, known, now):
            yield "tighten"


def _has_its_quota(finding: Finding, known: Sequence[Deed], now: datetime) -> bool:
    """Whether a smaller quota is left to be had where there is no room for a suspension, for a caller the project's."""
    place = _tightened(finding)
    tightened = [deed for deed in known if (deed.answer, deed.scope, deed.value) == ("tighten", *place)]
    return finding.admitted and not any(_holds(deed, now) for deed in tightened)


def _tightened(finding: Finding) -> tuple[Scope, str]:
    """Of what the quota is made smaller."""
    return ("project", "") if finding.scope == "caller" else (finding.scope, finding.value)


def _lasts(finding: Finding, same: Sequence[Deed], now: datetime) -> bool:
    """Whether a finding lasts, or is back."""
    told = [deed.at for deed in same if deed.feature == finding.feature]
    return now - min([finding.since, *told]) >= COOL


def _following(steps: Sequence[Answer], done: Sequence[Deed], now: datetime) -> Answer | None:
    """The next step of a scope, or None where it is not time for one.

    Args:
        steps: beyond an alert, least first.
        done: of these, about this scope within a day.
        now: the moment.
    """
    if not done:
        return steps[0]
    if any(_holds(deed, now) and deed.answer == steps[-1] for deed in done):
        return None
    if now - max(deed.at for deed in done) < COOL:
        return None
    highest = max(steps.index(deed.answer) for deed in done)
    return steps[min(highest + 1, len(steps) - 1)]


def _holds(deed: Deed, now: datetime) -> bool:
    return deed.until is not None and now < deed.until


def _steps(finding: Finding, findings: Sequence[Finding]) -> tuple[Answer, ...]:
    """What may be done beyond an alert."""
    points = _points(finding)
    if finding.scope == "caller":
        return ("suspend",) if finding.blatant and points != "outage" else ()
    if not finding.admitted or any(_is_outage_of(one, finding) for one in findings):
        return ()
    if finding.detector == _RULES:
        return ("tighten",) if _feature(finding) != _COUNTRY and finding.at - finding.since >= ROW else ()
    if points == "secret":
        return ("rotate",) if finding.blatant else ()
    return _WIDE.get(points, ()) if finding.blatant and _surges(finding, findings) else ()


def _points(finding: Finding) -> Points:
    """At what it points; what the house has no name for explains nothing but itself."""
    feature = feature_of(_feature(finding))
    return "crowd" if feature is None else feature.points


def _feature(finding: Finding) -> str:
    return named_feature(finding.feature) if finding.detector == _RULES else finding.feature


def _is_outage_of(one: Finding, finding: Finding) -> bool:
    """Whether it may be an outage that makes the other: of the same route, or of what is wider than a route."""
    is_elsewhere = one.scope == finding.scope == "route" and one.value != finding.value
    return _points(one) == "outage" and not is_elsewhere


def _surges(finding: Finding, findings: Sequence[Finding]) -> bool:
    """Whether more calls came too, to the same or to all: what was always there is not answered for what it is."""
    wheres = {(finding.scope, finding.value), ("project", "")}
    return any(one.feature == "rate" and (one.scope, one.value) in wheres for one in findings)


def _may_tell(finding: Finding, known: Sequence[Deed], now: datetime) -> bool:
    told = _told(finding.scope, known)
    same = (finding.scope, finding.value, finding.feature)
    lately = [deed for deed in told if (deed.scope, deed.value, deed.feature) == same and now - deed.at < QUIET]
    return not lately and len(told) < (ALERTS_A_DAY if finding.blatant and finding.admitted else ALERTS_A_DAY // 2)


def _told(scope: Scope, known: Sequence[Deed]) -> list[Deed]:
    """The alerts about callers, or those about all else."""
    return [deed for deed in known if deed.answer == "alert" and (deed.scope == "caller") == (scope == "caller")]


def _may(policy: WatchPolicy, answer: Answer, scope: Scope, known: Sequence[Deed], now: datetime) -> bool:
    """Whether there is room for it today."""
    if answer == "rotate":
        return not any(deed.answer == "rotate" for deed in known)
    if answer != "suspend":
        return True
    is_caller = scope == "caller"
    done = [deed for deed in known if deed.answer == "suspend" and (deed.scope == "caller") == is_caller]
    if not is_caller:
        return len(done) < min(policy.suspensions_a_day, WIDE_A_DAY)
    lately = [deed for deed in done if now - deed.at < timedelta(hours=1)]
    return len(done) < CALLERS_A_DAY and len(lately) < CALLERS_AN_HOUR


def _deed(
    policy: WatchPolicy, finding: Finding, answer: Answer, known: Sequence[Deed], now: datetime, *, observed: bool
) -> Deed:
    until = None
    if answer == "tighten":
        until = now + TIGHT
    if answer == "suspend":
        same = (finding.scope, finding.value)
        times = sum(deed.answer == "suspend" and (deed.scope, deed.value) == same for deed in known)
        until = now + min(timedelta(minutes=policy.suspend_minutes) * 2 ** min(times, 10), LONGEST)
    scope, value = _tightened(finding) if answer == "tighten" else (finding.scope, finding.value)
    return Deed(
        answer=answer,
        scope=scope,
        value=value,
        at=now,
        until=until,
        feature=finding.feature,
        observed=observed,
        aside=answer == "tighten" and (finding.detector == _RULES or scope != finding.scope),
    )


def _why(finding: Finding) -> str:
    begun = f"since {finding.since:%Y-%m-%d %H:%M} UTC" if finding.since != finding.at else "in one window"
    return f"{finding.why} ({begun}, {finding.sure} % sure)"
