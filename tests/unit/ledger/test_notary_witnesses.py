"""What witnesses are never given, what they say for themselves, and how many chains keep nobody waiting."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendSettingsError, BackendUnavailableError, WitnessRefusedError
from apikeychain.ledger import signing_round
from apikeychain.ledger.checkpoint_keys import OVERLAP
from apikeychain.model.checkpoint_round import Publication
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger_records import SignedChain
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint
from apikeychain.rules.checkpoints import checkpoint_of
from honest_witness import HonestWitness
from notary_house import ACME, OTHER, House, changed, drafts, settle

MANY = [TenantId(f"t{number:02}") for number in range(40)]


@pytest.fixture
async def house() -> House:
    house = House(MemoryStore())
    await settle(house.store, ACME, OTHER)
    return house


@pytest.fixture
def witness() -> HonestWitness:
    return HonestWitness()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers whose turn is over at once, so that two of them sign at the same time."""
    monkeypatch.setattr("apikeychain.ledger.turn.LEASE_SECONDS", 0)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def sibling(house: House) -> MemoryStore:
    assert isinstance(house.store, MemoryStore)
    return house.store.sibling()


def of_the_year_9999(last: SignedChain, _first: SignedChain, _other: SignedChain) -> SignedChain:
    statement = replace(Statement.parse(last.statement), at="9999-12-31T23:59:59.999Z")
    return replace(last, statement=statement.text, note="garbage")


def without_its_signatures(last: SignedChain, _first: SignedChain, _other: SignedChain) -> SignedChain:
    return replace(last, note=last.note.split("— ", maxsplit=1)[0])


def of_another_chain(_last: SignedChain, _first: SignedChain, other: SignedChain) -> SignedChain:
    return other


def of_an_earlier_moment(_last: SignedChain, first: SignedChain, _other: SignedChain) -> SignedChain:
    return first


