"""What would carry a secret out: two halves of an answer, an exception or a log of a client, a row that was changed."""

import asyncio
import base64
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

import pytest

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    HeaderCredential,
    Provider,
    ProxyRoute,
    QueryCredential,
    Secret,
    Timeouts,
)
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.testing.local_provider import LocalProvider, Visit
from gate import APP, KEY, Gate, host
from outward import GOOD, HOST, Detour, get, is_refused, open_outward, writes

QUICK = Timeouts(connect=1, first_byte=0.3, idle=0.3, total=5)
ROUTE = ProxyRoute("r", provider="p0", path="/here", secret="p0", timeouts=QUICK)
PARTS = ProxyRoute("r", provider="p0", path="/here", secret="p0", timeouts=QUICK, ranges=True)
QUERY = QueryCredential("appid")
UNAVAILABLE = ("secret-unavailable", 503)
UPSTREAMS = pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])

Does = Callable[[Visit], Awaitable[None]]


async def in_parts(visit: Visit) -> None:
    """A provider that echoes the key and serves the range that is asked of it."""
    body = b"the key is " + KEY.encode()
    asked = visit.received.headers.get(b"range")
    if asked is None:
        await visit.answer(200, [], body)
        return
    first, last = (int(number) for number in asked.removeprefix(b"bytes=").split(b"-"))
    line = (b"content-range", b"bytes %d-%d/%d" % (first, last, len(body)))
    await visit.answer(206, [line], body[first : last + 1])


@UPSTREAMS
async def test_a_secret_cannot_be_fetched_in_two_parts(upstream: UpstreamFactory) -> None:
    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:
        gate.provider.on("/here", in_parts)
        for part in (b"bytes=0-18", b"bytes=19-29"):
            answer = await get(gate, (b"range", part), (b"if-range", b'"1"'))
            assert (answer.status, answer.body) == (200, b"the key is [redacted]*********")
        for received in gate.provider.requests:
            assert not {b"range", b"if-range"} & {name for name, _ in received.headers}


@UPSTREAMS
async def test_where_ranges_pass_each_part_is_searched_by_itself(upstream: UpstreamFactory) -> None:
    # What `ProxyRoute.ranges` says of itself: static media only, since redaction sees parts.
    async with open_outward(upstream, Detour([GOOD]), PARTS) as gate:
        gate.provider.on("/here", in_parts)
        whole = await get(gate, (b"range", b"bytes=4-29"))
        assert (whole.status, whole.body) == (206, b"key is [redacted]*********")
        part = await get(gate, (b"range", b"bytes=0-18"))
        assert (part.status, part.body) == (206, b"the key is " + KEY[:8].encode())


def saying(words: str) -> Does:
    """A provider that says what it was told to, and goes on a little later."""

    async def say(visit: Visit) -> None:
        await visit.head(200, [(b"transfer-encoding", b"chunked")])
        for chunk in (b"you said: \t" + words.encode(), b" and more", b""):
            await visit.chunk(chunk)
            await asyncio.sleep(0.05)

    return say


def _letters_at_a_time(words: str) -> list[str]:
    return [words[:size] for size in range(1, len(words))]


@UPSTREAMS
@pytest.mark.parametrize(
    "form", [KEY, KEY.encode().hex(), base64.b64encode(KEY.encode()).decode()], ids=["plain", "hex", "base64"]
)
async def test_when_an_answer_leaves_tells_nothing_of_the_secret(upstream: UpstreamFactory, form: str) -> None:
    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate:

        async def cuts(words: str) -> list[int]:
            gate.provider.on("/here", saying(words))
            return [len(chunk) for chunk in (await get(gate)).chunks if chunk]

        for right in _letters_at_a_time(form)[::6]:
            wrong = right[:-1] + ("z" if right[-1] != "z" else "y")
            assert await cuts(right) == await cuts(wrong) == [len("you said: \t"), len(wrong + " and more")]


class Watching:
    """Passes on to a client, and keeps every exception that comes out of it."""

    def __init__(self, upstream: Any, raised: list[BaseException]) -> None:
        self._upstream, self._raised = upstream, raised

    async def __aenter__(self) -> Self:
        await self._upstream.__aenter__()
        return self

    async def __aexit__(self, *ended: object) -> None:
        await self._upstream.__aexit__(*ended)

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        try:
            reply = await self._upstream.send(request)
        except BaseException as error:
            self._raised.append(error)
            raise
        return UpstreamReply(reply.status, reply.headers, _Watched(reply.body, self._raised))


class _Watched:
    def __init__(self, body: Any, raised: list[BaseException]) -> None:
        self._body, self._raised = body, raised

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return bytes(await anext(self._body))
        except StopAsyncIteration:
            raise
        except BaseException as error:
            self._raised.append(error)
            raise

    async def aclose(self) -> None:
        await self._body.aclose()


def told_by(error: BaseException | None) -> str:
    """All that an exception says, and those behind it."""
    said = ""
    while error is not None:
        said += f"{error!r} {error} {error.args!r} {getattr(error, 'hint', '')} {error.__dict__!r}\n"
        error = error.__cause__ or error.__context__
    return said


