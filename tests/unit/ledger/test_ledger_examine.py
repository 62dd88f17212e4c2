"""What was done to a stored chain is found, counted and named, by statements on a real database."""

import sqlite3
from collections.abc import AsyncGenerator, Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from apikeychain.backends.memory_store import MemoryStore
from apikeychain.ledger.examine import examine
from apikeychain.model.ledger import Head, LedgerDraft, link
from apikeychain.model.ledger_report import Manipulation
from tampered import (
    ACME,
    NOON,
    OTHER,
    TamperedLedger,
    changed,
    drafts,
    relinked,
    renumbered,
    respelled,
    tampered_ledger,
)

Rows = list[dict[str, Any]]
EDITED, DELETED, INSERTED = Manipulation.EDITED, Manipulation.DELETED, Manipulation.INSERTED
REORDERED, CUT, ROLLED_BACK = Manipulation.REORDERED, Manipulation.CUT, Manipulation.ROLLED_BACK
REPLACED, SPLICED, FORKED = Manipulation.REPLACED, Manipulation.SPLICED, Manipulation.FORKED


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncGenerator[TamperedLedger, None]:
    async with tampered_ledger(tmp_path / "keychain.db") as ledger:
        yield ledger


def forged(rows: Rows, place: int) -> dict[str, Any]:
    """An entry that fits behind `place` others."""
    head = Head(ACME, place, rows[place - 1]["hash"] if place else Head.empty(ACME).hash)
    entry = LedgerDraft(at=NOON, kind="gap", actor="forger").behind(head)
    at = "2026-01-02T12:00:00.000Z"
    columns = {"kind": "gap", "actor": "forger", "project": None, "payload": entry.payload, "hash": entry.hash}
    return {"tenant": ACME, "seq": place + 1, "at": at, **columns}


def _edit(rows: Rows) -> None:
    rows[4]["payload"] = changed(rows[4], data={"n": 6})


def _edit_hash(rows: Rows) -> None:
    rows[4]["hash"] = bytes(32)


def _edit_two(rows: Rows) -> None:
    _edit(rows)
    rows[6]["actor"] = "somebody"


def _edit_neighbours(rows: Rows) -> None:
    for row in rows[4:7]:
        row["payload"] = changed(row, actor="somebody")


def _edit_and_link(rows: Rows) -> None:
    """A column and the payload, together with all later hashes: the chain alone holds."""
    rows[4]["payload"], rows[4]["actor"] = changed(rows[4], actor="somebody"), "somebody"
    relinked(rows, 4)


def _edit_column_and_link(rows: Rows) -> None:
    rows[4]["payload"] = changed(rows[4], actor="somebody")
    relinked(rows, 4)


def _garbage(rows: Rows) -> None:
    rows[4]["payload"] += b" "


def _delete(rows: Rows) -> None:
    del rows[4]


def _delete_three(rows: Rows) -> None:
    del rows[4:7]


def _delete_two_apart(rows: Rows) -> None:
    del rows[7], rows[4]


def _delete_and_renumber(rows: Rows) -> None:
    del rows[4]
    renumbered(rows)


def _delete_and_link(rows: Rows) -> None:
    del rows[4]
    relinked(renumbered(rows), 4)


def _delete_first(rows: Rows) -> None:
    del rows[0]


def _delete_and_edit(rows: Rows) -> None:
    rows[5]["kind"] = "gap"
    del rows[4]


def _swap(rows: Rows) -> None:
    rows[4], rows[5] = rows[5], rows[4]
    renumbered(rows)


def _swap_and_link(rows: Rows) -> None:
    _swap(rows)
    relinked(rows, 4)


def _move_to_the_end(rows: Rows) -> None:
    rows[4]["seq"] = 99


def _renumber_the_last(rows: Rows) -> None:
    rows[9]["seq"] = 20


def _move_before_the_first(rows: Rows) -> None:
    rows[4]["seq"] = -7


def _move_the_last_before_the_first(rows: Rows) -> None:
    rows[9]["seq"] = 0


def _move_between(rows: Rows) -> None:
    rows[4]["seq"] = 7.5


