"""A worker under load whose provider drops connections all the while: nothing leaks, and nothing is lost."""

import asyncio
import statistics
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from apikeychain import APIKeyChain
from benchmarks import environment, load, machine
from benchmarks.hosts import SETTINGS
from benchmarks.provider import HOST, Provider, provider
from benchmarks.targets import Kind, Target, target
from cable import Cable

MIB = 2**20
CONNECTIONS = 16
SLICE_SECONDS = 4.0
CUT_SECONDS = 0.7
PAGE = 1_000
# After which no connection to the provider is kept.
IDLE_SECONDS = 16
# wrk waits whole milliseconds.
SHARE = 0.7


@dataclass
class Watched:
    """What was seen of the worker.

    Attributes:
        memory: after each slice, in bytes.
        answered: calls that came back, `refused` those of them that the cut provider made fail.
        cut: calls that were still under way when a slice ended.
    """

    memory: list[int] = field(default_factory=list[int])
    answered: int = 0
    refused: int = 0
    cut: int = 0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Generator[Provider]:
    environment.require_tools()
    with provider(tmp_path_factory.mktemp("soak")) as running:
        yield running


@asynccontextmanager
async def flaky(behind: Provider) -> AsyncGenerator[Cable]:
    """The way to the provider, cut all the while."""

    async def cut() -> None:
        while True:
            await asyncio.sleep(CUT_SECONDS)
            await cable.cut()

    cable = Cable()
    cable.to = urlsplit(behind.tls).port or 0
    async with cable:
        cutting = asyncio.create_task(cut())
        yield cable
        cutting.cancel()


async def tasks_of(gate: Target) -> int:
    async with httpx.AsyncClient() as client:
        return int((await client.get(f"{gate.base}/tasks")).text)


async def offer(gate: Target, folder: Path, *, rate: float, seconds: float, delay: float = 0.0) -> load.Load:
    signed = await asyncio.to_thread(lambda: list(gate.requests(int(rate * seconds * 2) + 100)))
    return await asyncio.to_thread(
        load.offer,
        gate.process,
        gate.base,
        signed,
        connections=CONNECTIONS,
        seconds=seconds,
        folder=folder,
        delay=delay,
    )


async def soak(gate: Target, folder: Path, seconds: float) -> Watched:
    """So many seconds at 70 % of what the worker can do."""
    fastest = await offer(gate, folder, rate=5_000, seconds=2.0)
    watched = Watched(answered=fastest.calls, refused=fastest.bad, cut=CONNECTIONS)
    delay = CONNECTIONS / fastest.rate * (1 / SHARE - SHARE)
    for _ in range(round(seconds / SLICE_SECONDS)):
        run = await offer(gate, folder, rate=fastest.rate, seconds=SLICE_SECONDS, delay=delay)
        watched.answered += run.calls
        watched.refused += run.bad
        watched.cut += CONNECTIONS
        watched.memory.append(machine.memory_bytes(gate.process.pid))
    return watched


def growth(memory: Sequence[int]) -> float:
    """From the second quarter to the last."""
    quarter = max(1, len(memory) // 4)
    return statistics.median(memory[-quarter:]) - statistics.median(memory[quarter : 2 * quarter])


@pytest.mark.parametrize(
    ("seconds", "grown"),
    [(8.0, 64 * MIB), pytest.param(1_200.0, 8 * MIB, marks=pytest.mark.long)],
    ids=["short", "long"],
)
async def test_a_worker_whose_provider_drops_connections_leaks_nothing_and_loses_no_entry(
    behind: Provider, seconds: float, grown: int
) -> None:
    data = f"soak-{seconds:.0f}"
    async with flaky(behind) as cable:
        kind = Kind("hosts:gate", environment={"BASE": f"https://{HOST}:{cable.port}"})
        with target(data, kind, behind, sys.executable) as gate:
            warmed = await offer(gate, behind.folder, rate=5_000, seconds=1.0)
            await asyncio.sleep(IDLE_SECONDS)
            tasks, files = await tasks_of(gate), machine.open_files(gate.process.pid)
            watched = await soak(gate, behind.folder, seconds)
            await asyncio.sleep(IDLE_SECONDS)
            left = await tasks_of(gate) - tasks, machine.open_files(gate.process.pid) - files
    assert watched.refused, "no connection was cut while a call used it"
    assert watched.answered > 20 * watched.refused
    assert left[0] <= 0
    # The first checkpoint opens a file or two, and they stay; of connections that leak there would be hundreds.
    assert left[1] < 10
    assert growth(watched.memory) < grown
    async with APIKeyChain.embedded(behind.folder / data, settings=SETTINGS) as keychain:
        acme = await keychain.tenant("acme")
        head = await acme.verify_ledger()
        calls = 0
        for first in range(0, head.size, PAGE):
            calls += sum(entry.kind == "call" for entry in await acme.entries(first, PAGE))
    answered = warmed.calls + watched.answered
    assert answered <= calls <= answered + watched.cut + CONNECTIONS
