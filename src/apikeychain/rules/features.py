"""What of a window is looked at: one table of features, and how each is read off a tally.

Of a parameter a feature is written ``length(q)``. What callers are refused for before they are admitted is told apart
(`admitted`), since anybody can cause it, and so is what a crowd explains, what points at the secret and what only the
provider can be to blame for (`points`): `rules/watch_policy` answers by that.

Source: contracts 7; spec 8.2 (geographic, parameter, failure-rate and origin anomalies).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from math import log1p
from typing import Final, Literal

from apikeychain.model.finding import Window
from apikeychain.model.tally import FAILURES, Tally, ValueTally
from apikeychain.rules.tallies import distinct, merged

Kind = Literal["count", "share", "mean"]
Points = Literal["crowd", "stranger", "abuse", "secret", "outage", "nobody"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One thing that is looked at.

    Attributes:
        kind: a number of calls, a share of them, or a mean of what they carry.
        says: what it is a number of.
        points: at what it points where it is not expected: abuse; a crowd, which a launch brings too; strangers; the
            secret; an outage, which only the provider can end; nobody, since everybody can cause it.
        least: so much more than expected is worth a word; of a mean the difference, on its own scale.
        times: likewise, as a multiple of what is expected; of a mean, of `least`.
        floor: what deviation is taken for granted, in standard errors; of a mean on its scale.
        cold: so many are not expected of anybody, also where nothing was learned; 0 where there is no such number.
        drips: whether a little more for hours is worth a word.
    """

    name: str
    kind: Kind
    says: str
    points: Points = "abuse"
    least: float
    times: float = 3.0
    floor: float = 1.0
    cold: int = 0
    drips: bool = False

    @property
    def admitted(self) -> bool:
        """Whether only callers that were admitted can cause it."""
        return self.points != "nobody"


@dataclass(frozen=True, slots=True)
class Measure:
    """What one window shows of a feature.

    Attributes:
        parameter: of which, or "".
        seen: of a count or share how many; of a mean the mean, on its scale.
        of: of a share or mean, of how many.
    """

    feature: Feature
    parameter: str
    seen: float
    of: float = 0.0

    @property
    def name(self) -> str:
        """As a finding says it."""
        return f"{self.feature.name}({self.parameter})" if self.parameter else self.feature.name


_COUNTED = (
    Feature(name="rate", kind="count", says="calls", points="crowd", least=60, times=4),
    Feature(name="callers", kind="count", says="callers", points="crowd", least=30, times=4),
    Feature(name="heaviest", kind="count", says="calls of one caller", least=60, times=3),
)
_UNADMITTED = {
    "origin-refused": "refused_origins",
    "signature-refused": "refused_signatures",
    "replayed": "replays",
    "other": "other_refusals",
}
_REFUSED = tuple(
    Feature(name=name, kind="count", says="refused calls", points="nobody", least=30, times=4, cold=600, drips=True)
    for name in _UNADMITTED.values()
)
# A used-up quota is what a launch brings, the provider's or ours.
_POINTS: Mapping[str, Points] = {
    "provider-429": "crowd",
    "rate-limited": "crowd",
    "provider-5xx": "outage",
    "failed": "outage",
}
# Of what the provider says about the key few are many.
_ANSWERED = frozenset({"provider-401", "provider-403", "provider-429"})
_FAILED = tuple(
    Feature(
        name=name,
        kind="share",
        says=f"calls that ended as {name}",
        points=_POINTS.get(name, "abuse"),
        least=10 if name in _ANSWERED else 15,
        drips=name not in {"provider-5xx", "failed"},
    )
    for name in FAILURES
)
# Of one of 401, 403 and 429: the calls that were always there fail, and no more came.
_SECRET = Feature(name="secret", kind="share", says="calls that the provider refuses", points="secret", least=15)
_ELSEWHERE = (
    Feature(name="new_countries", kind="share", says="calls from new countries", points="stranger", least=20),
    Feature(name="new_origins", kind="share", says="calls of new origins", points="stranger", least=20),
    Feature(name="new_names", kind="share", says="values of new parameters", points="stranger", least=15),
)
_BYTES = Feature(name="bytes_out", kind="mean", says="bytes of an answer", least=1.4, floor=0.3)
_VALUES = (
    Feature(name="new_values", kind="share", says="values that are new", least=15, times=2.5, floor=0.6),
    Feature(name="variety", kind="share", says="values that differ", least=15, times=1.5, floor=0.4),
    Feature(name="length", kind="mean", says="characters of a value", least=0.8, floor=0.3),
    Feature(name="letters", kind="mean", says="share of letters", least=0.3, floor=0.15),
    Feature(name="digits", kind="mean", says="share of digits", least=0.3, floor=0.15),
    Feature(name="entropy", kind="mean", says="bits of a character", least=0.9, floor=0.3),
)
FEATURES: Final = {one.name: one for one in (*_COUNTED, *_REFUSED, *_FAILED, _SECRET, *_ELSEWHERE, _BYTES, *_VALUES)}
# Of so many hashes of a window it is asked whether they are new, and of so many values how many differ.
_MOST_JUDGED = 64