def _turn_round(rows: Rows) -> None:
    rows.reverse()
    renumbered(rows)


def _insert(rows: Rows) -> None:
    rows.insert(5, forged(rows, 5))
    renumbered(rows)


def _insert_unlinked(rows: Rows) -> None:
    rows.insert(5, forged(rows, 5) | {"hash": bytes(32)})
    renumbered(rows)


def _insert_before_the_first(rows: Rows) -> None:
    rows.append(forged(rows, 0) | {"seq": 0})


def _insert_no_entry(rows: Rows) -> None:
    rows.append(forged(rows, 0) | {"seq": 0, "payload": b"{}"})


def _insert_at_the_end(rows: Rows) -> None:
    rows.append(forged(rows, 10))


def _insert_under_a_text(rows: Rows) -> None:
    rows.append(forged(rows, 3) | {"seq": "four"})


def _duplicate(rows: Rows) -> None:
    rows.insert(5, dict(rows[4]))
    renumbered(rows)


def _insert_an_old_number(rows: Rows) -> None:
    rows.insert(5, rows[2] | {"hash": bytes(32)})
    renumbered(rows)


def _replace(rows: Rows) -> None:
    rows[4] |= {"payload": changed(rows[4], data={"n": 99}), "hash": bytes(32)}


def _restart(rows: Rows) -> None:
    """A new chain from the beginning behind the fourth entry."""
    anew = deepcopy(rows[:3])
    for row in anew:
        row["payload"], row["actor"] = changed(row, actor="second"), "second"
    rows[4:] = relinked(anew)
    renumbered(rows)


def _restart_and_link(rows: Rows) -> None:
    rows[4]["hash"] = link(Head.empty(ACME).hash, rows[4]["payload"])
    relinked(rows, 5)


def _fork(rows: Rows) -> None:
    """Two that stand behind the sixth once more."""
    branch = deepcopy(rows[6:8])
    for row in branch:
        row["payload"] = changed(row, actor="second")
        row["actor"] = "second"
    rows[8:] = relinked([*deepcopy(rows[:6]), *branch], 6)[6:]
    renumbered(rows)


PLANTED: list[tuple[Callable[[Rows], None], int, dict[Manipulation, int]]] = [
    (_edit, 5, {EDITED: 1}),
    (_edit_hash, 5, {EDITED: 1}),
    (_edit_two, 5, {EDITED: 2}),
    (_edit_neighbours, 5, {EDITED: 3}),
    (_edit_column_and_link, 5, {EDITED: 1}),
    (_garbage, 5, {EDITED: 1}),
    (_delete, 5, {DELETED: 1}),
    (_delete_three, 5, {DELETED: 3}),
    (_delete_two_apart, 5, {DELETED: 2}),
    (_delete_and_renumber, 5, {DELETED: 1}),
    (_delete_and_link, 5, {DELETED: 1}),
    (_delete_first, 1, {DELETED: 1}),
    (_delete_and_edit, 5, {DELETED: 1, EDITED: 1}),
    (_swap, 5, {REORDERED: 1}),
    (_swap_and_link, 5, {REORDERED: 1}),
    (_move_to_the_end, 5, {REORDERED: 1}),
    (_renumber_the_last, 10, {EDITED: 1}),
    (_move_before_the_first, 5, {REORDERED: 1}),
    (_move_the_last_before_the_first, 10, {REORDERED: 1}),
    (_move_between, 5, {REORDERED: 1}),
    (_turn_round, 1, {REORDERED: 9}),
    (_insert, 6, {INSERTED: 1}),
    (_insert_unlinked, 6, {INSERTED: 1}),
    (_insert_before_the_first, 1, {INSERTED: 1}),
    (_insert_no_entry, 0, {INSERTED: 1}),
    (_insert_at_the_end, 11, {INSERTED: 1}),
    (_insert_under_a_text, 4, {INSERTED: 1}),
    (_duplicate, 6, {INSERTED: 1}),
    (_insert_an_old_number, 6, {INSERTED: 1}),
    (_replace, 5, {REPLACED: 1}),
    (_restart, 5, {FORKED: 1}),
    (_restart_and_link, 5, {FORKED: 1}),
    (_fork, 9, {FORKED: 1}),
]


