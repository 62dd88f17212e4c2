"""Four worker processes of one keychain on PostgreSQL, Valkey and OpenBao, a provider behind them, callers before them.

The script serves on each port that it reads from a process of its own; the environment says what they share.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

import aiohttp
import uvicorn
from starlette.applications import Starlette

import canary
from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings, Network, Secret
from apikeychain.backends.openbao import AppRole, OpenBaoKeyService
from apikeychain.backends.sql import PostgresSignals, SQLStore
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.valkey import ValkeyGuard, ValkeySignals
from apikeychain.ledger import notary
from apikeychain.ledger.notes import TERMS, Terms
from apikeychain.model.headers import Line
from apikeychain.settings import LedgerMode
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.ports import free_port
from apikeychain.testing.servers.valkey import ValkeyServer
from forks import Forks, fork_each, forking, on_terms
from gate import APP, weather_shop
from processes import until_open
from served_postgres import Database
from signer import Signer

WORKERS = 4
VARIABLE = "FLEET"
_WIDE = "1000000/minute"
# For what was there when they began to be written.
_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers are told.

    Attributes:
        database, valkey, openbao: where the servers are; `ca_file` is of OpenBao.
        role_id, secret_id: the workers' login at OpenBao.
        news: who tells of changes: ``"postgres"``, ``"valkey"``, or ``"nobody"``.
        provider: its base URL; `authority` is the file that it is verified by.
        ledger_mode: of all of them; `terms` are those of their notes.
    """

    database: str
    valkey: str
    openbao: str
    ca_file: str
    role_id: str
    secret_id: str
    news: str
    provider: str
    authority: str
    ledger_mode: LedgerMode
    terms: dict[str, float]

    def keychain(self) -> APIKeyChain:
        """One more that shares all of it."""
        store, guard = SQLStore.postgres(self.database), ValkeyGuard(self.valkey)
        login = AppRole(role_id=self.role_id, secret_id=Secret(self.secret_id))
        return APIKeyChain(
            store=store,
            key_service=OpenBaoKeyService(self.openbao, login=login, ca_file=self.ca_file),
            rate_limiter=guard,
            replay_guard=guard,
            signals=PostgresSignals(store) if self.news == "postgres" else ValkeySignals(self.valkey, prefix=self.news),
            upstream=AiohttpUpstream,
            settings=APIKeyChainSettings(development=True, kdf="pbkdf2-sha512", ledger_mode=self.ledger_mode),
            network={self.provider: Network(private=True, trust=self.authority)},
        )


