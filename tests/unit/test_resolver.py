import asyncio
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from apikeychain import resolver
from apikeychain.resolver import SPARED, THREADS, SystemResolver
from apikeychain.testing.eventually import until

HOST, GOOD = "api.provider.test", "93.184.216.34"
SECONDS = 0.3


class System:
    """A getaddrinfo that hangs for some hosts until it is let go.

    Attributes:
        asked: how often, by host.
    """

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.fails: set[str] = set()
        self.hangs: Callable[[str], bool] = lambda host: host.endswith(".evil.test")
        self.released = threading.Event()

    def __call__(self, host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.asked[host] += 1
        if self.hangs(host):
            self.released.wait(10)
        if host in self.fails:
            raise socket.gaierror
        return [(socket.AF_INET, 1, 6, "", (GOOD, port))]


@pytest.fixture
async def system() -> AsyncGenerator[System, None]:
    system = System()
    yield system
    system.released.set()
    for thread in threading.enumerate():
        if thread.name == "apikeychain-dns":
            await asyncio.to_thread(thread.join)


async def outcome(ask: SystemResolver, host: str) -> object:
    try:
        return await ask(host, 443)
    except OSError as error:
        return type(error)


def held() -> int:
    return sum(thread.name == "apikeychain-dns" for thread in threading.enumerate())


async def returned(count: int = 0) -> None:
    await until(lambda: held() <= count)


async def until_late(system: System, host: str) -> None:
    """Until the look-up of `host` is late: its thread may begin after who waits for it has waited."""
    await until(lambda: system.asked[host])
    await asyncio.sleep(SECONDS)


async def test_an_address_of_the_system_comes_once() -> None:
    def look_up(host: str, port: int, *, type: int) -> list[tuple[Any, ...]]:  # noqa: A002  # as getaddrinfo names it
        assert (host, port, type) == (HOST, 443, socket.SOCK_STREAM)
        family = socket.AF_INET
        return [
            (family, 1, 6, "", (GOOD, 443)),
            (family, 2, 17, "", (GOOD, 443)),
            (10, 1, 6, "", ("2a00::1", 443, 0, 0)),
        ]

    assert await SystemResolver(look_up)(HOST, 443) == (GOOD, "2a00::1")


async def test_many_hosts_that_hang_keep_no_host_in_use_waiting(system: System) -> None:
    """Ten times as many as there are threads; each is asked once, and hosts that answered in time have threads left."""
    ask = SystemResolver(system, seconds=SECONDS)
    assert await ask(HOST, 443) == (GOOD,)
    for _ in range(2):
        hanging = await asyncio.gather(*(outcome(ask, f"{i}.evil.test") for i in range(10 * THREADS)))
        assert Counter(hanging) == {TimeoutError: THREADS - SPARED, None: 9 * THREADS + SPARED}
        assert await ask(HOST, 443) == (GOOD,)
    assert await outcome(ask, "never.asked.test") is None
    assert (set(system.asked.values()), held()) == ({1, 3}, THREADS - SPARED)
    system.released.set()
    await returned()
    assert await ask("never.asked.test", 443) == (GOOD,)


async def test_hosts_that_answered_and_then_hang_take_the_threads_of_others_and_their_own_rest(system: System) -> None:
    ask = SystemResolver(system, seconds=SECONDS)
    turned = [f"{i}.turned.test" for i in range(2 * THREADS)]
    for host in turned:
        assert await ask(host, 443) == (GOOD,)
    system.hangs = lambda host: host in turned
    assert Counter(await asyncio.gather(*(outcome(ask, host) for host in turned))) == {TimeoutError: THREADS, None: 32}
    assert await outcome(ask, HOST) is None
    system.released.set()
    await returned()
    assert await ask(HOST, 443) == (GOOD,)
    system.released.clear()
    await asyncio.gather(*(outcome(ask, f"{i}.evil.test") for i in range(THREADS)))
    assert await outcome(ask, turned[0]) == (GOOD,)
    assert await outcome(ask, turned[-1]) is TimeoutError


async def test_a_burst_of_new_hosts_waits_for_threads_and_is_answered(system: System) -> None:
    ask = SystemResolver(system)
    asked = asyncio.gather(*(outcome(ask, f"{i}.fine.test") for i in range(4 * THREADS)))
    assert set(await asked) == {(GOOD,)}


async def test_whoever_asks_again_waits_for_the_look_up_that_hangs_and_starts_no_other(system: System) -> None:
    ask = SystemResolver(system, seconds=SECONDS)
    assert await outcome(ask, "one.evil.test") is TimeoutError
    again = asyncio.ensure_future(outcome(ask, "one.evil.test"))
    await asyncio.sleep(0)
    system.released.set()
    assert await again == (GOOD,)
    assert system.asked["one.evil.test"] == 1


@pytest.mark.parametrize("fails", [True, False])
async def test_what_a_late_look_up_brought_is_all_that_is_told_until_its_host_has_rested(
    system: System,
    fails: bool,
) -> None:
    ask = SystemResolver(system, seconds=SECONDS, rest_seconds=2.5)
    host, late = "one.evil.test", socket.gaierror if fails else (GOOD,)
    system.fails = {host} if fails else set()
    assert await outcome(ask, host) is TimeoutError
    await until_late(system, host)
    system.released.set()
    await returned()
    assert [await outcome(ask, host) for _ in range(3)] == [late] * 3
    assert system.asked[host] == 1
    await asyncio.sleep(2.6)
    assert await outcome(ask, host) == late
    assert system.asked[host] == 2


async def test_hosts_that_rested_are_forgotten(system: System) -> None:
    ask = SystemResolver(system, seconds=SECONDS, rest_seconds=0.1)
    for host in ("one.evil.test", "two.evil.test"):
        system.released.clear()
        assert await outcome(ask, host) is TimeoutError
        await until_late(system, host)
        system.released.set()
        await returned()
        await asyncio.sleep(0.15)
    assert list(ask._questions) == ["two.evil.test"]


async def test_a_host_that_the_system_does_not_know_is_asked_each_time(system: System) -> None:
    system.fails = {HOST}
    ask = SystemResolver(system)
    assert [await outcome(ask, HOST) for _ in range(3)] == [socket.gaierror] * 3
    assert system.asked[HOST] == 3


async def test_the_memory_of_hosts_that_answered_in_time_is_bounded(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolver, "_MAX_HOSTS", 2)
    ask = SystemResolver(system)
    for host in ("a.test", "b.test", "a.test", "c.test"):
        await ask(host, 443)
    assert list(ask._prompt) == ["a.test", "c.test"]


async def test_one_who_leaves_ends_nobody_elses_look_up(system: System) -> None:
    ask = SystemResolver(system)
    first, other = (asyncio.ensure_future(ask("one.evil.test", 443)) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait([first])
    system.released.set()
    assert await other == (GOOD,)


def test_a_look_up_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    program = """
import asyncio, time
from apikeychain.resolver import SystemResolver
try:
    asyncio.run(SystemResolver(lambda *_, **__: time.sleep(60), seconds=0.05)("api.provider.test", 443))
except TimeoutError:
    print("late")
"""
    done = subprocess.run(  # noqa: S603  # our own program
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True, timeout=30
    )
    assert done.stdout == "late\n"
