"""`apikeychain ledger`: the entries, and whether the chain holds."""

import json
import sqlite3
from contextlib import closing

import pytest

from apikeychain.embedded import DATABASE
from terminal import Terminal


def _tamper(terminal: Terminal, statement: str) -> None:
    with closing(sqlite3.connect(terminal.data / DATABASE)) as database, database:
        database.execute(statement)


def test_the_newest_entries_are_listed_in_their_order(terminal: Terminal) -> None:
    project = terminal.project()
    terminal.told("project", "enable", project, "--actor", "release-7")
    assert terminal.kinds() == ["tenant.created", "project.created", "project.enabled"]
    (newest,) = terminal.read("ledger", "list", "acme", "--limit", 1)
    assert (newest["seq"], newest["actor"], newest["project"]) == (3, "release-7", project)
    (second,) = terminal.read("ledger", "list", "acme", "--after", 1, "--limit", 1)
    assert (second["kind"], second["data"], second["actor"]) == ("project.created", {"name": "shop"}, "cli")


def test_the_table_of_entries_fits_a_narrow_terminal(terminal: Terminal) -> None:
    terminal.told("origin", "allow", terminal.project(), "https://a-rather-long-name.app.example.com")
    table = terminal.told("ledger", "list", "acme")
    assert "origin.allowed" in table
    assert all(len(line) <= 80 for line in table.splitlines())
    assert terminal.told("ledger", "list", "acme", "--after", 99) == "no entries there\n"


def test_a_limit_that_cannot_be_is_a_wrong_command_line(terminal: Terminal) -> None:
    terminal.project()
    for options in (("--limit", 0), ("--limit", 1001), ("--after", -1)):
        assert "see apikeychain ledger list --help" in terminal.refused("ledger", "list", "acme", *options, code=2)


def test_a_chain_that_holds_is_told_with_its_head(terminal: Terminal) -> None:
    terminal.project()
    last = terminal.read("ledger", "list", "acme")[-1]
    told = terminal.told("ledger", "verify", "acme")
    assert told == f"all 2 entries of acme hold; the hash of the last one is\n{last['hash']}\n"
    document = terminal.read("ledger", "verify", "acme")
    assert document == {"tenant": "acme", "holds": True, "entries": 2, "hash": last["hash"]}


def test_a_terminal_sees_how_far_the_verification_is(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.project()
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, out, err = terminal.run("ledger", "verify", "acme")
    assert (code, "verifying" in out) == (0, False)
    assert "verifying" in err
    assert "2/2" in err


def test_the_first_entry_that_does_not_hold_is_named(terminal: Terminal) -> None:
    project = terminal.project()
    for verb in ("enable", "disable", "enable"):
        terminal.told("project", verb, project)
    _tamper(terminal, "update ledger set payload = replace(payload, '\"cli\"', '\"cly\"') where seq in (3, 4)")
    problem = terminal.refused("ledger", "verify", "acme")
    assert problem.startswith("the ledger of 'acme' is broken at entry 3: ")
    code, out, _ = terminal.run("ledger", "verify", "acme", "--json")
    told = json.loads(out)
    assert (code, told["holds"], told["entry"]) == (1, False, 3)
    assert told["reason"]


def test_a_missing_entry_is_named(terminal: Terminal) -> None:
    project = terminal.project()
    for verb in ("enable", "disable", "enable"):
        terminal.told("project", verb, project)
    _tamper(terminal, "delete from ledger where seq = 2")
    assert "is broken at entry 2: " in terminal.refused("ledger", "verify", "acme")
