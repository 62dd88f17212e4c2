"""`apikeychain ledger`: the entries, and whether the chain holds."""

import asyncio
import hashlib
import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from typing import Any

import pytest

from apikeychain.cli import ledger
from apikeychain.cli.invocation import Invocation
from apikeychain.cli.ledger_filter import Filter
from apikeychain.embedded import DATABASE
from command import SCRIPTS
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


def test_a_chain_that_holds_is_told_with_its_head_and_with_what_that_does_not_show(terminal: Terminal) -> None:
    terminal.project()
    last = terminal.read("ledger", "list", "acme")[-1]
    lines = terminal.told("ledger", "verify", "acme").splitlines()
    assert lines[0] == "all 2 entries of acme hold, each behind the one before it"
    assert lines[-3].startswith("the end is not anchored: ")
    assert lines[-1] == f"apikeychain ledger verify acme --kept 2:{last['hash']}"
    document = terminal.read("ledger", "verify", "acme")
    assert document == {
        "tenant": "acme",
        "holds": True,
        "anchored": False,
        "complete": True,
        "entries": 2,
        "dropped": 0,
        "covering": [],
        "hash": last["hash"],
        "keep": f"2:{last['hash']}",
        "kept": None,
        "since": None,
        "anchors": [],
        "unheard": [
            {"source": "witness 1 (FileWitness)", "reason": "it has no checkpoint of this chain", "failure": False}
        ],
        "entry": None,
        "manipulation": None,
        "reason": None,
        "counts": {},
        "faults": [],
    }


def test_a_chain_that_goes_on_behind_what_was_kept_is_anchored(terminal: Terminal) -> None:
    project = terminal.project()
    kept = terminal.read("ledger", "verify", "acme")["keep"]
    terminal.told("project", "enable", project)
    told = terminal.told("ledger", "verify", "acme", "--kept", kept)
    assert told.startswith(
        "all 3 entries of acme hold, each behind the one before it\nthe first 2 agree with what was kept\n"
    )
    assert "not anchored" not in told
    document = terminal.read("ledger", "verify", "acme", "--kept", kept)
    assert (document["anchored"], document["kept"], document["entries"]) == (True, kept, 3)


def test_what_was_not_kept_so_is_refused(terminal: Terminal) -> None:
    terminal.project()
    for kept in ("", "2", "x:y"):
        assert "written SIZE:HASH" in terminal.refused("ledger", "verify", "acme", "--kept", kept)


def test_an_end_that_was_cut_off_with_the_stored_head_shows_against_what_was_kept(terminal: Terminal) -> None:
    project = terminal.project()
    terminal.told("project", "enable", project)
    kept = terminal.read("ledger", "verify", "acme")["keep"]
    _tamper(terminal, "delete from ledger where seq = 3")
    _tamper(terminal, "update heads set size = 2, hash = (select hash from ledger where seq = 2)")
    assert "not anchored" in terminal.told("ledger", "verify", "acme")
    code, out, err = terminal.run("ledger", "verify", "acme", "--kept", kept)
    assert code == 1
    assert "2 entries of acme were read; in all: 1 rolled back\n" in out
    assert "not anchored" not in out
    assert err.startswith("apikeychain: the ledger of 'acme' is broken at entry 3: rolled back: ")
    document = json.loads(terminal.run("ledger", "verify", "acme", "--kept", kept, "--json")[1])
    assert (document["holds"], document["anchored"], document["counts"]) == (False, False, {"rolled back": 1})


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
    code, out, err = terminal.run("ledger", "verify", "acme")
    assert code == 1
    assert err.startswith("apikeychain: the ledger of 'acme' is broken at entry 3: edited: ")
    assert err.count("\n") == 1
    places = [line.split()[:2] for line in out.splitlines() if line[:1].isdigit() or line.startswith("seq")]
    assert places == [["seq", "what"], ["3", "edited"], ["4", "edited"], ["5", "entries"]]
    assert "5 entries of acme were read; in all: 2 edited\n" in out
    assert "not anchored" in out
    assert all(len(line) <= 80 for line in out.splitlines()[:-2])
    code, out, _ = terminal.run("ledger", "verify", "acme", "--json")
    told = json.loads(out)
    assert (code, told["holds"], told["entry"], told["manipulation"]) == (1, False, 3, "edited")
    assert (told["reason"], told["keep"], told["entries"]) == (told["faults"][0]["reason"], None, 5)


