"""The keys that sign checkpoints: made once, rotated with an overlap, wrapped anew, destroyed."""

import asyncio
import json
from dataclasses import replace

import pytest

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, ConflictError, InvalidValueError, SealedValueError
from apikeychain.ledger.checkpoint_keys import MAX_SIGNING, OVERLAP, rewrap_pairs, trusted_keys
from apikeychain.model.keys import KeyContext
from apikeychain.model.ledger_records import CheckpointKeys
from apikeychain.primitives import ed25519_public_key, mldsa65_public_key
from apikeychain.proof.checkpoint import verify_checkpoint
from apikeychain.proof.key_list import follow
from apikeychain.proof.note import parse_keys
from apikeychain.proof.reading import ProofError
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.checkpoints import checkpoint_of
from honest_witness import HonestWitness
from notary_house import ACME, House, changed, settle


@pytest.fixture
async def house() -> House:
    house = House(MemoryStore())
    await settle(house.store, ACME)
    return house


@pytest.fixture
def witness() -> HonestWitness:
    return HonestWitness()


async def test_the_first_pair_is_made_with_the_first_checkpoint_and_written_down(house: House) -> None:
    assert await house.pairs() == []
    await house.notary().checkpoint()
    (pair,) = await house.pairs()
    assert (pair.id, pair.created, pair.until) == ("0001", house.clocks.now(), None)
    async with house.store.reading(PLATFORM) as rows:
        (entry,) = await rows.entries(0, 10)
    told = [f"{key.name}+{key.id.hex()}" for key in parse_keys(pair.public)]
    assert entry.kind == "checkpoint-key.made"
    assert json.loads(entry.payload)["data"] == {"id": "0001", "keys": told}
    assert follow([pair.key_list], None) == parse_keys(pair.public)


async def test_the_seeds_are_wrapped_for_this_pair_and_this_use_alone(house: House) -> None:
    await house.notary().checkpoint()
    (pair,) = await house.pairs()
    context = KeyContext(tenant="platform", purpose="checkpoint", version="0001")
    classical, quantum_safe = parse_keys(pair.public)
    seed = await house.keys.unwrap(pair.wrapped_ed25519, context)
    assert (len(seed), ed25519_public_key(seed)) == (32, classical.public)
    seed = await house.keys.unwrap(pair.wrapped_mldsa65, context)
    assert (len(seed), mldsa65_public_key(seed)) == (32, quantum_safe.public)
    for fields in ({"purpose": "pseudonym"}, {"version": "0002"}, {"tenant": "acme"}):
        with pytest.raises(SealedValueError):
            await house.keys.unwrap(pair.wrapped_ed25519, replace(context, **fields))


class SlowKeys(MemoryKeyService):
    """Lets others go first."""

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        await asyncio.sleep(0.01)
        return await super().wrap(key, context)


async def test_workers_that_begin_at_once_end_with_one_pair(house: House) -> None:
    house.keys = SlowKeys()
    assert isinstance(house.store, MemoryStore)
    workers = [house.notary(store=house.store.sibling()).signers for _ in range(4)]
    made = await asyncio.gather(*(signers.ensure() for signers in workers))
    assert made.count(True) == 1
    assert len(await house.pairs()) == 1
    assert await house.kinds() == ["checkpoint-key.made"]


async def test_nothing_of_a_seed_shows_itself(house: House) -> None:
    notary = house.notary()
    await notary.checkpoint()
    (pair,) = await notary.signers.signing(await house.pairs())
    assert repr(pair) == "SigningPair(origin='gate.example.com/ledger')"
    assert "wrapped" not in repr(await house.pairs())


