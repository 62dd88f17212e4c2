"""Workers that no channel reaches know of a change after thirty seconds all the same."""

import asyncio

import pytest

from fleet import WORKERS, Fleet

_SECONDS = 30.0


@pytest.mark.long
@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("workers", ["nobody"], indirect=True, scope="module")
async def test_a_suspension_holds_at_all_though_nobody_told_of_it(fleet: Fleet) -> None:
    async with fleet.load() as answers:
        await fleet.shop.suspend(reason="a finding")
        at = asyncio.get_running_loop().time()
        await asyncio.sleep(_SECONDS + 3)
    between = {answered.status for answered in answers if at + 1 < answered.began < at + 2}
    late = {(answered.worker, answered.status) for answered in answers if answered.began > at + _SECONDS}
    assert 200 in between
    # In half a minute a caller is refused more often than an address may be.
    assert late - {(worker, 429) for worker in range(WORKERS)} == {(worker, 403) for worker in range(WORKERS)}
