"""The replay guard on a real server: the contract, and what is forgotten when the server forgets."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from apikeychain.backends.valkey.guard import SCRIPT, ValkeyGuard
from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.replay_guard import KEPT_SECONDS, Claim, ReplayGuard
from apikeychain.testing import fixtures
from apikeychain.testing.replay_guard import NOW, Clock, ReplayGuardContract, token
from apikeychain.testing.servers import valkey
from valkey_clock import Turned, let_it_have_run, turned

valkey_server = fixtures.valkey_server
shared = fixtures.valkey
# What a claim takes in the server, and more.
_CLAIM_BYTES = 4000


@pytest.fixture
def server(shared: valkey.ValkeyServer) -> valkey.ValkeyServer:
    """The module's server, emptied, which a test may stop and limit."""
    shared.ask("CONFIG", "SET", "maxmemory", 0)
    shared.ask("FLUSHALL")
    return shared


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
    def own_server(self, server: valkey.ValkeyServer) -> None:
        self.server = server

    @asynccontextmanager
    async def make(self, clock: Clock, room: int) -> AsyncGenerator[Limited, None]:
        async with turned(self.server, clock) as guard:
            yield Limited(guard, room * _CLAIM_BYTES)

    async def pull_plug(self, guard: ReplayGuard) -> bool:
        self.server.stop()
        return True


async def test_a_server_that_begins_refuses_what_was_signed_before(server: valkey.ValkeyServer) -> None:
    now = int(time.time())
    async with ValkeyGuard(server.url) as guard:
        assert await guard.claim(token(1), now) == "forgotten"
        assert await guard.claim(token(1), now + 29) == "forgotten"
        assert server.ask("KEYS", "*:claim:*") == []
        let_it_have_run(server)
        assert await guard.claim(token(1), now) == "claimed"


@pytest.mark.parametrize("after", [0, 32, 33])
async def test_what_was_signed_32_s_after_the_beginning_is_new(server: valkey.ValkeyServer, after: int) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        let_it_have_run(server, seconds=-3600)
        clock.seconds += after
        assert await guard.claim(token(1), NOW + after) == ("forgotten" if after < 33 else "claimed")


async def test_a_server_that_is_emptied_forgets_and_says_so(server: valkey.ValkeyServer) -> None:
    now = int(time.time())
    async with ValkeyGuard(server.url) as guard:
        let_it_have_run(server)
        assert await guard.claim(token(1), now) == "claimed"
        server.ask("FLUSHALL")
        assert await guard.claim(token(1), now) == "forgotten"
        assert await guard.claim(token(2), now + 29) == "forgotten"
        assert await guard.claim(token(1), now) == "forgotten"


async def test_a_restart_that_lost_all_is_told(server: valkey.ValkeyServer) -> None:
    now = int(time.time())
    async with ValkeyGuard(server.url) as guard:
        let_it_have_run(server)
        assert await guard.claim(token(1), now) == "claimed"
        await asyncio.to_thread(server.restart)
        assert await guard.claim(token(1), now) == "forgotten"


async def test_a_restart_from_an_old_copy_forgets_what_came_after_it(tmp_path: Path) -> None:
    now = int(time.time())
    with valkey.ValkeyServer(folder=tmp_path) as server:
        async with ValkeyGuard(server.url) as guard:
            let_it_have_run(server)
            assert await guard.claim(token(1), now) == "claimed"
            server.ask("SAVE")
            assert await guard.claim(token(2), now) == "claimed"
            server.kill()
            await asyncio.to_thread(server.start)
            assert await guard.claim(token(1), now) == "replayed"
            assert await guard.claim(token(2), now) == "forgotten"
            let_it_have_run(server)
            assert await guard.claim(token(3), now) == "claimed"


async def test_a_replica_that_was_promoted_may_lack_the_last_claims(server: valkey.ValkeyServer) -> None:
    now = int(time.time())
    async with ValkeyGuard(server.url) as guard:
        let_it_have_run(server)
        assert await guard.claim(token(1), now) == "claimed"
        server.ask("REPLICAOF", "127.0.0.1", 1)
        with pytest.raises(BackendUnavailableError, match="ReadOnlyError"):
            await guard.claim(token(2), now)
        server.ask("REPLICAOF", "NO", "ONE")
        assert await guard.claim(token(1), now) == "replayed"
        assert await guard.claim(token(2), now) == "forgotten"


