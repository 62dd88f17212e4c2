"""The tools that judge the source, run as tests, so that one command is the whole truth."""

import sys
from pathlib import Path

from command import ROOT, SCRIPTS, module, run


def test_ruff_finds_nothing() -> None:
    module("ruff", "check", "--no-cache", ".")


def test_the_source_is_formatted() -> None:
    module("ruff", "format", "--check", "--no-cache", ".")


def test_mypy_finds_nothing(tmp_path: Path) -> None:
    module("mypy", "--cache-dir", tmp_path)


def test_pyright_finds_nothing() -> None:
    module("pyright", "--pythonpath", sys.executable, env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


def test_high_imports_low_and_never_up() -> None:
    # Without its cache and against the editable install: against a copy it sees nothing.
    told = run(SCRIPTS / "lint-imports", "--no-cache")
    assert "0 broken" in told


def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    module("sphinx", "-W", "--keep-going", "-q", "-E", "-d", tmp_path / "doctrees", ROOT / "docs", tmp_path / "html")
    assert (tmp_path / "html" / "index.html").exists()
