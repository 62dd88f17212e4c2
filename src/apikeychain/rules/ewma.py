"""The detector that is always there: a weighted mean and deviation of each feature of each route, and of the project.

What is judged and how it is learned stands in `rules/series`, what is remembered in `rules/learned`, who is to blame in
`rules/blame`. Here it is decided what of it is said:

- While a provider is out of order, what callers do is no surprise, nor shortly after: they try again. It is neither
  judged nor learned then, unless one caller makes most of the calls that fail, or is beyond what all ever were.
- A page that is left open, or an export, is one caller who is too much for a moment: a caller is blamed in the second
  window, also where others came between.
- One caller who calls much may be an export or a batch job: that alone is blatant only where it calls several times as
  often as all of them together ever did of late.
- What one route shows is told of the route; what several show, and the project too, of the project.
- Where the calls that were always there fail (401, 403, 429) and no more calls came than usual, it is the secret that
  somebody else used or the provider refuses, and not what callers do; but not where few callers can have made most of
  the calls that fail. It is told of the route where the calls of one fail.

Source: contracts 7; spec 8.2; decision 32.
"""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, final

from apikeychain.model.finding import Finding, Window, finding_id
from apikeychain.model.tally import Tally, ValueTally
from apikeychain.rules.blame import Blamed, blame, is_alone, spared, wide
from apikeychain.rules.features import (
    Measure,
    measures_of_calls,
    measures_of_values,
    share_measure,
    whole_of,
)
from apikeychain.rules.foresight import foreseen
from apikeychain.rules.learned import WHOLE, Learned, Route, Values, parse, text_of
from apikeychain.rules.series import FAR, Verdict, fresh, judge, rest
from apikeychain.rules.tallies import OTHERS

NAME: Final = "ewma"
_MOST_FINDINGS, _MOST_PARAMETERS = 8, 8
# From this share on a country or an origin is no new one; and below that it is forgotten.
_KNOWN, _FORGOTTEN = 0.005, 0.0005
_MOST_KNOWN = 64
_SLOW, _FEW = 1 / 500, 10
# A provider is out of order where so many of the calls come to nothing, and at least so many; and so long after.
_OUT, _OUT_CALLS, _CALM = 0.3, 10, 15
# What is left of the successes where the secret is refused; the share of 429 where somebody else uses it, while no
# more calls came than that.
_LEFT, _USED_UP, _NO_MORE, _USUAL = 0.2, 0.3, 1.5, 5
# So many callers are few; that share is most of what fails, and that is nearly all of it.
_FEW_CALLERS, _MOST, _NEARLY = 3, 0.7, 0.9
_SECRET = frozenset({"provider-401", "provider-403", "provider-429"})
_SURE, _SURE_SCORE = 50, 4
# Within so many windows a caller who is too much is so again; and within so many it is somebody else's turn.
_AGAIN, _TURN = 15, 2
_MOST_SUSPECTS = 8


@dataclass(frozen=True, slots=True)
class _Found:
    feature: str
    route: str
    verdict: Verdict
    blamed: Blamed


@final
class EWMADetector:
    """See Detector."""

    @property
    def name(self) -> str:
        """See Detector.name."""
        return NAME

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        """See Detector.observe."""
        learned = parse(state)
        return look(window, learned), text_of(learned)

    def expected(self, window: Window, state: str) -> Mapping[tuple[str, str], float]:
        """What is expected at most of the project in a window, as numbers of calls or bytes, for a picture.

        Args:
            window: that comes next.
            state: before it.
        """
        return foreseen(window, parse(state))


def look(window: Window, learned: Learned) -> Sequence[Finding]:
    """What was not expected in a window; `learned` is changed. One that is not later than the last tells nothing."""
    now = int(window.begin.timestamp()) // window.seconds
    if now <= learned.at:
        return ()
    learned.at = now
    tallies = {WHOLE: whole_of(window), **window.routes}
    found = [one for name, tally in tallies.items() for one in _look_at(name, tally, learned, now)]
    said = sorted(_select(found, window, tallies[WHOLE], learned), key=_order)
    return [_finding(window, one) for one in said[:_MOST_FINDINGS]]