def test_a_missing_entry_is_named(terminal: Terminal) -> None:
    project = terminal.project()
    for verb in ("enable", "disable", "enable"):
        terminal.told("project", verb, project)
    _tamper(terminal, "delete from ledger where seq = 2")
    assert "is broken at entry 2: deleted: it is missing" in terminal.run("ledger", "verify", "acme")[2]


def test_of_many_faults_the_first_places_are_shown(terminal: Terminal) -> None:
    terminal.project()
    _tamper(terminal, _many(150))
    out = terminal.run("ledger", "verify", "acme")[1]
    assert "the first 100 places are shown\n" in out
    assert "in all: 150 inserted\n" in out


def _many(count: int) -> str:
    """Puts so many entries that are none behind the last."""
    numbers = f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})"  # noqa: S608  # constants
    return f"insert into ledger {numbers} select 'acme', 9 + i, '', 'x', '', null, x'00', x'00' from n"  # noqa: S608  # likewise


@pytest.fixture
def changes(terminal: Terminal) -> str:
    """A project in whose ledger seven things stand; its id."""
    project = terminal.project()
    terminal.told("project", "enable", project, "--actor", "release-7")
    for number in range(3):
        terminal.told("origin", "allow", project, f"https://a{number}.example.com")
    terminal.told("project", "create", "acme/other")
    return project


def _seqs(rows: list[dict[str, Any]]) -> list[int]:
    return [row["seq"] for row in rows]


@pytest.mark.parametrize("verb", ["list", "tail"])
def test_entries_are_filtered_by_what_stands_beside_them(terminal: Terminal, changes: str, verb: str) -> None:
    def found(*options: object) -> list[int]:
        return _seqs(terminal.read("ledger", verb, "acme", *options))

    assert found() == [1, 2, 3, 4, 5, 6, 7]
    assert found("--kind", "origin.allowed") == [4, 5, 6]
    assert found("--kind", "origin", "--kind", "project.enabled") == [3, 4, 5, 6]
    assert found("--kind", "origin", "--limit", 2) == [5, 6]
    assert found("--project", changes) == [2, 3, 4, 5, 6]
    assert found("--project", "shop") == found("--project", "acme/shop") == found("--project", changes)
    assert found("--actor", "release-7") == [3]
    assert found("--actor", "cli", "--kind", "project") == [2, 7]
    assert found("--from", "2100-01-01") == found("--to", "2001-01-31T18:30") == []
    assert found("--from", "2001-01-01", "--to", "2100-01-01T00:00+02:00") == found()
    moment = terminal.read("ledger", "list", "acme", "--limit", 4)[0]["at"]
    assert found("--from", moment) == [4, 5, 6, 7]
    assert found("--to", moment) == [1, 2, 3]


def test_entries_behind_one_are_filtered_too(terminal: Terminal, changes: str) -> None:
    rows = terminal.read("ledger", "list", "acme", "--after", 3, "--project", changes, "--limit", 2)
    assert _seqs(rows) == [4, 5]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--kind", "orign"), "no entry is of the kind 'orign'; there are: asset.damaged, asset.put, "),
        (("--project", "shp"), "the tenant 'acme' has no project 'shp'"),
        (("--from", "yesterday"), "not a moment: 'yesterday'; write 2026-01-31"),
        (("--to", "0001-01-01T00:00+14:00"), "not a moment: "),
    ],
)
def test_a_filter_that_can_hold_nothing_is_told(terminal: Terminal, options: tuple[str, ...], problem: str) -> None:
    terminal.project()
    for command in ("list", "tail", "export"):
        file = ("file",) if command == "export" else ()
        assert terminal.refused("ledger", command, "acme", *file, *options).startswith(problem)


def test_a_ledger_with_entries_far_outside_is_shown_all_the_same(terminal: Terminal, changes: str) -> None:
    _tamper(terminal, "update ledger set seq = 9223372036854775807 where seq = 2")
    _tamper(terminal, "update ledger set seq = 'seven' where seq = 7")
    _tamper(terminal, "update ledger set payload = x'ff', actor = cast(x'ff' as text) where seq = 5")
    _tamper(terminal, "update ledger set payload = '[]' where seq = 6")
    assert _seqs(terminal.read("ledger", "list", "acme")) == [1, 3, 4, 5, 6]
    assert _seqs(terminal.read("ledger", "list", "acme", "--after", 5)) == [6, 9223372036854775807]
    assert _seqs(terminal.read("ledger", "tail", "acme", "--limit", 2)) == [5, 6]
    assert "\\udcff" in terminal.told("ledger", "list", "acme")
    shown = terminal.read("ledger", "show", "acme", 5)
    assert (shown["payload"], shown["data"], shown["holds"]) == ("\\xff", None, False)
    terminal.told("ledger", "export", "acme", "out.jsonl")
    assert terminal.run("ledger", "verify", "acme")[0] == 1
    assert terminal.read("tenant", "show", "acme")["ledger_entries"]


