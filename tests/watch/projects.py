"""Projects as they are: routes of different weight, callers who come back, a rhythm of day and week.

Everything follows from a seed. A day is drawn at once and handed out window by window, since a month of a hundred
projects is four million windows.
"""

import hashlib
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from apikeychain.model.finding import Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.tally import MOST_CALLERS, MOST_VALUES, SKETCH, Tally, ValueTally

MINUTES = 1440
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
_COUNTRIES = ("DE", "FR", "US", "GB", "NL", "PL", "IT", "ES", "IN", "BR", "JP", "CA", "AU", "SE", "CH", "AT")
_HOLIDAY = 0.3
_LONG = 0.005
# Twice the quota that an address has where nothing else is said.
_MOST_OF_ONE = 120
# Of what people ask for so much is new each day, for as many days.
_NEWS, _DAYS = 0.02, 40


def hashed(text: str) -> int:
    """48 bits of it."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest())


@dataclass(frozen=True, slots=True)
class Parameter:
    """What callers put into one parameter: `many` of `values`, the first of them most often, so long, so mixed."""

    name: str
    values: Any
    many: int
    length: float
    letters: float
    digits: float
    millibits: float


@dataclass(frozen=True, slots=True)
class Route:
    """A route: `calls` a minute in the middle of a working day, `pool` callers, so many calls each time they come."""

    name: str
    calls: float
    pool: Sequence[str]
    each: float
    bytes_out: float
    failures: dict[str, float]
    parameters: Sequence[Parameter]


@dataclass(slots=True)
class Surge:
    """More calls than usual of the usual kind for a while: from minute to minute, up and down within `ramp`."""

    begin: int
    end: int
    times: float
    ramp: int


@dataclass(slots=True)
class Project:
    """A project and what happens to it that is no attack."""

    id: ProjectId
    seed: int
    routes: Sequence[Route]
    countries: Sequence[tuple[str, float]]
    origins: Sequence[tuple[str, float]]
    noon: int
    depth: float
    weekend: float
    growth: float
    surges: list[Surge] = field(default_factory=list[Surge])
    holidays: set[int] = field(default_factory=set[int])

    def level(self, minute: Any) -> Any:
        """How much of its usual traffic a project has at a minute, or at each of many."""
        day = np.asarray(minute) // MINUTES
        daily = 1 + self.depth * np.cos((np.asarray(minute) - self.noon) * 2 * np.pi / MINUTES)
        weekly = np.where(day % 7 >= 5, self.weekend, 1.0)
        weekly = np.where(np.isin(day, list(self.holidays)), _HOLIDAY * weekly, weekly)
        times = np.ones_like(daily)
        for surge in self.surges:
            up = np.clip((np.asarray(minute) - surge.begin) / max(surge.ramp, 1), 0, 1)
            down = np.clip((surge.end - np.asarray(minute)) / max(surge.ramp, 1), 0, 1)
            times = times * (1 + (surge.times - 1) * np.minimum(up, down))
        return daily * weekly * self.growth ** (np.asarray(minute) / MINUTES) * times


def project(seed: int) -> Project:
    """The project of a seed."""
    rng = np.random.default_rng(seed)
    key = hashlib.blake2b(str(seed).encode()).hexdigest()[:20].translate(str.maketrans("0189", "wxyz"))
    scale = float(np.exp(rng.normal(2.3, 1.3)))
    routes = [_route(rng, seed, number, scale / (number + 1)) for number in range(int(rng.integers(1, 4)))]
    known = rng.permutation(_COUNTRIES)[: int(rng.integers(3, 9))]
    pages = [f"https://page{number}.example" for number in range(int(rng.integers(1, 4)))]
    return Project(
        id=ProjectId(f"p_{key}"),
        seed=seed,
        routes=routes,
        countries=list(zip(map(str, known), _zipf(len(known)), strict=True)),
        origins=list(zip(pages, _zipf(len(pages)), strict=True)),
        noon=int(rng.integers(0, MINUTES)),
        depth=float(rng.uniform(0.3, 0.95)),
        weekend=float(rng.uniform(0.25, 1.3)),
        growth=float(rng.choice([1.0, 1.005, 1.02, 0.995])),
    )


def _route(rng: Any, seed: int, number: int, calls: float) -> Route:
    pool = [f"{hashed(f'{seed} {number} {one}'):012x}{one:020x}" for one in range(int(rng.integers(20, 2000)))]
    failures = {
        "provider-401": float(rng.choice([0, 0.001, 0.03])),
        "provider-403": float(rng.choice([0, 0.002])),
        "provider-429": float(rng.choice([0, 0.001, 0.01])),
        "provider-5xx": float(rng.choice([0, 0.002, 0.01])),
        "provider-other": float(rng.choice([0.005, 0.03, 0.08])),
        "refused": float(rng.choice([0.001, 0.02])),
    }
    parameters = [_parameter(rng, f"{seed} {number} {one}", f"q{one}") for one in range(int(rng.integers(0, 4)))]
    each = float(rng.uniform(1.2, 6))
    return Route(f"route{number}", calls, pool, each, float(np.exp(rng.normal(8, 1.5))), failures, parameters)


def _parameter(rng: Any, key: str, name: str) -> Parameter:
    size = int(rng.choice([3, 30, 300, 5000]))
    values = np.array([hashed(f"{key} {one}") for one in range(int(size * (1 + _NEWS * _DAYS)))])
    letters = float(rng.choice([0.0, 0.6, 0.9]))
    return Parameter(
        name, values, size, float(rng.uniform(2, 30)), letters, (1 - letters) * 0.8, float(rng.uniform(1e3, 3e3))
    )


def _zipf(size: int) -> list[float]:
    weights = [1 / (one + 1) ** 1.2 for one in range(size)]
    return [weight / sum(weights) for weight in weights]


def day(project: Project, number: int) -> Iterator[tuple[int, dict[str, Tally]]]:
    """The minutes of a day since the beginning, and what came in each by route; no two days draw alike."""
    rng = np.random.default_rng((project.seed, number))
    minutes = np.arange(number * MINUTES, (number + 1) * MINUTES)
    level = project.level(minutes)
    drawn = [(route, _draw(rng, project, route, level, number)) for route in project.routes]
    noise = rng.poisson(rng.choice([0, 0.02, 0.2]), (3, MINUTES)).tolist()
    for at, minute in enumerate(minutes.tolist()):
        routes = {route.name: tally for route, each in drawn if (tally := each(at)) is not None}
        if any(kind[at] for kind in noise):
            names = ("origin-refused", "signature-refused", "other")
            refused = {name: kind[at] for name, kind in zip(names, noise, strict=True) if kind[at]}
            routes[""] = Tally(unadmitted=refused)
        yield minute, routes


def _draw(rng: Any, project: Project, route: Route, level: Any, number: int) -> Any:
    sway = np.exp(_sway(rng))
    sessions = rng.poisson(route.calls / route.each * level * sway)
    ends = np.cumsum(sessions).tolist()
    total = int(sessions.sum())
    # Some go on for long: a page that is left open, an export, a network behind one address.
    long = np.where(rng.random(total) < _LONG, 1 + 9 * rng.pareto(1.5, total), 1)
    sizes = (long * rng.geometric(1 / route.each, total)).clip(1, _MOST_OF_ONE).astype(int)
    calls = np.add.reduceat(np.append(sizes, 0), np.append(0, ends[:-1])) * (sessions > 0)
    sizes = sizes.tolist()
    who = (rng.random(total) ** 2 * len(route.pool)).astype(int).tolist()
    where = rng.choice(len(project.countries), total, p=[share for _, share in project.countries]).tolist()
    pages = rng.choice(len(project.origins), total, p=[share for _, share in project.origins]).tolist()
    failed = {name: rng.binomial(calls, share * sway.clip(0.5, 2)).tolist() for name, share in route.failures.items()}
    noise = rng.normal(0, 1, (3, MINUTES))
    size = (calls * route.bytes_out * np.exp(0.4 * noise[0] / np.sqrt(np.maximum(calls, 1)))).astype(int).tolist()
    values = [(one, popular(rng, one, number, (MINUTES, 100))) for one in route.parameters]
    counted = calls.tolist()
    names, origins = [name for name, _ in project.countries], [name for name, _ in project.origins]

    def at(minute: int) -> Tally | None:
        calls = counted[minute]
        if not calls:
            return None
        tally = Tally(calls=calls, bytes_out=size[minute])
        for one in range(ends[minute] - sessions[minute], ends[minute]):
            count, caller = sizes[one], route.pool[who[one]]
            tally.callers[caller] = tally.callers.get(caller, 0) + count
            country, origin = names[where[one]], origins[pages[one]]
            tally.countries[country] = tally.countries.get(country, 0) + count
            tally.origins[origin] = tally.origins.get(origin, 0) + count
        bound(tally)
        left = calls
        for name, counts in failed.items():
            if counts[minute]:
                tally.failures[name] = min(counts[minute], left)
                left -= tally.failures[name]
        for parameter, drawn in values:
            some = parameter.values[drawn[minute, : min(calls, 100)]]
            strays = noise[1, minute] / calls**0.5
            add_values(tally, parameter, calls, set(some.tolist()), 1 + 0.15 * strays)
        return tally

    return at


def popular(rng: Any, one: Parameter, number: int, size: Any) -> Any:
    """Which values are asked for on a day: of the newest so many the first most often."""
    shift = int(one.many * _NEWS * min(number, _DAYS - 1))
    return shift + (rng.random(size) ** 4 * one.many).astype(int)


def _sway(rng: Any) -> Any:
    steps = rng.normal(0, 0.06, MINUTES)
    sway = np.empty(MINUTES)
    last = 0.0
    for at, step in enumerate(steps.tolist()):
        last = 0.95 * last + step
        sway[at] = last
    return sway


def bound(tally: Tally) -> None:
    """Keep of the callers what a tally may hold."""
    tally.sketch |= {int(caller[:12], 16) for caller in tally.callers}
    if len(tally.sketch) > SKETCH:
        tally.sketch = set(heapq.nsmallest(SKETCH, tally.sketch))
    if len(tally.callers) > MOST_CALLERS:
        most = heapq.nlargest(MOST_CALLERS, tally.callers.items(), key=lambda item: (item[1], item[0]))
        tally.callers = dict(most)


def add_values(tally: Tally, parameter: Parameter, number: int, hashes: set[int], times: float = 1.0) -> None:
    """So many values of a parameter, of these hashes, and so many times as long as usual."""
    held = tally.parameters.setdefault(parameter.name, ValueTally())
    characters = max(1, int(number * parameter.length * times))
    held.values += number
    held.characters += characters
    held.letters += int(characters * parameter.letters)
    held.digits += int(characters * parameter.digits)
    held.longest = max(held.longest, int(2 * parameter.length))
    held.millibits += int(number * parameter.millibits)
    held.hashes |= hashes
    if len(held.hashes) > MOST_VALUES:
        held.hashes = set(heapq.nsmallest(MOST_VALUES, held.hashes))


def window(project: Project, minute: int, routes: dict[str, Tally]) -> Window:
    """As the watch gets it."""
    return Window(project=project.id, begin=BEGIN + timedelta(minutes=minute), routes=routes)
