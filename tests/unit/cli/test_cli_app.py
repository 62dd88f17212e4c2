"""The command as a whole: help, wrong command lines, where the data are, and what comes out of a terminal."""

import asyncio
import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, __version__
from apikeychain.cli import main, output
from apikeychain.embedded import DATABASE
from command import SCRIPTS, run
from terminal import Terminal


@pytest.mark.parametrize("arguments", [(), ("--help",), ("secret",), ("secret", "put", "--help")])
def test_help_names_the_options_of_every_command_and_fits(terminal: Terminal, arguments: tuple[str, ...]) -> None:
    told = terminal.told(*arguments)
    assert "APIKEYCHAIN_DATA" in told
    assert "--json" in told
    assert all(len(line) <= 80 for line in told.splitlines())


def test_the_version_is_that_of_the_package(terminal: Terminal) -> None:
    assert terminal.told("--version") == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("tenat", "list"), 'Unknown command "tenat". Did you mean "tenant"?; see apikeychain --help'),
        (("tenant", "lst"), 'Unknown command "lst". Did you mean "list"?; see apikeychain tenant --help'),
        (("tenant", "create"), 'Command "tenant create" parameter TENANT requires an argument; see '),
        (("tenant", "list", "x"), "there are arguments too many; see apikeychain tenant list --help"),
        (("tenant", "list", "--bogus"), "Unknown option: --bogus; see apikeychain tenant list --help"),
        (("tenant", "list", "--actor"), "Parameter --actor requires an argument; see apikeychain --help"),
    ],
)
def test_a_wrong_command_line_is_told_on_one_line(terminal: Terminal, arguments: tuple[str, ...], problem: str) -> None:
    assert terminal.refused(*arguments, code=2).startswith(problem)


def test_a_mistyped_directory_is_told_and_not_made(terminal: Terminal) -> None:
    problem = terminal.refused("tenant", "list")
    assert problem.startswith(f"there is no keychain in '{terminal.data}': say --data DIR or set APIKEYCHAIN_DATA")
    assert not terminal.data.exists()


def test_the_directory_comes_from_the_environment_or_stands_here(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["tenant", "create", "acme"]) == 0
    assert (tmp_path / "apikeychain-data" / DATABASE).exists()
    monkeypatch.setenv("APIKEYCHAIN_DATA", str(tmp_path / "other"))
    assert main(["tenant", "create", "bolt"]) == 0
    assert terminal.capsys.readouterr().out == "tenant acme is made\ntenant bolt is made\n"
    assert (tmp_path / "other" / DATABASE).exists()


def test_the_arguments_of_the_process_are_the_default(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["apikeychain", "--version"])
    assert main() == 0
    assert terminal.capsys.readouterr().out == f"{__version__}\n"


def test_an_actor_that_cannot_stand_in_the_ledger_is_refused(terminal: Terminal) -> None:
    problem = terminal.refused("tenant", "create", "acme", "--actor", "me@example.com")
    assert problem.startswith("an actor is an opaque label")


@pytest.mark.parametrize("package", ["cyclopts", "rich"])
def test_a_missing_extra_is_one_line(
    package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("apikeychain.cli.", f"{package}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["tenant", "list"]) == 1
    told = capsys.readouterr().err
    assert told == "apikeychain: the command needs more packages: pip install 'apikeychain[cli]'\n"


def test_a_missing_module_of_our_own_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apikeychain.cli.app", None)
    with pytest.raises(ModuleNotFoundError):
        main(["tenant", "list"])


def test_the_demo_is_one_of_the_commands(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--once" in terminal.told("demo", "--help")
    assert "cannot be made" in terminal.refused("demo", "--once", "--directory", tmp_path / "file")


def test_a_broken_store_is_one_line_and_no_traceback(terminal: Terminal) -> None:
    terminal.project()
    with closing(sqlite3.connect(terminal.data / DATABASE)) as database, database:
        database.execute("drop table projects")
    assert terminal.refused("project", "list").startswith("the store does not answer")


def test_warnings_for_servers_stay_out_of_the_terminal(terminal: Terminal, caplog: pytest.LogCaptureFixture) -> None:
    terminal.told("tenant", "create", "acme", "--development")
    assert "development mode" not in caplog.text
    logging.getLogger("apikeychain").warning("afterwards it is heard")
    assert "afterwards it is heard" in caplog.text


def test_what_comes_out_of_the_store_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("a\x1b[2J\nb")
    output.table(
        [{"name": "[bold]\x1b]0;x\x07", "facts": {}, "none": [], "score": 0.5, "on": False}],
        ["name", "facts", "none", "score", "on", "absent"],
    )
    told = capsys.readouterr()
    assert told.err == "apikeychain: a\\x1b[2J b\n"
    assert told.out.splitlines()[1].split() == ["[bold]\\x1b]0;x\\x07", "-", "-", "0.5", "no", "-"]


async def test_the_command_works_while_a_server_serves_from_the_directory(tmp_path: Path) -> None:
    keychain = APIKeyChain.embedded(tmp_path / "data")
    async with keychain:
        await keychain.serve()
        project = await (await keychain.ensure_tenant("acme")).ensure_project("shop")
        command = (SCRIPTS / "apikeychain", "--data", tmp_path / "data", "origin", "allow", project.id)
        told = await asyncio.to_thread(run, *command, "https://app.example.com")
        assert told == "https://app.example.com may call shop\n"
        assert [allowed.origin for allowed in await project.list_origins()] == ["https://app.example.com"]


def test_a_reader_that_goes_away_gets_no_traceback(terminal: Terminal) -> None:
    terminal.project()
    command = [str(SCRIPTS / "apikeychain"), "--data", str(terminal.data), "provider", "known"]
    for more in ([], ["--json"]):
        with subprocess.Popen(  # noqa: S603  # the command is written here
            [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""


def test_two_commands_at_once_both_count(terminal: Terminal) -> None:
    project = terminal.project()
    command = [str(SCRIPTS / "apikeychain"), "--data", str(terminal.data), "origin", "allow", project]
    started = [
        subprocess.Popen([*command, f"https://app{n}.example.com"], stdout=subprocess.DEVNULL)  # noqa: S603  # likewise
        for n in range(2)
    ]
    assert [process.wait(60) for process in started] == [0, 0]
    assert len(terminal.read("origin", "list", project)) == 2
    assert terminal.run("ledger", "verify", "acme")[0] == 0
