"""What others thought of to do to a hash-chained log is found in a real database."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import independent_verifier
from apikeychain.ledger.examine import NOTHING, Against, examine
from apikeychain.model.ledger import Head, LedgerDraft, canonical_json
from apikeychain.model.ledger_report import Manipulation
from notarized import MemoryWitness, notarize
from outside import cases
from tampered import ACME, NOON, OTHER, TamperedLedger, relinked, renumbered, respelled, tampered_ledger

EDITED, DELETED, INSERTED = Manipulation.EDITED, Manipulation.DELETED, Manipulation.INSERTED
Rows = list[dict[str, Any]]


def _edit(rows: Rows, place: int, column: str, value: Any) -> None:
    if column == "ts":
        rows[place]["at"] = "1970-01-01T00:00:01.000Z"
    else:
        said = json.loads(rows[place]["payload"])
        rows[place]["payload"] = json.dumps(said | {"data": value}, ensure_ascii=False, sort_keys=True).encode()


def _edit_and_link(rows: Rows, place: int) -> None:
    said = json.loads(rows[place]["payload"])
    rows[place]["payload"] = canonical_json(said | {"data": {"n": 99}})
    relinked(rows, place)


def _delete(rows: Rows, place: int) -> None:
    del rows[place]


def _restart(rows: Rows, count: int) -> None:
    """The rest starts a new chain, and says so."""
    rows[:] = [*rows[:count], *respelled([dict(row) for row in rows[count:]])]
    renumbered(rows)


def _swap_and_link(rows: Rows, one: int, other: int) -> None:
    rows[one], rows[other] = rows[other], rows[one]
    respelled(rows, one)


def _insert(rows: Rows, place: int) -> None:
    head = Head(ACME, place, rows[place - 1]["hash"])
    entry = LedgerDraft(at=NOON, kind="call", actor="forger").behind(head)
    at = "2026-01-02T12:00:00.000Z"
    columns = {"at": at, "actor": "forger", "project": None, "payload": entry.payload, "hash": entry.hash}
    rows.insert(place, rows[place] | columns)
    renumbered(rows)


def _duplicate(rows: Rows, place: int) -> None:
    rows.insert(place, dict(rows[place]))
    renumbered(rows)


def _splice(rows: Rows, place: int) -> None:
    """Needs the other's row, which the test puts behind all."""
    rows[place] = rows.pop() | {"tenant": ACME}


def _replace_all(rows: Rows) -> None:
    for row in rows:
        row["payload"] = canonical_json(json.loads(row["payload"]) | {"actor": "other"})
        row["actor"] = "other"
    relinked(rows)


def _shift_fields(rows: Rows) -> None:
    shifted = json.loads(rows[5]["payload"]) | {"actor": "gatec", "kind": "all"}
    rows[5] |= {"actor": "gatec", "kind": "all", "payload": canonical_json(shifted)}


def _write_surrogate(rows: Rows) -> None:
    rows[5]["payload"] = rows[5]["payload"].replace(b'"gate"', b'"\\ud800"')


def _write_same_moment(rows: Rows) -> None:
    for row in rows:
        said = json.loads(row["payload"]) | {"at": "2026-01-02T12:00:00.000Z"}
        row |= {"at": said["at"], "payload": canonical_json(said)}
    relinked(rows)


def _cut(rows: Rows) -> None:
    del rows[7:]


def _nothing(_rows: Rows) -> None:
    """Whether anything is kept is what the case is about."""


def _nest(rows: Rows) -> None:
    inner = rows[0]["payload"].decode()
    said = json.loads(rows[9]["payload"]) | {"data": {"name": f"{inner}\n{inner}"}}
    rows[9]["payload"] = canonical_json(said)
    relinked(rows, 9)


