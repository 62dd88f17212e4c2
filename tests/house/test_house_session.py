"""The rules of a whole run, tried on small suites of their own."""

import shutil
import sys
from pathlib import Path

import pytest

from command import ROOT, run

_CONFIGURATION = """
[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["tests", "."]
addopts = ["--import-mode=importlib", "-m", "not long"]
markers = ["long: long"]

[tool.coverage.run]
branch = true
source = ["thing"]
parallel = true
patch = ["subprocess"]
"""
_BRANCHES = "def sign(number):\n    if number < 0:\n        return -1\n    return 1\n"


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    tests = tmp_path / "tests"
    tests.mkdir()
    for name in ("conftest.py", "canary.py", "kept_threads.py", "outside.py", "telemetry_heard.py"):
        shutil.copy(ROOT / "tests" / name, tests)
    (tmp_path / "pyproject.toml").write_text(_CONFIGURATION)
    (tmp_path / "thing.py").write_text(_BRANCHES)
    return tmp_path


def _pytest(suite: Path, *arguments: str, expected: int, ci: str = "") -> str:
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", *arguments)
    return run(*command, cwd=suite, env={"CI": ci}, expected=expected)


def _write(suite: Path, *lines: str) -> None:
    (suite / "tests" / "test_thing.py").write_text("\n".join(("import pytest, thing", *lines, "")))


def test_a_whole_run_that_takes_every_branch_passes_and_ends_with_the_closing_line(suite: Path) -> None:
    _write(suite, "def test_both(): assert (thing.sign(-1), thing.sign(1)) == (-1, 1)")
    told = _pytest(suite, expected=0)
    assert "Required test coverage of 100% reached" in told
    assert "1 passed" in told.splitlines()[-1]
    assert not list(suite.glob(".coverage*"))


def test_a_whole_run_that_leaves_a_branch_out_fails(suite: Path) -> None:
    _write(suite, "def test_one(): assert thing.sign(1) == 1")
    assert "Required test coverage of 100% not reached" in _pytest(suite, expected=1)


def test_what_runs_in_a_subprocess_counts(suite: Path) -> None:
    _write(
        suite,
        "import subprocess, sys",
        "def test_here(): assert thing.sign(1) == 1",
        "def test_there(): subprocess.run([sys.executable, '-c', 'import thing; thing.sign(-1)'], check=True)",
    )
    assert "Required test coverage of 100% reached" in _pytest(suite, expected=0)


def test_a_whole_run_has_workers_whose_branches_and_subprocesses_count_together(suite: Path) -> None:
    _in_workers(suite)
    _write(
        suite,
        "import os, subprocess, sys",
        "def test_here(): assert (thing.sign(1), os.environ['PYTEST_XDIST_WORKER'][:2]) == (1, 'gw')",
        "def test_there(): subprocess.run([sys.executable, '-c', 'import thing; thing.sign(-1)'], check=True)",
    )
    told = _pytest(suite, expected=0)
    assert "Required test coverage of 100% reached" in told
    assert "2 passed" in told.splitlines()[-1]
    assert not list(suite.glob(".coverage*"))


def test_a_whole_run_in_workers_that_leaves_a_branch_out_fails(suite: Path) -> None:
    _in_workers(suite)
    _write(suite, "def test_one(): assert thing.sign(1) == 1")
    assert "Required test coverage of 100% not reached" in _pytest(suite, expected=1)


def test_a_narrowed_run_has_no_workers(suite: Path) -> None:
    _in_workers(suite)
    _write(suite, "import os", "def test_one(): assert 'PYTEST_XDIST_WORKER' not in os.environ")
    assert "1 passed" in _pytest(suite, "tests", expected=0)


def _in_workers(suite: Path) -> None:
    """As the project's own configuration asks."""
    changed = _CONFIGURATION.replace("addopts = [", 'addopts = ["-n", "auto", "--dist", "loadfile", ')
    (suite / "pyproject.toml").write_text(changed)


@pytest.mark.parametrize("narrowed", [["tests"], ["-k", "one"], ["-m", "not other"], ["--no-cov"]])
def test_a_narrowed_run_is_not_measured(suite: Path, narrowed: list[str]) -> None:
    _write(suite, "def test_one(): assert thing.sign(1) == 1")
    told = _pytest(suite, *narrowed, expected=0)
    assert "coverage: not measured (narrowed run)" in told
    assert "Required test coverage" not in told


_SKIPS = {
    "a skip": "def test_skip(): pytest.skip('no server')",
    "a mark": "@pytest.mark.skip(reason='no server')\ndef test_skip(): pass",
    "an expected failure": "@pytest.mark.xfail(reason='known')\ndef test_skip(): assert False",
    "an unexpected pass": "@pytest.mark.xfail(reason='known', strict=False)\ndef test_skip(): pass",
    "a whole file": "pytest.skip('no server', allow_module_level=True)",
}


@pytest.mark.parametrize("skip", _SKIPS.values(), ids=_SKIPS)
def test_what_is_not_run_fails_the_session_in_ci(suite: Path, skip: str) -> None:
    _write(suite, skip)
    (suite / "tests" / "test_other.py").write_text("def test_other(): pass\n")
    told = _pytest(suite, "tests", expected=1, ci="true")
    assert "not run, which CI counts as failed" in told
    assert "tests/test_thing.py" in told


@pytest.mark.parametrize("skip", ["a skip", "a whole file"])
def test_what_a_worker_process_does_not_run_fails_the_session_in_ci(suite: Path, skip: str) -> None:
    _write(suite, _SKIPS[skip])
    (suite / "tests" / "test_other.py").write_text("def test_other(): pass\n")
    told = _pytest(suite, "tests", "-n", "1", expected=1, ci="true")
    assert "tests/test_thing.py" in told.partition("not run, which CI counts as failed")[2]


def test_what_is_not_run_passes_outside_ci(suite: Path) -> None:
    for number, skip in enumerate(_SKIPS.values()):
        (suite / "tests" / f"test_{number}.py").write_text(f"import pytest\n{skip}\n")
    (suite / "tests" / "test_other.py").write_text("def test_other(): pass\n")
    assert "not run" not in _pytest(suite, "tests", expected=0)


def test_the_header_counts_the_outside_cases(suite: Path) -> None:
    _write(suite, "def test_one(): pass")
    assert "outside cases: " in _pytest(suite, "tests", expected=0)
