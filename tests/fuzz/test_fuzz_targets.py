"""Each reader of what strangers send holds for its corpus and for what is made of it; one with a fault does not.

The long runs are guided by atheris; the short ones are seeded, the same every time, and need nothing installed.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import ROOT, run
from fuzz.mutations import mutations
from fuzz.planted import PLANTED
from fuzz.target import Target, shows
from fuzz.targets import TARGETS

_INPUTS = 15_000
_SECONDS = 240
_FILES = [
    pytest.param(target, file, id=f"{target.name}/{file.stem}") for target in TARGETS.values() for file in target.files
]
_FAULTS = [(target, fault) for target, faults in PLANTED.items() for fault in faults]
_EACH = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


def _made(target: Target, corpus: list[bytes]) -> Iterator[bytes]:
    return mutations(corpus, target.tokens, count=_INPUTS)


def test_a_target_has_a_corpus_and_planted_faults_and_both_are_small() -> None:
    assert TARGETS.keys() == PLANTED.keys()
    assert {folder.name for folder in (ROOT / "tests/fuzz/corpus").iterdir()} == TARGETS.keys()
    for target in TARGETS.values():
        assert 10 <= len(target.files) <= 60
        assert {file.suffix for file in target.files} == {".bin"}
        assert len(set(target.corpus)) == len(target.corpus)
    assert sum(len(data) for target in TARGETS.values() for data in target.corpus) < 200 * 1024


@pytest.mark.parametrize(("target", "file"), _FILES)
def test_the_corpus_holds(target: Target, file: Path) -> None:
    target.one_input(file.read_bytes())


@_EACH
def test_what_is_made_of_the_corpus_holds(target: Target) -> None:
    for data in _made(target, target.corpus):
        target.one_input(data)


@pytest.mark.parametrize(("name", "fault"), _FAULTS)
def test_a_run_as_short_finds_a_planted_fault_from_files_that_do_not_show_it(name: str, fault: str) -> None:
    target, one_input = TARGETS[name], PLANTED[name][fault]
    assert any(shows(one_input, data) for data in _made(target, target.corpus_without(one_input)))


@pytest.mark.long
@_EACH
def test_a_guided_run_of_some_minutes_finds_nothing(target: Target, tmp_path: Path) -> None:
    told = run(*_guided(target.name, tmp_path))
    runs = re.search(r"Done (\d+) runs in (\d+) second", told)
    assert runs
    assert int(runs[1]) > _INPUTS
    assert not list(tmp_path.glob("crash-*"))


@pytest.mark.long
@pytest.mark.parametrize(("name", "fault"), _FAULTS)
def test_a_guided_run_finds_a_planted_fault(name: str, fault: str, tmp_path: Path) -> None:
    told = run(*_guided(name, tmp_path), "--planted", fault, expected=77)
    assert "AssertionError" in told
    assert len(list(tmp_path.glob("crash-*"))) == 1


def _guided(name: str, found: Path) -> list[str | Path]:
    return [sys.executable, "tests/fuzz/run.py", name, "--seconds", str(_SECONDS), "--found", found]
