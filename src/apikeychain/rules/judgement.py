"""What the workers counted becomes windows, and detectors look at them.

A window is looked at once, some seconds after its end. What comes later is left out: a window that was judged twice
would be learned twice.

Source: contracts 7; decision 33.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from apikeychain.model import codec
from apikeychain.model.finding import WINDOW_SECONDS, Finding, Window
from apikeychain.model.tally import SKETCH, Tally
from apikeychain.model.watch import CountedWindow, Sums, WatchMemory
from apikeychain.ports.detector import MOST_STATE, Detector
from apikeychain.rules.tallies import distinct, merged, smallest

# For so long after its end a window waits for what workers counted of it.
GRACE = timedelta(seconds=10)
_EMPTY = Tally()
# Of an origin: what is done to a scope is stored by its name.
_LONGEST = 512
_ID = re.compile("[!-~]{1,64}")


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
        states: the next of each of them, by its name; of those that did not look, what they were.
        faults: what detectors raised, by their names; their states are those from before.
    """

    findings: tuple[Finding, ...]
    states: dict[str, str]
    faults: Mapping[str, Exception]
    sums: Sums


def gathered(counted: Sequence[CountedWindow]) -> list[Ready]:
    """The windows that were counted of one project, in order."""
    begins: dict[str, list[CountedWindow]] = {}
    for one in counted:
        begins.setdefault(one.begin, []).append(one)
    return [Ready(_window(begins[begin]), tuple(begins[begin])) for begin in sorted(begins)]


def judged(window: Window, states: Mapping[str, str], detectors: Sequence[Detector]) -> Judged:
    """What each detector makes of a window. One that fails keeps none of the others from theirs."""
    findings: list[Finding] = []
    following = dict(states)
    faults: dict[str, Exception] = {}
    for detector in detectors:
        before = states.get(detector.name, "")
        try:
            found, following[detector.name] = _observed(detector, window, before)
        except Exception as error:  # noqa: BLE001 - a detector may be the host's own
            faults[detector.name], found, following[detector.name] = error, [], before
        findings += found
    # Of what is found twice under one id one can be stored.
    once: dict[str, Finding] = {}
    for one in findings:
        once.setdefault(one.id, one)
    return Judged(tuple(once.values()), following, faults, _sums(window))


def _observed(detector: Detector, window: Window, before: str) -> tuple[list[Finding], str]:
    """What a detector makes of a window; raises where that is nothing which can be stored."""
    found, state = detector.observe(window, before)
    for one in found:
        if (one.project, one.at) != (window.project, window.begin) or not _ID.fullmatch(one.id) or one.since > one.at:
            msg = "a finding has an id, and is of the window that was observed"
            raise ValueError(msg)
        if len(one.value) > _LONGEST or not one.value.isprintable():
            msg = "a finding names a caller, an origin, a route, or nothing"
            raise ValueError(msg)
        codec.load(Finding, codec.dump(one))
        # Half of a character is text that no ledger holds.
        f"{one.detector}{one.feature}{one.value}{one.why}".encode()
    return [*found], state if len(state.encode()) <= MOST_STATE else ""


def remembered(memory: WatchMemory, seen: Judged) -> WatchMemory:
    """The memory once a window was looked at; deeds are not in it yet."""
    last = seen.sums.begin
    return replace(memory, states=seen.states, last=last, windows=memory.windows + 1, seen=seen.sums)


def _sums(window: Window) -> Sums:
    tallies = [*window.routes.values()]
    return Sums(
        begin=window.begin,
        calls=sum(tally.calls for tally in tallies),
        failures=sum(sum(tally.failures.values()) for tally in tallies),
        callers=distinct(smallest(set[int]().union(*(tally.sketch for tally in tallies)), SKETCH)),
        bytes_out=sum(tally.bytes_out for tally in tallies),
        unadmitted=sum(sum(tally.unadmitted.values()) for tally in tallies),
    )


def _window(counted: Sequence[CountedWindow]) -> Window:
    routes: dict[str, Tally] = {}
    for one in counted:
        for name, tally in one.routes.items():
            routes[name] = merged(routes.get(name, _EMPTY), tally)
    begin = datetime.fromisoformat(counted[0].begin)
    return Window(project=counted[0].project, begin=begin, routes=routes, seconds=WINDOW_SECONDS)
