"""`apikeychain secret`: from a prompt, stdin, a file or the environment, never from the command line."""

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import canary
from command import SCRIPTS
from terminal import Terminal

VALUE = canary.secret()


@pytest.fixture
def project(terminal: Terminal) -> str:
    project = terminal.project()
    terminal.told("provider", "register", project, "--known", "openweather")
    return project


class _Stdin(io.TextIOWrapper):
    def __init__(self, raw: bytes, *, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(raw))
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize("raw", [VALUE.encode(), f"{VALUE}\n".encode(), f"{VALUE}\r\n".encode()], ids=range(3))
def test_a_secret_comes_from_stdin_with_or_without_a_line_break(
    terminal: Terminal, project: str, monkeypatch: pytest.MonkeyPatch, raw: bytes
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(raw))
    told = terminal.told("secret", "put", project, "openweather", "--stdin")
    assert told.startswith("secret openweather is put for openweather: version 1, fingerprint ")
    assert VALUE not in told
    monkeypatch.setenv("THE_KEY", VALUE)
    assert terminal.read("secret", "put", project, "openweather", "--env", "THE_KEY")["version"] == 1


def test_a_secret_comes_from_a_file_for_another_provider(terminal: Terminal, project: str, tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text(f"{VALUE}\n")
    put = terminal.read("secret", "put", project, "spare", "--provider", "openweather", "--file", file)
    assert (put["name"], put["provider"], put["version"]) == ("spare", "openweather", 1)
    assert "cannot be read: No such file" in terminal.refused(
        "secret", "put", project, "a", "--file", tmp_path / "none"
    )


def test_a_secret_is_listed_without_its_value_and_removed(
    terminal: Terminal, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert f"apikeychain secret put {project} NAME" in terminal.told("secret", "list", project)
    monkeypatch.setenv("THE_KEY", VALUE)
    terminal.told("secret", "put", project, "openweather", "--env", "THE_KEY")
    table, (row,) = terminal.told("secret", "list", project), terminal.read("secret", "list", project)
    assert row["fingerprint"] in table
    assert row.keys() == {"name", "provider", "version", "fingerprint", "created", "changed"}
    assert all(len(line) <= 80 for line in table.splitlines())
    assert terminal.told("secret", "remove", project, "openweather") == "secret openweather is removed\n"
    assert terminal.read("secret", "list", project) == []


def test_a_value_on_the_command_line_is_refused_and_not_repeated(terminal: Terminal, project: str) -> None:
    problem = terminal.refused("secret", "put", project, "openweather", VALUE, code=2)
    assert problem == "there are arguments too many; see apikeychain secret put --help"
    assert VALUE not in terminal.refused("secret", "put", project, "openweather", "--env", VALUE)
    assert VALUE not in terminal.refused("secret", "put", project, "openweather", f"--value={VALUE}", code=2)
    assert terminal.read("secret", "list", project) == []


def test_a_secret_has_one_source_and_needs_one(
    terminal: Terminal, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(b""))
    both = terminal.refused("secret", "put", project, "openweather", "--stdin", "--env", "A")
    assert both == "say one of --stdin, --file and --env"
    none = terminal.refused("secret", "put", project, "openweather")
    assert none == "there is no terminal to ask for the secret: say --stdin, --file PATH or --env NAME"
    assert "a secret has 8 to 4096" in terminal.refused("secret", "put", project, "openweather", "--stdin")


def test_a_secret_needs_its_provider(terminal: Terminal, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(VALUE.encode()))
    assert "has no provider 'mapbox'" in terminal.refused("secret", "put", project, "mapbox", "--stdin")


def test_an_end_of_input_at_the_prompt_is_no_secret(
    terminal: Terminal, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(prompt: str) -> str:
        assert prompt == "Secret openweather (not shown): "
        raise EOFError

    monkeypatch.setattr(sys, "stdin", _Stdin(b"", terminal=True))
    monkeypatch.setattr("getpass.getpass", ended)
    assert terminal.refused("secret", "put", project, "openweather") == "no secret was given"


@pytest.fixture
def prompt(terminal: Terminal, project: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The command in a real terminal, waiting for the secret, and our end of the terminal."""
    ours, theirs = pty.openpty()
    command = [str(SCRIPTS / "apikeychain"), "--data", str(terminal.data), "secret", "put", project, "openweather"]
    with subprocess.Popen(  # noqa: S603  # the command is written here
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        _read_until(ours, b"(not shown): ")
        yield process, ours
    os.close(ours)


def _read_until(terminal: int, end: bytes) -> bytes:
    shown = b""
    while end not in shown:
        shown += os.read(terminal, 1024)
    return shown


def _rest(terminal: int) -> bytes:
    shown = b""
    with contextlib.suppress(OSError):  # the other end is closed
        while more := os.read(terminal, 1024):
            shown += more
    return shown


def test_the_prompt_of_a_real_terminal_does_not_echo(
    terminal: Terminal, project: str, prompt: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, ours = prompt
    os.write(ours, f"{VALUE}\n".encode())
    shown = _read_until(ours, b"fingerprint")
    assert process.wait(30) == 0
    assert VALUE.encode() not in shown
    assert terminal.read("secret", "list", project)[0]["version"] == 1


def test_one_interrupt_at_the_prompt_ends_the_command(
    terminal: Terminal, project: str, prompt: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, ours = prompt
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert b"Traceback" not in _rest(ours)
    assert terminal.read("secret", "list", project) == []


def test_an_interrupt_is_an_exit_code_of_its_own(
    terminal: Terminal, project: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", _Stdin(b"", terminal=True))
    monkeypatch.setattr("getpass.getpass", interrupted)
    assert terminal.run("secret", "put", project, "openweather") == (130, "", "")
