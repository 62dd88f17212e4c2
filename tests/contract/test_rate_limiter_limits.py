"""The limiter on storages of `limits`: the contract, and what is left of R4 among calls that come at once."""

import asyncio
import secrets
import sys
import time
from collections.abc import AsyncGenerator

import pytest
from limits.aio.storage import MemoryStorage, RedisStorage

from apikeychain.backends.limits_limiter import LimitsRateLimiter
from apikeychain.errors import BackendSettingsError, BackendUnavailableError, InvalidValueError, MissingExtraError
from apikeychain.model.quota import Quota, Spend
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.testing import fixtures
from apikeychain.testing.rate_limiter import RateLimiterContract
from apikeychain.testing.servers import valkey
from command import run

valkey_server = fixtures.valkey_server
server = fixtures.valkey


def url_of(server: valkey.ValkeyServer) -> str:
    return server.url.replace("valkey://", "async+redis://")


class TestOnValkey(RateLimiterContract):
    @pytest.fixture
    async def limiter(self, server: valkey.ValkeyServer) -> AsyncGenerator[LimitsRateLimiter, None]:
        self.server = server
        # A connection for each of 40 spends at once takes a slow machine a while.
        async with LimitsRateLimiter(url_of(server), timeout_seconds=60) as limiter:
            yield limiter

    async def cut_off(self, limiter: RateLimiter) -> bool:
        self.server.stop()
        return True


class TestInMemory(RateLimiterContract):
    @pytest.fixture
    async def limiter(self) -> LimitsRateLimiter:
        # Its windows begin with the clock's: a test that passes their border has two of them.
        since = time.time() % 1
        await asyncio.sleep(1 - since if since > 0.5 else 0)
        return LimitsRateLimiter("async+memory://")

    async def cut_off(self, limiter: RateLimiter) -> bool:
        return False


def spend_of(amount: int = 5, *, exact: bool = False, name: str = "project") -> Spend:
    return Spend(secrets.token_hex(8), name, Quota(amount, 60, exact))


@pytest.mark.parametrize("exact", [False, True], ids=["counted", "exact"])
async def test_who_loses_the_last_call_has_taken_one_of_the_narrower_bucket_and_no_more(
    server: valkey.ValkeyServer, *, exact: bool
) -> None:
    wide = spend_of(exact=exact)
    callers = [spend_of(3, exact=exact, name="address") for _ in range(30)]
    async with LimitsRateLimiter(url_of(server), timeout_seconds=60) as limiter:
        told = await asyncio.gather(*(limiter.spend([narrow, wide]) for narrow in callers))
        assert sum(all(balance.admitted for balance in balances) for balances in told) == 5
        for narrow, (first, last) in zip(callers, told, strict=True):
            (left,) = await limiter.spend([Spend(narrow.bucket, "address", narrow.quota, cost=0)])
            assert left.remaining == first.remaining
            assert left.remaining >= 2
            assert last.admitted or (last.remaining, last.reset_seconds) in {(0, seconds) for seconds in (60, 61)}
        assert any(first.remaining == 2 and not last.admitted for first, last in told)
        (empty,) = await limiter.spend([wide])
        assert not empty.admitted


async def test_a_spend_that_finds_a_bucket_empty_takes_from_none(server: valkey.ValkeyServer) -> None:
    narrow, full = spend_of(3, name="address"), spend_of(1)
    async with LimitsRateLimiter(url_of(server)) as limiter:
        await limiter.spend([full])
        for _ in range(5):
            first, last = await limiter.spend([narrow, full])
            assert (first.admitted, first.remaining, last.admitted) == (True, 3, False)


async def test_no_key_tells_whom_it_counts(server: valkey.ValkeyServer) -> None:
    server.ask("FLUSHALL")
    async with LimitsRateLimiter(url_of(server), prefix="ours") as limiter:
        await limiter.spend([Spend("p:address:192.0.2.1", "address", Quota(5, 60))])
    (key,) = server.ask("KEYS", "*")
    assert b"ours:" in key
    assert b"192.0.2.1" not in key
    assert 119_000 < server.ask("PTTL", key) <= 120_000


