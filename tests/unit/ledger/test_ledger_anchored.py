"""A stored chain is compared with what was signed of it: by witnesses, by the store itself, and by which keys."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from apikeychain.backends.file_witness import FileWitness
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, DamagedDataError
from apikeychain.ledger import known as known_module
from apikeychain.ledger.examine import Against, examine
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_records import CheckpointKeys, SignedChain
from apikeychain.model.ledger_report import LedgerReport, Manipulation
from apikeychain.ports.store import Store, TenantReader
from apikeychain.ports.witness import Extension, Witness
from apikeychain.proof.note import VerifierKey
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.merkle import Frontier
from notarized import LISTS, SECOND, STRANGER, MemoryWitness, entries_of, listed, notarize, put_signed
from signed_ledgers import KEYS, NOON, said, signed
from tampered import ACME, OTHER, TamperedLedger, drafts, respelled, tampered_ledger

STORED = "the stored checkpoint, at 2026-01-02T12:00:00.000Z"
KEPT_THERE = "witness 1 (MemoryWitness), at 2026-01-02T12:00:00.000Z"
Rows = list[dict[str, Any]]


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncGenerator[TamperedLedger, None]:
    async with tampered_ledger(tmp_path / "keychain.db") as ledger:
        yield ledger


@pytest.fixture
def witness() -> MemoryWitness:
    return MemoryWitness()


async def examined(
    store: Store,
    *witnesses: Witness,
    keys: list[VerifierKey] | None = None,
    since: bool = False,
    kept: Head | None = None,
    batch: int = 3,
    tenant: TenantId = ACME,
) -> LedgerReport:
    against = Against(kept=kept, witnesses=witnesses, keys=keys, is_since_checkpoint=since)
    return await examine(store, tenant, against, batch=batch)


def found(report: LedgerReport) -> list[tuple[int, Manipulation]]:
    return [(fault.seq, fault.manipulation) for fault in report.faults]


def sources(report: LedgerReport) -> list[tuple[str, int]]:
    return [(anchor.source, anchor.head.size) for anchor in report.anchors]


def unheard(report: LedgerReport) -> list[tuple[str, str]]:
    return [(one.source, one.reason) for one in report.unheard]


@pytest.mark.parametrize("batch", [1, 3, 7, 10, 1000])
async def test_a_chain_that_goes_on_behind_what_was_signed_is_anchored(
    ledger: TamperedLedger, witness: MemoryWitness, batch: int
) -> None:
    await notarize(ledger.store, ACME, witness)
    await ledger.store.append_many({ACME: drafts(4)})
    report = await examined(ledger.store, witness, batch=batch)
    assert (report.anchored, report.is_complete, report.read, report.since) == (True, True, 14, None)
    assert sources(report) == [(KEPT_THERE, 10), (STORED, 10)]
    assert report.kept is None


async def test_several_anchors_are_met_within_one_page(ledger: TamperedLedger) -> None:
    first, second = MemoryWitness(), MemoryWitness()
    await notarize(ledger.store, ACME, first)
    await ledger.store.append_many({ACME: drafts(3)})
    await notarize(ledger.store, ACME, second, minutes=1)
    await ledger.store.append_many({ACME: drafts(3)})
    report = await examined(ledger.store, first, second, kept=ledger.head, batch=1000)
    assert report.anchored
    assert [anchor.head.size for anchor in report.anchors] == [10, 10, 13, 13]
    assert report.kept == ledger.head


async def test_the_stored_checkpoint_alone_anchors_nothing(ledger: TamperedLedger) -> None:
    await notarize(ledger.store, ACME)
    report = await examined(ledger.store, keys=KEYS.public)
    assert (report.holds, report.anchored, report.is_complete) == (True, False, True)
    assert sources(report) == [(STORED, 10)]


def _cut(rows: Rows) -> Rows:
    return rows[:7]


def _anew(rows: Rows) -> Rows:
    for row in rows:
        row["payload"], row["actor"] = row["payload"].replace(b'"gate"', b'"hate"'), "hate"
    return respelled(rows)


def _last_anew(rows: Rows) -> Rows:
    return rows[:9] + _anew(rows)[9:]


def _one_out(rows: Rows) -> Rows:
    return respelled(rows[:4] + rows[5:] + [dict(rows[9])])


@pytest.mark.parametrize(
    ("manipulate", "place", "manipulation"),
    [
        (_cut, 8, Manipulation.ROLLED_BACK),
        (_anew, 10, Manipulation.REPLACED),
        (_one_out, 10, Manipulation.REPLACED),
    ],
)
async def test_what_the_chain_alone_does_not_show_shows_against_a_witness(
    ledger: TamperedLedger,
    witness: MemoryWitness,
    manipulate: Callable[[Rows], Rows],
    place: int,
    manipulation: Manipulation,
) -> None:
    await notarize(ledger.store, ACME, witness)
    ledger.put(manipulate(ledger.rows()))
    assert (await examined(ledger.store)).holds
    report = await examined(ledger.store, witness)
    assert found(report) == [(place, manipulation)]
    assert not report.anchored
    assert KEPT_THERE in report.faults[0].reason
    assert STORED in report.faults[0].reason
    stored_alone = await examined(ledger.store, keys=KEYS.public)
    assert found(stored_alone) == [(place, manipulation)]


async def test_an_old_copy_that_was_put_back_with_its_checkpoint_shows_against_a_witness(
    ledger: TamperedLedger, witness: MemoryWitness
) -> None:
    await notarize(ledger.store, ACME, witness)
    async with ledger.store.reading(ACME) as rows:
        old = await rows.get(SignedChain, ())
    assert old
    await ledger.store.append_many({ACME: drafts(5)})
    await notarize(ledger.store, ACME, witness, minutes=1)
    ledger.put(ledger.rows()[:10])
    await put_signed(ledger.store, ACME, signed(said(await entries_of(ledger.store, ACME)))[0], old.peaks)
    assert (await examined(ledger.store, keys=KEYS.public)).holds
    report = await examined(ledger.store, witness)
    assert found(report) == [(11, Manipulation.ROLLED_BACK)]
    assert report.counts == {Manipulation.ROLLED_BACK: 5}


async def test_a_tree_that_was_falsely_signed_is_told_as_such(ledger: TamperedLedger, witness: MemoryWitness) -> None:
    await notarize(ledger.store, ACME, witness, root=bytes(32))
    report = await examined(ledger.store, witness)
    assert found(report) == [(10, Manipulation.MISSTATED)]
    ledger.sql("UPDATE ledger SET hash = x'00' WHERE seq = 4 AND tenant = 'acme'")
    changed = await examined(ledger.store, witness)
    assert [fault.manipulation for fault in changed.faults] == [Manipulation.EDITED]


async def test_a_tree_of_another_chain_with_the_same_end_shows(ledger: TamperedLedger) -> None:
    """The hash column was edited: the entries are named, and the tree adds nothing to that."""
    honest = MemoryWitness()
    await notarize(ledger.store, ACME, honest)
    ledger.sql("UPDATE ledger SET hash = zeroblob(32) WHERE seq = 5 AND tenant = 'acme'")
    assert found(await examined(ledger.store, honest)) == [(5, Manipulation.EDITED)]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BackendUnavailableError("the witness does not answer"), "the witness does not answer"),
        (DamagedDataError("a checkpoint", "acme"), "a checkpoint of the tenant 'acme' cannot be read"),
        (OSError("sk-private"), "it failed with OSError"),
        (RuntimeError("sk-private"), "it failed with RuntimeError"),
    ],
    ids=["unreachable", "damaged", "a plug's", "another of a plug"],
)
async def test_a_witness_that_says_nothing_is_told_and_another_one_is_heard(
    ledger: TamperedLedger, witness: MemoryWitness, error: Exception, reason: str
) -> None:
    await notarize(ledger.store, ACME, witness)
    silent = MemoryWitness(broken=error)
    report = await examined(ledger.store, silent)
    assert (report.holds, report.anchored, report.is_complete) == (True, False, False)
    assert unheard(report)[0][0] == "witness 1 (MemoryWitness)"
    assert reason in unheard(report)[0][1]
    assert "sk-private" not in unheard(report)[0][1]
    assert report.unheard[0].is_failure
    report = await examined(ledger.store, silent, witness)
    assert (report.anchored, report.is_complete) == (True, False)


async def test_a_witness_that_hangs_is_given_up(
    ledger: TamperedLedger, witness: MemoryWitness, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging(MemoryWitness):
        async def key_lists(self) -> Sequence[str]:
            await asyncio.Event().wait()
            return ()

    monkeypatch.setattr(known_module, "_WITNESS_SECONDS", 0.01)
    report = await examined(ledger.store, Hanging(), witness)
    assert unheard(report) == [
        ("witness 1 (Hanging)", "it did not answer within 0.01 s"),
        ("witness 2 (MemoryWitness)", "it has no checkpoint of this chain"),
    ]
    assert [one.is_failure for one in report.unheard] == [True, False]


async def test_who_gives_up_while_a_witness_hangs_is_let_go(ledger: TamperedLedger) -> None:
    class Hanging(MemoryWitness):
        async def latest(self, tenant: TenantId) -> None:
            asked.set()
            await asyncio.Event().wait()

    asked = asyncio.Event()
    examining = asyncio.create_task(examined(ledger.store, Hanging()))
    await asked.wait()
    examining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await examining


async def test_a_long_file_is_waited_for_as_long_as_it_takes(
    ledger: TamperedLedger, witness: MemoryWitness, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await notarize(ledger.store, ACME, witness)
    file = FileWitness(tmp_path / "witness.jsonl")
    await file.vouch(witness.lists)
    await file.publish([Extension(witness.kept[ACME], 0, ())])
    monkeypatch.setattr(known_module, "_WITNESS_SECONDS", 0.0)
    report = await examined(ledger.store, FileWitness(file.path))
    assert (report.anchored, unheard(report)) == (True, [])


async def test_what_a_witness_keeps_and_nobody_signed_is_told(ledger: TamperedLedger, witness: MemoryWitness) -> None:
    await notarize(ledger.store, ACME, witness)
    good = witness.kept[ACME]
    for bad, reason in (
        (replace(good, statement=good.statement.replace('"size":10', '"size":11')), "leads to another root"),
        (replace(good, note=good.note.replace("at 2026", "at 2027")), "does not hold"),
        (signed(said(await entries_of(ledger.store, OTHER)))[0], "it is a checkpoint of another chain"),
        (signed(said(await entries_of(ledger.store, ACME)), keys=STRANGER)[0], "has no Ed25519 signature by a key"),
    ):
        witness.kept[ACME] = bad
        report = await examined(ledger.store, witness)
        assert (report.holds, report.anchored, report.is_complete) == (True, False, False)
        assert reason in unheard(report)[0][1]


async def test_a_stored_checkpoint_that_does_not_hold_is_told(ledger: TamperedLedger, witness: MemoryWitness) -> None:
    await notarize(ledger.store, ACME, witness)
    entries = await entries_of(ledger.store, ACME)
    good, peaks = witness.kept[ACME], Frontier().added([entry.hash for entry in entries]).peaks
    for bad, edges, reason in (
        (replace(good, index=1), peaks, "has 1 leaves"),
        (signed(said(entries), keys=STRANGER)[0], peaks, "has no Ed25519 signature by a key"),
        (signed(said(await entries_of(ledger.store, OTHER)))[0], peaks, "it is a checkpoint of another chain"),
        (good, peaks[::-1], "the peaks that are stored beside it are not those of its tree"),
        (good, peaks[1:], "these are not the peaks of a tree of 10 leaves"),
    ):
        await put_signed(ledger.store, ACME, bad, edges)
        report = await examined(ledger.store, witness, since=True)
        assert (report.holds, report.anchored, report.is_complete, report.since) == (True, True, False, None)
        assert unheard(report)[0][0] == "the stored checkpoint"
        assert reason in unheard(report)[0][1]
        assert report.read == 10


async def test_without_keys_nothing_is_believed_that_the_store_says(ledger: TamperedLedger) -> None:
    await notarize(ledger.store, ACME)
    report = await examined(ledger.store)
    assert (report.holds, report.anchored, report.is_complete) == (True, False, True)
    assert unheard(report) == [("the stored checkpoint", "nobody says which keys sign: name them with --key")]


async def test_keys_that_came_later_are_followed_from_those_that_were_given(ledger: TamperedLedger) -> None:
    await notarize(ledger.store, ACME, keys=SECOND)
    report = await examined(ledger.store, keys=KEYS.public)
    assert not report.is_complete
    witness = MemoryWitness(lists=LISTS)
    assert sources(await examined(ledger.store, witness, keys=KEYS.public)) == [(STORED, 10)]
    await put_lists(ledger.store, LISTS)
    assert sources(await examined(ledger.store, keys=KEYS.public)) == [(STORED, 10)]
    report = await examined(ledger.store, keys=STRANGER.public)
    assert unheard(report)[0] == ("the stored key lists", "none of the key lists is that of keys that were given")


async def put_lists(store: Store, lists: Sequence[str]) -> None:
    async with store.tenant(PLATFORM) as rows:
        for number, note in enumerate(lists, 1):
            record = CheckpointKeys(
                id=f"{number:04}", created=NOON, public="", wrapped_ed25519=b"", wrapped_mldsa65=b"", key_list=note
            )
            await rows.insert(record)


async def test_keys_are_never_taken_from_the_store(ledger: TamperedLedger) -> None:
    await put_lists(ledger.store, [listed(STRANGER)])
    await notarize(ledger.store, ACME, keys=STRANGER)
    assert sources(await examined(ledger.store)) == []
    report = await examined(ledger.store, MemoryWitness())
    assert sources(report) == []
    assert not report.is_complete


async def test_of_a_stranger_the_keys_that_were_given_believe_nothing(
    ledger: TamperedLedger, witness: MemoryWitness
) -> None:
    await notarize(ledger.store, ACME, witness)
    report = await examined(ledger.store, witness, keys=STRANGER.public)
    assert (report.anchors, report.is_complete) == ([], False)


async def test_one_witness_in_the_hand_of_who_writes_the_store_vouches_for_no_stored_checkpoint(
    ledger: TamperedLedger, witness: MemoryWitness
) -> None:
    await notarize(ledger.store, ACME, witness)
    ledger.put(_anew(ledger.rows()))
    await ledger.store.append_many({ACME: drafts(2)})
    false = MemoryWitness(lists=[listed(STRANGER)])
    await notarize(ledger.store, ACME, false, keys=STRANGER, minutes=1)
    report = await examined(ledger.store, false, witness, since=True)
    assert report.since is None
    assert found(report) == [(10, Manipulation.REPLACED)]


class Counting:
    """A store that counts the entries that are read out of it."""

    def __init__(self, store: Store) -> None:
        self._store, self.entries = store, 0

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncIterator[TenantReader]:
        async with self._store.reading(tenant) as rows:
            yield cast("TenantReader", _CountingReader(self, rows))


class _CountingReader:
    def __init__(self, counting: Counting, rows: TenantReader) -> None:
        self._counting, self._rows = counting, rows
        self.get, self.list, self.head = rows.get, rows.list, rows.head

    async def entries(self, after: int, limit: int) -> Sequence[LedgerEntry]:
        found = await self._rows.entries(after, limit)
        self._counting.entries += len(found)
        return found


async def test_since_the_checkpoint_only_what_is_new_is_read(witness: MemoryWitness) -> None:
    store = MemoryStore()
    await store.append_many({ACME: drafts(500)})
    statement = await notarize(store, ACME, witness)
    await store.append_many({ACME: drafts(5)})
    counting = Counting(store)
    told: list[tuple[int, int | None]] = []
    against = Against(witnesses=[witness], is_since_checkpoint=True)
    report = await examine(cast("Store", counting), ACME, against, lambda done, total: told.append((done, total)))
    assert counting.entries == 6
    assert (report.read, report.anchored, report.since) == (5, True, Head(ACME, 500, statement.head))
    assert report.head == (await entries_of(store, ACME))[-1].head
    assert told == [(505, None), (505, 505)]


async def test_since_the_checkpoint_the_tree_goes_on(ledger: TamperedLedger, witness: MemoryWitness) -> None:
    """A witness that is further than the store: its root is compared with the tree that grows from the stored peaks."""
    await notarize(ledger.store, ACME)
    async with ledger.store.reading(ACME) as rows:
        old = await rows.get(SignedChain, ())
    await ledger.store.append_many({ACME: drafts(7)})
    await notarize(ledger.store, ACME, witness, minutes=1)
    async with ledger.store.tenant(ACME) as rows:
        assert old
        await rows.replace(replace(old, generation=3), 2)
    report = await examined(ledger.store, witness, since=True)
    assert (report.anchored, report.read) == (True, 7)
    assert [size for _, size in sources(report)] == [10, 17]


async def test_since_the_checkpoint_a_false_tree_behind_it_is_told(ledger: TamperedLedger) -> None:
    await notarize(ledger.store, ACME)
    async with ledger.store.reading(ACME) as rows:
        old = await rows.get(SignedChain, ())
    assert old
    await ledger.store.append_many({ACME: drafts(7)})
    liar = MemoryWitness()
    await notarize(ledger.store, ACME, liar, minutes=1, root=bytes(32))
    async with ledger.store.tenant(ACME) as rows:
        await rows.replace(replace(old, generation=3), 2)
    assert found(await examined(ledger.store, liar, since=True)) == [(17, Manipulation.MISSTATED)]


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("UPDATE ledger SET actor = 'x' WHERE seq = 12", [(12, Manipulation.EDITED)]),
        ("DELETE FROM ledger WHERE seq = 11", [(11, Manipulation.DELETED)]),
        ("DELETE FROM ledger WHERE seq > 12", [(13, Manipulation.CUT)]),
        ("DELETE FROM ledger WHERE seq = 10", [(10, Manipulation.DELETED)]),
        ("DELETE FROM ledger WHERE seq > 9", [(10, Manipulation.CUT)]),
        ("UPDATE ledger SET hash = zeroblob(32) WHERE seq = 10", [(10, Manipulation.REPLACED)]),
        ("UPDATE heads SET size = 12", [(13, Manipulation.INSERTED)]),
        ("UPDATE heads SET size = 9", [(10, Manipulation.INSERTED)]),
    ],
)
async def test_since_the_checkpoint_what_was_done_behind_it_and_to_its_last_entry_is_found(
    ledger: TamperedLedger, witness: MemoryWitness, statement: str, faults: list[tuple[int, Manipulation]]
) -> None:
    await notarize(ledger.store, ACME, witness)
    await ledger.store.append_many({ACME: drafts(4)})
    assert (await examined(ledger.store, witness, since=True)).holds
    assert ledger.sql(statement)
    assert found(await examined(ledger.store, witness, since=True)) == faults


async def test_since_the_checkpoint_a_chain_that_ends_before_it_was_rolled_back(
    ledger: TamperedLedger, witness: MemoryWitness
) -> None:
    await notarize(ledger.store, ACME, witness)
    ledger.put(ledger.rows()[:6])
    report = await examined(ledger.store, witness, since=True)
    assert found(report) == [(7, Manipulation.ROLLED_BACK)]
    assert report.counts == {Manipulation.ROLLED_BACK: 4}
    ledger.put(ledger.rows()[:9], head=False)
    ledger.sql("UPDATE heads SET hash = 'x'")
    report = await examined(ledger.store, witness, since=True)
    assert found(report) == [(10, Manipulation.ROLLED_BACK)]


async def test_since_the_checkpoint_a_fork_behind_it_is_named(ledger: TamperedLedger, witness: MemoryWitness) -> None:
    await notarize(ledger.store, ACME, witness)
    await ledger.store.append_many({ACME: drafts(3)})
    rows = ledger.rows()
    second = respelled([*(dict(row) for row in rows[:10]), *[dict(row) for row in rows[11:13]]], 10)[10:]
    for seq, row in enumerate(second, 14):
        row["seq"] = seq
    ledger.put([*rows, *second])
    report = await examined(ledger.store, witness, since=True, batch=1000)
    assert (14, Manipulation.FORKED) in found(report)
    assert "goes on behind entry 10" in report.faults[0].reason


async def test_what_is_known_from_before_the_checkpoint_is_told_as_not_compared(
    ledger: TamperedLedger, witness: MemoryWitness
) -> None:
    await notarize(ledger.store, ACME, witness)
    await ledger.store.append_many({ACME: drafts(4)})
    await notarize(ledger.store, ACME, minutes=1)
    report = await examined(ledger.store, witness, since=True, kept=ledger.head)
    assert (report.holds, report.anchored, report.is_complete, report.read) == (True, False, True, 0)
    reason = "that is of 10 entries, which were taken as they were signed later"
    assert unheard(report) == [(KEPT_THERE, reason), ("what was kept", reason)]


async def test_since_a_checkpoint_that_is_not_there_all_is_read(ledger: TamperedLedger) -> None:
    report = await examined(ledger.store, since=True)
    assert (report.read, report.since) == (10, None)
    assert unheard(report) == [("the stored checkpoint", "there is none that holds, so all was read")]
