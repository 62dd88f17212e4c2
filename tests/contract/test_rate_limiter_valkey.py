"""The limiter on a real server: the contract, and the same answers as the one in memory."""

from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.testing.rate_limiter import RateLimiterContract
from apikeychain.testing.servers import valkey


class TestValkeyGuard(RateLimiterContract):
    @pytest.fixture
    def server(self) -> AsyncGenerator[valkey.ValkeyServer, None]:
        with valkey.ValkeyServer() as server:
            yield server

    @pytest.fixture
    async def limiter(self, server: valkey.ValkeyServer) -> AsyncGenerator[ValkeyGuard, None]:
        self.server_ = server
        async with ValkeyGuard(server.url) as guard:
            yield guard

    async def cut_off(self, limiter: RateLimiter) -> bool:
        self.server_.stop()
        return True
