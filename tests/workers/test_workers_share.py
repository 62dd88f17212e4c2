"""Four worker processes on one database are one gate: what holds in one process holds in all of them together."""

import asyncio
from collections import Counter

import pytest

from apikeychain.tenants.project import ProjectAdmin
from fleet import WORKERS, Answered, Fleet, limited_shop

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_signature_that_is_replayed_to_each_worker_is_served_once_and_all_write_one_chain(fleet: Fleet) -> None:
    async with fleet.load():
        for _ in range(40):
            answers = await fleet.one_each(lines=fleet.sign())
            assert Counter((answered.status, answered.code) for answered in answers) == {
                (200, ""): 1,
                (401, "replayed"): WORKERS - 1,
            }
    served = await fleet.served()
    assert served == {200: fleet.got()[200]}
    assert (await fleet.acme.verify_ledger()).size > served[200]


@pytest.mark.parametrize("quota", ["120/hour", "120/hour moving-window"], ids=["counter", "window"])
async def test_a_quota_admits_its_amount_over_all_workers(fleet: Fleet, quota: str) -> None:
    narrow = await limited_shop(fleet.workers, f"narrow-{len(quota)}", quota)
    answers = [answered for _ in range(3) for answered in await _burst(fleet, narrow)]
    assert Counter(answered.status for answered in answers) == {200: 120, 429: 120}
    assert {answered.worker for answered in answers if answered.status == 200} == set(range(WORKERS))


async def _burst(fleet: Fleet, project: ProjectAdmin) -> list[Answered]:
    return await asyncio.gather(*(fleet.call(number % WORKERS, project) for number in range(80)))