def _look_at(name: str, tally: Tally, learned: Learned, now: int) -> Sequence[_Found]:
    """What one route shows, or the project."""
    route = learned.routes.setdefault(name, Route(at=now - 1))
    verdicts = list(_judge(name, route, tally, now))
    blamed = [(one, blame(one, name, tally, learned)) for one in verdicts]
    found = [_Found(one.measure.name, name, spared(one, of, tally, route), of) for one, of in blamed]
    said = [told for one in found if (told := _confirmed(one, route, now)) is not None]
    for one in found:
        if one.blamed.scope == "caller":
            route.suspects[one.blamed.value] = now
    latest = sorted(route.suspects.items(), key=lambda item: (-item[1], item[0]))[:_MOST_SUSPECTS]
    route.suspects = {caller: at for caller, at in latest if now - at < _AGAIN}
    return said


def _confirmed(one: _Found, route: Route, now: int) -> _Found | None:
    """Nothing of a caller's first window; the caller in the second; and where that is another one, all of it."""
    if not one.verdict.sure:
        return None
    if one.blamed.scope != "caller":
        return one
    if one.blamed.value in route.suspects:
        return one
    if not any(now - at <= _TURN for at in route.suspects.values()):
        return None
    return replace(one, blamed=wide(one.route), verdict=replace(one.verdict, blatant=False))


def _order(one: _Found) -> tuple[bool, float, str, str]:
    return (not one.verdict.blatant, -abs(one.verdict.score), one.feature, one.route)


def _judge(name: str, route: Route, tally: Tally, now: int) -> Iterator[Verdict]:
    missed = now - route.at - 1
    route.windows, route.at = route.windows + missed, now
    if _is_out(tally):
        route.calm = now + _CALM
    for measure in _measures(name, route, tally):
        series = route.series.get(measure.name)
        if now <= route.calm and measure.feature.points not in {"outage", "nobody"}:
            if series and measure.name == "heaviest" and is_alone(measure.seen, route):
                yield from _told(judge(copy(series), measure, now))
            continue
        if series is None:
            if not measure.seen and measure.feature.kind != "mean":
                continue
            is_new = measure.parameter or measure.feature.kind == "mean"
            series = route.series[measure.name] = fresh(measure.feature, 0 if is_new else route.windows)
        if missed and measure.feature.kind == "count":
            rest(series, missed)
        yield from _told(judge(series, measure, now))
    if now > route.calm:
        _remember(name, route, tally)
    route.windows += 1


def _told(verdict: Verdict | None) -> Iterator[Verdict]:
    if verdict is not None:
        yield verdict


def _is_out(tally: Tally) -> bool:
    failed = tally.failures.get("provider-5xx", 0) + tally.failures.get("failed", 0)
    one = max(tally.callers.values(), default=0)
    return failed >= max(_OUT_CALLS, _OUT * tally.calls) and one < failed / 2


def _measures(name: str, route: Route, tally: Tally) -> Iterator[Measure]:
    yield from (one for one in measures_of_calls(tally) if name != WHOLE or one.feature.kind != "mean")
    if not tally.calls:
        return
    if name == WHOLE:
        located = tally.calls - tally.countries.get("", 0)
        yield share_measure("new_countries", _new(tally.countries, route.countries), max(located, 1))
        yield share_measure("new_origins", _new(tally.origins, route.origins), tally.calls)
        return
    new_names = [one.values for key, one in tally.parameters.items() if key == OTHERS or key not in route.values]
    yield share_measure("new_names", min(sum(new_names), tally.calls), tally.calls)
    for parameter, values in _judged(tally):
        new = route.values.get(parameter, Values()).count_new(values.hashes)
        yield from measures_of_values(parameter, values, new)


def _judged(tally: Tally) -> Sequence[tuple[str, ValueTally]]:
    named = [(key, one) for key, one in tally.parameters.items() if key != OTHERS and one.values and one.hashes]
    most = sorted(named, key=lambda item: (-item[1].values, item[0]))[:_MOST_PARAMETERS]
    # In whatever order they came, they are learned in the same.
    return sorted(most, key=lambda item: item[0])


def _new(counts: Mapping[str, int], known: Mapping[str, float]) -> int:
    return sum([count for name, count in counts.items() if name and known.get(name, 0) < _KNOWN])


def _remember(name: str, route: Route, tally: Tally) -> None:
    if name == WHOLE:
        _learn_shares(route, "new_countries", route.countries, tally.countries)
        _learn_shares(route, "new_origins", route.origins, tally.origins)
        return
    for parameter, values in _judged(tally):
        series = route.series.get(f"new_values({parameter})")
        known = route.values.setdefault(parameter, Values())
        if series is None or not series.is_open:
            known.add(values.hashes)


