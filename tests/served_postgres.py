"""One PostgreSQL server a run, and a migrated database a test."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.postgres.migration import migrate_postgres
from apikeychain.backends.sql.postgres.roles import APPLICATION
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.testing.records import ACME, SHOP, project, tenant
from apikeychain.testing.servers.postgres import PostgresServer

# The login that workers have; it is in the role of the application.
WEB = "web"
_TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Database:
    """A database of this test alone."""

    server: PostgresServer
    name: str

    @property
    def url(self) -> str:
        """For workers, through the socket."""
        return self.server.url(self.name, WEB)

    @property
    def admin_url(self) -> str:
        """For the superuser."""
        return self.server.url(self.name)

    @property
    def tls_url(self) -> str:
        """For workers, through the port."""
        return self.server.tls_url(self.name, WEB, "made-up")

    def execute(self, statement: str) -> str:
        """What it prints, by the superuser."""
        return self.server.execute(statement, self.name)


@pytest.fixture(scope="session")
def started_postgres() -> Generator[PostgresServer, None, None]:
    with PostgresServer() as server:
        server.create_database(_TEMPLATE)
        asyncio.run(migrate_postgres(server.url(_TEMPLATE)))
        server.execute(f"CREATE ROLE {WEB} LOGIN PASSWORD 'made-up' IN ROLE {APPLICATION}")
        yield server


@pytest.fixture
def postgres(started_postgres: PostgresServer) -> Generator[PostgresServer, None, None]:
    """The server, which is there again for the next test."""
    yield started_postgres
    if not started_postgres.is_running:
        started_postgres.start()


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Generator[Database, None, None]:
    """A database that no migration has seen."""
    yield from lent_database(postgres, "template1")


@pytest.fixture
def database(postgres: PostgresServer) -> Generator[Database, None, None]:
    yield from lent_database(postgres)


def lent_database(server: PostgresServer, template: str = _TEMPLATE) -> Generator[Database, None, None]:
    name = server.create_database(template=template)
    yield Database(server, name)
    if server.is_running:
        server.drop_database(name)


@asynccontextmanager
async def shop_in(database: Database) -> AsyncGenerator[PostgresStore, None]:
    """A store with one connection, and a tenant and a project in it."""
    async with SQLStore.postgres(database.url, pool_size=1) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store
