"""One feature over time: what is expected of it, how far from that it strays, and whether a window strays too far.

A count is looked at by its square root, twice of which strays by 1 where calls come by chance, however many come; a
share of calls by the count that is expected of it; a mean by its standard error. So one unit serves all, and `spread`
says how many of it are usual: calls come in bursts, and that is learned.

- A window is far where it is `FAR` usual deviations off, and beyond the highest of the last days, and by enough to be
  worth a word (`Feature.least`, `times`).
- What is far teaches little: a step of learning is cut at three deviations, and while a finding lasts to a tenth of
  that. After `SETTLES` windows in a row it is the new normal.
- Something that is only a little more adds up (CUSUM) where the feature says that this matters.

Source: Anscombe, "The transformation of Poisson, binomial and negative-binomial data" (1948); Roberts, "Control chart
tests based on geometric moving averages" (1959); Page, "Continuous inspection schemes" (1954).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, inf, sqrt

from apikeychain.rules.features import Feature, Measure

WARM_UP = 120
# From so many windows on learning goes at its slowest.
_SETTLED = 500
FAR, BLATANT = 6.0, 10.0
SETTLES = 360
# Windows in a row that are far before it is said, where they are not blatantly so; and without after which it is over.
_HITS, _OVER = 2, 3
_ANSCOMBE = 0.375
_FAST, _SLOW, _SPREAD = 1 / 16, 1 / 500, 1 / 200
# The highest of the last days is forgotten by a half in a week.
_PEAK_KEPT = 1 - 1 / (14 * 1440)
_BEYOND_PEAK = 1.25
_CUT, _OPEN_WEIGHT = 3.0, 0.1
# A mean of more values is not more sure, since what it is a mean of moves.
_MOST_VALUES = 50
_LEAST_VALUES = 10
_DRIP_FREE, _DRIP_MOST, _DRIP_FULL, _DRIP_STEP = 1.5, 80.0, 40.0, 4.0
# A deviation is the mean of absolute ones, times this.
_NORMAL = 1.25
_LOGARITHMS = ("bytes_out", "length")
ZERO = sqrt(_ANSCOMBE)


@dataclass(slots=True)
class Series:
    """What was learned of a feature. Windows are numbered, see `rules/learned`.

    Attributes:
        level: of a count the root, of a share or mean itself.
        spread: the mean of how far windows were off, without sign; see the module.
        peak: of a count the highest root, else the farthest that a window was off, of the last days.
        windows: of how many it was learned.
        drip: what a little more adds up to; `wet` the window in which that began.
        since: the first window of those in a row that were far, `last` the last of them; 0 for none.
        hits: how many of them.
    """

    level: float = 0.0
    spread: float = 0.0
    peak: float = 0.0
    windows: int = 0
    drip: float = 0.0
    wet: int = 0
    since: int = 0
    last: int = 0
    hits: int = 0

    @property
    def is_open(self) -> bool:
        """Whether a finding lasts."""
        return self.since > 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """That a window strays too far.

    Attributes:
        score: by how many usual deviations.
        expected: at most; `seen`: what was; a number, a share or a mean, as people say it.
        excess: how many calls are more than expected; 0 for a mean.
        since: the window in which it began.
        sure: whether it is to be said already.
    """

    measure: Measure
    score: float
    expected: float
    seen: float
    excess: float
    blatant: bool
    since: int
    sure: bool


def fresh(feature: Feature, windows: int) -> Series:
    """Of a feature that was never anything but nothing, for so many windows."""
    return Series(level=ZERO if feature.kind == "count" else 0.0, windows=windows)


def rest(series: Series, windows: int) -> None:
    """Learn that a count was nothing for so many windows."""
    series.level = ZERO + (series.level - ZERO) * (1 - _FAST) ** windows


def judge(series: Series, measure: Measure, now: int) -> Verdict | None:
    """Look at the next window, and learn it.

    Args:
        series: what was learned; it is changed.
        measure: what the window shows.
        now: its number.
    """
    strays = _strays(series, measure)
    deviation = max(_NORMAL * series.spread, measure.feature.floor)
    score = strays / deviation
    if _is_usual(series, measure, score):
        _learn_usual(series, measure, abs(strays))
        return None
    is_learned = series.windows >= WARM_UP
    blatant = _is_cold(measure) if not is_learned else _is_far(series, measure, strays, score, blatant=True)
    far = blatant or (is_learned and _is_far(series, measure, strays, score, blatant=False))
    _note(series, now, far=far, lasts=series.is_open and abs(score) >= FAR / 2)
    dripping = is_learned and measure.feature.drips and _drips(series, score, now)
    seen = series.is_open and series.last == now
    sure = dripping or blatant or series.hits >= _HITS
    verdict = _verdict(series, measure, score, deviation, blatant=blatant, sure=sure) if seen or dripping else None
    _learn(series, measure, strays, deviation, now)
    return verdict


def _is_usual(series: Series, measure: Measure, score: float) -> bool:
    """Whether none of what follows has anything to say: nearly always, and it is the most of what the watch costs."""
    is_calm = series.windows >= _SETTLED and not series.since and not series.drip
    return is_calm and -_CUT < score < (_DRIP_FREE if measure.feature.drips else _CUT)


def _learn_usual(series: Series, measure: Measure, off: float) -> None:
    """As `_learn`, of such a window."""
    series.level += _rate(measure) * (_value(measure) - series.level)
    series.spread += _SPREAD * (off - series.spread)
    series.peak = max(series.peak * _PEAK_KEPT, sqrt(measure.seen) if measure.feature.kind == "count" else off)
    series.windows += 1


def _rate(measure: Measure) -> float:
    return _FAST if measure.feature.kind == "count" and not measure.feature.drips else _SLOW


def _strays(series: Series, measure: Measure) -> float:
    """How far the window is off, in deviations of mere chance; of a mean in its own unit, more sure where more is."""
    if measure.feature.kind == "count":
        return 2 * (sqrt(measure.seen + _ANSCOMBE) - series.level)
    if measure.feature.kind == "share":
        return 2 * (sqrt(measure.seen + _ANSCOMBE) - sqrt(measure.of * series.level + _ANSCOMBE))
    return (measure.seen - series.level) * sqrt(min(measure.of, _MOST_VALUES))


def _is_cold(measure: Measure) -> bool:
    return 0 < measure.feature.cold <= measure.seen


def _is_far(series: Series, measure: Measure, strays: float, score: float, *, blatant: bool) -> bool:
    feature = measure.feature
    if feature.kind == "mean":
        return _is_far_mean(series, measure, strays, score, blatant=blatant)
    if score < (BLATANT if blatant else FAR):
        return False
    usual = _usual(series, measure)
    if measure.seen - usual < feature.least * (1 + blatant) or _is_below_peak(series, measure, strays):
        return False
    if feature.kind == "count" and blatant:
        usual = max(usual, series.peak**2)
    return measure.seen >= feature.times * usual


def _is_far_mean(series: Series, measure: Measure, strays: float, score: float, *, blatant: bool) -> bool:
    if abs(score) < (BLATANT if blatant else FAR) or measure.of < _LEAST_VALUES * (1 + blatant):
        return False
    least = measure.feature.least * (1.5 if blatant else 1)
    return abs(measure.seen - series.level) >= least and not _is_below_peak(series, measure, strays)


def _is_below_peak(series: Series, measure: Measure, strays: float) -> bool:
    return _reach(measure, strays) < _BEYOND_PEAK * series.peak


def _reach(measure: Measure, strays: float) -> float:
    return sqrt(measure.seen) if measure.feature.kind == "count" else abs(strays)


def _usual(series: Series, measure: Measure) -> float:
    """How many are expected of a count or a share."""
    return max(series.level**2 - _ANSCOMBE, 0) if measure.feature.kind == "count" else measure.of * series.level


def _note(series: Series, now: int, *, far: bool, lasts: bool) -> None:
    if far or lasts:
        series.since = series.since or now
        series.last = now
        series.hits += far
    elif series.is_open and now - series.last >= _OVER:
        series.since = series.last = series.hits = 0


def _drips(series: Series, score: float, now: int) -> bool:
    series.drip = min(max(series.drip + min(score, _DRIP_STEP) - _DRIP_FREE, 0), _DRIP_MOST)
    series.wet = (series.wet or now) if series.drip > 0 else 0
    return series.drip >= _DRIP_FULL


def most_expected(series: Series, feature: Feature, of: float) -> float | None:
    """What the next window may show at most and be no surprise, as people say it; None while it is learned.

    Args:
        series: what was learned.
        feature: of which.
        of: of a share or mean, of how many.
    """
    if series.windows < WARM_UP or (feature.kind != "count" and of <= 0):
        return None
    deviation = max(_NORMAL * series.spread, feature.floor)
    return _told(series, Measure(feature, "", inf, of), deviation)[0]


def _verdict(series: Series, measure: Measure, score: float, deviation: float, *, blatant: bool, sure: bool) -> Verdict:
    excess = measure.seen - _usual(series, measure) if measure.feature.kind != "mean" else 0.0
    expected, seen = _told(series, measure, deviation)
    return Verdict(measure, score, expected, seen, excess, blatant, series.since or series.wet, sure)


def _told(series: Series, measure: Measure, deviation: float) -> tuple[float, float]:
    feature, wide = measure.feature, FAR * deviation
    if feature.kind == "count":
        return round(max(series.level + wide / 2, _BEYOND_PEAK * series.peak) ** 2, 1), measure.seen
    if feature.kind == "share":
        most = (sqrt(measure.of * series.level + _ANSCOMBE) + wide / 2) ** 2
        return round(min(most / measure.of, 1), 3), round(measure.seen / measure.of, 3)
    wide = max(wide / sqrt(min(measure.of, _MOST_VALUES)), feature.least)
    bound = series.level + (wide if measure.seen > series.level else -wide)
    told = (bound, measure.seen) if feature.name not in _LOGARITHMS else (expm1(bound), expm1(measure.seen))
    return round(max(told[0], 0), 3), round(told[1], 3)


def _learn(series: Series, measure: Measure, strays: float, deviation: float, now: int) -> None:
    if series.is_open and now - series.since >= SETTLES:
        _settle(series, measure)
    weight = max(_rate(measure), 1 / (series.windows + 1))
    off = abs(strays)
    if series.windows >= WARM_UP and off > _CUT * deviation:
        weight *= _CUT * deviation / off
    if series.is_open or series.drip >= _DRIP_FULL:
        weight *= _OPEN_WEIGHT
    else:
        series.spread += max(_SPREAD, 1 / (series.windows + 1)) * (min(off, _CUT * deviation) - series.spread)
        # How far a window is off what is hardly known says nothing.
        reach = _reach(measure, strays) if measure.feature.kind == "count" or series.windows >= WARM_UP else 0.0
        series.peak = max(series.peak * _PEAK_KEPT, reach)
    series.level += weight * (_value(measure) - series.level)
    series.windows += 1


def _settle(series: Series, measure: Measure) -> None:
    """Take what has lasted for what is normal."""
    series.level, series.drip = _value(measure), 0
    series.peak = max(series.peak, sqrt(measure.seen)) if measure.feature.kind == "count" else series.peak
    series.since = series.last = series.hits = series.wet = 0


def _value(measure: Measure) -> float:
    if measure.feature.kind == "count":
        return sqrt(measure.seen + _ANSCOMBE)
    return measure.seen / measure.of if measure.feature.kind == "share" else measure.seen


def packed(series: Series) -> Sequence[float]:
    """As few numbers as say it."""
    numbers = [
        round(series.level, 3),
        round(series.spread, 2),
        round(series.peak, 2),
        series.windows,
        round(series.drip, 1),
        series.wet,
        series.since,
        series.last,
        series.hits,
    ]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers
