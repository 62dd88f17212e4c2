"""What moved is signed, once for all of it, and every witness is taken what it lacks."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, ConflictError, InvalidValueError
from apikeychain.ledger import asking, publishing, signing_round, verify
from apikeychain.ledger import notary as notaries
from apikeychain.ledger.turn import lease
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import NO_TIME, Head, LedgerDraft
from apikeychain.model.ledger_records import SignedChain
from apikeychain.proof.note import verify_note
from apikeychain.rules.chain import PLATFORM
from honest_witness import HonestWitness
from ledger_house import Wire
from notary_house import ACME, OTHER, Breaking, House, changed, settle


@pytest.fixture
async def house() -> House:
    house = House(Breaking())
    await settle(house.store, ACME, OTHER)
    return house


@pytest.fixture
def witness() -> HonestWitness:
    return HonestWitness()


def breaking(house: House) -> Breaking:
    assert isinstance(house.store, Breaking)
    return house.store


async def test_all_chains_that_moved_are_signed_by_one_note_with_both_keys(
    house: House, witness: HonestWitness
) -> None:
    came = await house.notary(witness).checkpoint()
    assert (dict(came.signed), came.broken) == ({ACME: 1, OTHER: 1, PLATFORM: 1}, {})
    (publication,) = came.publications
    assert publication.witness == "witness 1 (HonestWitness)"
    assert (sorted(publication.kept), publication.refused, publication.fault) == ([ACME, OTHER, PLATFORM], {}, "")
    notes = {checkpoint.note for kept in witness.kept.values() for checkpoint, _ in kept}
    assert len(notes) == 1
    assert verify_note(notes.pop(), await house.public()).size == 3
    assert {tenant: said.size for tenant, said in witness.verified().items()} == came.signed
    assert await house.said() == witness.verified()[ACME]


async def test_only_what_moved_is_signed_again_and_extends_what_was_signed(
    house: House, witness: HonestWitness
) -> None:
    notary = house.notary(witness)
    await notary.checkpoint()
    for count in (1, 2, 5, 13):
        await house.write(ACME, count=count)
        house.clocks.past += 60
        assert [*(await notary.checkpoint()).signed] == [ACME]
    assert witness.sizes(ACME) == [1, 2, 4, 9, 22]
    assert witness.sizes(OTHER) == [1]
    assert witness.verified(await house.public())[ACME].size == 22
    assert witness.asked == 3


async def test_where_nothing_moved_nothing_is_signed_stored_or_asked(house: House, witness: HonestWitness) -> None:
    notary = house.notary(witness)
    await notary.checkpoint()
    before, asked = await house.record(), witness.asked
    came = await notary.checkpoint()
    assert (came.signed, came.broken, came.publications) == ({}, {}, [])
    assert (await house.record(), witness.asked) == (before, asked)


async def test_without_an_entry_there_is_no_key() -> None:
    house = House(MemoryStore())
    assert (await house.notary(HonestWitness()).checkpoint()).signed == {}
    assert await house.pairs() == []


async def test_the_entry_of_the_first_pair_is_signed_with_what_it_signs() -> None:
    house, witness = House(MemoryStore()), HonestWitness()
    await house.write(PLATFORM, count=2)
    notary = house.notary(witness)
    assert (await notary.checkpoint()).signed == {PLATFORM: 3}
    assert (await notary.checkpoint()).signed == {}
    assert witness.verified()[PLATFORM].size == 3


async def test_a_long_chain_is_read_in_pages(
    house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.ledger.moved.PAGE", 7)
    await house.write(ACME, count=99)
    notary = house.notary(witness)
    await notary.checkpoint()
    await house.write(ACME, count=23)
    await notary.checkpoint()
    assert witness.sizes(ACME) == [100, 123]
    assert witness.verified()[ACME].size == 123
    assert verify.PAGE == 1000


async def test_many_chains_are_signed_a_bounded_number_at_a_time(
    house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_round, "HEADS", 2)
    monkeypatch.setattr(signing_round, "MAX_MOMENT", 4)
    monkeypatch.setattr(publishing, "MAX_EXTENSIONS", 3)
    await settle(house.store, *(TenantId(f"t{number}") for number in range(7)))
    came = await house.notary(witness).checkpoint()
    assert len(came.signed) == 10
    assert len({checkpoint.note for kept in witness.kept.values() for checkpoint, _ in kept}) == 3
    assert witness.given == [3, 1, 3, 1, 2]
    assert len(witness.verified()) == 10


async def test_a_moment_is_never_before_that_of_the_checkpoint_before(house: House, witness: HonestWitness) -> None:
    notary = house.notary(witness)
    await notary.checkpoint()
    house.clocks.past -= 3600
    await house.write(ACME)
    await notary.checkpoint()
    assert witness.sizes(ACME) == [1, 2]
    assert witness.verified()[ACME].at == "2026-01-02T12:00:00.000Z"


async def test_two_workers_that_act_at_once_make_one_round(house: House, witness: HonestWitness) -> None:
    sibling = breaking(house).sibling()
    rounds = await asyncio.gather(house.notary(witness).checkpoint(), house.notary(witness, store=sibling).checkpoint())
    assert [sorted(one.signed) for one in rounds].count([ACME, OTHER, PLATFORM]) == 1
    assert sum(len(one.signed) for one in rounds) == 3
    assert len(await house.pairs()) == 1
    assert {tenant: witness.sizes(tenant) for tenant in witness.kept} == {ACME: [1], OTHER: [1], PLATFORM: [1]}


async def test_two_rounds_of_one_worker_are_made_one_after_the_other(house: House, witness: HonestWitness) -> None:
    notary = house.notary(witness)
    rounds = await asyncio.gather(notary.checkpoint(), notary.checkpoint())
    assert [len(one.signed) for one in rounds] == [3, 0]


async def test_another_workers_turn_is_waited_for_and_then_told(house: House) -> None:
    other, notary = breaking(house).sibling(), house.notary()
    assert await lease(other, "checkpoints", 60)
    acting = asyncio.create_task(notary.checkpoint())
    await asyncio.sleep(0.15)
    house.clocks.past += 10
    with pytest.raises(ConflictError, match="another worker is signing"):
        await acting
    assert await lease(other, "checkpoints", 0)
    assert len((await notary.checkpoint()).signed) == 3


async def test_a_turn_that_is_lost_on_the_way_leaves_the_rest_to_who_has_it(
    house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.ledger.turn.LEASE_SECONDS", 0)
    other, notary = breaking(house).sibling(), house.notary(witness)
    signing = notary.signers.signing

    async def slowly(pairs: object) -> object:
        house.clocks.past += 30
        await lease(other, "checkpoints", 60)
        return await signing(pairs)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(notary.signers, "signing", slowly, raising=False)
    assert (await notary.checkpoint()).signed == {}
    assert await house.record() is None


async def test_who_signs_a_chain_that_another_one_signed_meanwhile_stores_and_publishes_nothing_of_it(
    house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still for longer than its lease: what it made must not become a second history."""
    notary, faster = house.notary(witness), house.notary(witness, store=breaking(house).sibling())
    await notary.checkpoint()
    await house.write(ACME)
    monkeypatch.setattr("apikeychain.ledger.turn.LEASE_SECONDS", 0)
    signing = notary.signers.signing

    async def slowly(pairs: object) -> object:
        await faster.checkpoint()
        return await signing(pairs)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(notary.signers, "signing", slowly, raising=False)
    assert (await notary.checkpoint()).signed == {}
    assert witness.sizes(ACME) == [1, 2]
    assert witness.verified()[ACME] == await house.said()


