"""Signals on a real server: the contract, and what is heard after a connection was lost."""

from collections.abc import AsyncGenerator, Generator

import pytest

from apikeychain.backends.valkey import ValkeySignals
from apikeychain.ports.signals import Signals
from apikeychain.testing.servers import valkey
from apikeychain.testing.signals import SignalsContract

shared = valkey.valkey_server


@pytest.fixture
def server(shared: valkey.ValkeyServer) -> Generator[valkey.ValkeyServer, None, None]:
    """The module's server, which a test may stop."""
    yield shared
    if not shared.is_running:
        shared.start()


class TestValkeySignals(SignalsContract):
    capacity = 5

    @pytest.fixture
    async def signals(self, server: valkey.ValkeyServer) -> AsyncGenerator[ValkeySignals, None]:
        self.server = server
        async with ValkeySignals(server.url, mailbox_size=5) as signals:
            yield signals

    def subscribers(self, signals: Signals) -> int:
        assert isinstance(signals, ValkeySignals)
        return signals.subscribers

    async def pull_plug(self, signals: Signals) -> None:
        self.server.stop()
