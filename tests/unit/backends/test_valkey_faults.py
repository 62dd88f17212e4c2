"""What goes wrong between a plug and its server: each is told in our words, within a second or so, and passes."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from importlib import util

import pytest
from redis.exceptions import ConnectionError as NotConnectedError

from apikeychain.backends import valkey as plugs
from apikeychain.backends.valkey import ValkeyGuard, ValkeySignals
from apikeychain.backends.valkey.wire import Server, Wire
from apikeychain.errors import BackendSettingsError, BackendUnavailableError, InvalidValueError, MissingExtraError
from apikeychain.model.quota import Quota, Spend
from apikeychain.ports.signals import Change
from apikeychain.testing import fixtures
from apikeychain.testing.eventually import until
from apikeychain.testing.servers import valkey
from command import ROOT
from valkey_clock import let_it_have_run

valkey_server = fixtures.valkey_server
server = fixtures.valkey


@pytest.fixture
async def guard(server: valkey.ValkeyServer) -> AsyncGenerator[ValkeyGuard, None]:
    async with ValkeyGuard(server.url, timeout_seconds=0.5) as opened:
        yield opened


@contextmanager
def within(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds


def spends() -> list[Spend]:
    return [Spend(secrets.token_hex(8), "address", Quota(5, 60))]


async def works(guard: ValkeyGuard) -> bool:
    return (await guard.spend(spends()))[0].admitted


async def fails(guard: ValkeyGuard, fault: str, *, seconds: float = 1.5) -> None:
    for deed in (guard.spend(spends()), guard.claim(secrets.token_bytes(32), int(time.time()))):
        with within(seconds), pytest.raises(BackendUnavailableError, match=rf"^valkey does not answer: {fault}$"):
            await deed


async def test_a_server_that_was_stopped_is_found_again(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    for _ in range(2):
        server.stop()
        await fails(guard, "ConnectionError")
        await fails(guard, "ConnectionError")
        server.start()
        assert await works(guard)


async def test_a_restart_between_two_calls_costs_none(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    assert await works(guard)
    await asyncio.to_thread(server.restart)
    assert await works(guard)


async def test_a_connection_that_is_killed_between_two_calls_costs_none(
    server: valkey.ValkeyServer, guard: ValkeyGuard
) -> None:
    for _ in range(3):
        server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await asyncio.sleep(0.05)
        assert await works(guard)


async def test_calls_under_way_fail_with_their_connection_and_none_is_sent_twice(
    server: valkey.ValkeyServer, guard: ValkeyGuard
) -> None:
    bucket = spends()
    server.ask("CLIENT", "PAUSE", 300, "WRITE")
    calls = [asyncio.ensure_future(guard.spend(bucket)) for _ in range(3)]
    await asyncio.sleep(0.05)
    server.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [BackendUnavailableError] * 3
    server.ask("CLIENT", "UNPAUSE")
    (balance,) = await guard.spend(bucket)
    assert balance.remaining == 4


async def test_a_server_that_is_slow_is_waited_for_but_not_for_long(
    server: valkey.ValkeyServer, guard: ValkeyGuard
) -> None:
    server.ask("CLIENT", "PAUSE", 200, "ALL")
    assert await works(guard)
    server.ask("CLIENT", "PAUSE", 2000, "WRITE")
    await fails(guard, "TimeoutError")
    server.ask("CLIENT", "UNPAUSE")
    assert await works(guard)


async def test_a_server_that_hangs_is_told_and_found_again(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    with server.silent():
        await fails(guard, "TimeoutError")
        with within(1.5):
            outcomes = await asyncio.gather(*(guard.spend(spends()) for _ in range(50)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {BackendUnavailableError}
    assert await works(guard)


async def test_a_full_server_refuses_and_what_it_knows_stays(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    bucket = spends()
    await guard.spend(bucket)
    with server.refusing():
        await fails(guard, "OutOfMemoryError")
        (asked,) = await guard.spend([Spend(bucket[0].bucket, "address", Quota(5, 60), cost=0)])
        assert asked.remaining == 4
    assert await works(guard)


async def test_a_server_that_became_a_replica_is_left(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    server.ask("REPLICAOF", "127.0.0.1", 1)
    await fails(guard, "ReadOnlyError")
    server.ask("REPLICAOF", "NO", "ONE")
    assert await works(guard)


async def test_a_server_that_lost_the_script_gets_it_again(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    server.ask("SCRIPT", "FLUSH")
    assert await works(guard)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_a_server_that_may_evict_claims_is_refused_at_the_opening(policy: str) -> None:
    with valkey.ValkeyServer({"maxmemory-policy": policy}) as evicting:
        guard = ValkeyGuard(evicting.url)
        with pytest.raises(BackendSettingsError, match=f"maxmemory-policy is {policy}; set it to noeviction"):
            await guard.__aenter__()
        with pytest.raises(BackendUnavailableError, match="set it to noeviction"):
            await guard.spend(spends())
        evicting.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        async with guard:
            assert await works(guard)
            evicting.ask("CONFIG", "SET", "maxmemory-policy", policy)
            evicting.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.05)
            with pytest.raises(BackendUnavailableError, match="set it to noeviction"):
                await guard.spend(spends())


async def test_a_server_that_is_not_there_keeps_the_plug_from_opening(server: valkey.ValkeyServer) -> None:
    server.stop()
    for plug in (ValkeyGuard(server.url), ValkeySignals(server.url)):
        with pytest.raises(BackendUnavailableError, match="valkey does not answer: ConnectionError"):
            await plug.__aenter__()


async def test_a_wrong_password_is_told_without_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with valkey.ValkeyServer() as locked:
        locked.ask("CONFIG", "SET", "requirepass", "a-made-up-password")
        address = locked.url.removeprefix("valkey://")
        async with ValkeyGuard(f"valkey://:a-made-up-password@{address}") as guard:
            assert await works(guard)
        with pytest.raises(BackendUnavailableError, match="valkey does not answer: AuthenticationError") as told:
            await ValkeyGuard(f"valkey://:a-guessed-password@{address}").__aenter__()
    assert "password" not in str(told.value) + caplog.text
    assert told.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "http://:secret@127.0.0.1",
        "valkey://127.0.0.1:port",
        "valkey://127.0.0.1:0",
        "valkey://:secret@/0",
        "valkey://127.0.0.1/secret",
        "valkey://127.0.0.1/1/2",
        "valkey://127.0.0.1/123456",
        "valkey://:sec\nret@127.0.0.1",
        "valkey://[127.0.0.1",
        "valkeys://127.0.0.1?ssl_cert_reqs=none",
        "valkeys://127.0.0.1/0?ssl_check_hostname=false",
        "valkey://127.0.0.1?max_connections=5",
        "valkey://127.0.0.1#secret",
        "unix://host/run/valkey.sock",
        "unix:///",
        "unix:///run/valkey.sock?db=1",
    ],
)
def test_what_is_no_url_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidValueError, match=r"^not a URL of Valkey or Redis: write") as told:
        ValkeyGuard(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("host", ["cache.example.com:6379/0", "192.0.2.1", "[2001:db8::1]", "localhost.example.com"])
@pytest.mark.parametrize("scheme", ["valkey", "redis"])
def test_another_machine_is_reached_by_tls_alone(scheme: str, host: str) -> None:
    # spec 4.1: all transport occurs over TLS 1.3
    for plug in (ValkeyGuard, ValkeySignals):
        with pytest.raises(InvalidValueError, match=r"by TLS 1\.3 alone: write valkeys://") as told:
            plug(f"{scheme}://user:secret@{host}")
        assert "secret" not in str(told.value)
        plug(f"{scheme}s://user:secret@{host}")
        plug(f"{scheme}://user:secret@localhost:6379")
        plug(f"{scheme}://user:secret@[::1]")


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a" * 65, "a:b"])
def test_a_prefix_that_would_break_the_hash_tag_is_refused(prefix: str) -> None:
    for plug in (ValkeyGuard, ValkeySignals):
        with pytest.raises(InvalidValueError, match="not a prefix"):
            plug("valkey://127.0.0.1", prefix=prefix)


async def test_two_prefixes_share_nothing(server: valkey.ValkeyServer) -> None:
    bucket = [Spend(secrets.token_hex(8), "address", Quota(1, 60))]
    for prefix in ("one", "two"):
        async with ValkeyGuard(server.url, prefix=prefix) as guard:
            assert (await guard.spend(bucket))[0].admitted
    assert server.ask("EXISTS", "{one}:marks", "{two}:marks") == 2


async def test_a_plug_that_is_entered_twice_closes_with_the_second_leaving(server: valkey.ValkeyServer) -> None:
    guard = ValkeyGuard(server.url)
    before = asyncio.all_tasks()
    async with guard, guard:
        assert await works(guard)
        assert len(asyncio.all_tasks() - before) == 1
    assert asyncio.all_tasks() == before


def test_a_plug_serves_one_loop_after_another(server: valkey.ValkeyServer) -> None:
    guard, signals = ValkeyGuard(server.url), ValkeySignals(server.url)

    async def use() -> bool:
        async with guard, signals:
            await signals.publish(Change(None))
            return await works(guard)

    async def use_and_leave_open() -> bool:
        return await works(guard)

    assert [asyncio.run(use()), asyncio.run(use_and_leave_open()), asyncio.run(use()), asyncio.run(use())] == [True] * 4
    assert len(guard._lines._lines) <= 1


async def test_a_caller_who_leaves_takes_nobody_with_it(server: valkey.ValkeyServer, guard: ValkeyGuard) -> None:
    server.ask("CLIENT", "PAUSE", 200, "WRITE")
    leaves, stays = (asyncio.ensure_future(guard.spend(spends())) for _ in range(2))
    await asyncio.sleep(0.05)
    leaves.cancel()
    assert (await stays)[0].admitted
    assert leaves.cancelled()


async def test_a_plug_that_is_closed_while_it_connects_leaves_no_connection(server: valkey.ValkeyServer) -> None:
    guard = ValkeyGuard(server.url, timeout_seconds=5)
    before = asyncio.all_tasks()
    with server.silent():
        calls = asyncio.ensure_future(guard.spend(spends()))
        await asyncio.sleep(0.05)
        calls.cancel()
        await guard.__aexit__()
    await until(lambda: asyncio.all_tasks() == before)
    await until(lambda: server.ask("CLIENT", "LIST").count(b"\n") == 1)


async def test_a_call_that_waits_for_a_plug_that_closes_fails(server: valkey.ValkeyServer) -> None:
    guard = ValkeyGuard(server.url, timeout_seconds=5)
    with server.silent():
        call = asyncio.ensure_future(guard.spend(spends()))
        await asyncio.sleep(0.05)
        await guard.__aexit__()
    with pytest.raises(BackendUnavailableError, match="valkey does not answer: ConnectionError"):
        await call


async def test_a_server_that_hangs_from_the_start_is_told(server: valkey.ValkeyServer) -> None:
    guard = ValkeyGuard(server.url, timeout_seconds=0.3)
    with server.silent():
        await fails(guard, "TimeoutError")
        with within(1.5), pytest.raises(BackendUnavailableError, match="TimeoutError"):
            await guard.__aenter__()
    async with guard:
        assert await works(guard)


async def test_a_connection_that_was_cut_is_asked_nothing_more(server: valkey.ValkeyServer) -> None:
    async with Server(server.url).connection() as connection:
        wire = Wire(connection)
        assert await wire.ask("PING") == b"PONG"
        await wire.close()
        with pytest.raises(NotConnectedError, match="the connection was cut"):
            await wire.ask("PING")


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Redis'"):
        plugs.Redis  # noqa: B018 - the asking is the test


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "apikeychain.backends.on_use.find_spec", lambda name: None if name == "redis" else util.find_spec(name)
    )
    with pytest.raises(MissingExtraError, match=r"pip install 'apikeychain\[valkey\]'"):
        plugs.ValkeyGuard  # noqa: B018 - likewise


_ALLOWED = (
    "EVAL EVALSHA SUBSCRIBE PUBLISH PING TIME INFO EXISTS GET SET DEL HGET HMGET HSET LLEN LINDEX LTRIM RPUSH PEXPIRE"
)


async def test_a_user_of_the_server_needs_no_more_than_the_how_to_says(server: valkey.ValkeyServer) -> None:
    page = (ROOT / "docs/how-to/share-limits-between-workers.md").read_text()
    told = page.partition("and the commands ")[2].partition(".\n")[0]
    assert re.findall(r"[A-Z]{3,}", told) == _ALLOWED.split()
    rights = ["~{apikeychain}:*", "&apikeychain:changes", "-@all", *(f"+{command}" for command in _ALLOWED.split())]
    server.ask("ACL", "SETUSER", "gate", "on", ">a-made-up-password", *rights)
    url = server.url.replace("://", "://gate:a-made-up-password@")
    async with ValkeyGuard(url) as guard, ValkeySignals(url) as signals, aclosing(signals.subscribe()) as changes:
        kinds = [Spend(secrets.token_hex(8), "address", Quota(9, 1, exact)) for exact in (False, True)]
        for pause in (0, 0, 1.1, 0):
            await asyncio.sleep(pause)
            assert all(balance.admitted for balance in await guard.spend(kinds))
        let_it_have_run(server)
        assert await guard.claim(secrets.token_bytes(32), int(time.time())) == "claimed"
        assert await anext(changes) == Change(None)
        await signals.publish(Change(None))
        assert await anext(changes) == Change(None)