def feature_of(name: str) -> Feature | None:
    """The feature that a finding names, also of a parameter; None for one that is none of the house's."""
    return FEATURES.get(name.partition("(")[0])


def whole_of(window: Window) -> Tally:
    """All routes of a window, added up, but for parameters."""
    routes = [_without_parameters(tally) for tally in window.routes.values()]
    return reduce(merged, routes) if routes else Tally()


def _without_parameters(tally: Tally) -> Tally:
    return Tally(
        calls=tally.calls,
        failures=tally.failures,
        bytes_out=tally.bytes_out,
        callers=tally.callers,
        sketch=tally.sketch,
        countries=tally.countries,
        origins=tally.origins,
        unadmitted=tally.unadmitted,
    )


def counts_of(tally: Tally) -> dict[str, int]:
    """What a window counts, by the name of the feature."""
    found = {
        "rate": tally.calls,
        "callers": distinct(tally.sketch),
        "heaviest": max(tally.callers.values(), default=0),
        "bytes_out": tally.bytes_out,
    }
    found |= {name: tally.failures.get(name, 0) for name in FAILURES}
    return found | {name: tally.unadmitted.get(counted, 0) for counted, name in _UNADMITTED.items()}


def measures_of_calls(tally: Tally) -> Iterator[Measure]:
    """What can be read off without knowing what came before, but for parameters."""
    counts = counts_of(tally)
    for feature in (*_COUNTED, *_REFUSED):
        yield Measure(feature, "", counts[feature.name])
    if tally.calls:
        for feature in _FAILED:
            yield Measure(feature, "", counts[feature.name], tally.calls)
        yield Measure(_BYTES, "", log1p(tally.bytes_out / tally.calls), tally.calls)


def measures_of_values(parameter: str, tally: ValueTally, new: int) -> Iterator[Measure]:
    """What the values of one parameter show.

    Args:
        parameter: its name.
        tally: with one value at least.
        new: how many of the hashes were not seen before.
    """
    judged = min(tally.values, _MOST_JUDGED)
    differ = min(judged, len(tally.hashes))
    shown = max(tally.characters, 1)
    seen = (
        (new, len(tally.hashes)),
        (differ, judged),
        (log1p(tally.characters / tally.values), tally.values),
        (tally.letters / shown, tally.values),
        (tally.digits / shown, tally.values),
        (tally.millibits / 1000 / tally.values, tally.values),
    )
    for feature, (number, of) in zip(_VALUES, seen, strict=True):
        yield Measure(feature, parameter, number, of)


def share_measure(name: str, seen: int, of: int) -> Measure:
    """Of a feature that what was seen before is needed for."""
    return Measure(FEATURES[name], "", seen, of)


def vector(window: Window) -> dict[str, float]:
    """A window as a point, for detectors that look at all of it at once: logarithms of counts, shares and means."""
    total = whole_of(window)
    counts = counts_of(total)
    calls = max(total.calls, 1)
    point = {name: log1p(counts[name]) for name in ("rate", "callers", "heaviest", *_UNADMITTED.values())}
    point |= {name: counts[name] / calls for name in FAILURES}
    point["bytes_out"] = log1p(counts["bytes_out"] / calls)
    values = [one for tally in window.routes.values() for one in tally.parameters.values()]
    number = max(sum([one.values for one in values]), 1)
    point["length"] = log1p(sum([one.characters for one in values]) / number)
    point["entropy"] = sum([one.millibits for one in values]) / 1000 / number
    point["variety"] = min(sum([len(one.hashes) for one in values]) / number, 1)
    return point
