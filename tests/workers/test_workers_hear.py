"""What one process changes, four workers under load know within a second; by which server they hear of it is told."""

import asyncio

import pytest

from apikeychain.tenants.erasure import erase_tenant
from apikeychain.tenants.registry import create_tenant
from fleet import WORKERS, Answered, Fleet
from gate import weather_shop

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("workers", ["postgres", "valkey"], indirect=True, scope="module"),
]
_SECOND = 1.0


async def _late(answers: list[Answered]) -> set[tuple[int, int, str]]:
    """By each worker, what was answered to calls that began a second and more after now."""
    at = asyncio.get_running_loop().time() + _SECOND
    late = set[tuple[int, int, str]]()
    await asyncio.sleep(_SECOND)
    async with asyncio.timeout(20):
        while {worker for worker, _, _ in late} != set(range(WORKERS)):
            await asyncio.sleep(0.5)
            late = {(answered.worker, answered.status, answered.code) for answered in answers if answered.began > at}
    return late


def _all(status: int, code: str = "") -> set[tuple[int, int, str]]:
    return {(worker, status, code) for worker in range(WORKERS)}


async def test_a_suspension_stops_all_and_ends_for_all(fleet: Fleet) -> None:
    async with fleet.load() as answers:
        await fleet.shop.suspend(reason="a finding")
        assert await _late(answers) == _all(403, "suspended")
        await fleet.shop.lift()
        assert await _late(answers) == _all(200)


async def test_a_caller_of_the_ledger_is_refused_by_all_and_served_again(fleet: Fleet) -> None:
    async with fleet.load() as answers:
        (caller,) = {told["data"]["caller"] for told in await fleet.written() if told["kind"] == "call"}
        await fleet.shop.suspend("caller", caller, reason="a finding")
        assert await _late(answers) == _all(403, "suspended")
        await fleet.shop.lift("caller", caller)
        assert await _late(answers) == _all(200)


async def test_a_change_holds_at_all(fleet: Fleet) -> None:
    async with fleet.load() as answers:
        await fleet.shop.disable_route("weather")
        assert await _late(answers) == _all(404, "not-found")
        await fleet.shop.enable_route("weather")
        assert await _late(answers) == _all(200)


async def test_a_tenant_that_was_erased_is_served_by_nobody(fleet: Fleet) -> None:
    office = fleet.acme._office
    gone = await create_tenant(office, f"gone-{fleet.shop.name}", "ops")
    shop = await weather_shop(gone, fleet.workers.shared.provider)
    assert {answered.status for answered in await fleet.one_each(shop)} == {200}
    await erase_tenant(office, gone.id, "ops")
    await asyncio.sleep(_SECOND)
    answers = await fleet.one_each(shop)
    assert {(answered.worker, answered.status, answered.code) for answered in answers} == _all(404, "not-found")
    assert {answered.status for answered in await fleet.one_each()} == {200}
    assert (await gone.examine_ledger()).holds


async def test_a_key_that_was_revoked_signs_nothing_anywhere(fleet: Fleet) -> None:
    async with fleet.load():
        for worker in range(WORKERS):
            assert (await fleet.call(worker, lines=fleet.sign())).status == 200
        await fleet.shop.retire_signing_key(fleet.signer.key_id)
        await asyncio.sleep(_SECOND)
        for worker in range(WORKERS):
            assert (await fleet.call(worker, lines=fleet.sign())).code == "signature-refused"
