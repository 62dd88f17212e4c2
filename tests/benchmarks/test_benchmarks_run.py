"""The benchmarks run, and say what they found: a figure is looked at by people, never by a test."""

import json
from pathlib import Path

import pytest

from command import module

PARTS = ("ledger", "startup")


def test_a_quick_run_prints_and_writes_what_it_found(tmp_path: Path) -> None:
    told = module("tests.benchmarks", "--quick", "--only", *PARTS, "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert "| measure | figure | bar | goal | holds |" in told
    assert {"processor", "python", "aiohttp", "nginx"} < found["machine"].keys()
    assert len(found["found"]) == 3
    assert all(one["value"] >= 0 and one["holds"] in {"goal", "bar", "missed"} for one in found["found"])


@pytest.mark.long
def test_the_gate_and_its_peers_are_measured_in_turn(tmp_path: Path) -> None:
    paths = ("--json", tmp_path / "found.json", "--picture", tmp_path / "calls.svg")
    told = module("tests.benchmarks", "--quick", *paths)
    found = json.loads((tmp_path / "found.json").read_text())
    assert {"apikeychain", "asgiproxy", "asgiproxy, TLS", "starlette + httpx", "hello", "nginx"} < found["calls"].keys()
    assert all(
        run["calls"] and not run["bad"] for runs in found["calls"].values() for each in runs.values() for run in each
    )
    assert len(found["found"]) == 21
    assert (tmp_path / "calls.svg").read_text().startswith("<?xml")
    assert "| apikeychain |" in told
