"""One worker looks at what all counted: each window once, and what follows from it once, whoever dies on the way."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apikeychain import Secret, agenda
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError, DoesNotExistError
from apikeychain.ledger.turn import lease
from apikeychain.listing import every
from apikeychain.model.finding import Finding, Window
from apikeychain.model.rotation_records import Rotation
from apikeychain.model.suspension import Suspension
from apikeychain.model.tally import Tally
from apikeychain.model.watch import CountedWindow, TightenedQuota, WatchMemory, WatchPolicy
from apikeychain.rules.judgement import judged
from apikeychain.testing.eventually import until
from apikeychain.watch import acting, watchman
from apikeychain.watch.case import case_of
from apikeychain.watch.handover import TOPIC
from apikeychain.watch.watchman import Watchman
from management import APP, ROUTE
from rotation_house import Fuse, KilledError
from watch_house import CALLER, finding, watched

ALERTED = "watch.noticed"
FLOOD = finding("route", "weather", feature="variety"), finding("route", "weather", feature="rate")


async def test_a_window_is_what_all_workers_counted_and_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        begin = house.rotation.clock.now()
        await house.counted(begin, "w_1", routes={"weather": Tally(calls=2), "maps": Tally(calls=1)})
        await house.counted(begin, "w_2", routes={"weather": Tally(calls=3, unadmitted={"other": 1})})
        await house.watchman.look()
        assert house.detector.windows == []  # it is not over
        house.rotation.clock.go_on(70)
        await house.watchman.look()
        await house.watchman.look()
        (window,) = house.detector.windows
        assert (window.project, window.begin, window.seconds) == (house.shop.id, begin, 60)
        assert window.routes == {"weather": Tally(calls=5, unadmitted={"other": 1}), "maps": Tally(calls=1)}
        memory = await house.memory()
        assert (memory.last, memory.windows, memory.late) == (begin, 1, 0)
        assert memory.seen is not None
        assert (memory.seen.calls, memory.seen.unadmitted) == (6, 1)
        assert await house.stored(CountedWindow) == []


async def test_what_comes_too_late_is_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        begin = house.rotation.clock.now()
        await house.minute()
        await house.counted(begin, "w_2")
        await house.watchman.look()
        assert len(house.detector.windows) == 1
        assert (await house.memory()).late == 1
        assert await house.stored(CountedWindow) == []


async def test_a_window_that_is_not_over_is_left_until_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        begin = house.rotation.clock.now()
        await house.counted(begin)
        await agenda.note(house.store, TOPIC, house.shop.tenant, house.shop.id, begin)
        await house.watchman.look()
        assert house.detector.windows == []
        house.rotation.clock.go_on(70)
        await house.watchman.look()
        assert len(house.detector.windows) == 1


async def test_windows_that_waited_are_looked_at_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        begin = house.rotation.clock.now()
        for minutes in (2, 0, 1):
            await house.counted(begin + timedelta(minutes=minutes))
        house.rotation.clock.go_on(300)
        await house.watchman.look()
        assert [window.begin for window in house.detector.windows] == [begin + timedelta(minutes=n) for n in range(3)]
        assert (await house.memory()).windows == 3


async def test_who_has_not_the_lease_looks_at_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.counted(house.rotation.clock.now())
        house.rotation.clock.go_on(70)
        other = house.rotation.store.sibling()
        assert await lease(other, TOPIC, 60)
        await house.watchman.look()
        assert house.detector.windows == []
        house.rotation.clock.go_on(61)
        await house.watchman.look()
        assert len(house.detector.windows) == 1


async def test_a_blatant_caller_is_suspended_and_it_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER))
        now = house.rotation.clock.now()
        (suspension,) = await house.stored(Suspension)
        assert (suspension.scope, suspension.value, suspension.until) == ("caller", CALLER, now + timedelta(minutes=10))
        (alert,) = await house.alerts()
        assert (alert.topic, alert.severity, alert.project) == ("watch.suspended", "warning", house.shop.id)
        assert CALLER in alert.what
        assert "suspended the caller" in alert.done
        assert "project lift" in alert.todo
        told = await house.entries("watch", "suspension")
        assert [entry["kind"] for entry in told] == [ALERTED, "suspension.created"]
        assert {entry["actor"] for entry in told} == {"watch"}
        assert told[0]["data"]["answers"] == ["alert", "suspend"]
        assert house.told == [house.shop.id]
        (stored,) = await house.stored(Finding)
        assert stored.done == ("alert", "suspend")
        await house.minute(finding("caller", CALLER))
        assert len(await house.stored(Suspension)) == len(await house.alerts()) == 1


async def test_a_flood_is_answered_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        flood = finding("origin", APP, feature="variety"), finding("origin", APP, feature="rate")
        await house.minute(*flood)
        assert await house.stored(TightenedQuota) == []
        for _ in range(10):
            await house.minute(*flood)
        (smaller,) = await house.stored(TightenedQuota)
        assert (smaller.scope, smaller.value, smaller.divisor) == ("origin", APP, 4)
        (suspension,) = await house.stored(Suspension)
        assert (suspension.scope, suspension.value) == ("origin", APP)
        kinds = [entry["kind"] for entry in await house.entries("watch", "suspension")]
        assert [kind for kind in kinds if kind != ALERTED] == ["watch.tightened", "suspension.created"]
        house.rotation.clock.go_on(3600)
        await house.watchman.look()
        assert await house.stored(TightenedQuota) == []
        assert (await house.entries("watch.relaxed"))[0]["data"] == {"scope": "origin", "value": APP}


async def test_a_secret_that_others_use_gets_a_new_key_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(answers=["alert", "rotate"])
        leaked = finding("route", "weather", feature="secret")
        for _ in range(12):
            await house.minute(leaked)
        (rotation,) = await house.stored(Rotation)
        assert rotation.reason == "compromised"
        ordered = await house.entries("rotation.ordered")
        assert [(entry["actor"], entry["data"]["reason"]) for entry in ordered] == [("watch", "compromised")]
        alerts = [alert for alert in await house.alerts() if alert.topic == "watch.rotated"]
        assert [(alert.severity, "'weather'" in alert.done) for alert in alerts] == [("critical", True)]


async def test_a_secret_that_does_not_turn_is_left_to_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.remove_rotation("weather")
        await house.shop.set_watch(answers=["alert", "rotate"])
        for _ in range(6):
            await house.minute(finding("route", "weather", feature="secret"))
        assert any("no rotation of 'weather'" in alert.done for alert in await house.alerts())
        assert await house.entries("rotation.ordered") == []


async def test_in_its_first_week_a_project_is_only_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch, age=timedelta(hours=1)) as house:
        before = await house.configuration()
        await house.minute(finding("caller", CALLER))
        assert await house.configuration() == before
        (alert,) = await house.alerts()
        assert alert.topic == "watch.noticed"
        assert "It only observes; otherwise it would have suspended the caller" in alert.done
        (entry,) = await house.entries("watch")
        assert (entry["data"]["answers"], entry["data"]["observed"]) == (["alert"], ["suspend"])
        assert house.told == []


async def test_a_watch_that_is_off_learns_and_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="off")
        await house.minute(finding("caller", CALLER))
        assert (house.detector.windows, await house.alerts()) == ([], [])
        assert await house.stored(CountedWindow) == []


async def test_wherever_a_worker_dies_the_next_does_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        whole = Fuse()
        await house.minute(finding("caller", CALLER), worker=house.worker(whole))
    for places in range(len(whole.places)):
        async with watched(monkeypatch) as house:
            with pytest.raises(KilledError):
                await house.minute(finding("caller", CALLER), worker=house.worker(Fuse(left=places)))
            # Until its lease has run out.
            house.rotation.clock.go_on(61)
            for _ in range(3):
                await house.watchman.look()
                house.rotation.clock.go_on(1)
            assert len(await house.stored(Suspension)) == 1
            assert len(await house.alerts()) == 1
            assert len(await house.entries("suspension.created")) == 1
            assert len(await house.entries("watch.noticed")) == 1
            assert (await house.memory()).windows == 1


async def test_two_that_look_at_the_same_window_do_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        house.detector.finds = [finding("caller", CALLER)]
        await house.counted(house.rotation.clock.now())
        house.rotation.clock.go_on(70)
        # The lease ran out under the first: both have read the same.
        async with house.store.reading(house.shop.tenant) as reader:
            read = await case_of(reader, house.shop.tenant, house.shop.id, house.rotation.clock.now())
        assert read is not None
        await house.watchman.look()
        seen = judged(read.ready[0].window, {}, [house.detector])
        with pytest.raises((AlreadyExistsError, ConflictError)):
            await acting.carry_out(house.post(), read, read.ready[0], seen, [])
        assert len(await house.stored(Suspension)) == len(await house.alerts()) == 1


async def test_a_detector_that_breaks_keeps_its_state_and_nobody_from_the_next_window(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER, blatant=False))
        state = (await house.memory()).states
        house.detector.fault = ValueError("secret text")
        await house.minute()
        assert (await house.memory()).states == state
        assert (await house.memory()).windows == 2
        assert "ValueError" in caplog.text
        assert "secret text" not in caplog.text


async def test_an_id_that_a_detector_uses_again_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        observe = house.detector.observe

        def always(window: Window, state: str) -> tuple[Sequence[Finding], str]:
            found, following = observe(window, state)
            return [replace(one, id="f_" + "1" * 20) for one in [*found, *found]], following

        monkeypatch.setattr(house.detector, "observe", always)
        for _ in range(3):
            await house.minute(finding("project", ""))
        assert (await house.memory()).windows == 3
        (stored,) = await house.stored(Finding)
        assert (stored.at, stored.generation) == ((await house.memory()).last, 3)
        assert await house.stored(CountedWindow) == []


async def test_a_project_that_is_gone_keeps_no_other_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        await agenda.note(house.store, TOPIC, house.shop.tenant, "p_" + "0" * 20, house.rotation.clock.now())
        await house.minute()
        assert len(house.detector.windows) == 1
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_breaks_with_one_project_is_told_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        carry_out = acting.carry_out

        async def broken(*told: object) -> None:
            raise ValueError(*told)

        monkeypatch.setattr(acting, "carry_out", broken)
        await house.minute()
        await house.watchman.look()
        assert sum("ValueError" in record.message for record in caplog.records) == 1
        monkeypatch.setattr(acting, "carry_out", carry_out)
        await house.watchman.look()
        assert (await house.memory()).windows == 1


@pytest.mark.parametrize("conflict", [ConflictError(), AlreadyExistsError()])
async def test_a_conflict_leaves_the_window_to_the_next_look(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, conflict: Exception
) -> None:
    async with watched(monkeypatch) as house:
        carry_out = acting.carry_out

        async def late(*_: object) -> None:
            raise conflict

        monkeypatch.setattr(acting, "carry_out", late)
        await house.minute()
        monkeypatch.setattr(acting, "carry_out", carry_out)
        await house.watchman.look()
        assert (await house.memory()).windows == 1
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_a_project_that_goes_while_it_is_looked_at_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:

        async def gone(*_: object) -> None:
            raise DoesNotExistError

        monkeypatch.setattr(acting, "carry_out", gone)
        await house.minute()
        assert house.detector.windows != []


async def test_who_loses_the_lease_leaves_the_rest_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        begin = house.rotation.clock.now()
        await house.counted(begin)
        await house.counted(begin + timedelta(minutes=1))
        house.rotation.clock.go_on(300)
        other, carry_out = house.rotation.store.sibling(), acting.carry_out

        async def slow(*told: Any) -> WatchMemory:
            memory = await carry_out(*told)
            house.rotation.clock.go_on(61)
            assert await lease(other, TOPIC, 60)
            return memory

        monkeypatch.setattr(acting, "carry_out", slow)
        await house.watchman.look()
        assert [window.begin for window in house.detector.windows] == [begin]
        monkeypatch.setattr(acting, "carry_out", carry_out)
        house.rotation.clock.go_on(61)
        await house.watchman.look()
        assert len(house.detector.windows) == 2


async def test_the_last_findings_are_kept_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        many = [finding("route", f"r{number}", blatant=False) for number in range(60)]
        for _ in range(4):
            await house.minute(*many)
        stored = await house.stored(Finding)
        assert len(stored) == 200
        assert len({one.at for one in stored}) == 4
        found = await house.shop.findings(1)
        assert found[0].at == max(one.at for one in stored)


async def test_what_anybody_can_cause_pushes_out_no_other_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER, blatant=False))
        many = [finding("project", "", feature=f"of{number}", admitted=False) for number in range(60)]
        for _ in range(5):
            await house.minute(*many)
        stored = await house.stored(Finding)
        assert len([one for one in stored if one.admitted]) == 1
        assert len(stored) == 101
        assert len({one.at for one in stored if not one.admitted}) == 2


async def test_what_somebody_suspended_for_longer_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.suspend("caller", CALLER, reason="by hand")
        await house.minute(finding("caller", CALLER))
        (suspension,) = await house.stored(Suspension)
        assert (suspension.reason, suspension.until) == ("by hand", None)
        (alert,) = await house.alerts()
        assert "already" in alert.done


async def test_what_could_not_be_done_is_told_once_and_is_not_remembered_as_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act")
        await house.shop.suspend("caller", CALLER, reason="by hand", seconds=7200)
        for _ in range(10):
            await house.minute(finding("caller", CALLER))
        assert [deed.answer for deed in (await house.shop.watch()).deeds] == ["alert"]
        assert [entry["data"]["answers"] for entry in await house.entries(ALERTED)] == [["alert"]]
        (alert,) = await house.alerts()
        assert alert.done == "It was suspended already, for longer."
        assert [deed.answer for deed in (await house.memory()).failed] == ["suspend"]
        await house.shop.lift("caller", CALLER)
        for _ in range(4):
            await house.minute(finding("caller", CALLER))
        assert len(await house.stored(Suspension)) == 1


async def test_a_step_that_fails_after_the_alert_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act", answers=["alert", "suspend"])
        await house.shop.suspend("route", "weather", reason="by hand", seconds=7200)
        for _ in range(12):
            await house.minute(*FLOOD)
        told = [alert.done for alert in await house.alerts() if "rate" not in alert.what]
        assert told == ["Nothing but this alert.", "It was suspended already, for longer."]


async def test_what_could_not_be_done_uses_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act", suspend_minutes=1)
        await house.shop.suspend("route", "weather", reason="by hand", seconds=3600)
        for _ in range(30):
            await house.minute(*FLOOD)
        await house.shop.lift("route", "weather")
        wide = [finding("project", "", feature=one.feature) for one in FLOOD]
        for _ in range(30):
            await house.minute(*wide)
        made = [entry["data"]["scope"] for entry in await house.entries("suspension.created")]
        assert made == ["route", *["project"] * 3]


async def test_a_new_key_is_ordered_once_its_rotation_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act", answers=["alert", "rotate"])
        await house.shop.pause_rotation("weather")
        for _ in range(10):
            await house.minute(finding("project", "", feature="secret"))
        assert [alert.done for alert in await house.alerts() if "no rotation of 'weather'" in alert.done]
        await house.shop.resume_rotation("weather")
        for _ in range(60):
            await house.minute(finding("project", "", feature="secret"))
        assert len(await house.entries("rotation.ordered")) == 1
        assert [deed.answer for deed in (await house.shop.watch()).deeds] == ["alert", "rotate"]


async def test_what_could_be_done_in_part_is_done_and_the_rest_of_it_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act", answers=["alert", "rotate"])
        await house.shop.put_secret("other", Secret("other-secret-1"), provider="weather")
        await house.shop.configure(routes=[ROUTE, replace(ROUTE, name="maps", secret="other")])
        for _ in range(10):
            await house.minute(finding("project", "", feature="secret"))
        assert [entry["data"]["secret"] for entry in await house.entries("rotation.ordered")] == ["weather"]
        (alert,) = [alert for alert in await house.alerts() if alert.topic == "watch.rotated"]
        assert "ordered a new key of 'weather'." in alert.done
        assert "no rotation of 'other'" in alert.done
        assert (await house.memory()).failed == ()


async def test_what_is_remembered_of_what_failed_has_a_bound_and_ends_after_a_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watched(monkeypatch) as house:
        monkeypatch.setattr(acting, "MOST_FAILED", 3)
        await house.shop.set_watch(mode="act")
        await house.minute(*(finding("caller", f"nobody {number}") for number in range(5)))
        assert [deed.value for deed in (await house.memory()).failed] == ["nobody 0", "nobody 1", "nobody 2"]
        house.rotation.clock.go_on(2 * 86400)
        await house.minute()
        assert (await house.memory()).failed == ()


async def test_a_project_that_goes_takes_all_of_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER))
        await house.shop.set_watch(mode="act")
        await house.counted(house.rotation.clock.now())
        await house.rotation.acme.remove_project("shop")
        house.rotation.clock.go_on(700)
        await house.watchman.look()
        async with house.store.reading(house.shop.tenant) as reader:
            kinds = (WatchMemory, WatchPolicy, CountedWindow, Finding, TightenedQuota)
            assert [await every(reader, kind) for kind in kinds] == [[]] * 5


async def test_what_a_clock_that_was_ahead_did_ends_and_the_watch_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act")
        await house.minute()
        clock = house.rotation.clock
        true = clock.past
        clock.go_on(30 * 86400)
        await house.minute(finding("caller", CALLER))
        clock.past = true
        assert await house.stored(Suspension)
        seen = len(house.detector.windows)
        await house.counted(clock.now() + timedelta(days=20), "ahead")
        for _ in range(3):
            await house.minute()
        assert len(house.detector.windows) == seen + 3
        assert await house.stored(Suspension) == []
        memory = await house.memory()
        assert memory.deeds == ()
        assert memory.last is not None
        assert memory.last < clock.now()
        assert await house.stored(CountedWindow) == []


async def test_what_was_over_for_minutes_is_told_and_answered_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute()
        house.detector.finds = [finding("caller", CALLER)]
        await house.counted(house.rotation.clock.now().replace(second=0))
        house.rotation.clock.go_on(5 * 3600)
        await house.watchman.look()
        assert len(house.detector.windows) == 2
        assert await house.stored(Suspension) == []
        assert len(await house.alerts()) == 1


async def test_a_clock_that_is_ahead_of_those_that_count_answers_nothing_and_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act")
        now, ahead = house.rotation.clock.now, timedelta(minutes=6)
        worker = Watchman(replace(house.post(), now=lambda: now() + ahead), clock=house.rotation.clock.seconds)
        for _ in range(3):
            await house.minute(finding("caller", CALLER), worker=worker)
        assert await house.stored(Suspension) == []
        assert sum("where this clock is ahead" in record.message for record in caplog.records) == 1
        ahead = timedelta(0)
        await house.minute(finding("caller", CALLER), worker=worker)
        assert len(await house.stored(Suspension)) == 1


async def test_suspensions_of_the_watch_go_once_they_are_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(mode="act")
        await house.shop.suspend("caller", "ab" * 16, reason="by hand", seconds=300)
        for number in range(3):
            await house.minute(finding("caller", f"{number:032x}"))
        house.detector.finds = []
        assert len(await house.stored(Suspension)) == 4
        told = len(house.told)
        # Nobody calls any more.
        for _ in range(60):
            house.rotation.clock.go_on(20)
            await house.watchman.look()
        assert [one.value for one in await house.stored(Suspension)] == ["ab" * 16]
        assert len(await house.entries("suspension.removed")) == 3
        assert len(house.told) > told


async def test_old_deeds_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER))
        house.rotation.clock.go_on(3 * 86400)
        await house.minute()
        assert (await house.memory()).deeds == ()


@pytest.mark.parametrize(("fault", "says"), [(BackendUnavailableError, "does not answer"), (ValueError, "fault")])
async def test_a_look_that_fails_is_told_once_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: type[Exception], says: str
) -> None:
    async with watched(monkeypatch) as house:
        looks = 0

        async def broken(*_: object) -> list[object]:
            nonlocal looks
            looks += 1
            if looks <= 3:
                raise fault
            return []

        monkeypatch.setattr(agenda, "due", broken)
        monkeypatch.setattr(watchman, "LOOK_SECONDS", 0.0)
        task = asyncio.create_task(house.watchman.run())
        await until(lambda: looks > 4)
        task.cancel()
        await asyncio.wait([task])
        assert sum(says in record.message for record in caplog.records) == 1


async def test_a_store_that_is_away_in_the_middle_ends_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:

        async def away(*_: object) -> None:
            raise BackendUnavailableError

        monkeypatch.setattr(acting, "carry_out", away)
        with pytest.raises(BackendUnavailableError):
            await house.minute()


async def test_a_rotation_of_a_whole_project_is_of_all_secrets_that_routes_inject(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(answers=["alert", "rotate"])
        for _ in range(6):
            await house.minute(finding("project", "", feature="secret"))
        assert [entry["data"]["secret"] for entry in await house.entries("rotation.ordered")] == ["weather"]


async def test_an_alert_that_a_project_does_not_want_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.set_watch(answers=["suspend"])
        await house.minute(finding("caller", CALLER))
        assert len(await house.stored(Suspension)) == 1
        assert await house.alerts() == []


async def test_what_was_counted_of_one_project_is_not_that_of_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        others = [await house.rotation.acme.create_project(f"other-{number}") for number in range(3)]
        begin = house.rotation.clock.now()
        async with house.store.tenant(house.shop.tenant) as records:
            for other in others:
                name = f"{begin:%Y-%m-%dT%H:%M:%SZ}"
                await records.insert(CountedWindow(project=other.id, begin=name, worker="w_1", routes={}))
        await house.minute()
        assert [window.project for window in house.detector.windows] == [house.shop.id]
        async with house.store.reading(house.shop.tenant) as reader:
            assert {left.project for left in await every(reader, CountedWindow)} == {other.id for other in others}
