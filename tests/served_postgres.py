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
from apikeychain.ports.store import Store
from apikeychain.testing.records import ACME, SHOP, project, tenant
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.store import StoreContract

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
def template(postgres_server: PostgresServer) -> str:
    """The name of a migrated database that others are copies of."""
    return migrated(postgres_server)


def migrated(server: PostgresServer) -> str:
    """Make that database on the server, and the login of workers."""
    server.create_database(_TEMPLATE)
    asyncio.run(migrate_postgres(server.url(_TEMPLATE)))
    server.execute(f"CREATE ROLE {WEB} LOGIN PASSWORD 'made-up' IN ROLE {APPLICATION}")
    return _TEMPLATE


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Generator[Database, None, None]:
    """A database that no migration has seen."""
    yield from lent_database(postgres, "template1")


@pytest.fixture
def database(postgres: PostgresServer, template: str) -> Generator[Database, None, None]:
    yield from lent_database(postgres, template)


def lent_database(server: PostgresServer, template: str) -> Generator[Database, None, None]:
    name = server.create_database(template=template)
    yield Database(server, name)
    if server.is_running:
        server.drop_database(name)


class OnPostgres(StoreContract):
    """Against a server of its own, with another worker's connections beside."""

    @pytest.fixture(autouse=True)
    def server(self, postgres: PostgresServer) -> PostgresServer:
        self._server = postgres
        return postgres

    @pytest.fixture
    async def store(self, database: Database) -> AsyncGenerator[PostgresStore, None]:
        async with SQLStore.postgres(database.url) as store:
            yield store

    @pytest.fixture
    async def sibling(self, database: Database, store: Store) -> AsyncGenerator[PostgresStore, None]:
        async with SQLStore.postgres(database.url) as sibling:
            assert sibling is not store
            yield sibling

    async def pull_plug(self, store: Store) -> None:
        """The server is gone, in the middle of its connections."""
        self._server.stop()


@asynccontextmanager
async def shop_in(database: Database, connections: int = 1) -> AsyncGenerator[PostgresStore, None]:
    """A store with so many connections, and a tenant and a project in it."""
    async with SQLStore.postgres(database.url, pool_size=connections) as store:
        async with store.tenant(ACME) as acme:
            await acme.insert(tenant(ACME))
            await acme.insert(project(SHOP))
        yield store
