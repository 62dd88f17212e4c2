"""ForestDetector: a Random Cut Forest over all features of a window at once, for what no feature shows by itself.

A forest as `rcf3` writes it has megabytes. So the state holds points, a day of them, and the forest is grown anew from
them for each window, with the same seed: 256 points in 30 trees take some 12 ms. Each feature is divided by how far its
points lie apart, so that no unit counts more than another.

::

    {"v":1,"seen":400,"score":[1.1,0.2],"since":0,"points":[[1.386,0.0,...],...]}

A score is strange that is `FAR` deviations above the scores of late, and above `LEAST`. A forest does not know which
caller it was, nor whether it was admitted: what it finds is never said to be admitted, so it is told and nothing is
done.

Source: Guha et al., "Robust random cut forest based anomaly detection on streams" (2016); decision 32.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from statistics import median, pstdev
from typing import TYPE_CHECKING, Any, Final, final

from apikeychain.errors import MissingExtraError
from apikeychain.model.finding import Finding, Window, finding_id

if TYPE_CHECKING:
    from rcf3 import Forest

NAME: Final = "forest"
FAR, LEAST = 6.0, 2.0
_VERSION = 1
_TREES, _POINTS, _SEED = 30, 256, 7
# While there are few points each window is one, later one of so many.
_FEW, _EACH = 96, 6
_NARROW = 0.1
_RATE, _OPEN_RATE = 1 / 50, 1 / 500
_LATEST = 1e10
_MOST_FEATURES = 32


@dataclass(slots=True)
class _Grown:
    """What is remembered: points, the mean and deviation of scores, and since when they are strange, or 0."""

    seen: int = 0
    mean: float = 1.0
    deviation: float = 0.5
    since: int = 0
    points: list[list[float]] = field(default_factory=list[list[float]])


@final
class ForestDetector:
    """See Detector.

    Args:
        measure: makes a point of a window, always of the same features, by their names: `rules.features.vector`.

    Raises:
        MissingExtraError: `rcf3` is not installed.
    """

    name: str = NAME

    def __init__(self, measure: Callable[[Window], Mapping[str, float]]) -> None:
        self._measure, self._forest = measure, _library()

    def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
        """See Detector.observe."""
        measured = dict(list(self._measure(window).items())[:_MOST_FEATURES])
        names, point = list(measured), [round(value, 3) for value in measured.values()]
        grown = _parse(state, len(point))
        found: list[Finding] = []
        if len(grown.points) >= _FEW:
            found = self._judge(window, grown, names, point)
        if not grown.since and (len(grown.points) < _FEW or grown.seen % _EACH == 0):
            grown.points = [*grown.points, point][-_POINTS:]
        grown.seen += 1
        return found, _text(grown)

    def _judge(self, window: Window, grown: _Grown, names: Sequence[str], point: Sequence[float]) -> list[Finding]:
        scales = [max(pstdev(column), _NARROW) for column in zip(*grown.points, strict=True)]
        forest = self._grow(grown.points, scales)
        scaled = [value / scale for value, scale in zip(point, scales, strict=True)]
        score = float(forest.score(scaled))
        bound = max(LEAST, grown.mean + FAR * max(grown.deviation, _NARROW))
        is_strange = score > bound
        now = int(window.begin.timestamp())
        grown.since = (grown.since or now) if is_strange else 0
        _learn(grown, min(score, bound))
        if not is_strange:
            return []
        usual = [median(column) for column in zip(*grown.points, strict=True)]
        at = _laid_to(forest, scaled, [value / scale for value, scale in zip(usual, scales, strict=True)])
        return [_finding(window, grown, names[at], (usual[at], point[at]), (score, bound))]

    def _grow(self, points: Sequence[Sequence[float]], scales: Sequence[float]) -> "Forest":
        forest = self._forest(len(scales), num_trees=_TREES, capacity=_POINTS, seed=_SEED)
        for one in points:
            forest.update([value / scale for value, scale in zip(one, scales, strict=True)])
        return forest


def _library() -> "type[Forest]":
    try:
        from rcf3 import Forest  # noqa: PLC0415  # an extra: whoever uses no forest need not have it
    except ImportError:
        asked = "ForestDetector"
        raise MissingExtraError(asked, "ai") from None
    return Forest


def _laid_to(forest: "Forest", point: Sequence[float], usual: Sequence[float]) -> int:
    """The feature without which, if it were as usual, the window would be the least strange.

    The forest's own attribution knows only features that differed in its points: not the first failure ever.
    """
    scores = [forest.score([*point[:at], usual[at], *point[at + 1 :]]) for at in range(len(point))]
    return min(range(len(scores)), key=scores.__getitem__)


def _learn(grown: _Grown, score: float) -> None:
    rate = _OPEN_RATE if grown.since else _RATE
    grown.deviation += rate * (1.25 * abs(score - grown.mean) - grown.deviation)
    grown.mean += rate * (score - grown.mean)


def _finding(
    window: Window, grown: _Grown, feature: str, values: tuple[float, float], scores: tuple[float, float]
) -> Finding:
    (usual, seen), (score, bound) = values, scores
    return Finding(
        project=window.project,
        id=finding_id(window, NAME, feature, "project", ""),
        at=window.begin,
        since=min(datetime.fromtimestamp(grown.since, window.begin.tzinfo), window.begin),
        detector=NAME,
        feature=feature,
        scope="project",
        value="",
        expected=round(usual, 3),
        seen=round(seen, 3),
        sure=min(99, round(60 + 20 * (score - bound))),
        blatant=False,
        admitted=False,
        why=f"a window unlike any of the last day, most of all in {feature}: a score of {score:.1f}, where "
        f"{bound:.1f} is the end of what is usual",
    )


def _parse(state: str, width: int) -> _Grown:
    """From text; what is none of this version's, or of other features, is as if nothing was seen."""
    try:
        told: Any = json.loads(state)
        points = [[float(value) for value in point] for point in told["points"]]
        mean, deviation = (float(number) for number in told["score"])
        grown = _Grown(int(told["seen"]), mean, deviation, int(told["since"]), points)
        is_ours = told["v"] == _VERSION and len(points) <= _POINTS and _is_sound(grown, width)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return _Grown()
    return grown if is_ours else _Grown()


def _is_sound(grown: _Grown, width: int) -> bool:
    numbers = [grown.seen, grown.mean, grown.deviation, grown.since, *(one for point in grown.points for one in point)]
    return all(isfinite(one) and 0 <= one < _LATEST for one in numbers) and all(
        len(point) == width for point in grown.points
    )


def _text(grown: _Grown) -> str:
    told = {
        "v": _VERSION,
        "seen": grown.seen,
        "score": [round(grown.mean, 4), round(grown.deviation, 4)],
        "since": grown.since,
        "points": grown.points,
    }
    return json.dumps(told, separators=(",", ":"))
