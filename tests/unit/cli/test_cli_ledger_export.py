"""`apikeychain ledger export`: enough to verify offline, gone on with after a kill, and never over something else."""

import base64
import hashlib
import json
import os
import resource
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from apikeychain.cli.ledger_export import ExportFile
from apikeychain.embedded import DATABASE
from apikeychain.errors import InvalidValueError
from command import ROOT
from terminal import Terminal


@pytest.fixture
def project(terminal: Terminal) -> str:
    """A project in whose ledger five things stand."""
    project = terminal.project()
    for verb in ("enable", "disable", "enable"):
        terminal.told("project", verb, project)
    return project


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log.jsonl"


def exported(terminal: Terminal, file: Path, *options: object) -> tuple[int, int]:
    """How many entries are in the file, and how many of them are new."""
    told = terminal.read("ledger", "export", "acme", file, *options)
    assert told["file"] == str(file)
    return told["entries"], told["added"]


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@pytest.mark.usefixtures("project")
def test_what_is_exported_is_enough_to_verify_the_chain_offline(terminal: Terminal, file: Path) -> None:
    assert terminal.told("ledger", "export", "acme", file) == (
        f"5 entries of acme are in {file}: 0 stood there, 5 were added\n"
    )
    digest = hashlib.sha256(b"apikeychain/ledger/v1\0acme").digest()
    for seq, line in enumerate(lines(file), 1):
        digest = hashlib.sha256(digest + line["payload"].encode()).digest()
        assert (line["seq"], line["hash"], json.loads(line["payload"])["seq"]) == (seq, digest.hex(), seq)
    assert terminal.read("ledger", "verify", "acme")["hash"] == digest.hex()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_second_run_adds_what_came_since(terminal: Terminal, project: str, file: Path) -> None:
    assert exported(terminal, file) == (5, 5)
    terminal.told("project", "disable", project)
    assert exported(terminal, file) == (6, 1)
    assert exported(terminal, file) == (6, 0)


def test_a_run_that_was_killed_at_any_byte_is_gone_on_with(terminal: Terminal, project: str, file: Path) -> None:
    assert project
    exported(terminal, file)
    whole = file.read_bytes()
    ends = [0, 1, *(end for n, c in enumerate(whole) if c == ord("\n") for end in (n, n + 1)), len(whole) - 9]
    for end in ends:
        file.write_bytes(whole[:end])
        assert exported(terminal, file) == (5, 5 - whole[:end].count(b"\n"))
        assert file.read_bytes() == whole


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("change", ["first byte", "last line", "not an export", "no line break", "more"])
def test_a_file_with_anything_else_in_it_is_left_as_it_is(terminal: Terminal, file: Path, change: str) -> None:
    exported(terminal, file)
    whole = file.read_bytes()
    content = {
        "first byte": b"[" + whole[1:],
        "last line": whole.replace(b'"seq":5', b'"seq":6'),
        "not an export": b"the minutes of a meeting\n",
        "no line break": whole.removesuffix(b"\n") + b" ",
        "more": whole + b"{",
    }[change]
    file.write_bytes(content)
    assert "nothing was changed" in terminal.refused("ledger", "export", "acme", file)
    assert file.read_bytes() == content


@pytest.mark.usefixtures("project")
def test_a_ledger_that_was_changed_since_is_not_put_behind_an_export(terminal: Terminal, file: Path) -> None:
    exported(terminal, file)
    with closing(sqlite3.connect(terminal.data / DATABASE)) as database, database:
        database.execute("update ledger set actor = 'x' where seq = 2")
    assert "holds something else behind line 1 than the ledger" in terminal.refused("ledger", "export", "acme", file)


@pytest.mark.usefixtures("project")
def test_an_export_holds_what_was_filtered_and_goes_on_with_the_same_filter_only(
    terminal: Terminal, file: Path
) -> None:
    assert exported(terminal, file, "--kind", "project.enabled") == (2, 2)
    assert [line["seq"] for line in lines(file)] == [3, 5]
    assert exported(terminal, file, "--kind", "project.enabled") == (2, 0)
    assert "nothing was changed" in terminal.refused("ledger", "export", "acme", file)


