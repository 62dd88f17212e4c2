"""Every Python block of the documentation runs, page by page, and what the pages say of commands is so."""

import ast
import asyncio
import inspect
import os
import re
import types
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from command import ROOT, module

_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
# Blocks of these kinds are shown, not run. Anything else is a mistake: a Python block that escapes the test.
_SHOWN = {"console", "text", "html", "js", "toml", "{toctree}", "{literalinclude}"}
_EXAMPLES = str(ROOT / "examples")


def _blocks(page: Path) -> list[tuple[int, str]]:
    """The Python blocks of `page`, each with its line, counted from 1."""
    text = page.read_text()
    return [(text.count("\n", 0, m.start(2)) + 1, m[2]) for m in _FENCE.finditer(text) if m[1] == "python"]


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


_RUN = [page for page in _PAGES if _blocks(page)]
_TEST = re.compile(r"^(async def test_|def test_|class Test)", re.MULTILINE)
_TESTS = [page for page in _RUN if any(_TEST.search(block) for _, block in _blocks(page))]


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_a_page_holds_only_blocks_that_run_or_are_known_not_to(page: Path) -> None:
    assert {kind for kind, _ in _FENCE.findall(page.read_text())} <= _SHOWN | {"python"}


@pytest.mark.parametrize("page", _PAGES, ids=_name)
def test_what_a_page_links_to_is_there(page: Path) -> None:
    missing = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", _RUN, ids=_name)
def test_the_python_blocks_of_a_page_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("APIKEYCHAIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("APIKEYCHAIN_DATA", "./apikeychain-data")
    monkeypatch.syspath_prepend(_EXAMPLES)
    monkeypatch.setenv("OPENWEATHER_KEY", "a-made-up-key-of-openweather")
    names: dict[str, Any] = {"__name__": "__page__"}
    asyncio.run(_run(page, names))
    if "app" in names:
        with TestClient(names["app"]) as client:  # the page's own lifespan runs, and what it configures is stored
            assert client.get("/api/apikeychain/nothing").status_code in {403, 404}


@pytest.mark.parametrize("page", _TESTS, ids=_name)
def test_the_tests_of_a_page_pass(page: Path, tmp_path: Path) -> None:
    file = tmp_path / "test_page.py"
    file.write_text("".join(block for _, block in _blocks(page)))
    own = ("-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "--rootdir", tmp_path)
    assert " passed" in module("pytest", *own, file, cwd=tmp_path, env=_with_examples("PYTHONPATH"))


def _with_examples(variable: str) -> dict[str, str]:
    """A search path with the examples, which pages load as a reader would."""
    return {variable: os.pathsep.join(filter(None, (_EXAMPLES, os.environ.get(variable))))}


async def _run(page: Path, names: dict[str, Any]) -> None:
    for line, block in _blocks(page):
        tree = ast.increment_lineno(ast.parse(block), line - 1)
        code = compile(tree, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            await types.FunctionType(code, names)()
        else:
            exec(code, names)  # noqa: S102  # the pages are ours, and running them is the test


def test_the_python_blocks_of_the_pages_pass_a_type_checker(tmp_path: Path) -> None:
    pages = [tmp_path / f"page_{number}.py" for number in range(len(_RUN))]
    for page, file in zip(_RUN, pages, strict=True):
        file.write_text("".join(block for _, block in _blocks(page)))
    module(
        "mypy",
        "--check-untyped-defs",
        "--cache-dir",
        tmp_path / "cache",
        *pages,
        cwd=tmp_path,
        env=_with_examples("MYPYPATH"),
    )


def test_the_readme_shows_the_two_commands_and_ci_runs_the_second() -> None:
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci" / "run").read_text()
    assert "$ pip install -e '.[demo]' && apikeychain demo" in readme
    assert "$ pip install -e '.[dev]' && pytest" in readme
    assert re.search(r"^pip install --quiet -e '\.\[dev\]'\npytest \"\$@\"$", ci, re.MULTILINE)


def test_every_guard_of_the_threat_model_names_tests_that_exist() -> None:
    rows = [line for line in (ROOT / "docs/explanation/threat-model.md").read_text().splitlines() if line[:2] == "| "]
    guards = [row for row in rows if not row.startswith(("| threat |", "| --- "))]
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "src" / "apikeychain" / "testing").rglob("*.py")]
    tests = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text())}
    assert len(guards) > 30
    assert not [row for row in guards if not set(re.findall(r"`(\w+)`", row.split(" | ")[-1])) & tests]
    assert set(re.findall(r"`(test_\w+)`", "\n".join(guards))) <= tests


def test_each_decision_tells_its_price() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    assert [int(record.name[:4]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        parts = ["Context", "Decision", "Consequences", "Negative consequences"]
        assert re.findall(r"^## (.*)$", record.read_text(), re.MULTILINE) == parts, record.name


def test_the_changelog_puts_security_first() -> None:
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert re.findall(r"^### (.*)$", newest, re.MULTILINE)[0] == "Security"
    entries = [line for line in newest.splitlines() if line and not line.startswith(("#", "["))]
    assert all(line.startswith("- ") and line.endswith(".") and ". " not in line for line in entries)