def _learn_shares(route: Route, feature: str, known: dict[str, float], counts: Mapping[str, int]) -> None:
    total = sum([count for name, count in counts.items() if name])
    if not total:
        return
    series = route.series.get(feature)
    weight = max(_SLOW, 1 / (route.windows + 1)) * min(1, total / _FEW)
    weight *= 0.1 if series is not None and series.is_open else 1
    for name in [*known, *(name for name in counts if name and name not in known)]:
        known[name] = known.get(name, 0) * (1 - weight) + weight * counts.get(name, 0) / total
    kept = sorted((-share, name) for name, share in known.items() if share >= _FORGOTTEN)[:_MOST_KNOWN]
    known.clear()
    known.update({name: -share for share, name in kept})


def _select(found: Sequence[_Found], window: Window, total: Tally, learned: Learned) -> Sequence[_Found]:
    """Of what several tell, what is said; see the module."""
    whole = {one.feature: one for one in found if one.route == WHOLE}
    routes: dict[str, list[_Found]] = {}
    for one in found:
        if one.route != WHOLE:
            routes.setdefault(one.feature, []).append(one)
    said: list[_Found] = []
    for name, of_whole in whole.items():
        of_routes = routes.pop(name, [])
        is_narrow = len(of_routes) == 1 and of_whole.blamed.scope == "project"
        if _is_secret(of_whole.verdict, total, learned.routes[WHOLE]):
            said.append(replace(of_whole, feature=f"secret({name})", blamed=_refused(name, window, total)))
        else:
            said.append(of_routes[0] if is_narrow else of_whole)
    for of_routes in routes.values():
        said += of_routes
    return list({(one.feature, one.blamed): one for one in said}.values())


def _is_secret(verdict: Verdict, total: Tally, whole: Route) -> bool:
    name = verdict.measure.name
    if name not in _SECRET or verdict.score < FAR:
        return False
    usual = whole.series["rate"].level ** 2
    if usual < _USUAL or _is_of_few(verdict.measure.seen, total):
        return False
    if name == "provider-429":
        return total.calls <= _NO_MORE * usual and verdict.seen >= _USED_UP
    return total.calls - sum(total.failures.values()) <= _LEFT * usual


def _is_of_few(failed: float, total: Tally) -> bool:
    """Whether so few callers called often enough that most of what failed can be theirs."""
    most = sorted(total.callers.values(), reverse=True)[:_FEW_CALLERS]
    return sum(most) >= _MOST * failed


def _refused(name: str, window: Window, total: Tally) -> Blamed:
    """The route that nearly all calls failed on, or the project."""
    least = _NEARLY * total.failures.get(name, 0)
    failed = [route for route, tally in window.routes.items() if tally.failures.get(name, 0) >= least]
    return wide(failed[0]) if len(failed) == 1 else Blamed("project", "")


def _finding(window: Window, one: _Found) -> Finding:
    verdict, blamed = one.verdict, one.blamed
    return Finding(
        project=window.project,
        id=finding_id(window, NAME, one.feature, blamed.scope, blamed.value),
        at=window.begin,
        since=datetime.fromtimestamp(verdict.since * window.seconds, UTC),
        detector=NAME,
        feature=one.feature,
        scope=blamed.scope,
        value=blamed.value,
        expected=verdict.expected,
        seen=verdict.seen,
        sure=min(99, round(_SURE + _SURE_SCORE * abs(verdict.score))),
        blatant=verdict.blatant,
        admitted=verdict.measure.feature.admitted,
        why=_why(window, one),
    )


def _why(window: Window, one: _Found) -> str:
    verdict, feature = one.verdict, one.verdict.measure.feature
    where = f"on the route {one.route}" if one.route not in {WHOLE, ""} else "in the project"
    of = f" of the parameter {verdict.measure.parameter}" if verdict.measure.parameter else ""
    seen = f"{verdict.seen:.0%}" if feature.kind == "share" else f"{verdict.seen:g}"
    expected = f"{verdict.expected:.0%}" if feature.kind == "share" else f"{verdict.expected:g}"
    return f"{feature.says}{of} {where} in {window.seconds} s: {seen}, where {expected} is the end of what is usual"
