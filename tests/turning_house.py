"""A served gate over many projects whose keys turn in another process: for tests of calls that flow meanwhile."""

import asyncio
import math
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from apikeychain import APIKeyChain, Secret
from apikeychain.backends.sql import SQLStore
from apikeychain.embedded import DATABASE
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret, Tenant
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.ports import free_port
from command import unmeasured
from forks import forking
from gate import APP, KEY, weather_shop
from processes import until_open
from served_gate import keychain

_CALLERS = 4
# Not by `getrusage`, which begins with what the process took that this one was forked off.
_PROGRAM = """
import sys
from pathlib import Path
from apikeychain.cli import main
code = main(sys.argv[1:])
print(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])
sys.exit(code)
"""


class House:
    """Projects of several tenants with many secrets each, the provider that all have, and what callers got.

    Attributes:
        projects: ids, by tenant.
        seconds: how long each call took since they were last taken.
        statuses: of all calls that were answered.
    """

    def __init__(self, folder: Path, provider: LocalProvider) -> None:
        self.folder, self._provider = folder, provider
        self.base = f"https://weather.localhost:{provider.port}"
        self.projects: dict[TenantId, list[ProjectId]] = {}
        self.paths: list[str] = []
        self.seconds: list[float] = []
        self.statuses: set[int] = set()

    @property
    def _told(self) -> tuple[str, str, str]:
        return str(self.folder), self.base, str(self._provider.ca_pem_path)

    async def set_up(self, *, tenants: int, projects: int, values: int) -> None:
        """Make so many tenants, with so many projects each, with so many values each."""
        async with keychain(*self._told) as here:
            for number in range(tenants):
                acme = await here.ensure_tenant(f"tenant-{number:03}")
                made = self.projects[acme.id] = []
                for name in range(projects):
                    shop = await weather_shop(
                        acme, self.base, f"shop-{name:03}", quota="1000000/minute", address_quota="1000000/minute"
                    )
                    made.append(shop.id)
                    self.paths.append(shop.url("weather"))
                    await _fill(here, acme.id, shop.id, values - 1)
                made.sort()

    @asynccontextmanager
    async def calls(self) -> AsyncGenerator[None, None]:
        """Calls of all projects flow through a server of their own."""
        told = dict(zip(("GATE_DATA", "BASE", "CA_FILE"), self._told, strict=True))
        async with forking("killed_gate.py", told) as forks, aiohttp.ClientSession() as session:
            port = free_port()
            process = await forks.begin(port)
            await until_open(port, forks.process)
            callers = [asyncio.create_task(self._call(session, port, first)) for first in range(_CALLERS)]
            try:
                yield
            finally:
                for caller in callers:
                    caller.cancel()
                await asyncio.wait(callers)
                os.kill(process, signal.SIGTERM)

    async def _call(self, session: aiohttp.ClientSession, port: int, first: int) -> None:
        number = first
        while True:
            url = f"http://127.0.0.1:{port}{self.paths[number % len(self.paths)]}?q=Paris"
            began = time.monotonic()
            async with session.get(url, headers={"origin": APP}) as answer:
                await answer.read()
                self.statuses.add(answer.status)
            self.seconds.append(time.monotonic() - began)
            number += 1
            await asyncio.sleep(0.005)

    def p99(self) -> float:
        """Of the calls since this was last asked, in milliseconds."""
        taken = sorted(self.seconds)
        self.seconds.clear()
        return taken[math.ceil(len(taken) * 0.99) - 1] * 1000

    async def rotate(self, *arguments: str) -> tuple[int, int, str]:
        """Exit code of `apikeychain keys rotate`, how many kilobytes it took at most, and what it said."""
        process = await self.rotating(*arguments)
        out, _ = await process.communicate()
        told, _, kilobytes = out.decode().rstrip().rpartition("\n")
        assert process.returncode is not None
        return process.returncode, int(kilobytes), told

    @staticmethod
    def peak(process: asyncio.subprocess.Process) -> int:
        """How many kilobytes a process has taken at most until now."""
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    async def rotating(self, *arguments: str) -> asyncio.subprocess.Process:
        """The same, while it runs."""
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-c", _PROGRAM, "--data", str(self.folder), "keys", "rotate", *arguments),
            env=unmeasured(),
            stdout=asyncio.subprocess.PIPE,
        )

    async def numbers(self) -> dict[ProjectId, list[int]]:
        """The numbers of the keys that each project has."""
        async with SQLStore.sqlite(self.folder / DATABASE) as store:
            return await self._numbers(store)

    async def until_turned(self, projects: int) -> None:
        """Wait until so many have a new key."""

        async def are_turned() -> bool:
            return sum(numbers != [1] for numbers in (await self._numbers(store)).values()) >= projects

        async with SQLStore.sqlite(self.folder / DATABASE) as store:
            await until(are_turned, 600, every=0.05)

    async def _numbers(self, store: SQLStore) -> dict[ProjectId, list[int]]:
        found: dict[ProjectId, list[int]] = {}
        for tenant in self.projects:
            async with store.reading(tenant) as rows:
                for key in await every(rows, ProjectKey):
                    found.setdefault(key.project, []).append(key.number)
        return found

    async def p99_of(self, calls: int) -> float:
        """Of so many calls from now on."""
        self.seconds.clear()
        await until(lambda: len(self.seconds) >= calls, 600)
        return self.p99()

    async def require_open(self, values: int) -> None:
        """Every project has so many values, and each opens."""
        async with keychain(*self._told) as here:
            for tenant, projects in self.projects.items():
                for project in projects:
                    assert await _opened(here, tenant, project) == values


async def _fill(here: APIKeyChain, tenant: TenantId, project: ProjectId, values: int) -> None:
    """As many verbs would, in one transaction."""
    office = here._office
    async with office.store.tenant(tenant) as store:
        owner = await store.get(Tenant, ())
        (key,) = await every(store, ProjectKey, project)
        (weather,) = await every(store, RegisteredProvider, project)
        assert owner
        for number in range(values):
            name, at = f"made-{number:05}", office.now()
            sealed, mark = await office.vault.seal_secret(
                owner, key, weather.provider, name, 1, Secret(f"{name}-{KEY}")
            )
            facts = {"fingerprint": mark, "sealed": sealed, "created": at, "changed": at}
            await store.insert(SealedSecret(project=project, name=name, provider="weather", version=1, **facts))  # type: ignore[arg-type]  # of many types


async def _opened(here: APIKeyChain, tenant: TenantId, project: ProjectId) -> int:
    office = here._office
    async with office.store.reading(tenant) as rows:
        owner = await rows.get(Tenant, ())
        keys: Sequence[ProjectKey] = await every(rows, ProjectKey, project)
        (weather,) = await every(rows, RegisteredProvider, project)
        values = await every(rows, SealedSecret, project)
    assert owner
    by_version = {key.version: key for key in keys}
    for value in values:
        opened = await office.vault.open_secret(owner, by_version, value, weather.provider)
        assert opened.matches(Secret(KEY if value.name == "weather" else f"{value.name}-{KEY}"))
    office.vault.forget(project)
    return len(values)
