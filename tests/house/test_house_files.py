"""What every file of the project keeps to: short, whole, speaking only of itself, each exception with its reason."""

import io
import re
import tokenize
from pathlib import Path

import pytest

from command import ROOT

_LINES = 300
# Longer on purpose, each with its reason.
_LONGER = {"src/apikeychain/errors.py": "every exception on one screen, below the drawing of their tree"}
_SOURCE = sorted((ROOT / "src").rglob("*.py"))
_PYTHON = sorted(path for room in ("src", "tests", "examples") for path in (ROOT / room).rglob("*.py"))
_TEXT = sorted(
    path
    for room in ("src", "tests", "examples", "docs", ".github", ".ci")
    for path in (ROOT / room).rglob("*")
    if path.is_file() and path.suffix not in {".pyc", ".png", ".svg", ".js", ".bin"} and "_build" not in path.parts
) + [ROOT / name for name in ("README.md", "CHANGELOG.md", "pyproject.toml")]
# Put together here, so that this file does not name them.
_FORBIDDEN = ["../" + "shared", "/" + "work/", "TO" + "DO", "FIX" + "ME"]
_DIRECTIVE = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?|type:\s*ignore(?:\[[\w, -]*\])?"
    r"|pyright:\s*ignore(?:\[[\w, -]*\])?|pragma:\s*no (?:cover|branch))",
)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_of_the_source_is_longer_than_a_person_reads_in_one_go() -> None:
    long = {_name(path): lines for path in _SOURCE if (lines := len(path.read_text().splitlines())) > _LINES}
    assert long.keys() <= _LONGER.keys()


def test_the_project_speaks_only_of_itself() -> None:
    told = [(_name(path), word) for path in _TEXT for word in _FORBIDDEN if word in path.read_text()]
    assert not told


@pytest.mark.parametrize("path", _PYTHON, ids=_name)
def test_each_exception_from_a_rule_gives_its_reason(path: Path) -> None:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    bare = [
        (token.start[0], token.string)
        for token in tokens
        if token.type == tokenize.COMMENT and _DIRECTIVE.search(token.string) and not _reason(token.string)
    ]
    assert not bare


def _reason(comment: str) -> bool:
    return len(_DIRECTIVE.sub("", comment).strip(" #-:,")) >= len("likewise")


def test_a_reason_is_seen_and_its_absence_too() -> None:
    directive = "# " + "noqa: S603"
    assert _reason(directive + "  # the command is a constant")
    assert not _reason(directive)
    assert not _reason("# " + "type: ignore[attr-defined]")


def test_a_room_of_the_house_says_what_it_is_for() -> None:
    silent = [_name(path) for path in _SOURCE if not path.read_text().lstrip().startswith(('"""', 'r"""'))]
    assert not silent


@pytest.mark.parametrize("room", ["rules", "vault"])
def test_each_rule_names_its_source(room: str) -> None:
    files = [path for path in (ROOT / "src" / "apikeychain" / room).glob("*.py") if path.name != "__init__.py"]
    assert files
    assert not [_name(path) for path in files if "Source:" not in path.read_text()]
