"""What the watch may do, each deed alone."""

from dataclasses import replace
from datetime import timedelta

import pytest

from apikeychain.listing import every
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import Deed, TightenedQuota
from apikeychain.watch import deeds
from rotation_house import NOON
from watch_house import finding, watched

UNTIL = NOON + timedelta(days=9)
DEED = Deed(answer="tighten", scope="route", value="weather", at=NOON, until=UNTIL)


async def test_a_quota_that_is_smaller_already_stays_so_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        for until in (UNTIL, UNTIL + timedelta(hours=1), UNTIL - timedelta(hours=1)):
            async with house.store.tenant(house.shop.tenant) as records:
                assert not await deeds.tighten(records, house.shop.id, replace(DEED, until=until), [])
        (quota,) = await house.stored(TightenedQuota)
        assert (quota.until, quota.generation) == (UNTIL + timedelta(hours=1), 3)


async def test_no_quota_is_smaller_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        async with house.store.tenant(house.shop.tenant) as records:
            assert await deeds.tighten(records, house.shop.id, replace(DEED, until=None), [])
        assert await house.stored(TightenedQuota) == []


async def test_what_is_no_origin_is_not_suspended_and_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house, house.store.tenant(house.shop.tenant) as records:
        deed = replace(DEED, answer="suspend", scope="origin", value="nothing")
        assert await deeds.refuse(records, house.shop.id, deed, "why", []) == "This origin cannot be suspended."
        assert await every(records, Suspension, house.shop.id) == []


async def test_a_new_key_that_is_only_observed_is_not_ordered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch, age=timedelta(hours=1)) as house:
        await house.shop.set_watch(answers=["alert", "rotate"])
        for _ in range(6):
            await house.minute(finding("route", "weather", feature="secret"))
        assert await house.entries("rotation.ordered") == []
        assert any("otherwise it would have ordered a new key of 'weather'" in one.done for one in await house.alerts())


async def test_a_rotation_that_is_paused_is_left_to_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    async with watched(monkeypatch) as house:
        await house.shop.pause_rotation("weather")
        async with house.store.tenant(house.shop.tenant) as records:
            _, told = await deeds.rotate(records, house.shop.id, ["weather"], NOON, [])
        assert "no rotation of 'weather' that runs" in told