async def test_the_origin_of_a_ledger_stays(house: House, witness: HonestWitness) -> None:
    await house.notary(witness).checkpoint()
    await house.write(ACME)
    with pytest.raises(InvalidValueError, match=r"ledger_origin: .* signed as 'gate.example.com/ledger'"):
        await house.notary(witness, origin="gate.example.com/ledg").checkpoint()
    assert (await house.said()).size == 1


class TestACrash:
    """Whatever was done until then, the next round mends it, in this worker and in a new one."""

    async def mended(self, house: House, witness: HonestWitness) -> None:
        breaking(house).at = None
        came = await house.notary(witness).checkpoint()
        assert came.broken == {}
        assert witness.sizes(ACME)[-1] == (await house.said(ACME)).size == 2
        assert witness.sizes(OTHER)[-1] == (await house.said(OTHER)).size == 2
        assert witness.verified().keys() == {ACME, OTHER, PLATFORM}

    @pytest.mark.parametrize("tenant", [ACME, OTHER, PLATFORM])
    @pytest.mark.parametrize("late", [False, True], ids=["before the commit", "behind the commit"])
    async def test_while_it_is_stored(
        self, house: House, witness: HonestWitness, tenant: TenantId, *, late: bool
    ) -> None:
        await house.write(ACME, OTHER)
        breaking(house).at, breaking(house).late = tenant, late
        notary = house.notary(witness)
        with pytest.raises(BackendUnavailableError):
            await notary.checkpoint()
        assert witness.kept == {}
        await self.mended(house, witness)

    async def test_in_the_same_worker(self, house: House, witness: HonestWitness) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        await house.write(ACME, OTHER)
        breaking(house).at, breaking(house).late = OTHER, True
        with pytest.raises(BackendUnavailableError):
            await notary.checkpoint()
        assert witness.sizes(ACME) == [1]
        breaking(house).at = None
        (publication,) = (await notary.checkpoint()).publications
        assert sorted(publication.kept) == [ACME, OTHER]
        await self.mended(house, witness)

    async def test_between_storing_and_publishing(self, house: House, witness: HonestWitness) -> None:
        await house.notary(witness).checkpoint()
        await house.write(ACME, OTHER)
        witness.reachable = False
        await house.notary(witness).checkpoint()
        witness.reachable = True
        await self.mended(house, witness)

    async def test_between_two_witnesses(self, house: House, witness: HonestWitness) -> None:
        second = HonestWitness()
        second.reachable = False
        await house.write(ACME, OTHER)
        await house.notary(witness, second).checkpoint()
        second.reachable = True
        await self.mended(house, second)
        assert witness.kept == second.kept


