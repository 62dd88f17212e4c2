"""What the watch has learned of a project, as text of a bounded length and back.

::

    {"v": 1, "at": 29678400, "routes": {"search": {
        "at": 29678400, "n": 1440, "calm": 0, "suspects": {},
        "series": {"rate": [4.1, 0.9, 7.2, 1440], "length(q)": [...]},
        "countries": {"DE": 0.71}, "origins": {"https://acme.example": 1.0}, "values": {"q": ["...", "..."]}}}}

Windows are numbered by how many of their length have passed since 1970. `*` is the project as a whole. Of values a set
of 1,024 bits says which came, and a second one which came before that was full. Where the text is too long, of each
route the parameters go that came in fewest windows, and only then routes, those that were not called for longest.

Source: contracts 7; Bloom, "Space/time trade-offs in hash coding with allowable errors" (1970), with one hash.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NoReturn

from apikeychain.ports.detector import MOST_STATE
from apikeychain.rules.series import Series, packed

VERSION: Final = 1
WHOLE: Final = "*"
BITS = 1024
# As many of them set, and the older half of what is known is forgotten.
_FULL = 256
_MOST = 1e12
# Parameters of a route: as many as there are, and fewer where there is no room for all routes.
_ALL, _FEWER = 1 << 16, (8, 2)


@dataclass(slots=True)
class Values:
    """Which values came: bits by their hashes, those of late and those before."""

    late: int = 0
    before: int = 0

    def count_new(self, hashes: set[int]) -> int:
        """How many of them did not come before."""
        known = self.late | self.before
        return sum([not known >> (hashed % BITS) & 1 for hashed in hashes])

    def add(self, hashes: set[int]) -> None:
        """Remember them."""
        for hashed in hashes:
            self.late |= 1 << (hashed % BITS)
        if self.late.bit_count() >= _FULL:
            self.late, self.before = 0, self.late


@dataclass(slots=True)
class Route:
    """What was learned of a route, or of the whole project.

    Attributes:
        at: the last window in which it was called.
        windows: how many windows ago it was first seen.
        calm: the window until which what callers do is no surprise, after an outage.
        suspects: callers who were too much, and the last window in which each was.
        series: by the name of the measure.
        countries: which share of calls comes from each; `origins` likewise.
        values: by parameter.
    """

    at: int = 0
    windows: int = 0
    calm: int = 0
    suspects: dict[str, int] = field(default_factory=dict[str, int])
    series: dict[str, Series] = field(default_factory=dict[str, Series])
    countries: dict[str, float] = field(default_factory=dict[str, float])
    origins: dict[str, float] = field(default_factory=dict[str, float])
    values: dict[str, Values] = field(default_factory=dict[str, Values])


@dataclass(slots=True)
class Learned:
    """What was learned of a project; `at` is the last window."""

    at: int = 0
    routes: dict[str, Route] = field(default_factory=dict[str, Route])


def parse(text: str) -> Learned:
    """From text; what is none of this version's is as if nothing was learned."""
    try:
        told: Any = json.loads(text, parse_constant=_refuse)
        if told["v"] != VERSION:
            return Learned()
        return Learned(_whole(told["at"]), {str(name): _route(one) for name, one in told["routes"].items()})
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return Learned()


def text_of(learned: Learned) -> str:
    """As text of at most MOST_STATE bytes: the routes that were called of late, as many as there is room for."""
    begin = f'{{"v":{VERSION},"at":{learned.at},"routes":{{'
    room = MOST_STATE - len(begin) - len("}}")
    told = _fitting(learned, room, _ALL)
    for most in _FEWER:
        if len(told) == len(learned.routes):
            break
        told = _fitting(learned, room, most)
    return f"{begin}{','.join(told)}}}}}"


def _fitting(learned: Learned, room: int, most: int) -> list[str]:
    """Routes as text, with so many parameters each, as far as there is room."""
    told = list[str]()
    order = sorted(learned.routes.items(), key=lambda item: (item[0] != WHOLE, -item[1].at, -item[1].windows, item[0]))
    for name, route in order:
        one = f"{_dumps(name)}:{_dumps(_told(_narrowed(route, most)))}"
        room -= len(one) + 1
        if room < 0:
            break
        told.append(one)
    return told


def _narrowed(route: Route, most: int) -> Route:
    """The route with the parameters that came in most windows."""
    windows = dict.fromkeys(route.values, 0)
    for name, series in route.series.items():
        if parameter := _parameter_of(name):
            windows[parameter] = max(windows.get(parameter, 0), series.windows)
    if len(windows) <= most:
        return route
    kept = {"", *sorted(windows, key=lambda name: (-windows[name], name))[:most]}
    return replace(
        route,
        series={name: series for name, series in route.series.items() if _parameter_of(name) in kept},
        values={name: values for name, values in route.values.items() if name in kept},
    )


def _parameter_of(measure: str) -> str:
    """Of which parameter it is, or ""."""
    return measure.partition("(")[2].removesuffix(")")


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _told(route: Route) -> Mapping[str, object]:
    return {
        "at": route.at,
        "n": route.windows,
        "calm": route.calm,
        "suspects": route.suspects,
        "series": {name: packed(series) for name, series in route.series.items()},
        "countries": {name: round(share, 4) for name, share in route.countries.items()},
        "origins": {name: round(share, 4) for name, share in route.origins.items()},
        "values": {name: [_text(values.late), _text(values.before)] for name, values in route.values.items()},
    }


def _route(told: Any) -> Route:  # noqa: ANN401  # whatever stands there is read, or refused by what raises
    return Route(
        at=_whole(told["at"]),
        windows=_whole(told["n"]),
        calm=_whole(told["calm"]),
        suspects={str(name): _whole(at) for name, at in told["suspects"].items()},
        series={str(name): _series(numbers) for name, numbers in told["series"].items()},
        countries=_shares(told["countries"]),
        origins=_shares(told["origins"]),
        values={str(name): Values(_bits(late), _bits(before)) for name, (late, before) in told["values"].items()},
    )


def _series(told: Any) -> Series:  # noqa: ANN401  # likewise
    numbers = [_number(number) for number in told]
    level, spread, peak, windows, drip, wet, since, last, hits = numbers + [0.0] * (9 - len(numbers))
    return Series(level, spread, peak, int(windows), drip, int(wet), int(since), int(last), int(hits))


def _shares(told: Any) -> dict[str, float]:  # noqa: ANN401  # likewise
    return {str(name): _number(number) for name, number in told.items()}


def _whole(told: Any) -> int:  # noqa: ANN401  # likewise
    return int(_number(told))


def _number(told: Any) -> float:  # noqa: ANN401  # likewise
    number = float(told)
    return number if 0 <= number <= _MOST else _refuse(str(told))


def _refuse(told: str) -> NoReturn:
    msg = f"not a number that was written here: {told}"
    raise ValueError(msg)


def _text(bits: int) -> str:
    return base64.b85encode(bits.to_bytes(BITS // 8)).decode() if bits else ""


def _bits(text: str) -> int:
    return int.from_bytes(base64.b85decode(text)) % (1 << BITS)