# What is done, whether the stored head is written too, and the first bad entry with what was done to it: by the chain
# and the stored head alone, then against what was kept.
Verdict = tuple[int, Manipulation] | None
ATTACKS: dict[str, tuple[Callable[..., None], bool, Verdict, Verdict]] = {
    "edit": (_edit, False, (6, EDITED), (6, EDITED)),
    "edit_rehash_tail": (_edit_and_link, True, None, (10, Manipulation.REPLACED)),
    "delete": (_delete, False, (0, DELETED), (0, DELETED)),
    "drop_and_restart": (_restart, True, (5, Manipulation.FORKED), (5, Manipulation.FORKED)),
    "swap_rehash": (_swap_and_link, True, None, (10, Manipulation.REPLACED)),
    "insert": (_insert, False, (6, INSERTED), (6, INSERTED)),
    "dup": (_duplicate, False, (7, INSERTED), (7, INSERTED)),
    "splice": (_splice, False, (6, Manipulation.SPLICED), (6, Manipulation.SPLICED)),
    "replace_all_and_anchor": (_replace_all, True, None, (10, Manipulation.REPLACED)),
    "anchor_missing": (_nothing, False, None, None),
    "field_shift": (_shift_fields, False, (6, EDITED), (6, EDITED)),
    "surrogate": (_write_surrogate, False, (6, EDITED), (6, EDITED)),
    "nested_entry": (_nest, True, None, (10, Manipulation.REPLACED)),
    "same_ts": (_write_same_moment, True, None, (10, Manipulation.REPLACED)),
    "eatmydata": (_cut, True, None, (8, Manipulation.ROLLED_BACK)),
}
NOT_OF_A_STORED_LOG = {
    "guc_formats": "the PostgreSQL store",
    "two_tenants": "the store",
    "verify_during_append": "below",
    "pg_kill": "the PostgreSQL store",
    "audit_down": "the pipeline",
    "audit_hang": "the ledger",
    "completeness": "the pipeline",
    "sql_privs": "the PostgreSQL store",
    "big": "the long run of the command",
}
CASES = cases("audit_chain_attacks")


@pytest.mark.parametrize("case", [case for case in CASES if case["op"][0] in ATTACKS], ids=lambda case: case["id"])
async def test_an_attack_on_the_stored_log_is_found_and_named(case: dict[str, Any], tmp_path: Path) -> None:
    operation, *arguments = case["op"]
    manipulate, with_head, alone, against = ATTACKS[operation]
    async with tampered_ledger(tmp_path / "keychain.db") as ledger:
        witness = MemoryWitness()
        statement = await notarize(ledger.store, ACME, witness)
        rows = ledger.rows()
        written = [row["payload"] for row in rows]
        if manipulate is _splice:
            rows.append(ledger.rows(OTHER)[arguments[0]])
        manipulate(rows, *arguments)
        ledger.put(rows, head=with_head)
        place = arguments[0] + 1 if operation == "delete" else 0
        await _require(ledger, NOTHING, alone, place)
        await _require(ledger, Against(kept=ledger.head), against, place)
        await _require(ledger, Against(witnesses=[witness]), against, place)
        payloads = [row["payload"] for row in rows]
        assert _others_holds(payloads, statement.text) == (payloads == written)


async def _require(ledger: TamperedLedger, against: Against, verdict: Verdict, place: int) -> None:
    report = await examine(ledger.store, ACME, against, batch=7)
    first = report.faults[0] if report.faults else None
    assert (first and (first.seq, first.manipulation)) == (verdict and (verdict[0] or place, verdict[1]))
    assert report.anchored == (against != NOTHING and verdict is None)


def _others_holds(payloads: list[bytes], statement: str) -> bool:
    """What somebody says who wrote a verifier from the page on the format alone."""
    try:
        independent_verifier.verify_log(payloads, statement)
    except Exception:  # noqa: BLE001  # it says so: whatever it raises is its no
        return False
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_no_case_is_forgotten(case: dict[str, Any]) -> None:
    assert case["op"][0] in {*ATTACKS, *NOT_OF_A_STORED_LOG}