class TestABrokenChain:
    """It is never signed, it is told once, and the others go on."""

    async def test_an_entry_that_was_changed(
        self, house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        await house.write(ACME, OTHER, count=3)
        entries = breaking(house)._house.rooms[ACME].entries
        entries[2] = replace(entries[2], actor="nobody")
        for _ in range(2):
            came = await notary.checkpoint()
            assert [*came.broken] == [ACME]
            assert "broken at entry 3" in came.broken[ACME]
        assert (witness.sizes(ACME), witness.sizes(OTHER)) == ([1], [1, 4])
        told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
        assert told == [f"no checkpoint of tenant acme is signed: {came.broken[ACME]}"]
        entries = breaking(house)._house.rooms[ACME].entries
        entries[2] = replace(entries[2], actor="gate")
        assert (await notary.checkpoint()).signed == {ACME: 4}

    @pytest.mark.parametrize("is_new", [False, True], ids=["the same worker", "a new one"])
    async def test_a_chain_that_was_cut(self, house: House, witness: HonestWitness, *, is_new: bool) -> None:
        notary = house.notary(witness)
        await house.write(ACME, count=3)
        await notary.checkpoint()
        del breaking(house)._house.rooms[ACME].entries[2:]
        notary = house.notary(witness) if is_new else notary
        came = await notary.checkpoint()
        assert "broken at entry 3: it is missing, and a checkpoint" in came.broken[ACME]
        assert witness.sizes(ACME) == [4]

    async def test_a_chain_that_ends_otherwise(self, house: House, witness: HonestWitness) -> None:
        await house.notary(witness).checkpoint()
        room = breaking(house)._house.rooms[ACME]
        room.entries[0] = replace(room.entries[0], hash=bytes(32))
        came = await house.notary(witness).checkpoint()
        assert "signed another entry in its place" in came.broken[ACME]

    async def test_a_chain_whose_bodies_went_before_it_was_signed(self, house: House, witness: HonestWitness) -> None:
        await house.notary(witness).checkpoint()
        await house.write(ACME, count=3)
        entries = breaking(house)._house.rooms[ACME].entries
        entries[-2] = replace(entries[-2], payload=b"", kind="", actor="", project=None, at=NO_TIME)
        came = await house.notary(witness).checkpoint()
        assert "its body is gone, and no checkpoint has signed it yet" in came.broken[ACME]
        assert ACME not in came.signed

    async def test_a_head_of_another_entry(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = breaking(house)
        ends = store.append_many

        other: dict[str, Any] = {}

        async def elsewhere(payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
            heads = await ends(payloads)
            return {tenant: replace(head, **other) if tenant == ACME else head for tenant, head in heads.items()}

        monkeypatch.setattr(store, "append_many", elsewhere)
        for fields, why in (
            ({"hash": bytes(32)}, "broken at entry 1: the stored head is that of another entry"),
            ({"size": 2}, "broken at entry 2: it is missing"),
        ):
            other = dict(fields)
            came = await house.notary(witness).checkpoint()
            assert why in came.broken[ACME]

    async def test_a_head_that_cannot_be_read_is_found_among_others(self, witness: HonestWitness) -> None:
        store = Wire()
        house = House(store)
        names = [TenantId(f"t{number}") for number in range(6)]
        await settle(store, ACME, OTHER, *names)
        store.damaged = {names[1], names[4]}
        came = await house.notary(witness).checkpoint()
        assert came.broken.keys() == store.damaged
        assert len(came.signed) == 7

    async def test_a_record_that_is_not_what_was_signed(self, house: House, witness: HonestWitness) -> None:
        await house.notary(witness).checkpoint()
        await house.write(ACME)
        record, other = await house.record(), await house.record(OTHER)
        assert record is not None
        assert other is not None
        for fields, why in (
            ({"statement": record.statement.replace('"size":1', '"size":2')}, "its stored checkpoint does not hold"),
            ({"statement": "{}"}, "its stored checkpoint does not hold"),
            ({"note": record.note.replace("\n3\n", "\n2\n")}, "its stored checkpoint does not hold"),
            (
                {"peaks": (bytes(32),)},
                "its stored checkpoint does not hold: the peaks that are stored beside it are not",
            ),
            ({"peaks": ()}, "its stored checkpoint does not hold: these are not the peaks of a tree of 1 leaves"),
            (
                {name: getattr(other, name) for name in ("statement", "index", "path", "note", "peaks")},
                "its stored checkpoint is that of another chain",
            ),
        ):
            await changed(house.store, ACME, SignedChain, **fields)
            came = await house.notary(witness).checkpoint()
            assert why in came.broken[ACME]
            kept = {name: getattr(record, name) for name in ("statement", "index", "path", "note", "peaks")}
            await changed(house.store, ACME, SignedChain, **kept)
        assert (await house.notary(witness).checkpoint()).signed == {ACME: 2}


class TestAWitness:
    """Each one for itself."""

    async def test_one_that_is_down_keeps_nobody_waiting_and_is_caught_up(
        self, house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        down = HonestWitness()
        notary = house.notary(down, witness)
        await notary.checkpoint()
        down.reachable = False
        for _ in range(3):
            await house.write(ACME, count=3)
            came = await notary.checkpoint()
            assert [one.fault for one in came.publications] == ["it does not answer: it was pulled", ""]
        assert (down.sizes(ACME), witness.sizes(ACME)) == ([1], [1, 4, 7, 10])
        down.reachable = True
        await notary.checkpoint()
        assert (down.sizes(ACME), down.verified()[ACME]) == ([1, 10], witness.verified()[ACME])
        assert [record.getMessage() for record in caplog.records if record.name == "apikeychain.ledger"] == [
            "checkpoints were not kept by the witness 1 (HonestWitness): it does not answer: it was pulled",
            "checkpoints are kept by the witness 1 (HonestWitness) again",
        ]

    async def test_one_that_is_far_behind_is_caught_up_by_a_new_worker(
        self, house: House, witness: HonestWitness
    ) -> None:
        await house.write(ACME, count=5)
        await house.notary(witness).checkpoint()
        for _ in range(3):
            await house.write(ACME, count=4)
            await house.notary().checkpoint()
        await house.write(ACME)
        await house.notary(witness).checkpoint()
        assert witness.sizes(ACME) == [6, 19]
        assert witness.verified()[ACME].size == 19

    async def test_one_that_comes_later_is_given_everything(self, house: House, witness: HonestWitness) -> None:
        await house.notary(witness).checkpoint()
        await house.write(ACME, count=5)
        second = HonestWitness()
        await house.notary(witness, second).checkpoint()
        assert second.verified() == witness.verified()
        assert second.sizes(ACME) == [6]

    async def test_it_hears_of_the_keys_before_it_hears_of_what_they_sign(
        self, house: House, witness: HonestWitness
    ) -> None:
        witness.lists = ["of another ledger"]
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert publication.refused == {"": "others are kept"}
        assert witness.kept == {}

    async def test_a_database_that_was_rolled_back_is_refused_and_told(
        self, house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        store = breaking(house)
        await house.notary(witness).checkpoint()
        rooms = {tenant: replace(room) for tenant, room in store._house.rooms.items()}
        await house.write(ACME, count=5)
        await house.notary(witness).checkpoint()
        store._house.rooms = rooms
        await house.write(ACME, count=2)
        notary = house.notary(witness)
        for _ in range(2):
            (publication,) = (await notary.checkpoint()).publications
            assert [*publication.refused] == [ACME]
        await house.write(ACME, OTHER, count=9)
        (publication,) = (await notary.checkpoint()).publications
        assert ([*publication.refused], publication.kept) == ([ACME], [OTHER])
        assert witness.sizes(ACME) == [1, 6]
        told = [record.getMessage() for record in caplog.records if "not kept" in record.getMessage()]
        assert len(told) == 2
        assert "witness 1 (HonestWitness): acme: the tree of acme cannot have grown from 6 leaves to 3" in told[0]
        assert "the later tree of acme is no extension of the earlier one" in told[1]

    async def test_a_worker_that_signed_the_later_entries_sees_the_rollback_itself(
        self, house: House, witness: HonestWitness
    ) -> None:
        store, notary = breaking(house), house.notary(witness)
        await notary.checkpoint()
        rooms = {tenant: replace(room) for tenant, room in store._house.rooms.items()}
        await house.write(ACME, count=5)
        await notary.checkpoint()
        store._house.rooms = rooms
        await house.write(ACME, count=2)
        came = await notary.checkpoint()
        assert "broken at entry 4: it is missing, and a checkpoint signed 6 entries" in came.broken[ACME]
        assert (came.signed, (await house.said()).size, witness.sizes(ACME)) == ({}, 1, [1, 6])

    async def test_a_chain_that_was_refused_and_put_right_is_taken(self, house: House, witness: HonestWitness) -> None:
        await house.write(ACME, count=4)
        await house.notary(witness).checkpoint()
        await house.write(ACME, count=4)
        await house.notary().checkpoint()
        entries = breaking(house)._house.rooms[ACME].entries
        sound = entries[1]
        entries[1] = replace(sound, hash=bytes(32))
        notary = house.notary(witness)
        (publication,) = (await notary.checkpoint()).publications
        assert [*publication.refused] == [ACME]
        breaking(house)._house.rooms[ACME].entries[1] = sound
        (publication,) = (await notary.checkpoint()).publications
        assert (publication.refused, publication.kept, witness.sizes(ACME)) == ({}, [ACME], [5, 9])

    async def test_entries_that_are_missing_before_the_last_checkpoint_are_told(
        self, house: House, witness: HonestWitness
    ) -> None:
        await house.write(ACME, count=2)
        await house.notary(witness).checkpoint()
        await house.write(ACME, count=5)
        await house.notary().checkpoint()
        whole = breaking(house)._house.rooms[ACME].entries[:]
        for left in (whole[:1] + whole[2:], whole[:5] + whole[6:], whole[:2], whole[:6]):
            breaking(house)._house.rooms[ACME].entries[:] = left
            notary = house.notary(witness)
            notary._memory.signed.put(ACME, await house.head(ACME))
            (publication,) = (await notary.checkpoint()).publications
            why = "entries are missing between what the witness has and the last checkpoint"
            assert publication.refused == {ACME: why}
        breaking(house)._house.rooms[ACME].entries[:] = whole
        await house.write(ACME)
        assert (await house.notary(witness).checkpoint()).signed == {ACME: 9}
        assert witness.sizes(ACME) == [3, 9]

    async def test_what_it_has_and_cannot_read_of_one_chain_keeps_no_other_waiting(
        self, house: House, witness: HonestWitness
    ) -> None:
        await house.notary(witness).checkpoint()
        await house.write(ACME, OTHER)
        kept = witness.kept[ACME][:]
        witness.kept[ACME] = [(replace(kept[0][0], statement="{}"), ())]
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert "what is kept of it is no checkpoint: " in publication.refused[ACME]
        witness.unreadable = {ACME}
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert "what is kept of it cannot be read: " in publication.refused[ACME]
        assert witness.sizes(OTHER) == [1, 2]
        witness.unreadable, witness.kept[ACME] = set(), kept
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert (publication.refused, witness.sizes(ACME)) == ({}, [1, 2])

    async def test_a_checkpoint_that_is_gone_meanwhile_is_not_published(
        self, house: House, witness: HonestWitness
    ) -> None:
        notary = house.notary(witness)
        witness.reachable = False
        await notary.checkpoint()
        async with house.store.tenant(ACME) as rows:
            await rows.remove(SignedChain, (), 1)
        witness.reachable = True
        (publication,) = (await notary.checkpoint()).publications
        assert sorted(publication.kept) == [OTHER, PLATFORM]

    async def test_a_bug_of_one_is_told_without_its_text(
        self, house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        witness.bugs.append(RuntimeError("a secret"))
        notary = house.notary(witness)
        (publication,) = (await notary.checkpoint()).publications
        assert publication.fault == "it failed with RuntimeError"
        assert "a secret" not in caplog.text
        assert len((await notary.checkpoint()).publications[0].kept) == 3

    async def test_one_that_hangs_is_left_behind_and_taken_up_again(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(notaries, "PUBLISH_SECONDS", 0.5)
        hanging = HonestWitness()
        hanging.passing.clear()
        notary = house.notary(hanging, witness)
        for count in (1, 2):
            came = await notary.checkpoint()
            assert {one.witness[:9]: one.fault for one in came.publications} == {
                "witness 1": "it has not taken yet what it was given",
                "witness 2": "",
            }
            assert len(witness.sizes(ACME)) == count
            await house.write(ACME)
        hanging.passing.set()
        await asyncio.wait(notary._publishing.values())
        monkeypatch.setattr(notaries, "PUBLISH_SECONDS", 10)
        await notary.checkpoint()
        assert hanging.verified() == witness.verified()

    async def test_one_that_answers_nothing_counts_as_down(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.02)
        witness.passing.clear()
        notary = house.notary(witness)
        (publication,) = (await notary.checkpoint()).publications
        assert publication.fault == "it does not answer: no answer within 0.02 s"
        witness.passing.set()
        assert sorted((await notary.checkpoint()).publications[0].kept) == [ACME, OTHER, PLATFORM]

    async def test_one_that_does_not_let_go_is_not_asked_again_before_it_has(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.02)
        ends, kept = asyncio.Event(), witness.vouch

        async def hang(key_lists: Sequence[str]) -> None:
            while not ends.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await ends.wait()
            raise ZeroDivisionError

        monkeypatch.setattr(witness, "vouch", hang)
        notary = house.notary(witness)
        faults = [(await notary.checkpoint()).publications[0].fault for _ in range(2)]
        assert faults == [
            "it does not answer: no answer within 0.02 s",
            "it does not answer: it has not come back from what it was asked before",
        ]
        ends.set()
        await asyncio.sleep(0.01)
        monkeypatch.setattr(witness, "vouch", kept)
        assert sorted((await notary.checkpoint()).publications[0].kept) == [ACME, OTHER, PLATFORM]


def test_the_bounds() -> None:
    assert (notaries.ROUND_SECONDS, notaries.ROUND_ENTRIES, notaries.CLOSE_SECONDS) == (60, 1000, 5)
