"""The verbs of a project's watch."""

from datetime import timedelta
from typing import Any

import pytest

from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.watch import TightenedQuota, WatchPolicy
from rotation_house import NOON
from watch_house import CALLER, finding, watched

RULE = "rate > 1000 / minute"


async def test_a_project_of_which_nobody_said_anything_is_observed_for_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch, age=timedelta(0)) as house:
        info = await house.shop.watch()
        assert info.policy == WatchPolicy(project=house.shop.id)
        assert (info.mode, info.windows, info.last, info.deeds) == ("observe", 0, None, ())
        house.rotation.clock.go_on(7 * 86400)
        assert (await house.shop.watch()).mode == "act"


async def test_what_is_said_is_stored_and_stands_in_the_ledger_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        for _ in range(2):
            policy = await house.shop.set_watch(
                mode="observe",
                answers=["suspend", "alert"],
                rules=[RULE],
                suspend_minutes=5,
                suspensions_a_day=1,
            )
        assert (policy.mode, policy.answers, policy.rules) == ("observe", ("alert", "suspend"), (RULE,))
        assert (policy.suspend_minutes, policy.suspensions_a_day, policy.generation) == (5, 1, 1)
        assert (await house.shop.watch()).policy == policy
        (entry,) = await house.entries("watch.changed")
        assert entry["data"] == {
            "mode": "observe",
            "answers": ["alert", "suspend"],
            "rules": [RULE],
            "suspend_minutes": 5,
            "suspensions_a_day": 1,
        }
        changed = await house.shop.set_watch(default_mode=True)
        assert (changed.mode, changed.generation, changed.rules) == (None, 2, (RULE,))
        assert (await house.shop.watch()).mode == "act"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"mode": "on"}, "not a mode: 'on'"),
        ({"answers": ["shout"]}, "not an answer: 'shout'"),
        ({"rules": ["rate is high"]}, "rate"),
        ({"rules": [RULE, 1]}, "a line of text"),
        ({"suspend_minutes": 2.5}, "1 to 60 minutes, not 2.5"),
        ({"suspend_minutes": True}, "1 to 60 minutes, not True"),
        ({"suspensions_a_day": "2"}, "0 to 3 suspensions"),
        ({"suspend_minutes": 0}, "1 to 60 minutes"),
        ({"suspend_minutes": 61}, "1 to 60 minutes"),
        ({"suspensions_a_day": 4}, "0 to 3 suspensions"),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, wanted: dict[str, Any], says: str
) -> None:
    async with watched(monkeypatch) as house:
        before = await house.configuration()
        with pytest.raises(InvalidValueError, match=says):
            await house.shop.set_watch(**wanted)
        assert await house.configuration() == before


async def test_it_tells_what_was_seen_and_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER))
        info = await house.shop.watch()
        assert (info.windows, info.late) == (1, 0)
        assert info.last is not None
        assert info.last.calls == 1
        assert [deed.answer for deed in info.deeds] == ["alert", "suspend"]
        assert info.learned == {"planned": len(info.last.begin.isoformat())}
        quota = TightenedQuota(
            project=house.shop.id, scope="project", value="", divisor=4, created=NOON, until=NOON + timedelta(days=30)
        )
        async with house.store.tenant(house.shop.tenant) as records:
            await records.insert(quota)
        assert (await house.shop.watch()).tightened == (quota,)


async def test_findings_are_told_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        for _ in range(3):
            await house.minute(finding("caller", CALLER, blatant=False))
        found = await house.shop.findings()
        assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
        assert len(found) == 3
        assert await house.shop.findings(1) == found[:1]
        wrong: list[Any] = [0, 1.5, True, "1"]
        for limit in wrong:
            with pytest.raises(InvalidValueError):
                await house.shop.findings(limit)


async def test_a_suspension_of_the_watch_is_lifted_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.minute(finding("caller", CALLER))
        await house.shop.lift("caller", CALLER)
        assert await house.shop.list_suspensions() == []
        (entry,) = await house.entries("suspension.removed")
        assert entry["data"] == {"scope": "caller", "value": CALLER}


async def test_of_a_project_that_is_gone_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.rotation.acme.remove_project("shop")
        for verb in (house.shop.watch, house.shop.findings, house.shop.set_watch):
            with pytest.raises(DoesNotExistError):
                await verb()
