"""`apikeychain watch replay`: what would a policy have found and done, in a ledger or its export?"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

import recorded_calls as recorded
from apikeychain.cli.ledger_export import line_of
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import Head, LedgerDraft, chained
from ledger_house import ACME, NOON, PROJECT
from terminal import Terminal

_OTHER = ProjectId("p_" + "b" * 20)


def export(path: Path, drafts: Sequence[LedgerDraft]) -> Path:
    path.write_bytes(b"".join(line_of(entry) for entry in chained(Head.empty(ACME), drafts)))
    return path


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export in which one caller takes all for five minutes."""
    return export(tmp_path_factory.mktemp("exported") / "log.jsonl", recorded.an_attack())


def replayed(terminal: Terminal, *arguments: object) -> dict[str, Any]:
    told: dict[str, Any] = terminal.read("watch", "replay", *arguments)
    return told


def test_one_that_takes_all_is_found_and_would_have_been_suspended(terminal: Terminal, log: Path) -> None:
    told = replayed(terminal, "--file", log)
    assert (told["project"], told["mode"], told["detectors"]) == (PROJECT, "act", ["ewma", "rules"])
    assert (told["from"], told["to"]) == ("2026-01-02T12:00:00+00:00", "2026-01-02T15:00:00+00:00")
    found = {one["most"]["feature"]: one for one in told["findings"]}
    heaviest = found["heaviest"]
    assert (heaviest["most"]["scope"], heaviest["most"]["value"]) == ("caller", recorded.GREEDY)
    assert heaviest["from"] == (NOON + recorded.BEGINS * recorded.MINUTE).isoformat()
    assert heaviest["answers"] == ["alert", "suspend"]
    [suspension] = [one for one in told["done"] if one["answer"] == "suspend"]
    assert (suspension["scope"], suspension["value"], suspension["observed"]) == ("caller", recorded.GREEDY, False)
    assert 0 < told["refused"] < recorded.CALLS * recorded.LASTS
    assert told["calls"] + told["refused"] == 180 * 8 + recorded.CALLS * recorded.LASTS


def test_it_is_told_as_tables_for_people(terminal: Terminal, log: Path) -> None:
    told = terminal.told("watch", "replay", "--file", log)
    assert f"{PROJECT}, 2026-01-02 12:00 to 2026-01-02 15:00 UTC, ewma and rules, mode act" in told
    assert "calls that would have met a suspension: " in told
    assert "caller ffffffff" in told.replace("\n", " ") or "caller" in told
    assert "would have been done:" in told
    assert "suspend 10 min" in told
    assert "a ledger does not tell of parameters, origins, routes of refused calls" in told
    assert all(len(line) <= 80 for line in told.splitlines()[3:-2])


def test_a_policy_that_observes_would_have_refused_nobody(terminal: Terminal, log: Path) -> None:
    told = replayed(terminal, "--file", log, "--mode", "observe")
    assert told["refused"] == 0
    assert {one["answer"]: one["observed"] for one in told["done"]} == {"alert": False, "suspend": True}
    shown = terminal.told("watch", "replay", "--file", log, "--mode", "observe")
    assert "(suspend)" in shown
    assert "(suspend 10 min)" in shown


def test_what_is_tried_takes_the_place_of_what_is_usual(terminal: Terminal, log: Path) -> None:
    told = replayed(terminal, "--file", log, "--answer", "suspend", "--answer", "alert", "--suspend-minutes", "3")
    assert told["answers"] == ["alert", "suspend"]
    suspension, *_ = [one for one in told["done"] if one["answer"] == "suspend"]
    assert suspension["until"][14:16] == f"{int(suspension['at'][14:16]) + 3:02}"
    assert not [one for one in replayed(terminal, "--file", log, "--answer", "alert")["done"] if one["until"]]


def test_a_rule_of_the_tenant_is_tried(terminal: Terminal, log: Path) -> None:
    rule = "rate > 100 / minute"
    told = replayed(terminal, "--file", log, "--rule", rule, "--detector", "rules", "--mode", "observe")
    assert (told["rules"], told["detectors"]) == ([rule], ["rules"])
    [found] = told["findings"]
    assert (found["most"]["detector"], found["most"]["feature"], found["most"]["seen"]) == ("rules", rule, 508)
    assert terminal.refused("watch", "replay", "--file", log, "--rule", "rate >> 7")


