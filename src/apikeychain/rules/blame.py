"""Who a finding is about: the narrowest that holds it.

A tally tells how often each caller and origin called, not which calls of theirs failed. So one caller is to blame where
what it calls beyond anything that any caller did of late makes up most of what is too much; then one origin that was
never the most of a project; then the route; then the project. Whoever is not admitted is in no tally and not blamed.

Source: contracts 7 (the narrowest scope that holds the finding).
"""

from dataclasses import dataclass, replace

from apikeychain.model.suspension import Scope
from apikeychain.model.tally import Tally
from apikeychain.rules.learned import WHOLE, Learned, Route
from apikeychain.rules.series import Verdict

# What is most of it; and how many calls in a window one caller is not blamed for.
_MOST, _LEAST = 0.7, 20
_TIMES, _BEYOND_PEAK = 3.0, 1.5
_MAIN = 0.5
# So many times as often as all together ever called, one caller is no batch job.
_ALONE = 3.0
_VOLUME = frozenset({"heaviest", "rate"})


@dataclass(frozen=True, slots=True)
class Blamed:
    """A scope and what in it."""

    scope: Scope
    value: str


def blame(verdict: Verdict, name: str, tally: Tally, learned: Learned) -> Blamed:
    """Whom a verdict is about.

    Args:
        verdict: of one route, or of the project.
        name: of that route, or WHOLE.
        tally: that it was judged by.
        learned: before this window was learned, or after: one window changes little.
    """
    of_route = wide(name)
    if not verdict.measure.feature.admitted:
        return of_route
    excess = _excess(verdict, tally, learned.routes[name])
    caller = _caller(verdict, excess, tally, learned.routes[name])
    if caller:
        return Blamed("caller", caller)
    origin = _origin(excess, tally, learned.routes.get(WHOLE, Route()))
    return Blamed("origin", origin) if origin else of_route


def spared(verdict: Verdict, blamed: Blamed, tally: Tally, route: Route) -> Verdict:
    """The verdict, not blatant where it only says that one caller calls more than anybody did: batch jobs do, too.

    Args:
        verdict: of a route, or of the project.
        blamed: whom it is about.
        tally: that it was judged by.
        route: what was learned of it.
    """
    if blamed.scope != "caller" or verdict.measure.name not in _VOLUME:
        return verdict
    return verdict if is_alone(tally.callers[blamed.value], route) else replace(verdict, blatant=False)


def is_alone(count: float, route: Route) -> bool:
    """Whether one caller who called so often is beyond anything that all together ever were."""
    rate = route.series.get("rate")
    return rate is not None and count >= _ALONE * rate.peak**2


def wide(name: str) -> Blamed:
    """All of a route, or of the project."""
    return Blamed("project", "") if name in {WHOLE, ""} else Blamed("route", name)


def _excess(verdict: Verdict, tally: Tally, route: Route) -> float:
    """How many calls are too many; of a mean, those that can have moved it."""
    if verdict.measure.feature.kind != "mean":
        return verdict.excess
    rate = route.series.get("rate")
    return max(tally.calls - (rate.level**2 if rate else 0), tally.calls / 2)


def _caller(verdict: Verdict, excess: float, tally: Tally, route: Route) -> str:
    if not tally.callers:
        return ""
    caller = min(tally.callers, key=lambda one: (-tally.callers[one], one))
    if verdict.measure.feature.name == "heaviest":
        return caller
    count, usual = tally.callers[caller], route.series.get("heaviest")
    if usual is None or count < max(_LEAST, _MOST * excess):
        return ""
    is_unusual = count >= _TIMES * usual.level**2 and count >= _BEYOND_PEAK * usual.peak**2
    return caller if is_unusual else ""


def _origin(excess: float, tally: Tally, whole: Route) -> str:
    usual = max(tally.calls - excess, 0)
    for origin, count in sorted(tally.origins.items()):
        share = whole.origins.get(origin, 0.0)
        if origin and share < _MAIN and count - share * usual >= _MOST * max(excess, 1):
            return origin
    return ""