async def test_a_pair_stays_open_for_5_minutes_at_most(house: House) -> None:
    assert isinstance(house.keys, MemoryKeyService)
    notary = house.notary()
    await notary.checkpoint()
    house.keys.reachable = False
    assert len(await notary.signers.signing(await house.pairs())) == 1
    house.clocks.past += 300
    with pytest.raises(BackendUnavailableError):
        await notary.signers.signing(await house.pairs())
    house.keys.reachable = True
    assert len(await notary.signers.signing(await house.pairs())) == 1
    house.keys.reachable = False
    notary.signers.forget()
    with pytest.raises(BackendUnavailableError):
        await notary.signers.signing(await house.pairs())


class TestARotation:
    async def test_both_pairs_sign_for_7_days_then_the_new_one_alone(
        self, house: House, witness: HonestWitness
    ) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        await notary.signers.rotate("operator")
        house.clocks.past += 60
        await notary.checkpoint()
        old, new = await house.public(0), await house.public(1)
        for keys in (old, new):
            verify_checkpoint(witness.kept[PLATFORM][-1][0], keys)
        house.clocks.past += OVERLAP.total_seconds()
        await house.write(ACME)
        await notary.checkpoint()
        verify_checkpoint(witness.kept[ACME][-1][0], new)
        with pytest.raises(ProofError, match="no Ed25519 signature by a key"):
            verify_checkpoint(witness.kept[ACME][-1][0], old)

    async def test_whoever_trusts_the_old_pair_follows_to_the_new_ones(
        self, house: House, witness: HonestWitness
    ) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        for _ in range(3):
            house.clocks.past += OVERLAP.total_seconds() + 1
            await notary.signers.rotate("operator")
            await house.write(ACME)
            await notary.checkpoint()
        assert len(witness.lists) == 4
        trusted = follow(witness.lists, await house.public(0))
        assert trusted == await house.public()
        assert witness.verified(trusted)[ACME].size == 4

    async def test_it_is_written_down_with_the_ids_of_the_public_keys(self, house: House) -> None:
        signers = house.notary().signers
        assert (await signers.rotate("operator")).id == "0002"
        async with house.store.reading(PLATFORM) as rows:
            entries = await rows.entries(0, 10)
        assert [(entry.kind, entry.actor) for entry in entries] == [
            ("checkpoint-key.made", "gate"),
            ("checkpoint-key.rotated", "operator"),
        ]
        told = [f"{key.name}+{key.id.hex()}" for key in await house.public(1)]
        assert json.loads(entries[1].payload)["data"] == {
            "id": "0002",
            "keys": told,
            "before": "0001",
            "until": "2026-01-09T12:00:00.000Z",
        }

    async def test_the_seeds_of_a_pair_whose_time_is_over_are_destroyed(self, house: House) -> None:
        notary = house.notary()
        await notary.checkpoint()
        await notary.signers.rotate("operator")
        house.clocks.past += OVERLAP.total_seconds() - 1
        await notary.checkpoint()
        assert all(pair.wrapped_ed25519 and pair.wrapped_mldsa65 for pair in await house.pairs())
        house.clocks.past += 1
        await notary.checkpoint()
        old, new = await house.pairs()
        assert (old.wrapped_ed25519, old.wrapped_mldsa65, old.generation) == (b"", b"", 3)
        assert new.wrapped_ed25519
        assert len(parse_keys(old.public)) == 2
        await house.write(ACME)
        assert (await house.notary().checkpoint()).signed == {ACME: 2}

    async def test_no_more_pairs_sign_than_a_note_has_room_for(self, house: House, witness: HonestWitness) -> None:
        notary = house.notary(witness)
        await notary.signers.ensure()
        for _ in range(MAX_SIGNING - 1):
            await notary.signers.rotate("operator")
        with pytest.raises(InvalidValueError, match="4 pairs of keys sign checkpoints already"):
            await notary.signers.rotate("operator")
        await notary.checkpoint()
        record = await house.record()
        assert record is not None
        assert record.note.count("— ") == 2 * MAX_SIGNING
        assert witness.verified()[ACME].size == 1

    async def test_of_two_at_once_one_is_told_to_try_again(self, house: House) -> None:
        assert isinstance(house.store, MemoryStore)
        await house.notary().signers.ensure()
        workers = [house.notary(store=house.store.sibling()).signers for _ in range(2)]
        came = await asyncio.gather(*(one.rotate("operator") for one in workers), return_exceptions=True)
        assert [type(one) for one in came if isinstance(one, Exception)] == [ConflictError]
        assert len(await house.pairs()) == 2

    async def test_a_clock_that_is_behind_makes_no_list_that_cannot_be_followed(self, house: House) -> None:
        signers = house.notary().signers
        await signers.ensure()
        house.clocks.past -= 3600
        await signers.rotate("operator")
        assert len(trusted_keys(await house.pairs())) == 4


