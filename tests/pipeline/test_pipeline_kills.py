"""Kill -9 of a server that forwards calls: what its ledger says then is true, and the chain holds."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.model.ids import TenantId
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.ports import free_port
from chain_reader import ChainReader, registered, until_registered
from forks import Forks, forking
from gate import APP, echo_key, weather_shop
from processes import until_open
from served_gate import keychain

MODES = ["buffered", "write-ahead"]
# Longer than a turn of the ledger takes, also on a busy machine.
WRITTEN_SECONDS = 2.0
# Longer than it takes until somebody states what is missing, by the terms of `killed_gate`.
STATED_SECONDS = 60.0
_CALLERS = 8
_ACME = TenantId("acme")


class House:
    """A data directory, the provider, and what callers got and when."""

    def __init__(self, folder: Path, provider: LocalProvider) -> None:
        self.folder, self.provider = folder, provider
        self.base = f"https://weather.localhost:{provider.port}"
        self.answered: list[float] = []
        self.path = ""

    async def set_up(self) -> None:
        async with keychain(str(self.folder), self.base, str(self.provider.ca_pem_path)) as here:
            acme = await here.ensure_tenant(_ACME)
            shop = await weather_shop(acme, self.base, quota="1000000/minute", address_quota="1000000/minute")
            self.path = shop.url("weather")

    @asynccontextmanager
    async def forks(self, mode: str) -> AsyncGenerator[Forks, None]:
        ahead = {"WRITE_AHEAD": "1"} if mode == "write-ahead" else {}
        told = {"GATE_DATA": str(self.folder), "BASE": self.base, "CA_FILE": str(self.provider.ca_pem_path)}
        async with forking("killed_gate.py", told | ahead) as forks:
            yield forks

    async def serve_until_killed(self, forks: Forks, seconds: float) -> float:
        """Serve calls for so long, and say when it was killed."""
        port = free_port()
        process = await forks.begin(port)
        await until_open(port, forks.process)
        async with aiohttp.ClientSession() as session:
            url = f"http://127.0.0.1:{port}{self.path}?q=Paris"
            callers = [asyncio.create_task(self._call(session, url)) for _ in range(_CALLERS)]
            await asyncio.sleep(seconds)
            os.kill(process, signal.SIGKILL)
            killed = time.monotonic()
            await asyncio.gather(*callers)
        # What it sent arrives at the provider, or never.
        await asyncio.sleep(0.05)
        return killed

    async def _call(self, session: aiohttp.ClientSession, url: str) -> None:
        with contextlib.suppress(aiohttp.ClientError):
            while True:
                async with session.get(url, headers={"origin": APP}) as answer:
                    await answer.read()
                    assert answer.status == 200
                self.answered.append(time.monotonic())


def require_intents(found: list[dict[str, Any]], sent: int) -> None:
    """Each call that the provider saw has its intent, and each outcome names one of its own."""
    intents = {entry["seq"] for entry in found if entry["kind"] == "intent"}
    named = Counter(entry["intent"] for entry in found if "intent" in entry)
    assert len(intents) >= sent
    assert named.keys() <= intents
    assert set(named.values()) <= {1}


async def kill_often(folder: Path, mode: str, kills: int) -> None:
    moments = random.Random(2026)  # noqa: S311  # moments, not secrets
    async with LocalProvider("weather.localhost") as provider:
        provider.on("/data/2.5/weather", echo_key)
        house = House(folder, provider)
        await house.set_up()
        async with SQLStore.sqlite(folder / "apikeychain.sqlite3") as store, house.forks(mode) as forks:
            acme = ChainReader(store, _ACME)
            lost: dict[str, int] = {}
            seen = set[str]()
            for run in range(kills):
                sent, answered = len(provider.requests), len(house.answered)
                seconds = WRITTEN_SECONDS + 0.5 if run % 5 == 0 else moments.uniform(0, 0.5)
                killed = await house.serve_until_killed(forks, seconds)
                calls = await acme.read_on()
                missing = len(provider.requests) - sent - calls
                # Of calls that are written down for sure: those that were answered long before the kill.
                early = sum(at < killed - WRITTEN_SECONDS for at in house.answered[answered:])
                assert early <= calls
                assert missing >= 0
                new = await registered(store) - seen
                assert len(new) <= 1
                assert new or not missing
                lost |= dict.fromkeys(new, missing)
                seen |= new
                if mode == "write-ahead":
                    require_intents(acme.found, len(provider.requests))
            port = free_port()
            last = await forks.begin(port)
            await until_open(port, forks.process)
            await until_registered(store, lambda workers: not workers, STATED_SECONDS)
            os.kill(last, signal.SIGTERM)
            await acme.read_on()
            platform = ChainReader(store, PLATFORM)
            await platform.read_on()
    stated = acme.stated()
    assert stated.keys() == {*lost}
    assert all(missing <= stated[worker] for worker, missing in lost.items())
    assert sum(lost.values())
    assert Counter(gap["worker"] for gap in platform.of("gap")) == Counter({*lost})
    assert house.answered


@pytest.mark.parametrize("mode", MODES)
async def test_ten_kills_leave_a_ledger_that_is_true(tmp_path: Path, mode: str) -> None:
    await kill_often(tmp_path / "data", mode, 10)


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
async def test_a_hundred_kills_leave_a_ledger_that_is_true(tmp_path: Path, mode: str) -> None:
    await kill_often(tmp_path / "data", mode, 100)
