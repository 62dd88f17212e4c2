"""What happens to projects: attacks, and what is none.

An attack adds to the tallies of a window; how much, by whom and where is drawn from its seed, as a multiple of what the
project has in its busiest minutes. What is no attack changes the project itself, or its tallies.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from apikeychain.model.tally import Tally

from .projects import MINUTES, Parameter, Project, Route, Surge, add_values, bound, hashed, popular


@dataclass(frozen=True, slots=True)
class Scene:
    """One window of an event.

    Attributes:
        rng: of the event, going on from window to window.
        step: which window of the event.
        target: the route that it is about.
        peak: how many calls that route has in its busiest minutes.
        many: a multiple, the same in the whole event.
    """

    project: Project
    rng: Any
    key: str
    step: int
    target: str
    peak: float
    many: float
    day: int
    routes: dict[str, Tally]

    def caller(self, number: int) -> str:
        """A caller of the event's own."""
        return f"{hashed(f'{self.key} {number}'):012x}{number:020x}"

    def value(self, number: int) -> int:
        """A value that nobody else sends."""
        return hashed(f"{self.key} value {number}")

    @property
    def tally(self) -> Tally:
        """Of the target."""
        return self.routes.setdefault(self.target, Tally())

    @property
    def route(self) -> Route:
        """The target as it is without the event."""
        return next(route for route in self.project.routes if route.name == self.target)

    def calls(self, number: int, callers: int, *, country: str = "", size: float = 0, origin: str = "") -> Tally:
        """Add calls of so many callers."""
        tally, page = self.tally, origin or self.project.origins[0][0]
        tally.calls += number
        tally.bytes_out += int(number * (size or self.route.bytes_out))
        shares = self.rng.multinomial(number, np.full(callers, 1 / callers)).tolist()
        for one, share in enumerate(shares):
            if share:
                tally.callers[self.caller(one)] = tally.callers.get(self.caller(one), 0) + share
        bound(tally)
        where = country or self.project.countries[0][0]
        tally.countries[where] = tally.countries.get(where, 0) + number
        tally.origins[page] = tally.origins.get(page, 0) + number
        return tally

    def fails(self, name: str, number: int) -> None:
        """Let calls of the target fail."""
        self.tally.failures[name] = self.tally.failures.get(name, 0) + number

    def refuses(self, name: str, number: int) -> None:
        """Add calls that are not admitted."""
        counts = self.routes.setdefault("", Tally()).unadmitted
        counts[name] = counts.get(name, 0) + number

    def usual_values(self, number: int) -> None:
        """The parameters of ordinary calls."""
        for one in self.route.parameters:
            drawn = popular(self.rng, one, self.day, min(number, 100))
            add_values(self.tally, one, number, set(one.values[drawn].tolist()))

    def new_values(self, number: int, parameter: Parameter) -> None:
        """Values of a parameter that nobody sent before."""
        first = self.step * 10_000
        add_values(self.tally, parameter, number, {self.value(first + one) for one in range(min(number, 500))})


def _strong(scene: Scene) -> int:
    return int(max(150, 6 * scene.peak) * scene.many)


def _refused(name: str) -> Callable[[Scene], None]:
    return lambda scene: scene.refuses(name, int(250 * scene.many))


def _scraping(scene: Scene) -> None:
    scene.calls(_strong(scene), 1)
    scene.usual_values(_strong(scene))


def _credential_stuffing(scene: Scene) -> None:
    scene.calls(_strong(scene), 200)
    scene.fails("provider-401", int(_strong(scene) * 0.97))


def _slow_drip(scene: Scene) -> None:
    number = int(scene.rng.poisson(4 * scene.many))
    if number:
        scene.calls(number, number)
        scene.fails("provider-401", number)


def _country_botnet(scene: Scene) -> None:
    scene.calls(_strong(scene), 300, country="XX")
    scene.usual_values(_strong(scene))


def _parameter_fuzzing(scene: Scene) -> None:
    number = _strong(scene)
    scene.calls(number, 3)
    scene.fails("refused", int(number * 0.6))
    for one in [*scene.route.parameters, _UNKNOWN][:2]:
        scene.new_values(number, replace(one, length=90, letters=0.4, digits=0.2, millibits=4500.0))


