"""Four workers on one database sign the checkpoints of one ledger, by turns and with one pair of keys."""

import asyncio

import pytest

from apikeychain.ledger.checkpoint_keys import trusted_keys
from apikeychain.model.ledger_records import CheckpointKeys, SignedChain
from apikeychain.proof.checkpoint import Statement, verify_checkpoint, verify_extension
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.checkpoints import checkpoint_of
from apikeychain.rules.merkle import consistency_path
from fleet import Fleet
from notary_house import ACME

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _signed(fleet: Fleet) -> Statement | None:
    """The last checkpoint of the chain, as one of the workers stored it."""
    store = fleet.acme._office.store
    async with store.reading(PLATFORM) as rows:
        pairs = await rows.list(CheckpointKeys, (), 10)
    async with store.reading(ACME) as rows:
        record = await rows.get(SignedChain, ())
    assert len(pairs) <= 1
    return verify_checkpoint(checkpoint_of(record), trusted_keys(pairs)) if record else None


async def test_all_sign_one_history_while_they_serve(fleet: Fleet) -> None:
    seen: list[Statement] = []
    async with fleet.load(16), asyncio.timeout(60):
        while len(seen) < 3:
            await asyncio.sleep(0.2)
            said = await _signed(fleet)
            if said is not None and said not in seen:
                seen.append(said)
    assert {answered.status for answered in fleet.answers} <= {200}
    assert [said.size for said in seen] == sorted({said.size for said in seen})
    await fleet.acme.ensure_project("one-more")
    came = await fleet.acme._office.notary.checkpoint()
    assert came.broken == {}
    last = await _signed(fleet)
    assert last is not None
    entries = await _hashes(fleet, last.size)
    for earlier in seen:
        verify_extension(earlier, last, consistency_path(entries, earlier.size, last.size))


async def _hashes(fleet: Fleet, size: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < size:
        found += [entry.hash for entry in await fleet.acme.entries(len(found), 1000)]
    return found
