"""The servers that workers share, and the workers, once for each file; a project for each test."""

import itertools
from collections.abc import AsyncGenerator, Generator

import pytest
import pytest_asyncio

from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.settings import LedgerMode
from apikeychain.testing.fixtures import openbao_server, postgres_server, valkey_server
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.valkey import ValkeyServer
from fleet import Fleet, Workers, opened, running
from gate import echo_key
from served_postgres import Database, lent_database, template
from valkey_clock import let_it_have_run

__all__ = ["openbao_server", "postgres_server", "template", "valkey_server"]
_NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer, template: str) -> Generator[Database, None, None]:
    yield from lent_database(postgres_server, template)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def valkey(valkey_server: ValkeyServer) -> ValkeyServer:
    valkey_server.ask("FLUSHALL")
    async with ValkeyGuard(valkey_server.url):
        let_it_have_run(valkey_server)
    return valkey_server


@pytest.fixture(scope="module")
def openbao(openbao_server: OpenBaoServer) -> OpenBaoServer:
    openbao_server.new_key()
    return openbao_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider() -> AsyncGenerator[LocalProvider, None]:
    async with LocalProvider("weather.localhost") as local:
        local.on("/data/2.5/weather", echo_key)
        yield local


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def workers(
    request: pytest.FixtureRequest,
    database: Database,
    valkey: ValkeyServer,
    openbao: OpenBaoServer,
    provider: LocalProvider,
) -> AsyncGenerator[Workers, None]:
    """Four of them; they hear of changes by PostgreSQL, or as the parameter says; or it is the mode of the ledger."""
    chosen = getattr(request, "param", "postgres")
    is_ahead = chosen == "write-ahead"
    news: str = "postgres" if is_ahead else chosen
    mode: LedgerMode = "write-ahead" if is_ahead else "buffered"
    async with running(database, valkey, openbao, provider, news=news, mode=mode) as running_workers:
        yield running_workers


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(workers: Workers) -> Fleet:
    return await opened(workers, f"shop-{next(_NAMES)}")
