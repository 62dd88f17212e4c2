from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.ports.store import Store
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.store import StoreContract
from served_postgres import Database


class TestPostgresStore(StoreContract):
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
