"""What a provider can do wrong, one at a time: the right code, nothing leaked or left behind, and back at once."""

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    Network,
    ProxyRoute,
    QueryParameter,
    Timeouts,
)
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Certificate, LocalProvider, Visit
from cable import Cable
from gate import APP, KEY, Answer, Gate, echo_key, host, weather_shop

HOST, PATH = "weather.localhost", "/data/2.5/weather"
WEATHER = ProxyRoute(
    "weather",
    provider="weather",
    path=PATH,
    parameters=[QueryParameter("q", pattern="[A-Za-z ,]{1,64}", required=True)],
    timeouts=Timeouts(connect=1.0, first_byte=0.3, idle=0.3, total=3.0),
)
UPSTREAMS = pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])


@asynccontextmanager
async def wired(upstream: UpstreamFactory, trust: Path, **other: Any) -> AsyncGenerator[tuple[Gate, Cable, int], None]:
    """A gate whose line to its provider can be moved to another one, of which the port is told."""
    async with AsyncExitStack() as stack:
        good = await stack.enter_async_context(LocalProvider(HOST))
        bad = await stack.enter_async_context(LocalProvider(HOST, **other))
        cable = await stack.enter_async_context(Cable())
        good.on(PATH, echo_key)
        cable.to = good.port
        _write_trust(trust, good, bad)
        base = f"https://{HOST}:{cable.port}"
        keychain = APIKeyChain.in_memory(
            settings=APIKeyChainSettings(),
            network={base: Network(private=True, trust=str(trust))},
            upstream=upstream,
        )
        await stack.enter_async_context(keychain)
        acme = await keychain.ensure_tenant("acme")
        shop = await weather_shop(acme, base, routes=[WEATHER])
        await asyncio.sleep(0.02)  # until the news of the change were heard: they drop what is held
        yield Gate(keychain, good, acme, shop, APIKeyChainMiddleware(host, keychain)), cable, bad.port
        assert bad.requests == []


def _write_trust(path: Path, *providers: LocalProvider) -> None:
    path.write_bytes(b"".join(provider.ca_pem_path.read_bytes() for provider in providers))


def tasks() -> int:
    """How many there are; the wait of the ledger between two groups comes and goes, and is none of a call's."""
    return len([task for task in asyncio.all_tasks() if getattr(task.get_coro(), "__qualname__", "") != "Event.wait"])


@asynccontextmanager
async def healthy_round(gate: Gate) -> AsyncGenerator[None, None]:
    """Before and after there are good answers; the trouble in between leaves no task and no connection behind."""
    assert (await gate.get()).status == 200
    before = tasks()
    yield
    assert (await gate.get()).body == b'{"temp": 21, "echo": "[redacted]*********"}'
    # Every connection has tasks of its own at the provider: that they are as many says that connections are, too.
    await until(lambda: tasks() <= before, 1)


@pytest.fixture(autouse=True)
async def canary(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[None, None]:
    """No log holds the secret, and no trouble of a provider is a fault of ours."""
    caplog.set_level(logging.DEBUG)
    yield
    assert KEY not in caplog.text
    assert not [record for record in caplog.records if record.name == "apikeychain.asgi" and record.exc_info]


def is_failure(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code, answer.ended) == (status, code, True)
    assert KEY.encode() not in repr(answer.headers.lines).encode() + answer.body
    assert answer.headers.get(b"access-control-allow-origin") == APP.encode()


@UPSTREAMS
async def test_a_provider_that_is_down_is_502_until_it_is_back(upstream: UpstreamFactory, tmp_path: Path) -> None:
    async with wired(upstream, tmp_path / "ca.pem") as (gate, cable, _), healthy_round(gate):
        await cable.pull_out()
        for _attempt in range(2):
            is_failure(await gate.get(), 502, "upstream-refused")
        await cable.plug_in()


@UPSTREAMS
@pytest.mark.parametrize(
    "other",
    [
        {"certificate": "expired"},
        {"certificate": "foreign"},
        {"certificate": "self-made"},
        {"maximum_tls": ssl.TLSVersion.TLSv1_2},
    ],
    ids=["expired", "foreign", "self-made", "TLS 1.2 only"],
)
async def test_a_provider_that_does_not_prove_itself_gets_no_request(
    upstream: UpstreamFactory, other: dict[str, Certificate | ssl.TLSVersion], tmp_path: Path
) -> None:
    async with wired(upstream, tmp_path / "ca.pem", **other) as (gate, cable, bad), healthy_round(gate):
        good, cable.to = cable.to, bad
        await cable.cut()
        is_failure(await gate.get(), 502, "upstream-refused")
        cable.to = good


async def silent(visit: Visit) -> None:
    await visit.gone()


async def reset(visit: Visit) -> None:
    visit.cut()
    await visit.gone()


async def nonsense(visit: Visit) -> None:
    await visit.write(b"not HTTP at all, %s\r\n\r\n" % KEY.encode())
    visit.cut()
    await visit.gone()


async def refuses(visit: Visit) -> None:
    await visit.answer(401, [(b"x-request-id", KEY.encode())], b"not this one: " + KEY.encode())


@UPSTREAMS
@pytest.mark.parametrize(
    ("does", "status", "code"),
    [
        (silent, 504, "upstream-timeout"),
        (reset, 502, "upstream-refused"),
        (nonsense, 502, "upstream-refused"),
        (refuses, 502, "credential-refused"),
    ],
)
async def test_a_provider_that_gives_no_answer_is_told_as_what_it_did(
    upstream: UpstreamFactory, does: Callable[[Visit], Awaitable[None]], status: int, code: str, tmp_path: Path
) -> None:
    async with wired(upstream, tmp_path / "ca.pem") as (gate, _, _), healthy_round(gate):
        gate.provider.on(PATH, does)
        is_failure(await gate.get(), status, code)
        gate.provider.on(PATH, echo_key)


async def stalls(visit: Visit) -> None:
    await visit.head(200, [(b"transfer-encoding", b"chunked")])
    await visit.chunk(b"half\n")
    await visit.gone()


async def breaks(visit: Visit) -> None:
    await visit.head(200, [(b"content-length", b"100")])
    await visit.write(b"half\n")
    await asyncio.sleep(0.05)
    visit.cut()
    await visit.gone()


@UPSTREAMS
@pytest.mark.parametrize("does", [stalls, breaks])
async def test_a_provider_that_stops_in_the_body_cuts_the_answer(
    upstream: UpstreamFactory, does: Callable[[Visit], Awaitable[None]], tmp_path: Path
) -> None:
    async with wired(upstream, tmp_path / "ca.pem") as (gate, _, _), healthy_round(gate):
        gate.provider.on(PATH, does)
        answer = await gate.get()
        assert (answer.status, answer.body, answer.ended) == (200, b"half\n", False)
        gate.provider.on(PATH, echo_key)
