"""What a worker counted reaches the store, once, whatever is away meanwhile, and what it holds is bounded."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from apikeychain import agenda
from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger.passage import Passage
from apikeychain.listing import every
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.tally import Tally
from apikeychain.model.watch import CountedWindow
from apikeychain.rules.caller import Caller
from apikeychain.watch import handover, observer
from apikeychain.watch.handover import Handover
from apikeychain.watch.observer import Observer
from management import ROUTE, WEATHER
from rotation_house import NOON
from sample_project import a_snapshot
from watch_house import WatchHouse, watched

BEGIN = int(NOON.timestamp())


class Clock:
    """Of the wall."""

    def __init__(self) -> None:
        self.seconds = float(BEGIN)

    def __call__(self) -> float:
        return self.seconds


def _refused(project: Any, code: str = "origin-refused") -> Passage:
    """A call that came to nothing."""
    call = Call(
        method="GET",
        scheme="https",
        project=project.project.id,
        area="proxy",
        path=b"weather",
        query=b"",
        headers=Headers([]),
        peer="192.0.2.1",
        body=None,  # type: ignore[arg-type]  # a GET has none
    )
    passage = Passage(call, Caller("192.0.2.1", "https", "host.example"), NOON, lambda: 0.0)
    passage.project, passage.refusal = project, code
    return passage


def _of(house: WatchHouse, name: ProjectId | None = None, tenant: TenantId | None = None) -> Any:
    snapshot = a_snapshot()
    project = replace(snapshot.project, id=name or house.shop.id)
    return replace(snapshot, project=project, tenant=replace(snapshot.tenant, id=tenant or house.shop.tenant))


async def test_a_window_is_stored_once_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        hands = Handover(house.store, counts, share=lambda: 0.0)
        counts(_refused(_of(house)), 403, 0)
        counts(_refused(_of(house)), 403, 0)
        monkeypatch.setattr(handover, "LOOK_SECONDS", 0.0)
        task = asyncio.create_task(hands.run())
        await asyncio.sleep(0)
        assert await house.stored(CountedWindow) == []
        clock.seconds += 60
        found: list[CountedWindow] = []
        async with asyncio.timeout(10):
            while not found:
                found = await house.stored(CountedWindow)
                await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        (window,) = found
        assert window.begin == f"{datetime.fromtimestamp(BEGIN, UTC):%Y-%m-%dT%H:%M:%SZ}"
        assert window.routes == {"": Tally(unadmitted={"origin-refused": 2})}
        async with house.store.reading(house.shop.tenant) as reader:
            assert await reader.get(CountedWindow, window.key) == window


async def test_at_the_end_what_is_left_is_stored_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        counts = Observer(seconds=Clock())
        hands = Handover(house.store, counts, share=lambda: 0.0)
        counts(_refused(_of(house)), 403, 0)
        await hands.close()
        assert len(await house.stored(CountedWindow)) == 1
        await hands.close()
        assert len(await house.stored(CountedWindow)) == 1


async def test_what_was_stored_and_not_acknowledged_is_stored_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        counts = Observer(seconds=Clock())
        hands = Handover(house.store, counts, share=lambda: 0.0)
        counts(_refused(_of(house)), 403, 0)
        ((begin, projects),) = counts.take(is_last=True).items()
        for _ in range(2):
            hands._waiting = {(begin, 1): dict(projects)}
            await hands.store()
        assert len(await house.stored(CountedWindow)) == 1


async def test_a_store_that_is_away_gets_it_later_and_it_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        clock, counts = Clock(), Observer(seconds=Clock())
        hands = Handover(house.store, counts, share=lambda: 0.0)
        counts(_refused(_of(house)), 403, 0)
        note = agenda.note

        async def away(*_: object) -> None:
            raise BackendUnavailableError

        monkeypatch.setattr(agenda, "note", away)
        await hands.close()
        await hands.store()
        told = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert len(told) == 1
        monkeypatch.setattr(agenda, "note", note)
        await hands.store()
        assert len(await house.stored(CountedWindow)) == 1
        del clock


async def test_a_bug_is_told_without_a_value_and_the_windows_wait(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        counts = Observer(seconds=Clock())
        hands = Handover(house.store, counts, share=lambda: 0.0)
        counts(_refused(_of(house)), 403, 0)

        async def broken(*told: object) -> None:
            raise ValueError(*told)

        monkeypatch.setattr(agenda, "note", broken)
        await hands.close()
        assert "ValueError" in caplog.text
        assert house.shop.id not in caplog.text


async def test_of_a_project_that_is_gone_it_is_left_out_and_the_others_are_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watched(monkeypatch) as house:
        counts = Observer(seconds=Clock())
        hands = Handover(house.store, counts, share=lambda: 0.0)
        counts(_refused(_of(house, ProjectId("p_" + "z" * 20))), 403, 0)
        counts(_refused(_of(house)), 403, 0)
        await hands.close()
        assert len(await house.stored(CountedWindow)) == 1


async def test_windows_that_nobody_takes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        for _ in range(10):
            counts(_refused(_of(house)), 403, 0)
            clock.seconds += 60
        over = counts.take()
        assert [*over] == [BEGIN + 60 * minute for minute in (7, 8, 9)]
        hands = Handover(house.store, counts, share=lambda: 0.0)
        hands._waiting = dict.fromkeys([(begin, 1) for begin in range(0, 600, 60)], over[BEGIN + 540])
        await hands.store()
        assert hands._waiting == {}
        stored = await house.stored(CountedWindow)
        assert len(stored) <= observer.MOST_WINDOWS


async def test_a_clock_that_is_ahead_for_a_moment_costs_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        counts(_refused(_of(house)), 403, 0)
        clock.seconds += 10 * 86_400
        counts(_refused(_of(house)), 403, 0)
        clock.seconds -= 10 * 86_400
        given: dict[int, int] = {}
        for _ in range(5):
            counts(_refused(_of(house)), 403, 0)
            clock.seconds += 60
            over = counts.take()
            given |= {
                begin: one[house.shop.id].routes[""].tally.unadmitted["origin-refused"] for begin, one in over.items()
            }
        assert given == {BEGIN: 2} | {BEGIN + 60 * minute: 1 for minute in range(1, 5)}


@pytest.mark.parametrize("is_stored", [True, False])
async def test_a_clock_that_is_ahead_as_a_window_is_taken_costs_none_of_its_calls(
    monkeypatch: pytest.MonkeyPatch, *, is_stored: bool
) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        hands = Handover(house.store, counts, share=lambda: 0.0)
        for _ in range(3):
            counts(_refused(_of(house)), 403, 0)
        clock.seconds += 3600
        hands._take()
        clock.seconds -= 3600
        if is_stored:
            await hands.store()
        for _ in range(5):
            counts(_refused(_of(house)), 403, 0)
        await hands.close()
        stored = await house.stored(CountedWindow)
        assert len({window.begin for window in stored}) == 1
        assert sorted(window.routes[""].unadmitted["origin-refused"] for window in stored) == [3, 5]


async def test_a_clock_that_jumps_ever_so_often_has_a_bounded_number_of_parts_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        hands = Handover(house.store, counts, share=lambda: 0.0)

        async def away(*_: object) -> None:
            raise BackendUnavailableError

        monkeypatch.setattr(agenda, "note", away)
        for _ in range(handover.MOST_PARTS + 5):
            counts(_refused(_of(house)), 403, 0)
            clock.seconds += 3600
            hands._take()
            clock.seconds -= 3600
            await hands.store()
        assert len(hands._waiting) == handover.MOST_PARTS


async def test_a_clock_that_goes_back_makes_no_window_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        clock.seconds -= 3600
        begins: list[int] = []
        for _ in range(5):
            counts(_refused(_of(house)), 403, 0)
            clock.seconds += 60
            begins += counts.take()
        assert begins == [BEGIN - 3600 + 60 * minute for minute in range(5)]


async def test_a_clock_that_is_set_a_little_back_turns_no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        clock = Clock()
        counts = Observer(seconds=clock)
        clock.seconds -= 2
        counts(_refused(_of(house)), 403, 0)
        assert counts.take() == {}
        clock.seconds += 62
        assert [*counts.take()] == [BEGIN]


async def test_routes_beyond_the_bound_are_not_counted_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(monkeypatch) as house:
        monkeypatch.setattr(observer, "MOST_COUNTS", 4)
        counts = Observer(seconds=Clock())
        for number in range(5):
            counts(_refused(_of(house, ProjectId(f"p_{number:020}"))), 403, 0)
        (projects,) = counts.take(is_last=True).values()
        assert len(projects) == 2
        assert sum("2 of its routes" in record.message for record in caplog.records) == 1
        counts(_refused(_of(house)), 403, 0)
        assert len(counts.take(is_last=True)) == 1


async def test_a_tenant_with_ever_so_many_routes_leaves_room_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        counts = Observer(seconds=Clock())
        many = TenantId("t_" + "m" * 20)
        for number in range(observer.MOST_COUNTS + 100):
            counts(_refused(_of(house, ProjectId(f"p_{number:020}"), many)), 403, 0)
        for _ in range(100):
            counts(_refused(_of(house)), 403, 0)
        (projects,) = counts.take(is_last=True).values()
        assert projects[house.shop.id].routes[""].tally.unadmitted == {"origin-refused": 100}
        assert len(projects) == observer.MOST_COUNTS // 2 + 1


async def test_many_routes_are_handed_over_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        monkeypatch.setattr(handover, "MOST_ROUTES", 1)
        counts = Observer(seconds=Clock())
        counts(_refused(_of(house)), 403, 0)
        called = _refused(_of(house), "rate-limited")
        called.route = a_snapshot(routes=[ROUTE], providers=[WEATHER]).routes[b"weather"]
        counts(called, 429, 0)
        await Handover(house.store, counts, share=lambda: 0.0).close()
        stored = await house.stored(CountedWindow)
        assert [[*window.routes] for window in stored] == [[""], ["weather"]]
        house.rotation.clock.go_on(1)
        await house.watchman.look()
        (window,) = house.detector.windows
        assert {name: (tally.calls, tally.failures) for name, tally in window.routes.items()} == {
            "": (0, {}),
            "weather": (1, {"rate-limited": 1}),
        }


async def test_many_projects_are_handed_over_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        shops = [await house.rotation.acme.create_project(f"shop-{number}") for number in range(20)]
        counts = Observer(seconds=Clock())
        for shop in shops:
            counts(_refused(_of(house, shop.id)), 403, 0)
        await Handover(house.store, counts, share=lambda: 0.0).close()
        async with house.store.reading(house.shop.tenant) as reader:
            assert {window.project for window in await every(reader, CountedWindow)} == {shop.id for shop in shops}
