"""The contract of a witness that is a file."""

import asyncio
import sys
from functools import partial
from pathlib import Path

import pytest

from apikeychain.backends.file_witness import FileWitness
from apikeychain.ports.witness import Witness
from apikeychain.proof.checkpoint import Statement
from apikeychain.testing.checkpoints import ACME
from apikeychain.testing.processes import Opening
from apikeychain.testing.witness import WitnessContract
from command import ROOT


class TestFileWitness(WitnessContract):
    @pytest.fixture
    def opening(self, tmp_path: Path) -> Opening[Witness]:
        self.folder = tmp_path / "elsewhere"
        self.folder.mkdir()
        return partial(FileWitness, self.folder / "witness.jsonl")

    async def pull_plug(self, witness: Witness) -> None:
        self.folder.rename(self.folder.with_name("unmounted"))

    async def put_in_plug(self, witness: Witness) -> None:
        self.folder.with_name("unmounted").rename(self.folder)


async def killed_after(path: Path, count: int, late: float) -> int:
    """The last size that a process acknowledged which is killed at any point behind `count` of them."""
    program = ROOT / "tests" / "witness_writer.py"
    process = await asyncio.create_subprocess_exec(sys.executable, program, path, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(count):
        await process.stdout.readline()
    await asyncio.sleep(late)
    process.kill()
    told, _ = await process.communicate()
    return int(told.split()[-1]) if told.split() else 0


async def test_what_was_acknowledged_outlives_a_kill_at_any_point(tmp_path: Path) -> None:
    path, before = tmp_path / "witness.jsonl", 0
    for turn in range(6):
        acknowledged = await killed_after(path, 1 + turn % 3, turn / 1000)
        async with FileWitness(path) as witness:
            last = await witness.latest(ACME)
        assert last is not None
        size = Statement.parse(last.statement).size
        # What was written and not yet acknowledged may be there or not.
        assert max(before + 1, acknowledged) <= size <= max(before + 3, acknowledged) + 1
        before = size
