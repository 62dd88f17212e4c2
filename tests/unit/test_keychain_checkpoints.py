"""A keychain signs checkpoints by itself: in memory, on the embedded default, and by its verbs."""

import asyncio
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import InvalidValueError, SealedValueError
from apikeychain.ledger import notary as notaries
from apikeychain.model.ledger_records import CheckpointKeys
from apikeychain.proof.key_list import follow
from apikeychain.proof.note import parse_keys
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from gate import open_gate
from honest_witness import HonestWitness
from notary_house import ACME, changed

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")


@pytest.fixture
def witness() -> HonestWitness:
    return HonestWitness()


async def test_a_keychain_that_served_signs_what_is_left_when_it_closes(witness: HonestWitness) -> None:
    async with open_gate(witnesses=[witness]) as gate:
        assert (await gate.get()).status == 200
        size = (await gate.acme.verify_ledger()).size
    said = witness.verified()
    assert (said[ACME].origin, said[ACME].size) == ("apikeychain/ledger", size + 1)


async def test_a_keychain_that_only_changed_something_leaves_that_to_whoever_serves(witness: HonestWitness) -> None:
    async with APIKeyChain.in_memory(settings=QUICK, witnesses=[witness]) as keychain:
        await keychain.ensure_tenant("acme")
    assert witness.kept == {}


async def test_a_serving_keychain_signs_by_itself(witness: HonestWitness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notaries, "ROUND_SECONDS", 0.02)
    async with APIKeyChain.in_memory(settings=QUICK, witnesses=[witness]) as keychain:
        await keychain.ensure_tenant("acme")
        await until(lambda: witness.sizes(ACME))
    assert witness.verified()[ACME].size == 1


async def test_a_witness_that_hangs_keeps_no_call_waiting_and_no_keychain_open(
    witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notaries.Notary.close, "__kwdefaults__", {"seconds": 0.1})
    monkeypatch.setattr(notaries, "ROUND_SECONDS", 0.02)
    witness.passing.clear()
    async with asyncio.timeout(30), open_gate(witnesses=[witness]) as gate:
        await asyncio.sleep(0.1)
        assert (await gate.get()).status == 200
    assert witness.kept == {}


async def test_the_embedded_default_goes_on_from_what_it_signed(tmp_path: Path, witness: HonestWitness) -> None:
    for size in (1, 2, 3):
        async with APIKeyChain.embedded(tmp_path / "data", settings=QUICK, witnesses=[witness]) as keychain:
            acme = await keychain.ensure_tenant("acme")
            if size > 1:
                await acme.ensure_project(f"shop-{size}")
            came = await keychain.checkpoint()
            assert came.signed[ACME] == size
            assert came.broken == {}
    assert witness.verified(parse_keys("\n".join(await _keys(tmp_path, witness))))[ACME].size == 3


async def _keys(tmp_path: Path, witness: HonestWitness) -> list[str]:
    async with APIKeyChain.embedded(tmp_path / "data", settings=QUICK, witnesses=[witness]) as keychain:
        return await keychain.checkpoint_keys()


async def test_the_verbs_rotate_and_tell_the_keys(witness: HonestWitness) -> None:
    async with APIKeyChain.in_memory(settings=QUICK, witnesses=[witness]) as keychain:
        assert await keychain.checkpoint_keys() == []
        await keychain.ensure_tenant("acme")
        await keychain.checkpoint()
        first = await keychain.checkpoint_keys()
        second = await keychain.rotate_checkpoint_keys(actor="operator")
        assert await keychain.checkpoint_keys() == [*first, *second]
        await keychain.checkpoint()
        lists = await keychain.checkpoint_key_lists()
        assert lists == witness.lists
        assert [str(key) for key in follow(lists, parse_keys("\n".join(first)))] == [*first, *second]
        witness.verified(parse_keys("\n".join(second + first)))
        with pytest.raises(InvalidValueError, match="an actor is"):
            await keychain.rotate_checkpoint_keys(actor="a@b")


async def test_the_keys_survive_a_rotation_of_the_platform_key(witness: HonestWitness) -> None:
    store, keys = MemoryStore(), MemoryKeyService()
    for _ in range(2):
        async with APIKeyChain.in_memory(
            settings=QUICK, store=store, key_service=keys, witnesses=[witness]
        ) as keychain:
            await keychain.ensure_tenant("acme")
            await keychain.checkpoint()
            version = await keychain.rotate_platform_key()
            came = await keychain.rewrap_keys()
            assert (came.tenants, came.failed) == (1, ())
            await keychain.retire_platform_key(version - 1)
    assert len(witness.verified()) == 2
    assert witness.sizes(PLATFORM) == [2, 5]


async def test_keys_that_do_not_open_are_told_by_a_rewrap(witness: HonestWitness) -> None:
    store = MemoryStore()
    async with APIKeyChain.in_memory(settings=QUICK, store=store, witnesses=[witness]) as keychain:
        await keychain.ensure_tenant("acme")
        await keychain.checkpoint()
        await changed(store, PLATFORM, CheckpointKeys, wrapped_mldsa65=b"not a key")
        came = await keychain.rewrap_keys()
        assert (came.tenants, came.failed) == (1, (PLATFORM,))
        with pytest.raises(SealedValueError):
            await keychain.rotate_checkpoint_keys()


async def test_what_another_key_service_wraps_are_not_these_keys(witness: HonestWitness) -> None:
    others = {"vault": MemoryKeyService()}
    async with APIKeyChain.in_memory(settings=QUICK, key_services=others, witnesses=[witness]) as keychain:
        await keychain.checkpoint()
        await keychain.rotate_checkpoint_keys()
        assert (await keychain.rewrap_keys(key_service="vault")).failed == ()
        await keychain.checkpoint()
    assert witness.sizes(PLATFORM) == [3]
