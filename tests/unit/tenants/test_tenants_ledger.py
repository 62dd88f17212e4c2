"""Ledgers for their own sake: of the platform, of tenants that are gone, and what is proven of them."""

import asyncio

import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, DamagedDataError, DoesNotExistError, InvalidValueError
from apikeychain.ledger import known as known_module
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head
from apikeychain.model.records import Tenant
from apikeychain.ports.store import TenantReader
from apikeychain.proof.entry import verify_proof
from apikeychain.rules import chain
from notarized import MemoryWitness, notarize
from signed_ledgers import KEYS, NOON, TRUSTED

GONE = TenantId("gone")


async def test_a_tenant_proves_its_entries_and_examines_against_the_witnesses_of_the_keychain() -> None:
    store, witness = MemoryStore(), MemoryWitness()
    async with APIKeyChain.in_memory(store=store, witnesses=[witness]) as keychain:
        tenant = await keychain.create_tenant("acme")
        await tenant.create_project("shop")
        await notarize(store, tenant.id, witness)
        told: list[tuple[int, int | None]] = []
        proof = await tenant.prove(2, lambda done, total: told.append((done, total)))
        assert verify_proof(proof, TRUSTED).seq == 2
        assert told == [(2, 2)]
        report = await tenant.examine_ledger()
        assert (report.anchored, len(report.anchors)) == (True, 2)
        await tenant.create_project("other")
        with pytest.raises(DoesNotExistError, match="is not signed"):
            await tenant.prove(3)
        report = await tenant.examine_ledger(keys=KEYS.public, is_since_checkpoint=True)
        assert (report.read, report.anchored) == (1, True)


async def test_the_platform_has_a_ledger_whether_or_not_anything_stands_in_it() -> None:
    store = MemoryStore()
    async with APIKeyChain.in_memory(store=store) as keychain:
        ledger = keychain.platform_ledger()
        before = (await ledger.verify_ledger()).size
        await store.append_many({chain.PLATFORM: [chain.admin("key.rotated", at=NOON, actor="host")]})
        assert (await ledger.verify_ledger()).size == before + 1
        assert (await ledger.entries(before))[0].kind == "key.rotated"
        assert (await keychain.ledger("platform")).id == ledger.id == "platform"


async def test_the_ledger_of_a_tenant_that_is_gone_is_found() -> None:
    store = MemoryStore()
    async with APIKeyChain.in_memory(store=store) as keychain:
        await keychain.create_tenant("gone")
        assert (await keychain.ledger("gone")).id == "gone"
        async with store.tenant(GONE) as rows:
            stored = await rows.get(Tenant, ())
            assert stored
            await rows.remove(Tenant, (), stored.generation)
        ledger = await keychain.ledger("gone")
        assert (await ledger.examine_ledger()).read == 1
        with pytest.raises(DoesNotExistError, match="there is no tenant 'nobody', and no ledger of one that is gone"):
            await keychain.ledger("nobody")
        with pytest.raises(InvalidValueError):
            await keychain.ledger("no id")


async def test_a_chain_of_which_a_witness_knows_is_there_though_the_store_has_nothing_of_it() -> None:
    away, witness = MemoryStore(), MemoryWitness()
    await away.append_many({GONE: [chain.admin("tenant.created", at=NOON, actor="host")]})
    await notarize(away, GONE, witness)
    async with APIKeyChain.in_memory(witnesses=[MemoryWitness(), witness]) as keychain:
        report = await (await keychain.ledger("gone")).examine_ledger()
        assert [fault.manipulation for fault in report.faults] == ["rolled back"]
        with pytest.raises(DoesNotExistError):
            await keychain.ledger("nobody")
        for error in (BackendUnavailableError(), OSError(), RuntimeError()):
            witness.broken = error
            assert not (await (await keychain.ledger("nobody")).examine_ledger()).is_complete


async def test_a_witness_that_hangs_keeps_no_ledger_from_being_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(MemoryWitness):
        async def latest(self, tenant: TenantId) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(known_module, "_WITNESS_SECONDS", 0.01)
    async with APIKeyChain.in_memory(witnesses=[Hanging()]) as keychain:
        assert (await keychain.ledger("nobody")).id == "nobody"


async def test_a_ledger_whose_head_is_damaged_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    class Damaged(MemoryStore):
        """Cannot read the end of a chain."""

    async def head(_: TenantReader) -> Head:
        what = "the head of the ledger"
        raise DamagedDataError(what, GONE)

    store = Damaged()
    async with APIKeyChain.in_memory(store=store) as keychain:
        async with store.reading(GONE) as rows:
            monkeypatch.setattr(type(rows), "head", head)
        assert (await keychain.ledger("gone")).id == "gone"
