"""Providers that lie, flood and answer what nobody asked: no caller is told what is not its own, and nothing is held.

Both clients, over whole calls. What one client does with a single answer is in the contract of Upstream.
"""

import asyncio

import pytest

from apikeychain import (
    ProxyRoute,
    Timeouts,
)
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.testing.eventually import SECONDS, until
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY
from outward import GOOD, Detour, get, is_refused, open_outward, writes

QUICK = Timeouts(connect=1, first_byte=0.3, idle=0.3, total=5)
ROUTE = ProxyRoute("r", provider="p0", path="/here", secret="p0", timeouts=QUICK)
UPSTREAMS = pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])
HALF = len(KEY) // 2


@UPSTREAMS
@pytest.mark.parametrize("status", [401, 407])
async def test_of_a_refused_key_no_part_is_told(upstream: UpstreamFactory, status: int) -> None:
    part = KEY[:HALF].encode()
    lines = [(b"www-authenticate", b"Key " + part), (b"x-request-id", part), (b"content-type", b"text/" + part)]
    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:
        gate.provider.on("/here", lambda visit: visit.answer(status, lines, b"wrong: " + part + b"..."))
        answer = await get(gate)
        is_refused(answer, "credential-refused")
        assert part not in answer.body + repr(answer.headers.lines).encode()


@UPSTREAMS
@pytest.mark.parametrize("beyond", [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"HTTP/1.1 408 Late\r\n\r\n"])
async def test_one_callers_call_is_never_answered_with_what_came_beyond_anothers(
    upstream: UpstreamFactory, beyond: bytes
) -> None:
    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:
        gate.provider.on("/here", writes(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", beyond))
        assert (await get(gate)).body == b"hello"
        # It is not known before it came that something would: a call of that moment could not tell.
        await gate.provider.until_left(SECONDS)
        gate.provider.on("/here", lambda visit: visit.answer(200, [], b"own"))
        for _ in range(2):
            answer = await get(gate)
            assert (answer.status, answer.body) == (200, b"own")


@UPSTREAMS
async def test_a_provider_that_answers_before_it_is_asked_leaves_nothing_behind(upstream: UpstreamFactory) -> None:
    async def first_word(visit: Visit) -> None:
        await visit.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
        await visit.read_all()
        await visit.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")

    route = ProxyRoute("r", provider="p0", path="/here", secret="p0", methods=["GET"], timeouts=QUICK)
    async with open_outward(upstream, Detour([GOOD]), route) as gate:
        gate.provider.on("/here", first_word)
        assert (await get(gate)).body == b"early"
        # It is not known before it came that something would: a call of that moment could not tell.
        await gate.provider.until_left(SECONDS)
        gate.provider.on("/here", lambda visit: visit.answer(200, [], b"own"))
        assert (await get(gate)).body == b"own"


@UPSTREAMS
async def test_no_line_that_sets_a_state_of_the_browser_passes_nor_any_trailer(upstream: UpstreamFactory) -> None:
    bold = [
        (b"set-cookie", b"a=bold"),
        (b"set-cookie2", b"a=bold"),
        (b"access-control-allow-origin", b"https://bold.example"),
        (b"access-control-allow-credentials", b"bold"),
        (b"access-control-expose-headers", b"bold"),
        (b"content-security-policy", b"bold"),
        (b"strict-transport-security", b"max-age=0; bold"),
        (b"clear-site-data", b'"bold"'),
        (b"alt-svc", b"bold"),
        (b"refresh", b"0; url=https://bold.example"),
        (b"link", b"<https://bold.example>; rel=preload"),
        (b"nel", b"bold"),
        (b"service-worker-allowed", b"/bold"),
        (b"trailer", b"x-request-id"),
    ]

    async def talks(visit: Visit) -> None:
        await visit.head(200, [*bold, (b"transfer-encoding", b"chunked")])
        await visit.chunk(b"fine")
        await visit.write(b"0\r\nx-request-id: bold\r\nset-cookie: a=bold\r\netag: " + KEY.encode() + b"\r\n\r\n")

    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:
        gate.provider.on("/here", talks)
        answer = await get(gate)
        assert (answer.status, answer.body, answer.ended) == (200, b"fine", True)
        assert b"bold" not in repr(answer.headers.lines).encode()
        assert answer.headers.all(b"access-control-allow-origin") == (APP.encode(),)


@UPSTREAMS
@pytest.mark.parametrize("broken", [b"a\rset-cookie: b=c", b"a\nset-cookie: b=c", b"a\0b", b"a\r\n set-cookie: b=c"])
async def test_a_value_that_would_split_a_line_splits_none(upstream: UpstreamFactory, broken: bytes) -> None:
    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:
        gate.provider.on(
            "/here", writes(b"HTTP/1.1 200 OK\r\nx-request-id: " + broken + b"\r\ncontent-length: 0\r\n\r\n")
        )
        answer = await get(gate)
        assert answer.status in {200, 502}
        assert b"set-cookie" not in answer.headers
        assert not [value for _, value in answer.headers if {0x00, 0x0A, 0x0D} & set(value)]


@UPSTREAMS
async def test_a_flood_of_heads_is_refused_and_another_call_is_served_meanwhile(upstream: UpstreamFactory) -> None:
    async def pours(visit: Visit) -> None:
        await visit.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(100 * 16):
            await visit.write(b"x: %s\r\n" % (b"y" * 1_000) * 64)

    async def early_hints(visit: Visit) -> None:
        while True:
            await visit.write(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
            await asyncio.sleep(0.01)

    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate, asyncio.timeout(20):
        gate.provider.on("/here", pours)
        is_refused(await get(gate))
        gate.provider.on("/here", early_hints)
        hanging = asyncio.ensure_future(get(gate))
        await until(lambda: len(gate.provider.requests) == 2)
        gate.provider.on("/here", Visit.answer)
        assert (await get(gate)).status == 200
        is_refused(await hanging, "upstream-timeout", 504)