async def test_a_connection_that_lived_through_a_fail_over_and_back_claims_nothing_that_may_be_lost(
    server: valkey.ValkeyServer,
) -> None:
    """It says nothing while the server is a replica: the other one's claims never came here."""
    async with ValkeyGuard(server.url) as guard:
        let_it_have_run(server)
        now = int(time.time())
        assert await guard.claim(token(1), now) == "claimed"
        before = server.ask("INFO", "clients")["connected_clients"]
        server.ask("REPLICAOF", "127.0.0.1", 1)
        server.ask("REPLICAOF", "NO", "ONE")
        await asyncio.sleep(max(0.0, now + 1 - time.time()))
        assert await guard.claim(token(1), now) == "replayed"
        assert await guard.claim(token(2), now) == "forgotten"
        assert server.ask("INFO", "clients")["connected_clients"] == before


async def test_a_primary_whose_clock_is_behind_the_last_ones_forgets_what_was_signed_by_that(
    server: valkey.ValkeyServer,
) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        clock.seconds += 20
        assert await guard.claim(token(1), NOW + 20) == "claimed"
        server.ask("REPLICAOF", "127.0.0.1", 1)
        server.ask("REPLICAOF", "NO", "ONE")
        clock.seconds -= 20
        assert await guard.claim(token(1), NOW + 20) == "replayed"
        assert await guard.claim(token(2), NOW) == "forgotten"
        clock.seconds += 25
        # Signed 32 s ahead of the last one's clock, and so perhaps claimed there.
        assert await guard.claim(token(3), NOW + 20 + 32) == "forgotten"
        assert await guard.claim(token(4), NOW + 20 + 33) == "claimed"


async def test_a_clock_that_was_far_ahead_once_refuses_for_half_a_minute_and_not_until_it_is_there_again(
    server: valkey.ValkeyServer,
) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        assert await guard.claim(token(1), NOW) == "claimed"
        clock.seconds += 86_400
        assert await guard.claim(token(2), NOW) == "forgotten"
        clock.seconds -= 86_400
        assert await guard.claim(token(1), NOW) in {"replayed", "forgotten"}
        assert await guard.claim(token(3), NOW + 32) == "forgotten"
        clock.seconds += 32
        assert await guard.claim(token(1), NOW) in {"replayed", "forgotten"}
        assert await guard.claim(token(4), NOW + 33) == "claimed"


async def test_another_connection_to_the_same_server_loses_nothing(server: valkey.ValkeyServer) -> None:
    now = int(time.time())
    async with ValkeyGuard(server.url) as guard:
        let_it_have_run(server)
        assert await guard.claim(token(1), now) == "claimed"
    async with ValkeyGuard(server.url) as guard:
        assert await guard.claim(token(1), now) == "replayed"
        assert await guard.claim(token(2), now) == "claimed"


@pytest.mark.parametrize(("off", "claim"), [(-61, "forgotten"), (-60, "claimed"), (32, "claimed"), (33, "forgotten")])
async def test_a_worker_whose_clock_is_far_from_the_servers_claims_nothing_that_would_not_be_kept(
    server: valkey.ValkeyServer, off: int, claim: str
) -> None:
    clock = Clock()
    async with turned(server, clock) as guard:
        assert await guard.claim(token(1), NOW + off) == claim


async def test_a_claim_expires_by_itself_when_its_time_is_over(server: valkey.ValkeyServer) -> None:
    now = int(time.time())
    async with ValkeyGuard(server.url) as guard:
        let_it_have_run(server)
        assert await guard.claim(token(7), now + 20) == "claimed"
    left = server.ask("PTTL", f"{{apikeychain}}:claim:{token(7).hex()}") / 1000
    assert KEPT_SECONDS + 19 < left + (time.time() - now) <= KEPT_SECONDS + 22


def test_the_script_keeps_claims_as_long_as_the_port_says() -> None:
    assert f"local KEPT = {KEPT_SECONDS}\n" in SCRIPT