async def breaks_off(visit: Visit) -> None:
    await visit.head(200, [(b"content-length", b"100")])
    await visit.write(KEY.encode())
    await asyncio.sleep(0.05)
    visit.cut()


async def leaves(visit: Visit) -> None:
    visit.cut()
    await visit.gone()


TROUBLES: dict[str, Does] = {
    "leaves": leaves,
    "says nothing": Visit.gone,
    "breaks off": breaks_off,
    "nonsense": writes(KEY.encode() + b"\r\n\r\n"),
    "nonsense in a line": writes(b"HTTP/1.1 200 OK\r\n" + KEY.encode() + b"\0: x\r\n\r\n"),
    "two lengths": writes(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n" + KEY.encode()),
    "bad chunk": writes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + KEY.encode() + b"\r\n"),
    "bad location": writes(b"HTTP/1.1 302 Go\r\nlocation: //[" + KEY.encode() + b"\r\ncontent-length: 0\r\n\r\n"),
}


@UPSTREAMS
@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("credential", [QUERY, HeaderCredential("x-key")])
async def test_no_exception_of_a_client_knows_the_secret_or_the_query(
    upstream: UpstreamFactory, trouble: str, credential: QueryCredential | HeaderCredential
) -> None:
    raised: list[BaseException] = []
    guarded = Detour([GOOD])

    def watching(guard: Guard) -> Upstream:
        return Watching(upstream(guard), raised)

    async with open_outward(watching, guarded, ROUTE, credential=credential) as gate:
        gate.provider.on("/here", TROUBLES[trouble])
        answer = await get(gate)
        assert KEY.encode() not in answer.body + repr(answer.headers.lines).encode()
        assert gate.provider.requests
    said = "".join(told_by(error) for error in raised)
    assert bool(raised) == (trouble != "bad location")
    assert KEY not in said
    assert "appid" not in said


def change_secret_row(directory: Path, change: Callable[[str], str]) -> None:
    """Change the row of the one secret as somebody could who may write to the database."""
    with sqlite3.connect(directory / "apikeychain.sqlite3") as connection:
        ((body,),) = connection.execute("SELECT body FROM secrets").fetchall()
        assert change(body) != body
        connection.execute("UPDATE secrets SET body = ?", [change(body)])
    connection.close()


@UPSTREAMS
async def test_a_row_that_was_made_that_of_another_provider_opens_for_none(
    upstream: UpstreamFactory, tmp_path: Path
) -> None:
    async with LocalProvider(HOST) as local, LocalProvider("thief.localhost") as evil:
        base, far = f"https://{HOST}:{local.port}", f"https://thief.localhost:{evil.port}"
        settings = APIKeyChainSettings(kdf="pbkdf2-sha512")
        network = {base: local.network, far: evil.network}

        def keychain() -> APIKeyChain:
            return APIKeyChain.embedded(
                tmp_path, settings=settings, network=network, upstream=lambda _guard: upstream(Detour([GOOD]))
            )

        async with keychain() as first:
            shop = await (await first.ensure_tenant("acme")).ensure_project("shop")
            await shop.configure(
                origins=[APP],
                providers=[Provider("good", base, QUERY), Provider("thief", far, QUERY)],
                secrets={"good": Secret(KEY)},
                routes=[
                    ProxyRoute("r", provider="good", path="/here", secret="good"),
                    ProxyRoute("steal", provider="thief", path="/here", secret="good"),
                ],
                enabled=True,
            )
        change_secret_row(tmp_path, lambda body: body.replace('"provider":"good"', '"provider":"thief"'))
        async with keychain() as second:
            shop = await (await second.tenant("acme")).project("shop")
            gate = Gate(second, local, await second.tenant("acme"), shop, APIKeyChainMiddleware(host, second))
            for route in ("r", "steal"):
                is_refused(await gate.call(shop.url(route), headers=[(b"origin", APP.encode())]), *UNAVAILABLE)
        assert local.requests == evil.requests == []


@UPSTREAMS
async def test_a_secret_does_not_follow_its_provider_to_another_address_until_it_is_put_again(
    upstream: UpstreamFactory,
) -> None:
    async with open_outward(upstream, Detour([GOOD]), ROUTE) as gate, LocalProvider(HOST) as moved:
        assert (await get(gate)).status == 200
        there = f"https://{HOST}:{moved.port}"
        gate.keychain._networks[there] = moved.network
        await gate.shop.register_provider(Provider("p0", there, HeaderCredential("X-Api-Key")))
        await asyncio.sleep(0.05)
        for _ in range(2):
            is_refused(await get(gate), *UNAVAILABLE)
        assert moved.requests == []
        await gate.shop.configure(secrets={"p0": Secret(KEY)})
        await asyncio.sleep(0.05)
        assert (await get(gate)).status == 200
        assert moved.requests[0].headers.get(b"x-api-key") == KEY.encode()
        assert len(gate.provider.requests) == 1