async def test_valkeys_own_client_counts_in_the_same_buckets(server: valkey.ValkeyServer) -> None:
    spend = spend_of(2)
    async with LimitsRateLimiter(url_of(server)) as one, LimitsRateLimiter(f"async+{server.url}") as other:
        told = [(await limiter.spend([spend]))[0].admitted for limiter in (one, other, one)]
    assert told == [True, True, False]


def test_it_works_in_one_event_loop_after_another(server: valkey.ValkeyServer) -> None:
    limiter, spend = LimitsRateLimiter(url_of(server)), spend_of(2)

    async def spent() -> bool:
        async with limiter, limiter:
            (balance,) = await limiter.spend([spend])
            return balance.admitted

    assert [asyncio.run(spent()) for _ in range(3)] == [True, True, False]


async def test_a_storage_that_was_handed_in_is_not_closed(server: valkey.ValkeyServer) -> None:
    storage = RedisStorage(url_of(server), implementation="redispy")
    async with LimitsRateLimiter(storage) as limiter:
        assert (await limiter.spend([spend_of()]))[0].admitted
    connections = storage.bridge.get_connection().connection_pool._available_connections  # type: ignore[attr-defined]  # of redis-py
    assert [connection.is_connected for connection in connections] == [True]
    await storage.bridge.get_connection().aclose()  # type: ignore[attr-defined]  # of redis-py


async def test_a_server_that_is_down_is_told_at_the_opening_and_found_again(server: valkey.ValkeyServer) -> None:
    async with LimitsRateLimiter(url_of(server)) as limiter:
        server.stop()
        with pytest.raises(BackendUnavailableError):
            await limiter.spend([spend_of()])
        with pytest.raises(BackendUnavailableError, match="does not answer"):
            await LimitsRateLimiter(url_of(server)).__aenter__()
        server.start()
        assert (await limiter.spend([spend_of()]))[0].admitted


async def test_a_server_that_hangs_costs_no_more_than_the_time_for_a_spend(server: valkey.ValkeyServer) -> None:
    async with LimitsRateLimiter(url_of(server), timeout_seconds=0.2) as limiter:
        with server.silent(), pytest.raises(BackendUnavailableError):
            await asyncio.wait_for(limiter.spend([spend_of()]), 30)
        assert (await limiter.spend([spend_of()]))[0].admitted


async def test_a_storage_without_moving_windows_refuses_exact_quotas_and_says_so() -> None:
    limiter = LimitsRateLimiter("async+memcached://127.0.0.1:1")
    with pytest.raises(BackendSettingsError, match="has no exact quotas"):
        await limiter.spend([spend_of(), spend_of(exact=True)])
    with pytest.raises(BackendUnavailableError):
        await limiter.spend([spend_of()])


async def test_a_limiter_in_memory_may_be_entered_too() -> None:
    async with LimitsRateLimiter(MemoryStorage()) as limiter, LimitsRateLimiter("async+memory://"):
        assert (await limiter.spend([spend_of()]))[0].admitted


@pytest.mark.parametrize(
    "url",
    ["redis://:made-up@127.0.0.1:6379", "memory://", "nothing://made-up@here", ""],
)
def test_what_is_no_async_storage_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidValueError, match="not an async storage of limits") as told:
        LimitsRateLimiter(url)
    assert "made-up" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__ or told.value.__context__ is None


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "limits.aio.storage", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'apikeychain\[limits\]'"):
        LimitsRateLimiter("async+memory://")


def test_the_package_is_not_loaded_before_it_is_used() -> None:
    program = "import sys, apikeychain.backends.limits_limiter; print('limits' in sys.modules)"
    assert run(sys.executable, "-c", program).strip() == "False"
