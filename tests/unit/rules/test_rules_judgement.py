"""What workers counted becomes windows, and each detector makes of one what it can."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apikeychain.model.finding import Finding, Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.tally import Tally
from apikeychain.model.watch import CountedWindow, WatchMemory
from apikeychain.ports.detector import MOST_STATE
from apikeychain.rules.judgement import GRACE, gathered, judged, remembered
from watch_house import PlannedDetector, finding

SHOP = ProjectId("p_" + "a" * 20)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _counted(begin: str, worker: str = "w_1", **routes: Tally) -> CountedWindow:
    return CountedWindow(project=SHOP, begin=begin, worker=worker, routes=routes)


def test_what_workers_counted_of_one_window_is_added_up() -> None:
    one = _counted("2026-03-01T12:01:00Z", "w_1", a=Tally(calls=1), b=Tally(calls=2))
    two = _counted("2026-03-01T12:01:00Z", "w_2", a=Tally(calls=4))
    early = _counted("2026-03-01T12:00:00Z", "w_2", a=Tally(calls=8))
    first, second = gathered([one, two, early])
    assert (first.window.begin, first.counted) == (NOON, (early,))
    assert second.counted == (one, two)
    assert second.window.routes == {"a": Tally(calls=5), "b": Tally(calls=2)}
    assert first.due == NOON + timedelta(minutes=1) + GRACE


def test_one_detector_that_fails_keeps_no_other_from_its_findings() -> None:
    window = Window(project=SHOP, begin=NOON, routes={})
    well = PlannedDetector([finding()])
    seen = judged(window, {"broken": "before"}, [PlannedDetector(fault=ValueError(), name="broken"), well])
    assert len(seen.findings) == 1
    assert seen.states["broken"] == "before"
    assert [*seen.faults] == ["broken"]


class Own:
    """A detector of a host's own, that makes whatever it likes of a window."""

    def __init__(self, found: Any, state: Any = "next", name: str = "own") -> None:
        self.found, self.state, self.name = found, state, name

    def observe(self, window: Window, state: str) -> Any:
        del window, state
        return self.found, self.state


FOUND = finding(project=SHOP, at=NOON, since=NOON)


@pytest.mark.parametrize(
    "bad",
    [
        Own(None),
        Own([FOUND], None),
        Own([FOUND], "\ud800"),
        Own(["no finding"]),
        Own([replace(FOUND, project=ProjectId("p_" + "b" * 20))]),
        Own([replace(FOUND, at=NOON + timedelta(minutes=1))]),
        Own([replace(FOUND, at=NOON.replace(tzinfo=None))]),
        Own([replace(FOUND, since=NOON + timedelta(minutes=1))]),
        Own([replace(FOUND, since=NOON.replace(tzinfo=None))]),
        Own([replace(FOUND, id="")]),
        Own([replace(FOUND, value="\ud800")]),
        Own([replace(FOUND, why="\ud800")]),
        Own([replace(FOUND, value="weather\0")]),
        Own([replace(FOUND, value="w" * 513)]),
        Own([replace(FOUND, scope="world")]),  # type: ignore[arg-type]  # what a host could write
    ],
)
def test_what_cannot_be_kept_is_a_fault_of_its_detector_alone(bad: Own) -> None:
    window = Window(project=SHOP, begin=NOON, routes={})
    seen = judged(window, {"own": "before"}, [bad, PlannedDetector([finding()])])
    assert [one.detector for one in seen.findings] == ["planned"]
    assert [*seen.faults] == ["own"]
    assert seen.states == {"own": "before", "planned": NOON.isoformat()}


def test_of_two_findings_with_one_id_the_first_is_kept() -> None:
    other = replace(FOUND, value="other")
    seen = judged(Window(project=SHOP, begin=NOON, routes={}), {}, [Own([FOUND, other]), Own([other], name="second")])
    assert (seen.findings, seen.faults) == ((FOUND,), {})


def test_a_state_that_is_too_long_is_not_kept() -> None:
    class Long:
        name = "long"

        def observe(self, window: Window, state: str) -> tuple[Sequence[Finding], str]:
            del window, state
            return (), "\u00e4" * (MOST_STATE // 2 + 1)

    assert judged(Window(project=SHOP, begin=NOON, routes={}), {}, [Long()]).states == {"long": ""}


def test_the_memory_says_the_window_in_a_few_numbers() -> None:
    routes = {
        "a": Tally(calls=3, failures={"refused": 1, "failed": 1}, bytes_out=10, sketch={1, 2}),
        "": Tally(unadmitted={"other": 4, "replayed": 5}, sketch={2}),
    }
    seen = judged(Window(project=SHOP, begin=NOON, routes=routes), {"d": "s"}, [])
    memory = remembered(WatchMemory(project=SHOP), seen)
    assert (memory.last, memory.windows, memory.states) == (NOON, 1, {"d": "s"})
    assert memory.seen is not None
    assert (memory.seen.calls, memory.seen.failures, memory.seen.callers) == (3, 2, 2)
    assert (memory.seen.bytes_out, memory.seen.unadmitted) == (10, 9)
