"""Four workers on one database that write ahead: one chain, and no call in it without its intent."""

import asyncio
from collections import Counter

import pytest

from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider
from fleet import Fleet
from served_postgres import Database

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.parametrize("workers", ["write-ahead"], indirect=True, scope="module"),
]


async def _require_truth(fleet: Fleet) -> None:
    """Each answer has its outcome, each outcome an intent of its own, and the chain holds."""
    found = await fleet.written()
    intents = [told["seq"] for told in found if told["kind"] == "intent"]
    served = [told["data"] for told in found if told["kind"] == "call" and told["data"]["status"] == 200]
    assert len(served) == fleet.got()[200]
    assert {data["intent"] for data in served} <= {*intents}
    assert len({data["intent"] for data in served}) == len(served)
    await fleet.acme.verify_ledger()


async def test_all_write_one_chain_in_which_each_outcome_has_an_intent(fleet: Fleet, provider: LocalProvider) -> None:
    async with fleet.load(16):
        await asyncio.sleep(2)
    assert {answered.status for answered in fleet.answers} == {200}
    await _require_truth(fleet)


async def test_postgresql_away_sends_nothing_that_is_not_written_down(
    fleet: Fleet, database: Database, provider: LocalProvider
) -> None:
    async with fleet.load() as answers:
        await asyncio.sleep(0.5)
        await asyncio.to_thread(database.server.stop)
        await asyncio.sleep(0.2)
        sent, answered = len(provider.requests), len(answers)
        await asyncio.sleep(7)
        assert len(provider.requests) == sent
        away = Counter((answer.status, answer.code) for answer in answers[answered:])
        await asyncio.to_thread(database.server.start)
        await until(lambda: answers and answers[-1].status == 200)
        await asyncio.sleep(1.5)
    assert away.keys() <= {(503, "ledger-unavailable"), (503, "backend-unavailable")}
    assert away
    await _require_truth(fleet)
