"""The contract of a Detector, for whoever writes one."""

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from apikeychain.model.finding import WINDOW_SECONDS, Finding, Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.tally import MOST_CALLERS, SKETCH, Tally, ValueTally
from apikeychain.ports.detector import MOST_STATE, Detector

PROJECT = ProjectId("p_aaaaaaaaaaaaaaaaaaaa")
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
# So many windows are enough to learn from, and so many are not.
LEARNED, FEW = 160, 20
_ROUTES, _LONG = 300, 40
_FOREIGN = (
    "no state",
    "[]",
    "{}",
    "null",
    '{"v": 0}',
    '{"v": 1}',
    '{"v": 999, "routes": {}}',
    '{"v": NaN}',
    "[" * 99_999,
)


def window(
    number: int, calls: int, *, callers: int = 5, routes: Sequence[str] = ("search",), failed: int = 0
) -> Window:
    """A window of ordinary calls.

    Args:
        number: the how many-th.
        calls: of each route.
        callers: who share them.
        routes: by name.
        failed: how many of the calls the provider refused.
    """
    each = {route: _tally(number, calls, callers, failed) for route in routes}
    return Window(project=PROJECT, begin=BEGIN + timedelta(seconds=number * WINDOW_SECONDS), routes=each)


def _tally(number: int, calls: int, callers: int, failed: int) -> Tally:
    hashes = {one * 7_919 for one in range(min(calls, 40))}
    values = ValueTally(
        values=calls,
        characters=8 * calls,
        letters=6 * calls,
        digits=calls,
        longest=12,
        millibits=2500 * calls,
        hashes=hashes,
    )
    names = [f"{one * 2**30:012x}{one:020x}" for one in range(callers)]
    return Tally(
        calls=calls,
        failures={"provider-401": failed} if failed else {},
        bytes_out=calls * (900 + number % 7 * 30),
        callers=dict.fromkeys(names[:MOST_CALLERS], calls // callers),
        sketch={int(name[:12], 16) for name in names[:SKETCH]},
        countries={"DE": calls},
        origins={"https://acme.example": calls},
        parameters={"q": values, "page": values},
    )


def ordinary(number: int) -> Window:
    """About as many calls as in the window before."""
    return window(number, 20 + number * 7 % 11)


class DetectorContract(ABC):
    """One test for each clause of `apikeychain.ports.detector.Detector`.

    A subclass says how a detector is made, new each time.
    """

    @abstractmethod
    def detector(self) -> Detector:
        """One as it is after a start."""
        ...

    def strange(self, number: int) -> Window:
        """A window that it has to find, once it has learned from ordinary ones."""
        return window(number, 2_000, callers=400, failed=1_900)

    def after(self, windows: int) -> str:
        """What a detector knows after so many ordinary windows."""
        detector, state = self.detector(), ""
        for number in range(windows):
            _, state = detector.observe(ordinary(number), state)
        return state

    def test_d1_the_same_gives_the_same(self) -> None:
        """D1: also from a detector that saw nothing before, and whatever the order in which a tally was made."""
        state = self.after(LEARNED)
        seen = self.strange(LEARNED)
        first = self.detector().observe(seen, state)
        turned = Window(
            project=PROJECT, begin=seen.begin, routes={name: _turned(one) for name, one in seen.routes.items()}
        )
        used = self.detector()
        used.observe(ordinary(LEARNED), state)
        assert used.observe(turned, state) == first
        assert first[0]

    def test_d2_a_state_has_a_bound(self) -> None:
        """D2: with hundreds of routes, and with names as long as they may be, of which each window has others."""
        detector, state = self.detector(), ""
        for number in range(3):
            names = [f"{number}-{one}-".ljust(_LONG, "x") for one in range(_ROUTES)]
            _, state = detector.observe(window(number, 100, callers=300, routes=names), state)
            assert len(state.encode()) <= MOST_STATE
        assert state

    def test_d3_while_it_learns_it_finds_nothing_that_had_to_be_learned(self) -> None:
        """D3: from the empty state on; a project that begins is no attack."""
        detector, state = self.detector(), ""
        for number in range(FEW):
            found, state = detector.observe(window(number, 1 + 50 * (number % 2)), state)
            assert list(found) == []

    @pytest.mark.parametrize("foreign", _FOREIGN)
    def test_d4_a_foreign_state_is_like_the_empty_one(self, foreign: str) -> None:
        """D4: whatever stands there, and its own with another version."""
        seen = ordinary(0)
        assert self.detector().observe(seen, foreign) == self.detector().observe(seen, "")
        older = json.dumps({**json.loads(self.after(1)), "v": 0})
        assert self.detector().observe(seen, older) == self.detector().observe(seen, "")

    def test_d5_a_finding_says_of_what_it_is(self) -> None:
        """D5: and it is of the detector, has an id of its own, and began no later than its window."""
        detector, state = self.detector(), self.after(LEARNED)
        found: list[Finding] = []
        for number in (LEARNED, LEARNED + 1):
            seen = self.strange(number)
            findings, state = detector.observe(seen, state)
            assert all((one.project, one.at, one.detector) == (PROJECT, seen.begin, detector.name) for one in findings)
            found += findings
        assert found
        assert all(one.since <= one.at and one.feature and one.why for one in found)
        assert all((one.scope == "project") == (not one.value) for one in found)
        assert len({one.key for one in found}) == len(found)


def _turned(tally: Tally) -> Tally:
    return Tally(
        calls=tally.calls,
        failures=dict(reversed(tally.failures.items())),
        bytes_out=tally.bytes_out,
        callers=dict(reversed(tally.callers.items())),
        sketch={*sorted(tally.sketch, reverse=True)},
        countries=dict(reversed(tally.countries.items())),
        origins=dict(reversed(tally.origins.items())),
        parameters=dict(reversed(tally.parameters.items())),
        unadmitted=dict(reversed(tally.unadmitted.items())),
    )