BATCHES = (1, 3, 100)


@pytest.mark.parametrize(
    ("manipulate", "seq", "counts"), PLANTED, ids=[manipulate.__name__[1:] for manipulate, _, _ in PLANTED]
)
async def test_what_was_done_to_a_chain_is_named_and_counted(
    ledger: TamperedLedger, manipulate: Callable[[Rows], None], seq: int, counts: dict[Manipulation, int]
) -> None:
    rows = ledger.rows()
    manipulate(rows)
    linked = manipulate.__name__.endswith("_link")
    ledger.put(rows, head=linked)
    more = {REPLACED: 1} if linked else {}  # since all behind it has other hashes than it had
    for batch in BATCHES:
        report = await ledger.examined(batch=batch)
        assert (report.faults[0].seq, report.faults[0].manipulation) == (seq, next(iter(counts)))
        assert dict(report.counts) == counts
        assert report.read == len(rows)
        assert not report.holds
        against = await ledger.examined(ledger.head, batch)
        assert (against.faults[0].seq, dict(against.counts)) == (seq, counts | more)
        assert not against.anchored


async def test_a_whole_chain_holds_and_is_anchored_by_what_was_kept(ledger: TamperedLedger) -> None:
    report = await ledger.examined()
    assert (report.head, report.read, report.holds, report.anchored) == (ledger.head, 10, True, False)
    assert (list(report.faults), dict(report.counts)) == ([], {})
    assert (await ledger.examined(ledger.head)).anchored
    earlier = ledger.rows()[3]
    assert (await ledger.examined(Head(ACME, 4, earlier["hash"]))).anchored
    assert report.tenant == ACME


async def test_a_chain_that_does_not_exist_is_an_empty_one() -> None:
    report = await examine(MemoryStore(), ACME)
    assert (report.head, report.read, report.holds) == (Head.empty(ACME), 0, True)


async def test_a_store_that_takes_numbers_below_one_for_none_is_examined_too() -> None:
    store = MemoryStore()
    await store.append_many({ACME: drafts(5)})
    assert (await examine(store, ACME, batch=2)).holds


async def test_every_page_is_told() -> None:
    store = MemoryStore()
    await store.append_many({ACME: drafts(25)})
    told: list[tuple[int, int | None]] = []
    await examine(store, ACME, progress=lambda done, total: told.append((done, total)), batch=10)
    assert told == [(10, None), (20, None), (25, None), (25, 25)]


# The chain alone does not show these; the stored head does, or what was kept.


def _cut(rows: Rows) -> None:
    del rows[7:]


def _replace_the_last(rows: Rows) -> None:
    rows[9]["payload"] = changed(rows[9], data={"n": 99})
    relinked(rows, 9)


@pytest.mark.parametrize(
    ("manipulate", "seq", "counts"),
    [(_cut, 8, {CUT: 3}), (list.clear, 1, {CUT: 10}), (_replace_the_last, 10, {REPLACED: 1})],
    ids=["cut", "all cut", "the last replaced"],
)
async def test_what_does_not_reach_the_stored_head_is_found_without_anything_kept(
    ledger: TamperedLedger, manipulate: Callable[[Rows], None], seq: int, counts: dict[Manipulation, int]
) -> None:
    rows = ledger.rows()
    manipulate(rows)
    ledger.put(rows, head=False)
    for kept in (None, ledger.head):
        report = await ledger.examined(kept)
        assert (report.faults[0].seq, dict(report.counts)) == (seq, counts) or kept
        assert report.faults[0].manipulation is next(iter(counts))


def _respell_all(rows: Rows) -> None:
    for row in rows:
        row["payload"], row["actor"] = changed(row, actor="other"), "other"
    relinked(rows)


def _swap_and_respell(rows: Rows) -> None:
    rows[4], rows[5] = rows[5], rows[4]
    respelled(rows, 4)


def _insert_and_respell(rows: Rows) -> None:
    rows.insert(5, forged(rows, 5))
    respelled(rows, 5)


