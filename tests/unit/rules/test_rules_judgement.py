"""What workers counted becomes windows, and each detector makes of one what it can."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

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
    memory = remembered(WatchMemory(project=SHOP), Window(project=SHOP, begin=NOON, routes=routes), {"d": "s"})
    assert (memory.last, memory.windows, memory.states) == (NOON, 1, {"d": "s"})
    assert memory.seen is not None
    assert (memory.seen.calls, memory.seen.failures, memory.seen.callers) == (3, 2, 2)
    assert (memory.seen.bytes_out, memory.seen.unadmitted) == (10, 9)