def _exfiltration(scene: Scene) -> None:
    scene.calls(_strong(scene) // 3, 1, size=scene.route.bytes_out * 60)


def _enumeration(scene: Scene) -> None:
    number = _strong(scene)
    scene.calls(number, 12)
    for one in [*scene.route.parameters, _UNKNOWN][:1]:
        scene.new_values(number, replace(one, length=8, letters=0.0, digits=1.0, millibits=2500.0))


def _proxies(scene: Scene) -> None:
    number = _strong(scene)
    scene.calls(number, number)
    scene.usual_values(number)


def _quota_hammering(scene: Scene) -> None:
    scene.calls(_strong(scene), 1)
    scene.fails("rate-limited", int(_strong(scene) * 0.9))


def _fail_all(name: str, share: float) -> Callable[[Scene], None]:
    def act(scene: Scene) -> None:
        for tally in scene.routes.values():
            left = tally.calls - sum(tally.failures.values())
            number = int(left * share)
            if number > 0:
                tally.failures[name] = tally.failures.get(name, 0) + number

    return act


def _new_caller(scene: Scene) -> None:
    scene.calls(int(max(150, 12 * scene.peak) * scene.many), 1)


# Of a parameter that the route does not declare: part of no list, as "".
_UNKNOWN = Parameter("", np.array([1]), 1, 10.0, 0.5, 0.5, 2500.0)
ATTACKS: Mapping[str, Callable[[Scene], None]] = {
    "key stuffing": _refused("signature-refused"),
    "origin probing": _refused("origin-refused"),
    "replay storm": _refused("replayed"),
    "scraping": _scraping,
    "scraping through proxies": _proxies,
    "credential stuffing": _credential_stuffing,
    "slow drip": _slow_drip,
    "botnet of one country": _country_botnet,
    "parameter fuzzing": _parameter_fuzzing,
    "exfiltration by size": _exfiltration,
    "new caller takes all": _new_caller,
    "enumeration of ids": _enumeration,
    "hammering at a quota": _quota_hammering,
    "secret refused": _fail_all("provider-401", 1.0),
    "key used elsewhere": _fail_all("provider-429", 0.7),
}
# Not blatant: it is meant to stay below what anybody sees in a window.
SLOW = frozenset({"slow drip"})
# No calls, no sign of them: what needs traffic to be seen.
NEEDS_TRAFFIC = frozenset({"secret refused", "key used elsewhere"})


def _outage(scene: Scene) -> None:
    _fail_all("provider-5xx", 0.9)(scene)
    for tally in scene.routes.values():
        # They try again.
        tally.calls += int(tally.calls * 0.8)
        tally.callers = {caller: 2 * count for caller, count in tally.callers.items()}


def _deploy(scene: Scene) -> None:
    new = Parameter("added", np.array([scene.value(one) for one in range(40)]), 40, 12.0, 0.8, 0.1, 2500.0)
    tally = scene.tally
    if tally.calls:
        drawn = (scene.rng.random(min(tally.calls, 100)) ** 3 * 40).astype(int)
        add_values(tally, new, tally.calls, set(new.values[drawn].tolist()))
        tally.bytes_out *= 3


def _broken_deploy(scene: Scene) -> None:
    tally = scene.tally
    tally.failures["refused"] = max(tally.calls - sum(tally.failures.values()), 0)


def _batch_job(scene: Scene) -> None:
    scene.calls(int(max(20, 2 * scene.peak)), 1)
    scene.usual_values(int(max(20, 2 * scene.peak)))


def _viral_item(scene: Scene) -> None:
    number = int(3 * scene.peak)
    scene.calls(number, max(number // 2, 1))
    for one in scene.route.parameters[:1]:
        add_values(scene.tally, one, number, {scene.value(1)})


def _scan(scene: Scene) -> None:
    scene.refuses("other", int(scene.rng.poisson(15)))


# What is no attack and changes tallies: how many minutes it lasts at most.
INCIDENTS: Mapping[str, tuple[Callable[[Scene], None], int]] = {
    "provider outage": (_outage, 90),
    "deploy with a new parameter": (_deploy, 3 * MINUTES),
    "deploy that breaks calls": (_broken_deploy, 40),
    "batch job": (_batch_job, 60),
    "viral item": (_viral_item, 240),
    "background scan": (_scan, 240),
}


def marketing_spike(project: Project, rng: Any, at: int) -> None:
    """Three to ten times as many callers for an hour or three, within minutes."""
    minutes = int(rng.integers(60, 180))
    project.surges.append(Surge(at, at + minutes, float(rng.uniform(3, 10)), int(rng.integers(3, 15))))


def launch(project: Project, rng: Any, at: int) -> None:
    """From then on two to four times as much, within an hour or five."""
    project.surges.append(Surge(at, at + 90 * MINUTES, float(rng.uniform(2, 4)), int(rng.integers(60, 300))))


def holiday(project: Project, rng: Any, at: int) -> None:
    """A day or two with a third of the usual."""
    project.holidays |= set(range(at // MINUTES, at // MINUTES + int(rng.integers(1, 3))))


CHANGES: Mapping[str, Callable[[Project, Any, int], None]] = {
    "marketing spike": marketing_spike,
    "launch": launch,
    "holiday": holiday,
}