def serve(port: int) -> None:
    """One worker, until it is ended. Where nobody tells of changes, each listens to itself alone."""
    shared = json.loads(os.environ[VARIABLE])
    if shared["news"] == "nobody":
        shared["news"] = f"nobody-{port}"
    # So that checkpoints are signed while others write.
    notary.ROUND_ENTRIES = 100
    app, keychain = Starlette(), Shared(**shared).keychain()
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    served = on_terms(keychain, app, Terms(**shared["terms"]))
    uvicorn.run(served, host="127.0.0.1", port=port, log_level="warning")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer.

    Attributes:
        began: when it was asked for, by the loop's clock.
        worker: whose it is, from 0.
        status: 0 where there was no answer.
    """

    began: float
    worker: int
    status: int
    code: str


@dataclass(frozen=True, slots=True)
class Workers:
    """Running workers, and one more who manages what they serve.

    Attributes:
        ports: where they listen.
        pids: their processes.
    """

    shared: Shared
    ports: Sequence[int]
    forks: Forks
    pids: list[int]
    session: aiohttp.ClientSession
    acme: TenantAdmin

    def kill(self, worker: int) -> None:
        """End its process as nothing can be caught."""
        os.kill(self.pids[worker], signal.SIGKILL)

    def end(self, worker: int) -> None:
        """Tell its process to end."""
        os.kill(self.pids[worker], signal.SIGTERM)

    async def begin(self, worker: int) -> None:
        """Let a new process serve in the place of the worker."""
        self.pids[worker] = await self.forks.begin(self.ports[worker])
        await until_open(self.ports[worker], self.forks.process)


@dataclass
class Fleet:
    """A project of its own at all workers.

    Attributes:
        answers: to the calls that were not given a project.
    """

    workers: Workers
    acme: TenantAdmin
    shop: ProjectAdmin
    signer: Signer
    answers: list[Answered] = field(default_factory=list)

    async def call(self, worker: int, project: ProjectAdmin | None = None, lines: Sequence[Line] = ()) -> Answered:
        """One call of a page, or of whoever signed it."""
        url = f"http://127.0.0.1:{self.workers.ports[worker]}{(project or self.shop).url('weather')}?q=Paris"
        headers = [("Origin", APP), *((name.decode(), value.decode()) for name, value in lines)]
        began, status, code = asyncio.get_running_loop().time(), 0, ""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with self.workers.session.get(url, headers=headers) as answer:
                body = await answer.read()
                status, code = answer.status, answer.headers.get("x-apikeychain-error", "")
                canary.hear("an answer", body)
        answered = Answered(began, worker, status, code)
        if project is None:
            self.answers.append(answered)
        return answered

    def sign(self) -> list[Line]:
        """The lines of a call that is signed now."""
        return self.signer.sign(self.shop.url("weather"), b"q=Paris")

    async def one_each(self, project: ProjectAdmin | None = None, lines: Sequence[Line] = ()) -> list[Answered]:
        """One call to each worker at the same time."""
        return await asyncio.gather(*(self.call(worker, project, lines) for worker in range(WORKERS)))

    @asynccontextmanager
    async def load(self, callers: int = 8) -> AsyncGenerator[list[Answered], None]:
        """Callers that go from worker to worker without a pause; the answers they get."""
        stop, answers = asyncio.Event(), list[Answered]()

        async def caller(first: int) -> None:
            worker = first
            while not stop.is_set():
                worker = (worker + 1) % WORKERS
                answered = await self.call(worker)
                answers.append(answered)
                if answered.status != 200:
                    await asyncio.sleep(0.25)

        async with asyncio.TaskGroup() as group:
            for number in range(callers):
                group.create_task(caller(number))
            try:
                yield answers
            finally:
                stop.set()

    async def served(self) -> Counter[int]:
        """How many answers of each status stand in the ledger of the shop, once it is written."""
        return Counter(told["data"]["status"] for told in await self.written() if told["kind"] == "call")

    async def written(self) -> list[dict[str, Any]]:
        """What stands in the ledger of the shop, once it is written."""
        found: list[dict[str, Any]] = []
        after = 0
        # Of calls that go on there is no end.
        for _ in range(_LOOKS):
            await asyncio.sleep(0.5)
            known = after
            while page := await self.acme.entries(after, 1000):
                after = page[-1].seq
                found += [json.loads(entry.payload) for entry in page if entry.project == self.shop.id]
            if after == known:
                break
        return found

    def got(self) -> Counter[int]:
        """How many answers of each status the callers got."""
        return Counter(answered.status for answered in self.answers)


async def limited_shop(workers: Workers, name: str, quota: str = _WIDE) -> ProjectAdmin:
    """A project with a quota."""
    return await weather_shop(workers.acme, workers.shared.provider, name, quota=quota, address_quota=quota)


@asynccontextmanager
async def running(
    database: Database,
    valkey: ValkeyServer,
    openbao: OpenBaoServer,
    provider: LocalProvider,
    *,
    news: str,
    mode: LedgerMode,
    terms: Terms = TERMS,
    script: str = "fleet.py",
    told: Mapping[str, str] = MappingProxyType({}),
) -> AsyncGenerator[Workers, None]:
    """Four workers, each in a process of its own.

    Args:
        database: and what follows, which they share.
        script: that serves, as this one does.
        told: what it is told beside what this one is.
    """
    login = openbao.app_role("gate")
    assert isinstance(login.secret_id, Secret)
    shared = Shared(
        database=database.url,
        valkey=valkey.url,
        openbao=openbao.address,
        ca_file=str(openbao.ca_file),
        role_id=login.role_id,
        secret_id=login.secret_id.reveal().decode(),
        news=news,
        provider=f"https://weather.localhost:{provider.port}",
        authority=str(provider.ca_pem_path),
        ledger_mode=mode,
        terms=asdict(terms),
    )
    async with AsyncExitStack() as stack:
        keychain = await stack.enter_async_context(shared.keychain())
        ports: list[int] = []
        while len(ports) < WORKERS:
            ports += {free_port()}.difference(ports)
        forks = await stack.enter_async_context(forking(script, {VARIABLE: json.dumps(asdict(shared)), **told}))
        pids = [await forks.begin(port) for port in ports]
        await asyncio.gather(*(until_open(port, forks.process) for port in ports))
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)))
        yield Workers(shared, ports, forks, pids, session, await keychain.ensure_tenant("acme"))


async def opened(workers: Workers, name: str) -> Fleet:
    """A new project, which every worker has served once."""
    shop = await limited_shop(workers, name)
    key = await shop.add_signing_key()
    fleet = Fleet(workers, workers.acme, shop, Signer(key.id, key.key.reveal(), shop.id))
    assert {answered.status for answered in await fleet.one_each()} == {200}
    return fleet


if __name__ == "__main__":
    fork_each(serve)
