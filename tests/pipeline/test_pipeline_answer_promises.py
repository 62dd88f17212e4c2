"""Promises of the contracts about what comes back of a provider's answer, held over whole calls."""

import asyncio
from dataclasses import replace

import pytest

from apikeychain import Timeouts
from apikeychain.rules.headers import ANSWER_LINES
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY, WEATHER, open_gate

CHUNKED = (b"transfer-encoding", b"chunked")


async def test_a_provider_cannot_open_itself_nor_set_cookies_nor_replace_our_lines() -> None:
    # contracts 2: the provider's own Access-Control-* never pass; 4: never set-cookie
    async with open_gate() as gate:

        async def bold(visit: Visit) -> None:
            lines = [
                (b"access-control-allow-origin", b"*"),
                (b"set-cookie", b"of=provider"),
                (b"content-security-policy", b"default-src *"),
                (b"x-apikeychain-error", b"suspended"),
                (b"x-ratelimit-remaining", b"9"),
            ]
            await visit.answer(200, lines, b"fine")

        gate.provider.on("/data/2.5/weather", bold)
        answer = await gate.get()
        assert answer.headers.all(b"access-control-allow-origin") == (APP.encode(),)
        assert answer.headers.all(b"content-security-policy") == (dict(ANSWER_LINES)[b"content-security-policy"],)
        assert b"set-cookie" not in answer.headers
        assert answer.code == ""
        exposed = (answer.headers.get(b"access-control-expose-headers") or b"").lower().split(b", ")
        assert {b"x-ratelimit-remaining", b"retry-after", b"x-apikeychain-error"} <= set(exposed)


async def test_a_cookie_of_one_caller_never_reaches_another() -> None:
    async with open_gate() as gate:

        async def biscuit(visit: Visit) -> None:
            await visit.answer(200, [(b"set-cookie", b"session=of-caller-one; Path=/")], b"fine")

        gate.provider.on("/data/2.5/weather", biscuit)
        for client in ("203.0.113.9", "203.0.113.10"):
            await gate.get(scope={"client": (client, 1)})
        assert len(gate.provider.requests) == 2
        assert not any(b"cookie" in request.headers for request in gate.provider.requests)


@pytest.mark.parametrize(
    ("status", "lines", "body"),
    [
        (200, [(b"content-encoding", b"compress")], KEY.encode() * 10),
        (206, [(b"content-range", b"bytes 0-1/9")], b"ab"),
        (302, [(b"location", b"https://elsewhere.example/")], b""),
        (302, [(b"location", b"https://weather.localhost/data/2.5/weather?appid=" + KEY.encode())], b""),
        (407, [], b"who are you"),
    ],
)
async def test_an_answer_that_cannot_be_passed_is_502_and_closed(
    status: int, lines: list[tuple[bytes, bytes]], body: bytes
) -> None:
    # contracts 4: in an unknown coding, partial, redirected elsewhere
    async with open_gate() as gate:

        async def answer_so(visit: Visit) -> None:
            await visit.answer(status, lines, body)

        gate.provider.on("/data/2.5/weather", answer_so)
        answer = await gate.get()
        assert answer.status == 502
        assert KEY.encode() not in answer.body + repr(answer.headers.lines).encode()


async def test_a_redirect_within_the_route_is_told_in_our_terms() -> None:
    async with open_gate() as gate:

        async def elsewhere(visit: Visit) -> None:
            await visit.answer(307, [(b"location", b"/data/2.5/weather?q=Rome&appid=" + KEY.encode())])

        gate.provider.on("/data/2.5/weather", elsewhere)
        answer = await gate.get()
        assert answer.status == 307
        assert answer.headers.get(b"location") == f"{gate.shop.url('weather')}?q=Rome".encode()


async def test_what_comes_back_is_what_is_named_scrubbed_and_not_to_be_stored() -> None:
    # contracts 4: response headers passed; Cache-Control: no-store; found in answer headers
    async with open_gate() as gate:
        told = [
            (b"etag", b'"' + KEY.encode() + b'"'),
            (b"retry-after", b"7"),
            (b"cache-control", b"public, max-age=600"),
            (b"server", b"provider/1"),
            (b"x-powered-by", b"php"),
            (b"www-authenticate", b"Basic"),
            (b"x-" + KEY.encode(), b"1"),
        ]

        async def talk(visit: Visit) -> None:
            await visit.answer(200, told, KEY.encode())

        gate.provider.on("/data/2.5/weather", talk)
        answer = await gate.get()
        assert answer.headers.get(b"etag") == b'"[redacted]*********"'
        assert answer.headers.all(b"cache-control") == (b"no-store",)
        assert answer.headers.get(b"retry-after") == b"7"
        assert answer.headers.get(b"content-length") == b"%d" % len(answer.body) == b"19"
        assert not {b"server", b"x-powered-by", b"www-authenticate"} & {name for name, _ in answer.headers}
        assert KEY not in repr(answer.headers.lines)


async def test_a_location_on_an_allowed_host_passes_without_the_credential_only() -> None:
    # contracts 4: one on `redirect_hosts` passes unchanged once it holds no form of the secret; else 502
    async with open_gate() as gate:
        base = f"https://weather.localhost:{gate.provider.port}"
        gate.keychain._networks[base] = replace(gate.provider.network, redirect_hosts=("cdn.example",))
        await gate.shop.configure(quota="500/minute")
        await asyncio.sleep(0.05)
        for query, status in ((b"?w=1", 302), (b"?k=" + KEY.encode(), 502)):
            place = b"https://cdn.example/file" + query

            async def move(visit: Visit, place: bytes = place) -> None:
                await visit.answer(302, [(b"location", place)])

            gate.provider.on("/data/2.5/weather", move)
            answer = await gate.get()
            assert (answer.status, answer.headers.get(b"location")) == (status, place if status == 302 else None)


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/x-ndjson"])
async def test_an_answer_that_is_a_stream_outlasts_the_total(kind: bytes) -> None:
    # contracts 4: total 120 s or off for streams (text/event-stream, NDJSON, `stream=True`)
    slow = replace(WEATHER, timeouts=Timeouts(total=0.4, idle=0.3))
    async with open_gate(routes=[slow]) as gate:

        async def drip(visit: Visit) -> None:
            asked_for_stream = b"stream" in visit.received.target
            await visit.head(200, [(b"content-type", kind if asked_for_stream else b"text/plain"), CHUNKED])
            for _ in range(6):
                await visit.chunk(b"{}\n")
                await asyncio.sleep(0.1)
            await visit.chunk(b"")

        gate.provider.on("/data/2.5/weather", drip)
        stream, other = await gate.get(b"q=stream"), await gate.get(b"q=other")
        assert (stream.body, stream.ended) == (b"{}\n" * 6, True)
        assert (other.status, other.ended) == (200, False)
