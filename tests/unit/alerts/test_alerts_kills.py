"""Kill -9 of the process that delivers, before and after every sending and every write."""

import asyncio
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from alert_house import filed, waiting
from apikeychain.alerts.delivery import Delivery
from apikeychain.backends.sql import SQLStore
from command import ROOT, unmeasured
from killed_delivery import FileSink


async def killed(database: Path, folder: Path, kill: int) -> int:
    program = str(ROOT / "tests" / "killed_delivery.py")
    words = (sys.executable, program, str(database), str(folder), str(kill))
    process = await asyncio.create_subprocess_exec(*words, env=unmeasured())
    return await process.wait()


def arrived(folder: Path, name: str) -> Counter[str]:
    path = folder / name
    return Counter(path.read_text().split() if path.exists() else ())


# Two sendings, a write after each, the last of which another one follows that takes it out, and one on the agenda.
@pytest.mark.parametrize("kill", range(12))
async def test_an_alert_arrives_again_with_the_same_id(tmp_path: Path, kill: int) -> None:
    database, now = tmp_path / "alerts.sqlite3", partial(datetime.now, UTC)
    async with SQLStore.sqlite(database) as store:
        (one,) = await filed(store, now())
        ended = await killed(database, tmp_path, kill)
        assert ended == -signal.SIGKILL
        before = {name: arrived(tmp_path, name) for name in ("first", "second")}
        worker = Delivery(store, {name: FileSink(tmp_path / name) for name in before}, now=now)
        async with asyncio.timeout(20):
            while await waiting(store):
                await worker.look()
                await worker.settled()
                await asyncio.sleep(0.05)
        for name, had in before.items():
            # Sent once more at most, where nobody knew; and always the one that was filed.
            assert had[one] <= arrived(tmp_path, name)[one] <= 2
            assert {*arrived(tmp_path, name)} == {one}
        # Right after the first sending nobody knows of it.
        assert kill != 1 or max(arrived(tmp_path, name)[one] for name in before) == 2
