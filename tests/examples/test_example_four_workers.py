"""The example of four workers, as a person runs it."""

import asyncio
import os
import re
import signal
import sys

import httpx

from command import ROOT, run, unmeasured

_EXAMPLE = ROOT / "examples" / "four_workers" / "run.py"


def test_it_shows_what_holds_over_all_workers() -> None:
    # What the canary of a run is named by is no variable of a host's.
    told = run(sys.executable, _EXAMPLE, "--once", env={"APIKEYCHAIN_CANARY": ""}, seconds=200)
    assert told.count("\nholds  ") == 4
    assert "FAILS" not in told


async def test_it_serves_until_it_is_interrupted() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_EXAMPLE),
        stdout=asyncio.subprocess.PIPE,
        env=unmeasured() | {"APIKEYCHAIN_CANARY": ""},
        start_new_session=True,
    )
    assert process.stdout is not None
    told = ""
    try:
        async with asyncio.timeout(100):
            while "Ctrl-C" not in told:
                told += (await process.stdout.readline()).decode()
        found = re.search(r"curl -H 'Origin: (.*?)' '(.*?)'", told)
        assert found, told
        async with httpx.AsyncClient() as client:
            answer = await client.get(found[2], headers={"origin": found[1]})
        assert (answer.status_code, answer.json()) == (200, {"temperature": 21})
    finally:
        # As a terminal does it: all of them hear it.
        os.killpg(process.pid, signal.SIGINT)
        async with asyncio.timeout(30):
            await process.wait()
    assert process.returncode == 0
