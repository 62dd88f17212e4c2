"""Paths and base URLs that others wrote down to lead a call elsewhere, end to end: raw bytes on a socket of uvicorn,
the gate, and a provider that writes down what reaches it. Where the folder of cases is absent there are no tests.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
import pytest_asyncio
from starlette.types import Receive, Scope, Send

from apikeychain import APIKeyChainSettings, Provider, ProxyRoute, QueryParameter, Secret
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.errors import InvalidValueError
from apikeychain.testing.local_provider import Received
from gate import APP, KEY, Gate
from outside import cases
from outward import BY_HEADER, GOOD, HOST, LOOPBACK, Detour, Dialled, dialled, open_outward
from wire import Parser, served

PATHS, BASES = cases("ssrf_path"), cases("provider_base_url")
ROUTES = {"https://api.provider.test/v1/": "demo", "https://api.provider.test": "plain"}
LINES = f"host: host.example\r\nx-forwarded-proto: https\r\norigin: {APP}\r\nconnection: close\r\n\r\n".encode()
HTTPS = 443
SERVED: dict[str, tuple[UpstreamFactory, Parser]] = {
    "aiohttp": (AiohttpUpstream, "h11"),
    "httpx": (HttpxUpstream, "h11"),
    "httptools": (AiohttpUpstream, "httptools"),
}
SETTINGS = APIKeyChainSettings(trusted_proxies=(LOOPBACK,))

pytestmark = pytest.mark.asyncio(loop_scope="module")


def _raw(case: dict[str, Any]) -> bytes:
    return bytes.fromhex(case["path_hex"])


def _names() -> list[str]:
    """Every query name of the cases; what stands behind a # is no query."""
    queries = [_raw(case).partition(b"#")[0].partition(b"?")[2] for case in PATHS]
    pairs = [pair for query in queries for pair in query.split(b"&") if pair]
    return sorted({unquote_to_bytes(pair.partition(b"=")[0]).decode("latin-1") for pair in pairs})


def _route(name: str, provider: str) -> ProxyRoute:
    declared = [QueryParameter(given, many=True) for given in _names()]
    return ProxyRoute(name, provider=provider, path="", tail=True, secret=provider, parameters=declared)


async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """A host without a page."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@dataclass
class Site:
    """A server in front of a provider.

    Attributes:
        parser: what the server reads requests with.
    """

    port: int
    gate: Gate
    detour: Detour
    parser: Parser

    def handed_on(self, target: bytes) -> bytes:
        """What the server gives of a target: httptools drops a ``#`` and what follows it."""
        return target.partition(b"#")[0] if self.parser == "httptools" else target

    def target(self, case: dict[str, Any]) -> bytes:
        if not case.get("whole_target"):
            return f"{self.gate.shop.url(ROUTES[case['base']])}/".encode() + _raw(case)
        project = self.gate.shop.url("demo").split("/")[-3].encode()
        return _raw(case).replace(b"/p1", b"/" + project)

    async def send(self, target: bytes) -> tuple[int, bytes, list[Received], Dialled]:
        """The status (0: none), the whole answer, what the provider saw, and what was dialled."""
        before = len(self.gate.provider.requests)
        with dialled() as seen:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
            writer.write(b"GET %s HTTP/1.1\r\n" % target + LINES)
            async with asyncio.timeout(5):
                answer = await reader.read()
            writer.close()
        return int(answer[9:12] or 0), answer, self.gate.provider.requests[before:], seen


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVED)
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[Site, None]:
    detour, (upstream, parser) = Detour([GOOD]), SERVED[request.param]
    routes = [_route("demo", "p0"), _route("plain", "p1")]
    async with AsyncExitStack() as stack:
        gate = await stack.enter_async_context(
            open_outward(upstream, detour, *routes, bases=["/v1", ""], settings=SETTINGS, app=nobody)
        )
        yield Site(await stack.enter_async_context(served(gate.app, parser)), gate, detour, parser)


if PATHS:

    @pytest.mark.parametrize("case", PATHS, ids=lambda case: case["id"])
    async def test_a_path_that_others_tried_stays_on_the_base_or_is_refused(case: dict[str, Any], site: Site) -> None:
        target = site.target(case)
        status, answer, seen, network = await site.send(target)
        allowed = {case["expect"], *case["also_ok"]}
        if site.handed_on(target) != target:
            allowed.add("stays_on_base")
        assert {place[:2] for place in network.connects} <= {
            (LOOPBACK, site.port),
            (LOOPBACK, site.gate.provider.port),
        }
        assert network.lookups == []
        assert set(site.detour.names.asked) <= {(HOST, site.gate.provider.port)}
        assert KEY.encode() not in answer
        if not seen:
            assert status == 0 or 400 <= status < 500
            assert "reject" in allowed
            return
        (received,) = seen
        assert (status, "stays_on_base" in allowed) == (200, True)
        _require_on_base(received, case, site)


def _require_on_base(received: Received, case: dict[str, Any], site: Site) -> None:
    """Under the base after one decoding, with what was sent, and the secret in its place only."""
    base = case["base"].removeprefix("https://api.provider.test").rstrip("/").encode()
    assert unquote_to_bytes(received.target) == unquote_to_bytes(base + b"/" + site.handed_on(_raw(case)))
    path = unquote_to_bytes(received.target.partition(b"?")[0])
    assert path.startswith(base + b"/")
    assert not {b".", b".."} & set(path.split(b"/"))
    assert received.headers.all(b"host") == (f"{HOST}:{site.gate.provider.port}".encode(),)
    assert [name for name, value in received.lines if KEY.encode() in value] == [b"x-api-key"]
    assert KEY.encode() not in received.target


if BASES:

    @pytest.mark.parametrize("case", BASES, ids=lambda case: case["id"])
    async def test_a_base_url_that_others_tried_leads_nowhere_inside(case: dict[str, Any]) -> None:
        detour = Detour(["10.0.0.1"])
        async with open_outward(AiohttpUpstream, detour) as gate:
            try:
                given = Provider("given", bytes.fromhex(case["url_hex"]).decode("utf-8", "surrogateescape"), BY_HEADER)
            except InvalidValueError:
                assert case["expect"] == "reject"
                return
            # A name says nothing of where it leads: its addresses do, when it is dialled.
            inside = "kubernetes" in case["url"]
            assert case["expect"] == "accept" or inside or case.get("doubtful")
            route = ProxyRoute("given", provider="given", path="/x", secret="given")
            await gate.shop.configure(providers=[given], secrets={"given": Secret(KEY)}, routes=[route])
            await asyncio.sleep(0.02)
            with dialled() as seen:
                answer = await gate.call(gate.shop.url("given"), headers=[(b"origin", APP.encode())])
            # Another port is served where host code has an entry for it.
            assert answer.status == (502 if given.address.port == HTTPS else 404)
            assert (seen.connects, seen.lookups, detour.handed) == ([], [], [])
            assert {host for host, _ in detour.names.asked} <= {given.address.host}
