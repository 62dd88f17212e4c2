"""Kill -9 in the middle of management changes: each is whole or absent, and the chain holds."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.model.records import ProjectName
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.records import ACME

_CHANGES = 100
_PROGRAM = """
import asyncio, sys
from apikeychain.backends.sql import SQLStore
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.records import ProjectName, Tenant
from apikeychain.testing.records import ACME, NOW, SHOP, project, tenant

async def main(path, run):
    async with SQLStore.sqlite(path) as store:
        async with store.tenant(ACME) as acme:
            if await acme.get(Tenant, ()) is None:
                await acme.insert(tenant(ACME))
                await acme.insert(project(SHOP))
        for number in range(100):
            name = f"run{run}-{number}"
            async with store.tenant(ACME) as acme:
                await acme.insert(ProjectName(name=name, project=SHOP))
                await acme.append([LedgerDraft(at=NOW, kind="project.created", actor="test", data={"name": name})])
            print(name, flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


def change_until_killed(path: Path, run: int, moments: random.Random) -> list[str]:
    """The names that were acknowledged before the kill, which comes at a random moment of the hundred changes."""
    changes = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", _PROGRAM, str(path), str(run)], stdout=subprocess.PIPE, text=True
    )
    assert changes.stdout
    told = [changes.stdout.readline() for _ in range(moments.randrange(_CHANGES // 2))]
    time.sleep(moments.uniform(0, 0.01))
    changes.send_signal(signal.SIGKILL)
    told += changes.stdout.readlines()
    changes.stdout.close()
    changes.wait()
    return [line.strip() for line in told if line.endswith("\n")]


async def read_back(path: Path) -> tuple[set[str], list[str]]:
    """The names of the records, and those in the ledger, whose chain holds."""
    async with SQLStore.sqlite(path) as store:
        async with store.tenant(ACME) as acme:
            records = {record.name for record in await acme.list(ProjectName, (), 1_000_000)}
            entries = await acme.entries(0, 1_000_000)
            head = await acme.append([])
        if entries:
            assert require_chain(await chain(store, ACME)) == head
        return records, [json.loads(entry.payload)["data"]["name"] for entry in entries]


def kill_often(path: Path, kills: int) -> None:
    moments = random.Random(2026)  # noqa: S311  # moments, not secrets
    acknowledged: set[str] = set()
    for run in range(kills):
        acknowledged |= set(change_until_killed(path, run, moments))
        records, written = asyncio.run(read_back(path))
        assert records == set(written)
        assert len(records) == len(written)
        assert acknowledged <= records
    assert acknowledged


def test_ten_kills_leave_every_change_whole_or_absent(tmp_path: Path) -> None:
    kill_often(tmp_path / "keychain.db", 10)


@pytest.mark.long
def test_a_hundred_kills_leave_every_change_whole_or_absent(tmp_path: Path) -> None:
    kill_often(tmp_path / "keychain.db", 100)
