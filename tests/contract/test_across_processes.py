"""What is shared holds between processes."""

from functools import partial
from pathlib import Path

import pytest

from apikeychain.backends.limits_limiter import LimitsRateLimiter
from apikeychain.backends.sql import SQLStore
from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.ports.claim_and_spend import ClaimAndSpend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import ReplayGuard
from apikeychain.ports.store import Store
from apikeychain.testing import across_processes, fixtures
from apikeychain.testing.across_processes import (
    ClaimAndSpendAcrossProcesses,
    RateLimiterAcrossProcesses,
    ReplayGuardAcrossProcesses,
    StoreAcrossProcesses,
)
from apikeychain.testing.processes import Opening, at_once
from apikeychain.testing.servers.valkey import ValkeyServer
from served_postgres import Database
from valkey_clock import let_it_have_run

valkey_server = fixtures.valkey_server
server = fixtures.valkey


@pytest.fixture
async def seasoned(server: ValkeyServer) -> ValkeyServer:
    """A server that has run for a while, so that nothing counts as forgotten."""
    async with ValkeyGuard(server.url):
        let_it_have_run(server)
    return server


class TestValkeyLimits(RateLimiterAcrossProcesses):
    @pytest.fixture
    def opening(self, seasoned: ValkeyServer) -> Opening[RateLimiter]:
        return partial(ValkeyGuard, seasoned.url, timeout_seconds=30)


class TestLimitsOnValkey(RateLimiterAcrossProcesses):
    all_or_none = False

    @pytest.fixture
    def opening(self, seasoned: ValkeyServer) -> Opening[RateLimiter]:
        url = seasoned.url.replace("valkey://", "async+redis://")
        return partial(LimitsRateLimiter, url, timeout_seconds=30)


class TestValkeyClaims(ReplayGuardAcrossProcesses):
    @pytest.fixture
    def opening(self, seasoned: ValkeyServer) -> Opening[ReplayGuard]:
        return partial(ValkeyGuard, seasoned.url, timeout_seconds=30)


class TestValkeyClaimsAndLimits(ClaimAndSpendAcrossProcesses):
    @pytest.fixture
    def opening(self, seasoned: ValkeyServer) -> Opening[ClaimAndSpend]:
        return partial(ValkeyGuard, seasoned.url, timeout_seconds=30)


class TestPostgresStore(StoreAcrossProcesses):
    @pytest.fixture
    def opening(self, database: Database) -> Opening[Store]:
        return partial(SQLStore.postgres, database.url)


class TestSQLiteStore(StoreAcrossProcesses):
    @pytest.fixture
    def opening(self, tmp_path: Path) -> Opening[Store]:
        return partial(SQLStore.sqlite, tmp_path / "data.sqlite3")


class OnlyForOneProcess(RateLimiterAcrossProcesses):
    @pytest.fixture
    def opening(self) -> Opening[RateLimiter]:
        raise NotImplementedError


async def test_a_limiter_that_each_process_has_for_itself_is_found_out() -> None:
    alone = partial(LimitsRateLimiter, "async+memory://")
    with pytest.raises(AssertionError):
        await OnlyForOneProcess().test_r4_and_r5_hold_between_processes(alone, exact=False)


async def test_a_process_that_fails_is_named_with_its_fault(tmp_path: Path) -> None:
    opening = partial(SQLStore.sqlite, tmp_path / "no such folder" / "data.sqlite3")
    with pytest.raises(AssertionError, match=r"0: '\w+Error"):
        await at_once(opening, [across_processes._append_often] * 2)


async def test_a_process_that_cannot_read_what_it_was_given_is_told(tmp_path: Path) -> None:
    async def here_alone(store: Store) -> None:
        raise NotImplementedError

    here_alone.__qualname__ = "here_alone"
    globals()["here_alone"] = here_alone
    with pytest.raises(AssertionError, match="a process ended without a word"):
        await at_once(partial(SQLStore.sqlite, tmp_path / "data.sqlite3"), [here_alone])
    del globals()["here_alone"]
