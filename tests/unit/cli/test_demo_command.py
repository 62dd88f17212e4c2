"""`apikeychain demo`, as a person runs it."""

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from apikeychain.cli.demo import once, serving
from apikeychain.cli.demo.command import demo
from apikeychain.cli.demo.house import House
from apikeychain.cli.demo.once import Step
from apikeychain.errors import SetupError


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files go: what is left there was left behind."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


async def test_once_shows_every_step_and_ends_with_0(capsys: pytest.CaptureFixture[str], temporary: Path) -> None:
    assert await demo(once=True) == 0
    told = capsys.readouterr()
    assert re.search(r"^13 of 13 steps hold, in \d+\.\d s\.$", told.out, re.MULTILINE)
    assert told.out.count("│ ok │") == 13
    assert told.err == ""
    assert not os.listdir(temporary)  # noqa: PTH208  # as short as the question
    assert not logging.getLogger("apikeychain").handlers


async def test_once_ends_with_1_where_a_step_does_not_hold(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(_: House) -> list[Step]:
        return [Step("one", "200", "200"), Step("another", "[200]", "[403]")]

    monkeypatch.setattr(once, "scenario", scenario)
    assert await demo(once=True) == 1
    told = capsys.readouterr().out
    assert re.search(r"another +│ \[200\] +│ \[403\] +│ FAILED", told)
    assert "1 of 2 steps hold" in told


async def test_a_named_directory_is_kept_and_serves_a_second_time(tmp_path: Path, temporary: Path) -> None:
    for _ in range(2):
        assert await demo(once=True, directory=tmp_path / "data") == 0
    assert {"apikeychain.sqlite3", "platform.key"} <= {*os.listdir(tmp_path / "data")}  # noqa: PTH208  # likewise
    assert not os.listdir(temporary)  # noqa: PTH208  # as short as the question


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_runs_until_it_is_told_to_end_and_leaves_nothing(
    number: signal.Signals, capsys: pytest.CaptureFixture[str], temporary: Path
) -> None:
    running = asyncio.create_task(demo(port=0))
    told = ""
    while "Ctrl-C ends it." not in told:
        await asyncio.sleep(0.05)
        told += capsys.readouterr().out
    own, foreign, api = re.findall(r"^  (http://[a-z0-9.:]+)  ", told, re.MULTILINE)
    async with httpx.AsyncClient() as client:
        assert "The page never has the key" in (await client.get(own)).text
        assert "makes the same call" in (await client.get(foreign)).text
        assert (await client.get(api)).text == "The host application's own page.\n"
    os.kill(os.getpid(), number)
    assert await running == 0
    assert not os.listdir(temporary)  # noqa: PTH208  # as short as the question
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", int(own.rpartition(":")[2]))


async def test_a_port_that_is_taken_is_told_with_what_to_do(temporary: Path) -> None:
    with socket.create_server((serving.ADDRESS, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=rf"port {port} cannot be used .*: apikeychain demo --port 9000"):
            await demo(port=port)
    with pytest.raises(SetupError, match="port 70000 cannot be used \\(there is no such port\\)"):
        await demo(port=70000)
    assert not os.listdir(temporary)  # noqa: PTH208  # as short as the question


def test_without_its_extra_it_says_how_to_get_it() -> None:
    program = (
        "import asyncio, sys; sys.modules['uvicorn'] = None\n"
        "from apikeychain.cli.demo.command import demo\n"
        "asyncio.run(demo())"
    )
    done = subprocess.run(  # noqa: S603  # the program is written above
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.splitlines()[-1].endswith("the demo needs more packages: pip install 'apikeychain[demo]'")