class TestAForgedPair:
    """Whoever may write to the database and does not hold the platform key."""

    async def test_does_not_sign(self, house: House) -> None:
        other = House(MemoryStore())
        await settle(other.store, ACME)
        await other.notary().checkpoint()
        await house.notary().checkpoint()
        (forged,) = await other.pairs()
        fields = {name: getattr(forged, name) for name in ("public", "wrapped_ed25519", "wrapped_mldsa65", "key_list")}
        await changed(house.store, PLATFORM, CheckpointKeys, **fields)
        await house.write(ACME)
        came = await house.notary().checkpoint()
        assert came.signed == {}
        assert "its stored checkpoint does not hold" in came.broken[ACME]
        with pytest.raises(SealedValueError):
            await house.notary().signers.signing(await house.pairs())

    async def test_with_seeds_that_were_swapped_does_not_open(self, house: House) -> None:
        await house.notary().checkpoint()
        (pair,) = await house.pairs()
        swapped = {"wrapped_ed25519": pair.wrapped_mldsa65, "wrapped_mldsa65": pair.wrapped_ed25519}
        await changed(house.store, PLATFORM, CheckpointKeys, **swapped)
        with pytest.raises(SealedValueError):
            await house.notary().signers.signing(await house.pairs())

    async def test_whose_list_does_not_follow_ends_the_round(self, house: House) -> None:
        await house.notary().signers.rotate("operator")
        (first, second), broken = await house.pairs(), ""
        for broken in ("", second.key_list.replace("\nkeys\n", "\nkey\n"), second.key_list + second.key_list):
            async with house.store.tenant(PLATFORM) as rows:
                await rows.replace(replace(second, key_list=broken), second.generation)
            with pytest.raises(SealedValueError):
                await house.notary().checkpoint()
        assert trusted_keys([first, second]) == [*parse_keys(first.public), *parse_keys(second.public)]

    @pytest.mark.parametrize("name", ["key_list", "public"])
    async def test_whose_list_is_of_other_keys_ends_the_round(self, house: House, name: str) -> None:
        await house.notary().signers.rotate("operator")
        first, second = await house.pairs()
        async with house.store.tenant(PLATFORM) as rows:
            await rows.replace(replace(second, **{name: getattr(first, name)}), second.generation)
        with pytest.raises(SealedValueError):
            await house.notary().checkpoint()
        assert await house.record() is None


async def test_the_keys_outlive_the_platform_key_that_wrapped_them(house: House, witness: HonestWitness) -> None:
    await house.notary(witness).signers.rotate("operator")
    house.clocks.past += OVERLAP.total_seconds()
    await house.notary(witness).checkpoint()
    await house.notary(witness).signers.rotate("operator")
    await house.keys.rotate()
    await rewrap_pairs(house.store, house.keys)
    await house.keys.retire(1)
    await house.notary(witness).checkpoint()
    assert [pair.wrapped_ed25519 == b"" for pair in await house.pairs()] == [True, False, False]
    assert witness.sizes(PLATFORM) == [2, 3]
    record = await house.record(PLATFORM)
    assert record is not None
    for place in (1, 2):
        assert verify_checkpoint(checkpoint_of(record), await house.public(place)).size == 3
