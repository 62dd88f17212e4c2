"""Proofs out of a stored chain hold by the keys alone, and none comes out of a chain that was changed."""

import hashlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain.errors import DamagedDataError, DoesNotExistError, LedgerBrokenError
from apikeychain.ledger.prove import Prover, signed_checkpoint
from apikeychain.model.ids import TenantId
from apikeychain.proof.entry import Proof, verify_proof
from apikeychain.rules import subtrees
from notarized import entries_of, notarize, put_signed
from signed_ledgers import TRUSTED, said, signed
from tampered import ACME, OTHER, TamperedLedger, drafts, tampered_ledger

COUNT = 2 * subtrees.LEAVES + 5


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncGenerator[TamperedLedger, None]:
    async with tampered_ledger(tmp_path / "keychain.db") as ledger:
        yield ledger


async def prover(ledger: TamperedLedger, tenant: TenantId = ACME) -> Prover:
    return Prover(ledger.store, tenant, await signed_checkpoint(ledger.store, tenant))


async def proved(ledger: TamperedLedger, seq: int) -> Proof:
    one = await prover(ledger)
    await one.read()
    return await one.proof(seq)


async def test_every_entry_of_a_long_chain_is_proven(tmp_path: Path) -> None:
    async with tampered_ledger(tmp_path / "keychain.db", COUNT) as ledger:
        await notarize(ledger.store, ACME)
        await ledger.store.append_many({ACME: drafts(3)})
        one = await prover(ledger)
        told: list[tuple[int, int | None]] = []
        await one.read(lambda done, total: told.append((done, total)))
        assert told == [(1024, COUNT), (2048, COUNT), (COUNT, COUNT)]
        checkpoint = await signed_checkpoint(ledger.store, ACME)
        found = [(entry.seq, proof) async for entry, proof in one.proofs()]
        assert [seq for seq, _ in found] == [*range(1, COUNT + 1)]
        entries = await entries_of(ledger.store, ACME)
        for seq in (1, 2, 1023, 1024, 1025, 2048, 2049, COUNT - 1, COUNT):
            proof = await one.proof(seq)
            assert proof == Proof(found[seq - 1][1].payload, found[seq - 1][1].previous, proof.path, checkpoint)
            proven = verify_proof(proof, TRUSTED)
            assert (proven.seq, proven.hash) == (seq, entries[seq - 1].hash)


async def test_what_is_not_signed_yet_is_told_with_what_to_do(ledger: TamperedLedger) -> None:
    with pytest.raises(DoesNotExistError, match=r"has no checkpoint yet: one is made within a minute"):
        await signed_checkpoint(ledger.store, ACME)
    await notarize(ledger.store, ACME)
    one = await prover(ledger)
    one.require_signed(10)
    for seq in (0, 11):
        with pytest.raises(DoesNotExistError, match=f"entry {seq} of 'acme' is not signed: the last checkpoint, of .*"):
            await one.proof(seq)
    with pytest.raises(DoesNotExistError, match=r"apikeychain ledger checkpoint$"):
        one.require_signed(11)


@pytest.mark.parametrize(
    ("statement", "seq", "reason"),
    [
        ("DELETE FROM ledger WHERE seq = 4", 4, "it is missing"),
        ("DELETE FROM ledger WHERE seq = 10", 10, "it is missing"),
        ("UPDATE ledger SET hash = zeroblob(32) WHERE seq = 4", 10, "signed other entries"),
        ("UPDATE ledger SET hash = 'x' WHERE seq = 4", 10, "signed other entries"),
        ("UPDATE ledger SET payload = x'7b7d' WHERE seq = 4", 4, "its payload is not the one that was signed"),
        ("UPDATE ledger SET payload = 5 WHERE seq = 4", 4, "its payload is not the one that was signed"),
    ],
)
async def test_nothing_is_proven_of_a_chain_that_was_changed(
    ledger: TamperedLedger, statement: str, seq: int, reason: str
) -> None:
    await notarize(ledger.store, ACME)
    assert ledger.sql(statement)
    with pytest.raises(LedgerBrokenError, match=reason) as broken:
        await proved(ledger, 4)
    assert broken.value.seq == seq


async def test_a_chain_that_is_changed_meanwhile_is_told(ledger: TamperedLedger) -> None:
    await notarize(ledger.store, ACME)
    one = await prover(ledger)
    await one.read()
    ledger.sql("UPDATE ledger SET hash = zeroblob(32) WHERE seq = 4")
    with pytest.raises(LedgerBrokenError, match="are not those that were read before"):
        await one.proof(5)


async def test_a_payload_that_is_no_text_proves_nothing(ledger: TamperedLedger) -> None:
    rows = ledger.rows()
    rows[9]["payload"] = b"\xff"
    rows[9]["hash"] = hashlib.sha256(rows[8]["hash"] + b"\xff").digest()
    ledger.put(rows)
    await notarize(ledger.store, ACME)
    with pytest.raises(LedgerBrokenError, match="its payload is not the one that was signed"):
        await proved(ledger, 10)


async def test_an_entry_without_a_payload_is_not_proven_and_left_out(ledger: TamperedLedger) -> None:
    await notarize(ledger.store, ACME)
    ledger.sql("UPDATE ledger SET payload = x'' WHERE seq = 4 AND tenant = 'acme'")
    with pytest.raises(DoesNotExistError, match="entry 4 of 'acme' has no payload any more"):
        await proved(ledger, 4)
    one = await prover(ledger)
    await one.read()
    assert [entry.seq async for entry, _ in one.proofs()] == [1, 2, 3, 5, 6, 7, 8, 9, 10]


async def test_a_checkpoint_that_is_none_of_this_chain_proves_nothing(ledger: TamperedLedger) -> None:
    good, other = [signed(said(await entries_of(ledger.store, owner)))[0] for owner in (ACME, OTHER)]
    for bad in (other, replace(good, statement="{}")):
        await put_signed(ledger.store, ACME, bad, ())
        with pytest.raises(DamagedDataError, match="the checkpoint of the ledger of the tenant 'acme' cannot be read"):
            await prover(ledger)
