"""What others wrote down of providers that misbehave, and of requests that a server in front may let pass, end to end:
what goes to the provider is ours, what comes from it is judged. Where the folder of cases is absent there are no tests.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from apikeychain import APIKeyChainSettings, ProxyRoute, RawBody, Timeouts
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.testing.local_provider import Received, Visit
from gate import APP, KEY, Answer, Gate
from http_cases import sent
from outside import cases
from outward import GOOD, HOST, LOOPBACK, Detour, dialled, open_outward
from wire import served

CASES = cases("http_abuse")
SERVERS = [case for case in CASES if case["layer"] == "server" and case["raw_b64"]]
UPSTREAMS = [AiohttpUpstream, HttpxUpstream]
ABUSED = ProxyRoute(
    "abused",
    provider="p0",
    path="/here",
    tail=True,
    secret="p0",
    methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
    body=RawBody(["application/octet-stream"]),
)
QUICK = ProxyRoute(
    "quick", provider="p0", path="/here", secret="p0", timeouts=Timeouts(connect=1, first_byte=0.5, idle=0.3, total=5)
)
FRAMING = {b"content-length", b"transfer-encoding"}
OURS = {b"host", b"accept", b"accept-language", b"content-type", b"user-agent", b"accept-encoding", b"x-api-key"}

pytestmark = pytest.mark.asyncio(loop_scope="module")
Site = tuple[Gate, int]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=UPSTREAMS)
async def site(request: pytest.FixtureRequest) -> AsyncGenerator[Site, None]:
    settings = APIKeyChainSettings(trusted_proxies=(LOOPBACK,))
    async with AsyncExitStack() as stack:
        gate = await stack.enter_async_context(open_outward(request.param, Detour([GOOD]), ABUSED, settings=settings))
        yield gate, await stack.enter_async_context(served(gate.app))


if SERVERS:

    @pytest.mark.parametrize("case", SERVERS, ids=lambda case: case["id"])
    async def test_whatever_a_server_makes_of_a_request_what_goes_up_is_ours(case: dict[str, Any], site: Site) -> None:
        gate, port = site
        before = len(gate.provider.requests)
        with dialled() as seen:
            answer = await _answer(port, sent(case, gate.shop.url("abused").encode()))
        requests = gate.provider.requests[before:]
        assert {place[:2] for place in seen.connects} <= {(LOOPBACK, port), (LOOPBACK, gate.provider.port)}
        assert seen.lookups == []
        assert KEY.encode() not in answer
        for received in requests:
            _require_ours(received, gate.provider.port)


async def _answer(port: int, raw: bytes) -> bytes:
    """What comes within a second; many of these requests have no end."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    pieces: list[bytes] = []
    with contextlib.suppress(ConnectionError, TimeoutError):
        writer.write(raw)
        writer.write_eof()
        async with asyncio.timeout(1):
            while piece := await reader.read(65_536):
                pieces.append(piece)
    writer.close()
    return b"".join(pieces)


def _require_ours(received: Received, port: int) -> None:
    """One request with one end, on the route, with the secret in its place and no line that was not asked for."""
    names = [name.lower() for name, _ in received.lines]
    assert received.target.startswith(b"/here")
    assert received.headers.all(b"host") == (f"{HOST}:{port}".encode(),)
    assert received.headers.all(b"x-api-key") == (KEY.encode(),)
    assert len(FRAMING & set(names)) <= 1
    assert len(names) == len(set(names))
    assert set(names) <= OURS | FRAMING


def stories(*words: str) -> list[dict[str, Any]]:
    """The scenarios whose names have all these words."""
    return [case for case in CASES if case["expect"] == "scenario" and all(word in case["name"] for word in words)]


async def get(gate: Gate, **more: Any) -> Answer:
    answer = await gate.call(gate.shop.url("quick"), headers=[(b"origin", APP.encode())], **more)
    assert KEY.encode() not in answer.body + repr(answer.headers.lines).encode()
    return answer


