"""Several processes on one server: each claim passes once, and a quota admits what it says, whoever serves."""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.testing import fixtures
from apikeychain.testing.servers import valkey
from valkey_clock import let_it_have_run

server = fixtures.valkey_server
WORKERS = 4
# Each worker says that it is ready, waits for the word, and prints how often it got what.
_WORKER = """
import asyncio, sys, time
from collections import Counter
from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.model.quota import Quota, Spend

async def main(url, now):
    async with ValkeyGuard(url, timeout_seconds=10) as guard:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        {deed}

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""
_CLAIMS = """
        for number in range(50):
            print(number, await guard.claim(number.to_bytes(32, "big"), now))
"""
_SPENDS = """
        for kind in (False, True):
            spends = [Spend(f"{kind}/{amount}", "address", Quota(amount, 600, kind)) for amount in (70, 900)]
            results = await asyncio.gather(*(guard.spend(spends) for _ in range(40)))
            print(kind, sum(all(balance.admitted for balance in balances) for balances in results))
"""
_BOTH = """
        wide = [Spend("both", "project", Quota(1000, 600))]
        for number in range(50):
            print(number, (await guard.claim_and_spend((10**6 + number).to_bytes(32, "big"), now, wide))[0])
"""


@pytest.fixture(autouse=True)
async def fresh(server: valkey.ValkeyServer) -> None:
    server.ask("FLUSHALL")
    async with ValkeyGuard(server.url):
        let_it_have_run(server)


def _told(server: valkey.ValkeyServer, deed: str) -> list[tuple[str, str]]:
    """What all workers print, begun at one moment."""
    command = [sys.executable, "-c", _WORKER.format(deed=deed.strip()), server.url, str(int(time.time()))]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "COV_"))}
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=clean)  # noqa: S603  # our own program
        for _ in range(WORKERS)
    ]
    try:
        assert [worker.stdout.readline() for worker in workers if worker.stdout] == ["ready\n"] * WORKERS
        for worker in workers:
            assert worker.stdin
            worker.stdin.write("go\n")
            worker.stdin.flush()
        said = [worker.communicate(timeout=60)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    return [(first, rest) for line in "".join(said).splitlines() for first, rest in [line.split()]]


@pytest.mark.parametrize("deed", [_CLAIMS, _BOTH], ids=["claim", "claim_and_spend"])
async def test_of_four_processes_one_claims_each_token(server: valkey.ValkeyServer, deed: str) -> None:
    told = await asyncio.to_thread(_told, server, deed)
    assert len(told) == WORKERS * 50
    assert Counter(number for number, claim in told if claim == "claimed") == {str(number): 1 for number in range(50)}
    assert {claim for _, claim in told} == {"claimed", "replayed"}


async def test_a_quota_admits_its_amount_over_four_processes(server: valkey.ValkeyServer) -> None:
    told = await asyncio.to_thread(_told, server, _SPENDS)
    for kind in ("False", "True"):
        assert sum(int(admitted) for which, admitted in told if which == kind) == 70