def test_only_a_part_is_replayed_where_that_is_said(terminal: Terminal, log: Path) -> None:
    told = replayed(terminal, "--file", log, "--from", "2026-01-02T12:30", "--to", "2026-01-02T13:00")
    assert (told["windows"], told["calls"], told["findings"]) == (30, 240, [])
    assert "findings: 0, answers: 0" in terminal.told("watch", "replay", "--file", log, "--to", "2026-01-02T13:00")
    problem = terminal.refused("watch", "replay", PROJECT, "--file", log, "--from", "2027-01-01")
    assert problem == f"the file '{log}' tells of no calls of {PROJECT} then"


def test_it_is_drawn(terminal: Terminal, log: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "attack.svg"
    assert replayed(terminal, "--file", log, "--picture", drawn)["picture"] == str(drawn)
    said = [part.text or "" for part in ET.fromstring(drawn.read_text()).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - it was made a line above
    assert f"{PROJECT}: what the watch would have found and done" in said
    assert "Admitted calls, a minute" in said
    assert "Calls of the caller that called most, a minute" in said
    assert any("heaviest: 500 seen" in text for text in said)
    assert drawn.stat().st_mode & 0o777 == 0o600
    assert f"the picture is in {drawn}" in terminal.told("watch", "replay", "--file", log, "--picture", drawn)


def test_a_picture_is_svg_and_is_told_where_it_cannot_be_written(terminal: Terminal, log: Path, tmp_path: Path) -> None:
    problem = terminal.refused("watch", "replay", "--file", log, "--picture", "attack.png")
    assert problem == "a picture is drawn as SVG: name a file that ends in .svg, not 'attack.png'"
    problem = terminal.refused("watch", "replay", "--file", log, "--picture", tmp_path / "none" / "x.svg")
    assert problem.endswith("cannot be written: No such file or directory")


def test_something_is_to_be_replayed(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.refused("watch", "replay") == "what is to be replayed? Say a project, or --file FILE"
    assert "cannot be read" in terminal.refused("watch", "replay", "--file", tmp_path / "none")
    assert "not a project" in terminal.refused("watch", "replay", "acme/shop", "--file", tmp_path / "none")


def test_of_several_projects_in_a_file_one_is_to_be_said(terminal: Terminal, tmp_path: Path) -> None:
    both = export(tmp_path / "both.jsonl", [recorded.called(NOON), recorded.refused(NOON, project=_OTHER)])
    assert "say which" in terminal.refused("watch", "replay", "--file", both)
    assert replayed(terminal, _OTHER, "--file", both)["project"] == _OTHER


def test_calls_that_are_told_of_too_late_are_counted(terminal: Terminal, tmp_path: Path) -> None:
    late = [recorded.called(NOON + minute * recorded.MINUTE) for minute in (0, 9, 1, 10)]
    assert replayed(terminal, "--file", export(tmp_path / "late.jsonl", late))["late"] == 1
    assert "calls that were told of too late: 1" in terminal.told("watch", "replay", "--file", tmp_path / "late.jsonl")


def test_a_table_has_an_end(terminal: Terminal, tmp_path: Path) -> None:
    calls = [recorded.called(NOON + 70 * number * recorded.MINUTE) for number in range(52)]
    often = export(tmp_path / "often.jsonl", calls)
    told = terminal.told("watch", "replay", "--file", often, "--rule", "rate > 0 / minute", "--detector", "rules")
    assert "and 2 more; --json tells them all" in told
    assert told.count("rate > 0") == 50


@pytest.fixture
def without_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rcf3", None)


@pytest.mark.usefixtures("without_forest")
def test_the_forest_needs_its_extra(terminal: Terminal, log: Path) -> None:
    problem = terminal.refused("watch", "replay", "--file", log, "--detector", "forest")
    assert problem.endswith("needs more packages: pip install 'apikeychain[ai]'")


def test_a_forest_looks_at_it_too(terminal: Terminal, log: Path) -> None:
    told = replayed(terminal, "--file", log, "--detector", "forest", "--detector", "ewma", "--detector", "forest")
    assert (told["detectors"], told["faults"]) == (["forest", "ewma"], {})
    assert {one["most"]["detector"] for one in told["findings"]} >= {"ewma"}