async def outcomes(gate: Gate) -> bytes:
    """What the ledger says of the calls that were made."""
    await gate.until_written()
    entries = [entry.payload for entry in await gate.acme.entries(0, 100) if b'"kind":"call"' in entry.payload]
    assert entries
    assert KEY.encode() not in b"".join(entries)
    return b"".join(entries)


async def stalls(visit: Visit) -> None:
    await visit.head(200, [(b"content-length", b"100")])
    await visit.write(b"half\n")
    await visit.gone()


async def has_two_ends(visit: Visit) -> None:
    await visit.head(200, [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")])
    await visit.write(b"5\r\nwhole\r\n0\r\n\r\n")


async def sets_a_cookie(visit: Visit) -> None:
    await visit.answer(200, [(b"set-cookie", b"a=b; Domain=provider.test")], b"fine")


async def echoes(visit: Visit) -> None:
    await visit.answer(500, [(b"x-request-id", KEY.encode())], b"no such key: " + KEY.encode())


Does = Callable[[Visit], Awaitable[None]]
TOLD: Sequence[tuple[list[dict[str, Any]], Does, tuple[int, bytes, bool]]] = (
    (stories("headers then stalls"), stalls, (200, b"half\n", False)),
    (stories("chunked with Content-Length"), has_two_ends, (502, b"", True)),
    (stories("Set-Cookie"), sets_a_cookie, (200, b"fine", True)),
    (stories("echoes the injected secret"), echoes, (500, b"no such key: [redacted]*********", True)),
)
UNPROVEN: Sequence[tuple[list[dict[str, Any]], dict[str, Any]]] = (
    (stories("certificate for another name"), {"certificate": "foreign"}),
    (stories("certificate expired"), {"certificate": "expired"}),
    (stories("self-signed"), {"certificate": "self-made"}),
    (stories("only TLS 1.2"), {"maximum_tls": ssl.TLSVersion.TLSv1_2}),
)


@pytest.mark.parametrize(
    ("does", "expected"),
    [pytest.param(does, expected, id=case["id"]) for found, does, expected in TOLD for case in found],
)
@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_a_provider_that_others_let_misbehave_is_told_as_what_it_did(
    upstream: UpstreamFactory, does: Does, expected: tuple[int, bytes, bool]
) -> None:
    status, body, ended = expected
    async with open_outward(upstream, Detour([GOOD]), QUICK) as gate:
        gate.provider.on("/here", does)
        answer = await get(gate)
        assert (answer.status, answer.ended) == (status, ended)
        assert answer.body == body or answer.code == "upstream-refused"
        assert b"set-cookie" not in answer.headers
        assert len(FRAMING & {name for name, _ in answer.headers}) == 1
        assert await outcomes(gate)


@pytest.mark.parametrize(
    "local",
    [
        pytest.param(local, id=f"{case['id']}-{next(iter(local.values()))}")
        for found, local in UNPROVEN
        for case in found
    ],
)
@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_a_provider_that_others_let_prove_nothing_gets_no_request(
    upstream: UpstreamFactory, local: dict[str, Any]
) -> None:
    async with open_outward(upstream, Detour([GOOD]), QUICK, **local) as gate:
        answer = await get(gate)
        assert (answer.status, answer.code) == (502, "upstream-refused")
        assert gate.provider.requests == []


@pytest.mark.parametrize("case", stories("client disconnects before"), ids=lambda case: case["id"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
async def test_a_caller_that_others_let_leave_takes_the_request_along(
    upstream: UpstreamFactory, case: dict[str, Any]
) -> None:
    assert case["layer"] == "app"
    async with open_outward(upstream, Detour([GOOD]), QUICK) as gate:
        gate.provider.on("/here", Visit.gone)
        await get(gate, leave_after=0.1)
        await gate.provider.until_left()
        assert b"caller-gone" in await outcomes(gate)