def test_an_entry_is_shown_whole(terminal: Terminal, changes: str) -> None:
    first, second = terminal.read("ledger", "show", "acme", 1), terminal.read("ledger", "show", "acme", 2)
    payload = json.loads(second["payload"])
    assert payload["data"] == second["data"] == {"name": "shop"}
    assert (payload["project"], second["project"], second["actor"]) == (changes, changes, "cli")
    assert second["previous_hash"] == first["hash"]
    digest = hashlib.sha256(bytes.fromhex(first["hash"]) + second["payload"].encode()).hexdigest()
    assert (second["hash"], second["holds"], first["holds"]) == (digest, True, True)
    assert "fault" not in second
    told = terminal.told("ledger", "show", "acme", 2)
    assert all(name in told for name in ("payload", "previous hash", "holds", "name=shop"))
    assert terminal.refused("ledger", "show", "acme", 8) == "the ledger of 'acme' has no entry 8"
    for wrong in (0, -1, 1 << 60):
        assert "see apikeychain ledger show --help" in terminal.refused("ledger", "show", "acme", wrong, code=2)


def test_an_entry_that_does_not_hold_is_shown_with_its_fault(terminal: Terminal, changes: str) -> None:
    assert changes
    _tamper(terminal, "update ledger set actor = 'x' where seq = 4")
    _tamper(terminal, "delete from ledger where seq = 2")
    assert terminal.read("ledger", "show", "acme", 4)["fault"].endswith("different from it: actor")
    third = terminal.read("ledger", "show", "acme", 3)
    assert (third["holds"], third["fault"], third["previous_hash"]) == (False, "the entry before it is missing", None)


def test_the_newest_entries_are_a_line_each(terminal: Terminal, changes: str) -> None:
    lines = terminal.told("ledger", "tail", "acme", "--limit", 2).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["6", "7"]
    assert lines[0].endswith(f"origin.allowed  cli  {changes}  origin=https://a2.example.com")


async def _told_until(terminal: Terminal, lines: int) -> str:
    told = ""
    while told.count("\n") < lines:
        await asyncio.sleep(0.01)
        told += terminal.capsys.readouterr().out
    return told


@pytest.mark.parametrize("json_lines", [False, True], ids=["text", "json"])
async def test_entries_that_come_are_shown_until_it_is_interrupted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, json_lines: bool
) -> None:
    monkeypatch.setattr(ledger, "_POLL_SECONDS", 0.01)
    call = Invocation(data=terminal.data, label=None, development=False, json=json_lines)
    async with call.keychain(create=True) as keychain:
        acme = await keychain.ensure_tenant("acme")
        await acme.create_project("shop")
        following = asyncio.create_task(ledger.tail("acme", follow=True, only=Filter(kind=("project",)), call=call))
        told = await _told_until(terminal, 1)
        await acme.create_project("other")
        told += await _told_until(terminal, 1)
        following.cancel()
        await following
    lines = told.splitlines()
    seqs = [json.loads(line)["seq"] for line in lines] if json_lines else [int(line.split()[0]) for line in lines]
    assert seqs == [2, 3]


def test_ctrl_c_ends_what_follows_without_a_word(terminal: Terminal) -> None:
    terminal.project()
    # Whoever runs the tests in the background may have told all that they start to ignore it.
    heeding = ["env", "--default-signal=INT", str(SCRIPTS / "apikeychain")]
    command = [*heeding, "--data", str(terminal.data), "ledger", "tail", "acme", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603  # constants
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert [process.stdout.readline().split()[0] for _ in range(2)] == [b"1", b"2"]
            process.send_signal(signal.SIGINT)
            assert (process.wait(30), process.stdout.read(), process.stderr.read()) == (0, b"", b"")
        finally:
            process.kill()