def _delete_and_respell(rows: Rows) -> None:
    del rows[4]
    respelled(rows, 4)


REWRITTEN: list[tuple[Callable[[Rows], None], int, dict[Manipulation, int]]] = [
    (_cut, 8, {ROLLED_BACK: 3}),
    (_edit_and_link, 10, {REPLACED: 1}),
    (_respell_all, 10, {REPLACED: 1}),
    (_swap_and_respell, 10, {REPLACED: 1}),
    (_insert_and_respell, 10, {REPLACED: 1}),
    (_delete_and_respell, 10, {ROLLED_BACK: 1}),
]


@pytest.mark.parametrize(
    ("manipulate", "seq", "counts"), REWRITTEN, ids=[manipulate.__name__[1:] for manipulate, _, _ in REWRITTEN]
)
async def test_a_chain_that_was_written_anew_holds_by_itself_and_not_against_what_was_kept(
    ledger: TamperedLedger, manipulate: Callable[[Rows], None], seq: int, counts: dict[Manipulation, int]
) -> None:
    rows = ledger.rows()
    manipulate(rows)
    ledger.put(rows)
    for batch in BATCHES:
        alone = await ledger.examined(batch=batch)
        assert (alone.holds, alone.anchored) == (True, False)
        report = await ledger.examined(ledger.head, batch)
        assert (report.faults[0].seq, report.faults[0].manipulation) == (seq, next(iter(counts)))
        assert dict(report.counts) == counts


@pytest.mark.parametrize("places", [(5,), (5, 6), (1,), (10,)], ids=str)
async def test_an_entry_of_another_tenant_is_named(ledger: TamperedLedger, places: tuple[int, ...]) -> None:
    rows, foreign = ledger.rows(), ledger.rows(OTHER)
    for place in places:
        rows[place - 1] = foreign[place - 1] | {"tenant": ACME}
    ledger.put(rows, head=False)
    report = await ledger.examined(ledger.head)
    assert (report.faults[0].seq, report.faults[0].manipulation) == (places[0], SPLICED)
    assert report.counts[SPLICED] == len(places)


@pytest.mark.parametrize("place", [0, 5])
async def test_an_entry_of_another_tenant_between_two_is_named(ledger: TamperedLedger, place: int) -> None:
    rows, foreign = ledger.rows(), ledger.rows(OTHER)[2] | {"tenant": ACME}
    if place:
        rows.insert(place - 1, foreign)
        renumbered(rows)
    else:
        rows.append(foreign | {"seq": 0})
    ledger.put(rows, head=False)
    report = await ledger.examined(ledger.head)
    assert (report.faults[0].seq, dict(report.counts)) == (place, {SPLICED: 1})


async def test_a_spliced_entry_whose_hash_was_made_to_fit_is_named(ledger: TamperedLedger) -> None:
    rows = ledger.rows()
    rows[4] = ledger.rows(OTHER)[4] | {"tenant": ACME}
    ledger.put(relinked(rows, 4))
    report = await ledger.examined()
    assert (report.faults[0].seq, dict(report.counts)) == (5, {SPLICED: 1})


async def test_a_stored_head_that_cannot_be_read_is_named(ledger: TamperedLedger) -> None:
    ledger.sql("UPDATE heads SET size = 'many'")
    report = await ledger.examined()
    assert (report.faults[0].seq, dict(report.counts)) == (11, {EDITED: 1})
    ledger.sql("DELETE FROM ledger WHERE seq = 10")
    assert (await ledger.examined(ledger.head)).counts[ROLLED_BACK] == 1


async def test_a_stored_head_that_was_set_back_is_named(ledger: TamperedLedger) -> None:
    ledger.sql(
        "UPDATE heads SET size = 8, hash = (SELECT hash FROM ledger AS l WHERE l.tenant = heads.tenant AND seq = 8)"
    )
    report = await ledger.examined(ledger.head)
    assert (report.faults[0].seq, dict(report.counts)) == (9, {INSERTED: 2})
    assert str(report.faults[0]).startswith("inserted: the stored head counts 8 entries")


