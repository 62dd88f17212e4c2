"""`apikeychain ledger retain`: old bodies go, and what the other commands say of what is left."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apikeychain.embedded import DATABASE
from terminal import Terminal


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    """Three entries that a checkpoint covers."""
    terminal.told("project", "enable", terminal.project())
    terminal.told("ledger", "checkpoint")
    return terminal


def test_old_bodies_go_and_the_rest_is_told(shop: Terminal) -> None:
    would = shop.told("ledger", "retain", "acme", "--before", "2999-01-01", "--dry-run")
    assert would == "3 entries of acme from before 2999-01-01T00:00:00.000Z would lose their bodies\n"
    assert shop.kinds() == ["tenant.created", "project.created", "project.enabled"]
    assert shop.read("ledger", "retain", "acme", "--keep-days", 3650)["dropped"] == 0
    assert shop.told("ledger", "retain", "acme", "--before", "2020-01-01").endswith(
        "; every entry has its body; the last checkpoint covers 3\n"
    )
    told = shop.told("ledger", "retain", "acme", "--before", "2999-01-01", "--actor", "ops")
    assert told == (
        "3 entries of acme from before 2999-01-01T00:00:00.000Z have lost their bodies; "
        "the first 3 entries of acme have none; the last checkpoint covers 3\n"
    )
    # Also the entry that said so, since the next one covers it.
    again: dict[str, Any] = shop.read("ledger", "retain", "acme", "--before", "2999-01-01")
    assert again == {
        "tenant": "acme",
        "before": "2999-01-01T00:00:00.000Z",
        "dropped": 1,
        "last": 4,
        "signed": 4,
        "dry_run": False,
    }


def test_what_is_left_is_shown_verified_and_exported(shop: Terminal, tmp_path: Path) -> None:
    hashes = [entry["hash"] for entry in shop.read("ledger", "list", "acme")]
    shop.told("ledger", "retain", "acme", "--before", "2999-01-01", "--actor", "ops")
    entries = shop.read("ledger", "list", "acme")
    assert [entry["kind"] for entry in entries] == ["(dropped)"] * 3 + ["retained"]
    assert [entry["hash"] for entry in entries[:3]] == hashes
    assert entries[0] == {
        "seq": 1,
        "at": None,
        "kind": "(dropped)",
        "actor": "",
        "project": None,
        "data": None,
        "hash": hashes[0],
    }
    assert shop.told("ledger", "tail", "acme", "--limit", 2).startswith("3  -  (dropped)  -  -  -\n4  2")
    assert "(dropped)" in shop.told("ledger", "list", "acme")
    shown = shop.read("ledger", "show", "acme", 1)
    assert (shown["kind"], shown["holds"]) == ("(dropped)", None)
    assert shown["dropped"] == "whether an entry covers that, `ledger verify` tells"
    assert shop.read("ledger", "show", "acme", 4)["holds"] is True
    lines = shop.told("ledger", "verify", "acme").splitlines()
    assert lines[0] == "all 4 entries of acme hold, each behind the one before it"
    assert lines[1] == "the bodies of 3 of them were dropped; look whether you did that: it is said by entry 4"
    document = shop.read("ledger", "verify", "acme")
    assert (document["dropped"], document["covering"], document["complete"]) == (3, [4], True)
    file = tmp_path / "acme.jsonl"
    shop.told("ledger", "export", "acme", file)
    first = json.loads(file.read_text().splitlines()[0])
    assert first == {
        "tenant": "acme",
        "seq": 1,
        "at": "",
        "kind": "",
        "actor": "",
        "project": None,
        "payload": "",
        "hash": hashes[0],
    }
    assert not shop.read("ledger", "list", "acme", "--kind", "tenant")
    assert [entry["seq"] for entry in shop.read("ledger", "list", "acme", "--from", "2000-01-01")] == [4]


def test_nothing_of_the_bodies_is_left_in_the_rows(shop: Terminal) -> None:
    shop.told("ledger", "retain", "acme", "--before", "2999-01-01")
    with closing(sqlite3.connect(shop.data / DATABASE)) as database:
        rows = database.execute(
            "SELECT at, kind, actor, project, payload FROM ledger WHERE tenant = 'acme' AND seq < 4"
        )
        assert rows.fetchall() == [("", "", "", None, b"")] * 3


def test_a_body_that_went_otherwise_is_told_as_deleted(shop: Terminal) -> None:
    with closing(sqlite3.connect(shop.data / DATABASE)) as database, database:
        blank = "UPDATE ledger SET at = '', kind = '', actor = '', project = NULL, payload = x''"
        database.execute(f"{blank} WHERE tenant = 'acme' AND seq = 2")
    code, out, err = shop.run("ledger", "verify", "acme")
    assert code == 1
    assert "2    deleted        its body is gone, and no retained entry covers it" in out
    assert err.endswith("broken at entry 2: deleted: its body is gone, and no retained entry covers it\n")
    told = shop.refused("ledger", "retain", "acme", "--before", "2999-01-01")
    assert told.endswith("broken at entry 2: its body is gone, and no retained entry covers it")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "which entries? Say either --before DATE or --keep-days N"),
        (("--before", "2026-01-01", "--keep-days", 3), "which entries? Say either --before DATE or --keep-days N"),
        (("--before", "soon"), "not a moment: 'soon'; write 2026-01-31"),
        (("--keep-days", 10**6), "there was no day 1000000 days ago"),
        (("--keep-days", 10**12), "there was no day 1000000000000 days ago"),
    ],
    ids=str,
)
def test_what_is_no_moment_is_refused(options: tuple[object, ...], text: str, shop: Terminal) -> None:
    assert shop.refused("ledger", "retain", "acme", *options).startswith(text)


def test_without_a_checkpoint_nothing_is_dropped(terminal: Terminal) -> None:
    terminal.project()
    assert terminal.refused("ledger", "retain", "acme", "--keep-days", 1).startswith(
        "nothing of 'acme' is dropped that not everybody has seen: witness 1 (FileWitness): it has no ch"
    )
