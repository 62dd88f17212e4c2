"""A caller without an allowed origin and without a key changes the state of no project, whatever is found of it.

That nothing of such a caller is counted but that it came stands in `test_pipeline_observed`.
"""

from dataclasses import replace
from datetime import timedelta
from itertools import product
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apikeychain.model.finding import Answer, Finding, Window
from apikeychain.model.ids import ProjectId
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.model.tally import UNADMITTED, Tally
from apikeychain.model.watch import ANSWERS, Deed
from apikeychain.rules.ewma import EWMADetector
from apikeychain.rules.judgement import judged
from apikeychain.rules.watch_bounds import is_within
from apikeychain.rules.watch_policy import Planned
from apikeychain.watch import acting
from apikeychain.watch.case import case_of
from management import APP
from rotation_house import NOON
from watch_house import CALLER, PlannedDetector, WatchHouse, finding, watched

SCOPES: tuple[Scope, ...] = get_args(Scope)
VALUES = {"caller": CALLER, "origin": APP, "route": "weather", "project": ""}
LONG = timedelta(minutes=30)


def _planned(answer: Answer, about: Finding, **rest: object) -> Planned:
    deed = Deed(answer=answer, scope=about.scope, value=about.value, at=NOON, until=NOON + LONG)
    return Planned(deed=replace(deed, **rest), finding=about, why="it was planned")  # type: ignore[arg-type]  # of tests


async def _carry_out(house: WatchHouse, *plans: Planned) -> None:
    """Do what was planned, whoever planned it."""
    await house.counted(house.rotation.clock.now())
    async with house.store.reading(house.shop.tenant) as reader:
        case = await case_of(reader, house.shop.tenant, house.shop.id, house.rotation.clock.now())
    assert case is not None
    now = house.rotation.clock.now()
    moved = [
        replace(
            one, deed=replace(one.deed, at=now, until=now + LONG), finding=replace(one.finding, project=house.shop.id)
        )
        for one in plans
    ]
    seen = judged(case.ready[0].window, {}, [PlannedDetector()])
    seen = replace(seen, findings=tuple({one.finding.id: one.finding for one in moved}.values()))
    await acting.carry_out(house.post(), case, case.ready[0], seen, moved)


@pytest.mark.parametrize(("answer", "scope"), [*product(ANSWERS, SCOPES)])
async def test_what_anybody_can_cause_changes_nothing_whatever_was_planned(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, scope: Scope
) -> None:
    async with watched(monkeypatch) as house:
        before = await house.configuration()
        await _carry_out(house, _planned(answer, finding(scope, VALUES[scope], admitted=False)))
        after = await house.configuration()
        if (answer, scope) == ("suspend", "caller"):
            # The one that it may refuse is itself, by a pseudonym that only a caller who was admitted has.
            (suspension,) = await house.stored(Suspension)
            assert suspension.value == CALLER
            after = [one for one in after if not isinstance(one, Suspension)]
            before = [replace(one, generation=0) for one in before]
            after = [replace(one, generation=0) for one in after]
        assert after == before
        kinds = {entry["kind"] for entry in await house.entries("watch", "suspension", "rotation.ordered")}
        assert kinds <= {"watch.noticed", "suspension.created"}


@given(
    admitted=st.booleans(),
    answer=st.sampled_from(ANSWERS),
    scope=st.sampled_from(SCOPES),
    value=st.sampled_from(["", CALLER, "weather", APP]),
    deeds=st.lists(
        st.builds(
            Deed,
            answer=st.sampled_from(ANSWERS),
            scope=st.sampled_from(SCOPES),
            value=st.just("weather"),
            at=st.integers(0, 3000).map(lambda minutes: NOON - timedelta(minutes=minutes)),
        ),
        max_size=8,
    ),
    minutes=st.one_of(st.none(), st.integers(-5, 200)),
)
def test_no_plan_goes_beyond_the_bounds(  # noqa: PLR0917  # Hypothesis gives them
    admitted: bool,
    answer: Answer,
    scope: Scope,
    value: str,
    deeds: list[Deed],
    minutes: int | None,
) -> None:
    about = finding(scope, value, admitted=admitted)
    until = None if minutes is None else NOON + timedelta(minutes=minutes)
    if not is_within(_planned(answer, about, until=until), deeds, NOON):
        return
    assert answer == "alert" or admitted or (answer, scope) == ("suspend", "caller")
    day = [deed for deed in deeds if NOON - deed.at < timedelta(hours=24)]
    if answer == "rotate":
        assert not any(deed.answer == "rotate" for deed in day)
    if answer == "suspend":
        assert until is not None
        assert until <= NOON + timedelta(hours=1)
        wide = [deed for deed in day if deed.answer == "suspend" and deed.scope != "caller"]
        assert scope == "caller" or len(wide) < 3


async def test_three_suspensions_a_day_and_no_more_whatever_was_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        many = [_planned("suspend", finding("route", f"r{number}", id=f"f_{number:020}")) for number in range(10)]
        await _carry_out(house, *many)
        assert len(await house.stored(Suspension)) == 3


async def test_a_flood_of_strangers_only_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        detector, real = house.detector, EWMADetector()
        monkeypatch.setattr(detector, "observe", real.observe)
        await house.shop.set_watch(mode="act", answers=ANSWERS)
        clock = house.rotation.clock
        before = await house.configuration()

        async def minute(strangers: int) -> None:
            begin = clock.now().replace(second=0)
            calm = Tally(calls=30, callers={CALLER: 3}, sketch=set(range(20)), countries={"DE": 30}, origins={APP: 30})
            flood = Tally(unadmitted=dict.fromkeys(UNADMITTED, strangers))
            of_route = replace(calm, unadmitted={"replayed": strangers}) if strangers else calm
            await house.counted(begin, routes={"weather": of_route, "": flood if strangers else Tally()})
            clock.past = (begin - NOON).total_seconds() + 75
            await house.watchman.look()

        for _ in range(120):
            await minute(0)
        assert await house.alerts() == []
        for _ in range(60):
            await minute(1_000_000)
        assert await house.configuration() == before
        alerts = await house.alerts()
        assert {alert.topic for alert in alerts} == {"watch.noticed"}
        assert 1 <= len(alerts) <= 20
        told = await house.entries("watch.noticed", "watch.tightened", "suspension", "rotation.ordered")
        assert {entry["kind"] for entry in told} == {"watch.noticed"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from(UNADMITTED), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_nothing_that_is_found_of_strangers_counts_as_admitted(counts: list[dict[str, int]]) -> None:
    detector, state = EWMADetector(), ""
    for minute, unadmitted in enumerate(counts):
        routes = {"": Tally(unadmitted=unadmitted), "weather": Tally(unadmitted=unadmitted)}
        window = Window(project=ProjectId("p"), begin=NOON + timedelta(minutes=minute), routes=routes)
        found, state = detector.observe(window, state)
        assert not any(one.admitted for one in found)