@pytest.mark.usefixtures("project")
def test_what_somebody_wrote_into_the_database_is_exported_as_it_stands(terminal: Terminal, file: Path) -> None:
    with closing(sqlite3.connect(terminal.data / DATABASE)) as database, database:
        database.execute("update ledger set payload = x'00ff', kind = cast(x'ff' as text), actor = x'fe' where seq = 2")
        database.execute("update ledger set seq = 3.5, at = 'never' where seq = 4")
        database.execute("update ledger set seq = 'x' where seq = 5")
    exported(terminal, file)
    second, _, between = lines(file)[1:]
    assert base64.b64decode(second["payload_base64"]) == b"\x00\xff"
    assert (second["kind"], second["actor"]) == ("\udcff", repr(b"\xfe"))
    assert (between["seq"], between["at"]) == (3.5, "0001-01-01T00:00:00.000Z")


@pytest.mark.usefixtures("project")
def test_what_is_no_file_is_refused(terminal: Terminal, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        ("pipe", "is no file"),
        ("/dev/null", "is no file"),
        (".", "cannot be written to: Is a directory"),
        ("missing/log", "cannot be written to: No such file or directory"),
    ):
        assert problem in terminal.refused("ledger", "export", "acme", tmp_path / name)


@pytest.mark.usefixtures("project")
def test_a_file_that_another_run_writes_is_refused(terminal: Terminal, file: Path) -> None:
    with ExportFile(file):
        assert terminal.refused("ledger", "export", "acme", file) == f"another export writes to {str(file)!r}"
    assert exported(terminal, file) == (5, 5)


@contextmanager
def _full_at(size: int) -> Generator[None, None, None]:
    """No file may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _put(file: ExportFile, line: bytes, count: int) -> None:
    for _ in range(count):
        file.put(line)


def test_a_disk_that_is_full_is_told_and_what_was_written_is_gone_on_with(file: Path) -> None:
    line = b"x" * 99 + b"\n"
    with _full_at(100_000), ExportFile(file) as first:
        with pytest.raises(InvalidValueError, match="cannot be written to: File too large"):
            _put(first, line, 2000)
        with pytest.raises(InvalidValueError, match="cannot be written to: File too large"):
            first.finish()
    with ExportFile(file) as again:
        _put(again, line, 2000)
        again.finish()
    assert 0 < again.kept <= 1000
    assert file.read_bytes() == line * 2000


@pytest.mark.usefixtures("project")
def test_a_terminal_sees_how_far_the_export_is(terminal: Terminal, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, _, err = terminal.run("ledger", "export", "acme", file)
    assert code == 0
    assert "exporting" in err
    assert "5/5" in err


@pytest.mark.usefixtures("project")
def test_the_program_of_the_how_to_verifies_an_export(terminal: Terminal, file: Path) -> None:
    names = _block("def head_of")
    exported(terminal, file)
    assert names["head_of"](file, "acme") == terminal.read("ledger", "verify", "acme")["keep"]
    file.write_text(file.read_text().replace("project.disabled", "project.enabled"))
    with pytest.raises(SystemExit, match="entry 4 does not hold"):
        names["head_of"](file, "acme")


async def test_the_examination_of_the_how_to_is_anchored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    await _block("async def examine")["examine"]("acme")
    assert capsys.readouterr().out == "True 2 {}\n"


def _block(begin: str) -> dict[str, Any]:
    """The names of the block of the how-to that has this in it."""
    page = (ROOT / "docs" / "how-to" / "examine-the-ledger.md").read_text()
    names: dict[str, Any] = {}
    block = next(part for part in page.split("```python\n") if begin in part).split("```")[0]
    exec(block, names)  # noqa: S102  # the page is ours, and running it is the test
    return names
