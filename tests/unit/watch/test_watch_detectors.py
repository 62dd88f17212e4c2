"""Which detectors look at a project."""

import asyncio

import pytest

from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.model.watch import WatchPolicy
from apikeychain.testing.upstream_scene import LocalGuard
from apikeychain.upkeep import Upkeep
from watch_house import PlannedDetector, watched

RULE = "rate > 1000 / minute"


@pytest.mark.parametrize(
    ("given", "rules", "names"),
    [
        (None, (), ["ewma"]),
        (None, (RULE,), ["ewma", "rules"]),
        ([PlannedDetector()], (RULE,), ["planned", "rules"]),
        ([], (), []),
    ],
)
async def test_the_rules_of_a_tenant_stand_beside_whatever_the_keychain_has(
    monkeypatch: pytest.MonkeyPatch, given: list[PlannedDetector] | None, rules: tuple[str, ...], names: list[str]
) -> None:
    async with watched(monkeypatch) as house, AiohttpUpstream(LocalGuard()) as upstream:
        upkeep = Upkeep(house.rotation.office, upstream, asyncio.Event(), rotators={}, detectors=given)
        policy = WatchPolicy(project=house.shop.id, rules=rules)
        assert [detector.name for detector in upkeep.post.detectors(policy)] == names
