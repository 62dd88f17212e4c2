"""Bodies that were dropped from a stored chain: accepted where a later entry covers them, and a fault anywhere else."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from apikeychain.errors import LedgerBrokenError
from apikeychain.ledger.examine import Against, examine
from apikeychain.ledger.verify import verify
from apikeychain.model.ledger import canonical_json
from apikeychain.model.ledger_report import Manipulation
from apikeychain.rules.merkle import Frontier
from apikeychain.rules.retained import retained
from notarized import MemoryWitness, notarize
from tampered import ACME, NOON, TamperedLedger, changed, drafts, relinked, tampered_ledger

Rows = list[dict[str, Any]]
DELETED, EDITED, REPLACED = Manipulation.DELETED, Manipulation.EDITED, Manipulation.REPLACED
_BLANK = {"at": "", "kind": "", "actor": "", "project": None, "payload": b""}


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncGenerator[TamperedLedger, None]:
    """Twelve entries, of which the first six were dropped; the eleventh says so."""
    async with tampered_ledger(tmp_path / "keychain.db") as ledger:
        await retain(ledger, 6)
        async with ledger.store.tenant(ACME) as store:
            await store.append(drafts(1))
        yield ledger


async def test_which_entries_say_so_is_told_and_that_a_checkpoint_has_to_be_on_them(ledger: TamperedLedger) -> None:
    early, late = MemoryWitness(), MemoryWitness()
    async with ledger.store.tenant(ACME) as store:
        await store.append(drafts(1))
    await notarize(ledger.store, ACME, early)
    await retain(ledger, 12)
    report = await examine(ledger.store, ACME, Against(witnesses=[early]))
    assert (report.holds, report.covering, report.is_complete) == (True, (14,), False)
    assert [(one.source, one.is_failure) for one in report.unheard] == [("a checkpoint on entry 14", True)]
    await notarize(ledger.store, ACME, late, minutes=1)
    report = await examine(ledger.store, ACME, Against(witnesses=[late]))
    assert (report.holds, report.anchored, report.covering, report.is_complete) == (True, True, (14,), True)


async def retain(ledger: TamperedLedger, last: int) -> None:
    root = Frontier().added(row["hash"] for row in ledger.rows()[:last]).root
    async with ledger.store.tenant(ACME) as store:
        await store.retain(1, last, retained(last, root, at=NOON, actor="ops"))


async def test_a_dropped_range_holds(ledger: TamperedLedger) -> None:
    for batch in (1, 4, 1000):
        report = await ledger.examined(batch=batch)
        assert (report.holds, report.dropped, report.head.size) == (True, 6, 12)
        assert await verify(ledger.store, ACME, batch=batch) == report.head
    assert (await ledger.examined(ledger.head)).anchored
    await retain(ledger, 11)
    assert (await ledger.examined(ledger.head)).anchored
    assert (await ledger.examined()).dropped == 11


def _blank(*places: int) -> Callable[[Rows], None]:
    def do(rows: Rows) -> None:
        for place in places:
            rows[place - 1].update(_BLANK)

    return do


def _blank_payload_alone(rows: Rows) -> None:
    rows[7]["payload"] = b""


def _column_in_the_range(rows: Rows) -> None:
    rows[2]["actor"] = "somebody"


def _hash_in_the_range(rows: Rows) -> None:
    rows[2]["hash"] = bytes(32)


def _hash_at_the_end_of_the_range(rows: Rows) -> None:
    rows[5]["hash"] = bytes(32)


def _another_root(rows: Rows) -> None:
    """A range that was written anew, with an entry that was made to fit behind it, but for its root."""
    said = {"first": 1, "last": 6, "root": "00" * 32}
    rows[10]["payload"] = changed(rows[10], data=said)
    relinked(rows, 10)


def _range_moved(rows: Rows) -> None:
    _blank(7)(rows)
    said = {"first": 1, "last": 7, "root": Frontier().added(row["hash"] for row in rows[:6]).root.hex()}
    rows[10]["payload"] = changed(rows[10], data=said)
    relinked(rows, 10)


def _row_gone_from_the_range(rows: Rows) -> None:
    del rows[2]


def _entry_gone(rows: Rows) -> None:
    del rows[10]


def _edited_behind_the_range(rows: Rows) -> None:
    rows[6]["payload"] = canonical_json({"n": 1})


@pytest.mark.parametrize(
    ("attack", "seq", "counts"),
    [
        pytest.param(_blank(8), 8, {DELETED: 1}, id="a body without an entry"),
        pytest.param(_blank(8, 9), 8, {DELETED: 2}, id="two bodies without an entry"),
        pytest.param(_blank(7), 1, {DELETED: 7}, id="one more than the entry says"),
        pytest.param(_blank(11), 1, {DELETED: 7}, id="the entry itself dropped"),
        pytest.param(_blank(12), 12, {DELETED: 1}, id="the last entry"),
        pytest.param(_blank_payload_alone, 8, {EDITED: 1}, id="a payload alone"),
        pytest.param(_column_in_the_range, 3, {REPLACED: 1}, id="a column put back"),
        pytest.param(_hash_in_the_range, 1, {DELETED: 6}, id="a hash in the range"),
        pytest.param(_hash_at_the_end_of_the_range, 1, {DELETED: 6, EDITED: 1}, id="the last hash of the range"),
        pytest.param(_another_root, 1, {DELETED: 6}, id="another root"),
        pytest.param(_range_moved, 1, {DELETED: 7}, id="the range moved"),
        pytest.param(_row_gone_from_the_range, 1, {DELETED: 6}, id="a row gone from the range"),
        pytest.param(_entry_gone, 1, {DELETED: 7}, id="the entry gone"),
        pytest.param(_edited_behind_the_range, 7, {EDITED: 1}, id="an edit behind the range"),
    ],
)
async def test_what_is_not_covered_is_found(
    attack: Callable[[Rows], None], seq: int, counts: dict[Manipulation, int], ledger: TamperedLedger
) -> None:
    rows = ledger.rows()
    attack(rows)
    ledger.put(rows)
    report = await ledger.examined()
    assert report.faults[0].seq == seq
    assert report.counts == counts
    with pytest.raises(LedgerBrokenError):
        await verify(ledger.store, ACME)


async def test_a_body_without_an_entry_is_said_to_be_gone(ledger: TamperedLedger) -> None:
    rows = ledger.rows()
    _blank(8)(rows)
    ledger.put(rows)
    (fault,) = (await ledger.examined()).faults
    assert str(fault) == "deleted: its body is gone, and no retained entry covers it"
    with pytest.raises(LedgerBrokenError, match="broken at entry 8: its body is gone, and no retained entry covers it"):
        await verify(ledger.store, ACME)


async def test_what_was_dropped_is_read_on_behind_a_fault(ledger: TamperedLedger) -> None:
    rows = ledger.rows()
    for odd in (dict(rows[8], seq=1, payload=b"{}"), dict(rows[0], seq=1, hash=bytes(32))):
        ledger.put([odd, *(dict(row, seq=row["seq"] + 1) for row in rows)])
        report = await ledger.examined()
        assert (report.holds, report.read) == (False, 13)
        assert report.dropped >= 6
    ledger.put([dict(rows[0], seq=-3), *rows])
    report = await ledger.examined()
    assert (report.counts, report.dropped) == ({Manipulation.INSERTED: 1}, 6)


async def test_what_was_put_in_before_dropped_entries_moves_their_numbers_alone(ledger: TamperedLedger) -> None:
    await retain(ledger, 11)
    rows = ledger.rows()
    # It says that it is the twelfth, which stands where it should.
    odd = dict(rows[11], seq=3)
    ledger.put([*rows[:2], odd, *(dict(row, seq=row["seq"] + 1) for row in rows[2:])])
    report = await ledger.examined()
    assert not report.holds
    assert report.dropped == 11


@pytest.mark.parametrize("column", ["hash", "at", "kind", "actor"])
async def test_every_bit_in_a_dropped_range_is_found(ledger: TamperedLedger, column: str) -> None:
    stored = ledger.rows()
    for place in range(6):
        for bit in range(0, 256, 37):
            rows = [dict(row) for row in stored]
            value = rows[place][column]
            if isinstance(value, bytes):
                flipped = int.from_bytes(value) ^ (1 << bit)
                rows[place][column] = flipped.to_bytes(32)
            else:
                rows[place][column] = chr(33 + bit % 90)
            ledger.put(rows, head=False)
            assert not (await ledger.examined()).holds, (place, bit)