class TestAStoredCheckpointThatWasNotSigned:
    @pytest.mark.parametrize(
        "forged", [of_the_year_9999, without_its_signatures, of_another_chain, of_an_earlier_moment]
    )
    async def test_it_is_told_and_not_published_and_others_are(
        self,
        house: House,
        witness: HonestWitness,
        caplog: pytest.LogCaptureFixture,
        forged: Callable[[SignedChain, SignedChain, SignedChain], SignedChain],
    ) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        witness.reachable, first = False, await house.record()
        house.clocks.past += 60
        await house.write(ACME, OTHER, count=3)
        await notary.checkpoint()
        last, other = await house.record(), await house.record(OTHER)
        assert first
        assert last
        assert other
        await put(house, forged(last, first, other))
        witness.reachable = True
        (publication,) = (await notary.checkpoint()).publications
        assert publication.kept == [OTHER]
        assert publication.refused[ACME].startswith("its stored checkpoint does not hold, and is not published: ")
        assert f"acme: {publication.refused[ACME]}" in told(caplog)[-1]
        assert (witness.sizes(ACME), witness.sizes(OTHER)) == ([1], [1, 4])
        await put(house, last)
        house.clocks.past += 60
        await house.write(ACME)
        (publication,) = (await notary.checkpoint()).publications
        assert (publication.kept, publication.refused, witness.sizes(ACME)) == ([ACME], {}, [1, 5])

    async def test_what_a_pair_signed_that_is_destroyed_meanwhile_is_published(
        self, house: House, witness: HonestWitness
    ) -> None:
        notary = house.notary()
        await notary.checkpoint()
        await notary.signers.rotate("operator")
        house.clocks.past += OVERLAP.total_seconds()
        await notary.checkpoint()
        assert not (await house.pairs())[0].wrapped_ed25519
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert (sorted(publication.kept)[:2], publication.refused) == ([ACME, OTHER], {})
        assert verify_checkpoint(witness.kept[ACME][0][0], await house.public(0)).size == 1

    @pytest.mark.usefixtures("hasty")
    async def test_one_that_another_worker_signed_meanwhile_is_published(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await house.notary().checkpoint()
        notary, faster, vouch = house.notary(witness), house.notary(store=sibling(house)), witness.vouch

        async def late(key_lists: Sequence[str]) -> None:
            await house.write(ACME)
            await faster.checkpoint()
            await vouch(key_lists)

        monkeypatch.setattr(witness, "vouch", late)
        (publication,) = (await notary.checkpoint()).publications
        assert (publication.refused, witness.sizes(ACME)) == ({}, [2])
        (publication,) = (await notary.checkpoint()).publications
        assert (publication.kept, publication.refused, witness.sizes(ACME)) == ([ACME], {}, [2])


async def put(house: House, record: SignedChain) -> None:
    """Write it in the place of the checkpoint of ACME, as whoever may write to the database."""
    fields = {"statement": record.statement, "index": record.index, "path": record.path, "peaks": record.peaks}
    before = await house.record()
    assert before
    await changed(house.store, ACME, SignedChain, **fields, note=record.note, generation=before.generation + 1)


class TestARefusal:
    async def refused(self, house: House, witness: HonestWitness, error: Exception) -> Publication:
        """What comes of a checkpoint that is the next one, where the witness answers with this error."""
        notary = house.notary(witness)
        await notary.checkpoint()
        await house.write(ACME, OTHER)
        witness.bugs.append(error)
        (publication,) = (await notary.checkpoint()).publications
        self.notary = notary
        return publication

    @pytest.mark.parametrize(
        ("reasons", "why"),
        [
            ({"?": "the disk is full"}, {"?": "the disk is full"}),
            ({"": "all of it"}, {"": "all of it"}),
            ({"elsewhere": "no"}, {"elsewhere": "no"}),
            ({"?": "the disk is full", ACME: "no"}, {"?": "the disk is full", ACME: "no"}),
            ({}, {"?": "it does not say why"}),
        ],
        ids=["nobody", "key lists", "another", "one and nobody", "nothing"],
    )
    async def test_one_that_names_nobody_who_was_given_counts_nobody_as_kept(
        self, house: House, witness: HonestWitness, reasons: dict[str, str], why: dict[str, str]
    ) -> None:
        publication = await self.refused(house, witness, WitnessRefusedError(reasons))
        assert (publication.kept, publication.refused) == ([], why)
        (publication,) = (await self.notary.checkpoint()).publications
        assert (sorted(publication.kept), publication.refused) == ([ACME, OTHER], {})
        assert (witness.sizes(ACME), witness.sizes(OTHER)) == ([1, 2], [1, 2])

    async def test_what_an_operator_can_do_is_told(
        self, house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        advice = "the bucket retains nothing: make one with object lock"
        publication = await self.refused(house, witness, BackendSettingsError(advice))
        assert (publication.fault, publication.kept) == (advice, [])
        assert told(caplog) == [f"checkpoints were not kept by the witness 1 (HonestWitness): {advice}"]

    async def test_its_reasons_are_told_in_bounded_words(
        self, house: House, witness: HonestWitness, caplog: pytest.LogCaptureFixture
    ) -> None:
        await settle(house.store, *MANY)
        notary = house.notary(witness)
        await notary.checkpoint()
        await house.write(*MANY)
        reason = "no\nCRITICAL all is lost\x1b[31m" + "y" * 1000
        witness.bugs.append(WitnessRefusedError(dict.fromkeys(MANY, reason)))
        (publication,) = (await notary.checkpoint()).publications
        plain = f"no CRITICAL all is lost [31m{'y' * 1000}"[:200]
        assert publication.refused == dict.fromkeys(MANY, plain)
        shown = "; ".join([*(f"{tenant}: {plain}" for tenant in MANY[:20]), "and 20 more"])
        assert told(caplog) == [f"checkpoints were not kept by the witness 1 (HonestWitness): {shown}"]
        await house.write(ACME)
        made_up = {f"u{number:02}\n{'z' * 1000}": reason for number in range(99)}
        witness.bugs.append(WitnessRefusedError(made_up))
        (publication,) = (await notary.checkpoint()).publications
        assert publication.refused == {f"u{number:02} {'z' * 196}": plain for number in range(20)}

    @pytest.mark.usefixtures("hasty")
    async def test_what_another_worker_has_brought_further_meanwhile_is_none(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        notary, faster = house.notary(witness), house.notary(witness, store=sibling(house))
        await notary.checkpoint()
        await house.write(ACME)
        publish = witness.publish

        async def late(extensions: Sequence[Extension]) -> None:
            monkeypatch.setattr(witness, "publish", publish)
            await house.write(ACME)
            await faster.checkpoint()
            await publish(extensions)

        monkeypatch.setattr(witness, "publish", late)
        (publication,) = (await notary.checkpoint()).publications
        assert (publication.kept, publication.refused, witness.sizes(ACME)) == ([ACME], {}, [1, 3])
        assert told(caplog) == []

    async def test_what_is_kept_nevertheless_is_none(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        publish = witness.publish

        async def twice(extensions: Sequence[Extension]) -> None:
            await publish(extensions)
            raise WitnessRefusedError({ACME: "it is there"})

        monkeypatch.setattr(witness, "publish", twice)
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert (len(publication.kept), publication.refused) == (3, {})

    @pytest.mark.parametrize("has", ["nothing", "another chain", "a forgery", "a fork", "no answer"])
    async def test_what_the_witness_has_otherwise_leaves_it_refused(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch, has: str
    ) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        await house.write(ACME, OTHER)
        found = await self.other(house, has)

        async def latest(_: TenantId) -> Checkpoint | None:
            if has == "no answer":
                raise BackendUnavailableError
            return found

        monkeypatch.setattr(witness, "latest", latest)
        witness.bugs.append(WitnessRefusedError({ACME: "no"}))
        (publication,) = (await notary.checkpoint()).publications
        assert (publication.kept, publication.refused, publication.fault) == ([OTHER], {ACME: "no"}, "")

    async def other(self, house: House, has: str) -> Checkpoint | None:
        """A checkpoint that is not of the chain of ACME as it goes on."""
        before = await house.record(OTHER if has == "another chain" else ACME)
        assert before
        if has == "a forgery":
            head = await house.head()
            statement = replace(Statement.parse(before.statement), size=head.size, head=head.hash)
            return replace(checkpoint_of(before), statement=statement.text)
        if has == "a fork":
            return await self.fork(house)
        return checkpoint_of(before) if has == "another chain" else None

    async def fork(self, house: House) -> Checkpoint:
        """What the same keys signed of a chain that was as long, and was rolled back and written anew."""
        shared = sibling(house)._house
        rooms = {tenant: replace(room, entries=[*room.entries]) for tenant, room in shared.rooms.items()}
        del shared.rooms[ACME].entries[-1]
        await house.store.append_many({ACME: drafts(2)[1:]})
        await house.notary().checkpoint()
        record = await house.record()
        assert record
        shared.rooms = rooms
        return checkpoint_of(record)


class TestManyChains:
    async def test_a_witness_is_asked_of_sixteen_at_once(
        self, house: House, witness: HonestWitness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await settle(house.store, *MANY)
        await house.notary(witness).checkpoint()
        asked, at_once, latest = 0, [], witness.latest

        async def slowly(tenant: TenantId) -> Checkpoint | None:
            nonlocal asked
            asked += 1
            at_once.append(asked)
            await asyncio.sleep(0.001)
            asked -= 1
            return await latest(tenant)

        monkeypatch.setattr(witness, "latest", slowly)
        (publication,) = (await house.notary(witness).checkpoint()).publications
        assert (len(publication.kept), len(at_once), max(at_once)) == (43, 43, 16)

    @pytest.mark.parametrize("name", ["state", "moment", "checkpoints"])
    async def test_what_is_signed_of_them_is_worked_out_beside_the_loop(
        self, house: House, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        made = getattr(signing_round, name)
        threads: set[int] = set()

        def noted(*given: object) -> object:
            threads.add(threading.get_ident())
            return made(*given)

        monkeypatch.setattr(signing_round, name, noted)
        assert len((await house.notary().checkpoint()).signed) == 3
        assert threads
        assert threading.get_ident() not in threads

    async def test_one_whose_last_moment_is_still_to_come_does_not_date_the_others(
        self, house: House, witness: HonestWitness
    ) -> None:
        notary = house.notary(witness)
        await notary.checkpoint()
        house.clocks.past = timedelta(hours=2).total_seconds()
        await house.write(ACME)
        await notary.checkpoint()
        house.clocks.past = timedelta(hours=1).total_seconds()
        await house.write(ACME, OTHER)
        assert (await notary.checkpoint()).signed == {ACME: 3, OTHER: 2}
        moments = {tenant: said.at for tenant, said in witness.verified().items()}
        assert (moments[ACME], moments[OTHER]) == ("2026-01-02T14:00:00.000Z", "2026-01-02T13:00:00.000Z")
