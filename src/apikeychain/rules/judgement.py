"""What the workers counted becomes windows, and detectors look at them.

A window is looked at once, some seconds after its end. What comes later is left out: a window that was judged twice
would be learned twice.

Source: contracts 7; decision 33.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce

from apikeychain.model.finding import WINDOW_SECONDS, Finding, Window
from apikeychain.model.tally import Tally
from apikeychain.model.watch import CountedWindow, Sums, WatchMemory
from apikeychain.ports.detector import MOST_STATE, Detector
from apikeychain.rules.tallies import distinct, merged

# For so long after its end a window waits for what workers counted of it.
GRACE = timedelta(seconds=10)
_EMPTY = Tally()


@dataclass(frozen=True, slots=True)
class Ready:
    """A window that can be looked at.

    Attributes:
        counted: what it is made of.
    """

    window: Window
    counted: tuple[CountedWindow, ...]

    @property
    def due(self) -> datetime:
        """When it can be looked at."""
        return self.window.begin + timedelta(seconds=self.window.seconds) + GRACE


@dataclass(frozen=True, slots=True)
class Judged:
    """What detectors made of a window.

    Attributes:
        states: the next of each of them, by its name.
        faults: what detectors raised, by their names; their states are those from before.
    """

    findings: tuple[Finding, ...]
    states: dict[str, str]
    faults: Mapping[str, Exception]


def gathered(counted: Sequence[CountedWindow]) -> list[Ready]:
    """The windows that were counted of one project, in order."""
    begins: dict[str, list[CountedWindow]] = {}
    for one in counted:
        begins.setdefault(one.begin, []).append(one)
    return [Ready(_window(begins[begin]), tuple(begins[begin])) for begin in sorted(begins)]


def judged(window: Window, states: Mapping[str, str], detectors: Sequence[Detector]) -> Judged:
    """What each detector makes of a window. One that fails keeps none of the others from theirs."""
    findings: list[Finding] = []
    following: dict[str, str] = {}
    faults: dict[str, Exception] = {}
    for detector in detectors:
        before = states.get(detector.name, "")
        try:
            found, state = detector.observe(window, before)
        except Exception as error:  # noqa: BLE001 - a detector may be the host's own
            faults[detector.name], found, state = error, (), before
        findings += found
        following[detector.name] = state if len(state.encode()) <= MOST_STATE else ""
    return Judged(tuple(findings), following, faults)


def remembered(memory: WatchMemory, window: Window, states: dict[str, str]) -> WatchMemory:
    """The memory once a window was looked at; deeds are not in it yet."""
    total = reduce(merged, window.routes.values(), _EMPTY)
    sums = Sums(
        begin=window.begin,
        calls=total.calls,
        failures=sum(total.failures.values()),
        callers=distinct(total.sketch),
        bytes_out=total.bytes_out,
        unadmitted=sum(total.unadmitted.values()),
    )
    return replace(memory, states=states, last=window.begin, windows=memory.windows + 1, seen=sums)


def _window(counted: Sequence[CountedWindow]) -> Window:
    routes: dict[str, Tally] = {}
    for one in counted:
        for name, tally in one.routes.items():
            routes[name] = merged(routes.get(name, _EMPTY), tally)
    begin = datetime.fromisoformat(counted[0].begin)
    return Window(project=counted[0].project, begin=begin, routes=routes, seconds=WINDOW_SECONDS)