async def test_what_was_kept_of_an_entry_that_is_gone_shows_nothing_more(ledger: TamperedLedger) -> None:
    digest = ledger.rows()[4]["hash"]
    ledger.sql("DELETE FROM ledger WHERE seq = 5")
    report = await ledger.examined(Head(ACME, 5, digest))
    assert dict(report.counts) == {DELETED: 1}


async def test_two_bad_ones_side_by_side_do_not_make_a_third_of_the_next(ledger: TamperedLedger) -> None:
    rows = ledger.rows()
    for row in rows[3:5]:
        row |= {"payload": b"nothing", "hash": bytes(32)}
    rows[5]["actor"] = "somebody"
    ledger.put(rows, head=False)
    report = await ledger.examined(ledger.head)
    assert [(fault.seq, fault.manipulation) for fault in report.faults] == [(4, REPLACED), (5, REPLACED), (6, EDITED)]


async def test_of_many_faults_the_first_hundred_are_told_and_all_are_counted(tmp_path: Path) -> None:
    async with tampered_ledger(tmp_path / "many.db", 1500) as ledger:
        for change in ("hash = x'00'", "payload = x'00'"):
            ledger.sql(f"UPDATE ledger SET {change} WHERE tenant = ? AND seq > 3", ACME)  # noqa: S608  # constants
            report = await ledger.examined(batch=1000)
            assert [fault.seq for fault in report.faults] == [*range(4, 104)]
            assert dict(report.counts) == {REPLACED: 1497}


async def test_forks_beyond_the_hundredth_fault_are_not_looked_for(tmp_path: Path) -> None:
    async with tampered_ledger(tmp_path / "many.db", 300) as ledger:
        ledger.sql("UPDATE ledger SET actor = 'x' WHERE tenant = ? AND seq < 200", ACME)
        ledger.sql("UPDATE ledger SET hash = x'00' WHERE tenant = ? AND seq = 250", ACME)
        assert dict((await ledger.examined()).counts) == {EDITED: 200}


async def test_of_many_gaps_and_strays_no_more_than_a_bound_is_remembered(tmp_path: Path) -> None:
    async with tampered_ledger(tmp_path / "many.db", 2600) as ledger:
        ledger.sql("UPDATE ledger SET seq = -seq WHERE tenant = ? AND seq % 2 = 0", ACME)
        report = await ledger.examined(batch=1000)
        assert dict(report.counts) == {REORDERED: 1000, DELETED: 300}
        assert (report.faults[0].seq, report.faults[0].manipulation) == (2, DELETED)


async def test_a_chain_longer_than_what_is_remembered_is_examined_to_its_end(tmp_path: Path) -> None:
    async with tampered_ledger(tmp_path / "long.db", 2500) as ledger:
        ledger.sql("DELETE FROM ledger WHERE tenant = ? AND seq IN (3, 2400)", ACME)
        report = await ledger.examined(ledger.head, batch=1000)
        assert [fault.seq for fault in report.faults] == [3, 2400]


HOSTILE: dict[str, tuple[object, ...]] = {
    "seq": (0.5, 5.5, 1e300, float("inf"), float("-inf"), -(1 << 63), (1 << 63) - 1, "x", "", b"", b"\xff"),
    "at": ("", "never", "2026-01-02t12:00:05.000Z", "2026-01-02T12:00:05,000Z", b"\xff", 5, 1e300, "9" * 10_000),
    "kind": ("", "x" * 100_000, b"\xff\xfe", 1.5, "\x00", "call\x00"),
    "actor": ("", b"gate", 0, "\U0010ffff", "[bold]\x1b[2J"),
    "project": ("", b"\x80", 7, None),
    "payload": (
        "text",
        "",
        5,
        1.5,
        b"",
        b"\xff",
        b"null",
        b"[]",
        b'{"seq":1}',
        b"[" * 100_000,
        b"9" * 10_000,
        b'{"seq":' + b"9" * 5_000 + b"}",
        b'{"tenant":"acme","seq":9007199254740991}',
        b'{"a":"\\ud800"}',
        b'{"seq":true,"tenant":[]}',
    ),
    "hash": ("text", "", 5, 1.5, b"", b"\xff" * 31, b"\xff" * 33),
}


