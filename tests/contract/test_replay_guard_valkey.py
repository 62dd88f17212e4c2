"""The replay guard on a real server: the contract, and what is forgotten when the server forgets."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.replay_guard import Claim, ReplayGuard
from apikeychain.testing.replay_guard import Clock, ReplayGuardContract
from apikeychain.testing.servers import valkey
from valkey_clock import Turned, turned

server = valkey.valkey_server
# What a claim takes in the server, and more.
_CLAIM_BYTES = 4000


class Limited:
    """A guard whose server has so much memory. It moves by itself by a few kB: one that was full is full by far."""

    def __init__(self, guard: Turned, room: int) -> None:
        self.guard, self.server, self.is_full = guard, guard.server, False
        self.server.ask("CONFIG", "SET", "maxmemory", self.used + room)

    @property
    def used(self) -> int:
        return int(self.server.ask("INFO", "memory")["used_memory"])

    async def claim(self, token: bytes, timestamp: int) -> Claim:
        try:
            return await self.guard.claim(token, timestamp)
        except BackendUnavailableError:
            if self.server.is_running and not self.is_full:
                self.is_full = True
                self.server.ask("CONFIG", "SET", "maxmemory", self.used - 50_000)
            raise


class TestValkeyGuard(ReplayGuardContract):
    @pytest.fixture(autouse=True)
    def own_server(self, server: valkey.ValkeyServer) -> Generator[None, None, None]:
        self.server = server
        yield
        if not server.is_running:
            server.start()
        server.ask("CONFIG", "SET", "maxmemory", 0)

    @asynccontextmanager
    async def make(self, clock: Clock, room: int) -> AsyncGenerator[Limited, None]:
        async with turned(self.server, clock) as guard:
            yield Limited(guard, room * _CLAIM_BYTES)

    async def pull_plug(self, guard: ReplayGuard) -> bool:
        self.server.stop()
        return True
