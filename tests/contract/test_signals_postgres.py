from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.sql import PostgresSignals, SQLStore
from apikeychain.ports.signals import Signals
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.signals import SignalsContract
from served_postgres import Database


class TestPostgresSignals(SignalsContract):
    capacity = 5

    @pytest.fixture(autouse=True)
    def server(self, postgres: PostgresServer) -> PostgresServer:
        self._server = postgres
        return postgres

    @pytest.fixture
    async def signals(self, database: Database) -> AsyncGenerator[PostgresSignals, None]:
        async with SQLStore.postgres(database.url, pool_size=1) as store:
            yield PostgresSignals(store, mailbox_size=5)

    def subscribers(self, signals: Signals) -> int:
        assert isinstance(signals, PostgresSignals)
        return signals.subscribers

    async def pull_plug(self, signals: Signals) -> None:
        """The server is gone."""
        self._server.stop()