def _stored(column: str, value: object) -> tuple[str, object]:
    """What sets a column to a value: bytes into a text column as a text that is none, too."""
    return f"UPDATE ledger SET {column} = ? WHERE tenant = 'acme' AND seq = 5", value  # noqa: S608  # constants


@pytest.mark.parametrize(
    ("column", "value"),
    [(column, value) for column, values in HOSTILE.items() for value in values],
    ids=[f"{column} {number}" for column, values in HOSTILE.items() for number in range(len(values))],
)
async def test_nothing_that_somebody_wrote_into_the_database_is_more_than_a_fault(
    ledger: TamperedLedger, column: str, value: object
) -> None:
    assert ledger.sql(*_stored(column, value)) == 1
    for kept in (None, ledger.head):
        report = await ledger.examined(kept)
        assert report.faults[0].seq == 5
        assert sum(report.counts.values()) == 1


@pytest.mark.parametrize("column", ["at", "kind", "actor", "project", "seq"])
async def test_a_text_of_another_coding_is_a_fault_of_its_entry(ledger: TamperedLedger, column: str) -> None:
    change = f"UPDATE ledger SET {column} = CAST(x'41ff' AS TEXT) WHERE tenant = 'acme' AND seq = 5"  # noqa: S608  # likewise
    assert ledger.sql(change) == 1
    report = await ledger.examined(batch=3)
    assert report.faults[0].seq == 5
    assert len(report.counts) == 1


async def test_a_thousand_entries_between_two_numbers_end_the_examination_no_earlier(ledger: TamperedLedger) -> None:
    (row,) = ledger.rows()[4:5]
    for number in range(20):
        columns = ("acme", 5 + (number + 1) / 32, row["payload"], row["hash"])
        ledger.sql("INSERT INTO ledger VALUES (?, ?, '', '', '', '', ?, ?)", *columns)
    ledger.sql("UPDATE ledger SET actor = 'x' WHERE tenant = 'acme' AND seq = 8")
    report = await ledger.examined(batch=3)
    assert (report.read, dict(report.counts)) == (30, {INSERTED: 20, EDITED: 1})


# Every bit of every column.


def _bits(value: object) -> bytes:
    if isinstance(value, int):
        return value.to_bytes(8, "big", signed=True)
    return value if isinstance(value, bytes) else str(value).encode()


def _flipped(value: object, bit: int) -> object:
    raw = bytearray(_bits(value))
    raw[bit // 8] ^= 1 << bit % 8
    return int.from_bytes(raw, "big", signed=True) if isinstance(value, int) else bytes(raw)


WHAT_A_FLIP_IS = {"seq": {REORDERED, EDITED}, "tenant": {DELETED, CUT}}
COLUMNS = ("payload", "hash", "at", "seq", "actor", "kind", "project", "tenant")


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("some", [40, pytest.param(1_000_000, marks=pytest.mark.long)], ids=["some", "all"])
async def test_every_bit_of_a_stored_log_is_found_where_it_was_flipped(tmp_path: Path, column: str, some: int) -> None:
    async with tampered_ledger(tmp_path / "bits.db", 20) as ledger:
        rows = ledger.rows()
        flips = [(row, bit) for row in rows for bit in range(8 * len(_bits(row[column])))]
        placeholder = "?" if column in {"payload", "hash", "seq"} else "CAST(? AS TEXT)"
        change = f"UPDATE ledger SET {column} = {placeholder} WHERE tenant = 'acme' AND seq = ?"  # noqa: S608  # constants
        for row, bit in flips[:: len(flips) // some | 1]:
            try:
                ledger.sql(change, _flipped(row[column], bit), row["seq"])
            except sqlite3.IntegrityError:
                continue  # another entry has that number
            report = await ledger.examined(batch=1000)
            assert [fault.seq for fault in report.faults] == [row["seq"]], (row["seq"], bit)
            assert report.counts.keys() <= WHAT_A_FLIP_IS.get(column, {EDITED}), (row["seq"], bit)
            ledger.put(rows, head=False)
