"""What is answered at a glance is what the longer way answers, whatever is asked."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeychain import APIKeyChainMiddleware, APIKeyChainSettings
from apikeychain.asgi import call_of
from apikeychain.inbox import Inbox
from apikeychain.model.call import Reply
from apikeychain.rules.headers import SIGNING
from gate import APP, host, scope_of
from stocked_shelf import SCRIPT, STYLE, Shop, heard, open_shop

PREFIX = "/api/apikeychain"
PATHS = (
    "js",
    "js/index.js",
    "css",
    "css/large.css",
    "js/",
    "js/none.js",
    "js/%69ndex.js",
    "assets.json",
    "proxy/weather",
)
LINES: dict[bytes, tuple[bytes, ...]] = {
    b"origin": (APP.encode(), b"https://evil.example", b"null", b""),
    b"sec-fetch-dest": (b"script", b"style", b"empty", b"document", b"json", b" script"),
    b"sec-fetch-mode": (b"no-cors", b"cors", b"navigate", b" navigate", b"websocket"),
    b"sec_fetch_dest": (b"document",),
    b"Sec-Fetch-Dest": (b"document",),
    b"Service-Worker": (b"script",),
    b"service-worker": (b"script",),
    b"x-signature": (b"v1=0",),
    b"x_unknown": (b"1",),
    b"x-unknown": (b"1",),
    b"cookie": (b"a=b",),
    b"accept-encoding": (b"br", b"gzip;q=1, br;q=0.1", b"", b"identity", b" gzip"),
    b"if-none-match": (b"*", b" *", b'"none"', b"ETAG", b"W/ETAG", b'"a", ETAG'),
    b"range": (b"bytes=0-1", b"bytes=0-"),
    b"content-length": (b"0", b"x"),
    b"transfer-encoding": (b"chunked",),
    b"x-forwarded-proto": (b"https", b"http", b"HTTPS", b"http, https", b"ftp"),
    b"x-forwarded-host": (b"assets.example.com", b"a.example, b.example", b"localhost", b" b.example", b"10.0.0.1"),
    b"x-forwarded-for": (b"198.51.100.7", b"127.0.0.1"),
    b"host": (b"host.example", b"host.example:8443", b"localhost", b"127.0.0.1", b"[::1]", b"", b" ", b"a" * 300),
}
PLAIN = (b"origin", b"sec-fetch-dest", b"sec-fetch-mode", b"accept-encoding", b"if-none-match", b"cookie", b"x-unknown")
odd = st.sampled_from([(name, value) for name, values in LINES.items() for value in values])
plain = st.sampled_from([(name, LINES[name][0]) for name in PLAIN])
# Mostly what browsers send, and mostly once.
lines = st.lists(st.one_of(plain, plain, odd), max_size=4, unique_by=lambda line: line[0]) | st.lists(odd, max_size=3)


@pytest.fixture
async def shop() -> AsyncGenerator[Shop, None]:
    async with open_shop(settings=APIKeyChainSettings(trusted_proxies=("10.0.0.0/8",))) as shop:
        await shop.assets.put("large.css", STYLE * 200)
        await heard()
        for path in ("js", "css", "css/large.css"):
            assert (await shop.get(path)).status == 200
        yield shop


def facts(reply: Reply) -> Any:
    return reply.status, sorted(reply.headers), reply.body


def at_once_of(shop: Shop, scope: dict[str, Any]) -> Reply | None:
    app = APIKeyChainMiddleware(host, shop.gate.keychain)
    app._look_at(scope)
    return app._at_once(scope)


async def compared(shop: Shop, scope: dict[str, Any]) -> bool:
    """Whether it is answered at a glance; then the answer is that of the longer way."""
    at_once = at_once_of(shop, scope)
    if at_once is None:
        return False
    longer = await shop.gate.keychain.handle(call_of(scope, PREFIX, Inbox(lambda: asyncio.sleep(9))))  # type: ignore[arg-type,return-value]  # nobody reads it
    assert facts(at_once) == facts(longer)
    return True


async def test_the_short_way_and_the_long_way_end_alike(shop: Shop) -> None:
    etag = (await shop.get("js")).headers.get(b"etag") or b""
    sha256 = (await shop.get("js")).headers.get(b"content-sha256") or b""
    queries = (b"", b"sha256=" + sha256, b"sha256=" + b"0" * 64, b"token=a", b"sha256=" + sha256 + b"&token=a", b"v=1")
    outcomes: list[bool] = []
    runner = asyncio.get_running_loop()

    @settings(max_examples=500, deadline=None)
    @given(
        path=st.sampled_from((*PATHS[:4] * 4, *PATHS)),
        query=st.sampled_from((*queries[:2] * 6, *queries)),
        extra=lines,
        method=st.sampled_from((*["GET"] * 9, "HEAD", "POST", "OPTIONS")),
        scheme=st.sampled_from((*["https"] * 5, "http")),
        peer=st.sampled_from(("203.0.113.9", "10.0.0.1", "")),
        with_host=st.sampled_from((*[True] * 5, False)),
    )
    def compare(**drawn: Any) -> None:
        made = [(name, value.replace(b"ETAG", etag)) for name, value in drawn["extra"]]
        scope = scope_of(f"{PREFIX}/{shop.project}/{drawn['path']}", drawn["query"], method=drawn["method"])
        scope["headers"] = [*([(b"host", b"host.example")] if drawn["with_host"] else []), *made]
        scope |= {"scheme": drawn["scheme"], "client": (drawn["peer"], 1) if drawn["peer"] else None}
        waiting = compared(shop, scope)
        outcomes.append(asyncio.run_coroutine_threadsafe(waiting, runner).result(10))

    await asyncio.to_thread(compare)
    assert sum(outcomes) > len(outcomes) / 20
    assert not all(outcomes)


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [(b"origin", APP.encode())],
        [(b"sec-fetch-dest", b"script"), (b"sec-fetch-mode", b"no-cors"), (b"accept-encoding", b"br, gzip")],
        [(b"if-none-match", b'"none"'), (b"x-of-a-cdn", b"1")],
    ],
)
async def test_what_a_browser_sends_takes_the_short_way(shop: Shop, extra: list[tuple[bytes, bytes]]) -> None:
    assert await compared(shop, scope_of(f"{PREFIX}/{shop.project}/js", headers=extra))


@pytest.mark.parametrize(
    "line",
    [
        *[(name, b"1") for name in (b"range", b"service-worker", b"content-length", b"transfer-encoding", *SIGNING)],
        *[(name, b"1") for name in (b"x_unknown", b"sec_fetch_dest", b"Service-Worker", b"X-Unknown", b"host")],
        *[(b"sec-fetch-dest", value) for value in (b"document", b"json", b"", b" script")],
        *[(b"sec-fetch-mode", value) for value in (b"navigate", b"websocket", b" no-cors")],
        *[(b"origin", value) for value in (b"https://evil.example", b"null", b"")],
        *[(b"if-none-match", value) for value in (b"*", b" *", b'"a", *')],
    ],
)
async def test_what_could_change_the_answer_takes_the_longer_way(shop: Shop, line: tuple[bytes, bytes]) -> None:
    assert not await compared(shop, scope_of(f"{PREFIX}/{shop.project}/js", headers=[line]))


@pytest.mark.parametrize("length", [0, 1, 260, 261, 5000])
async def test_a_host_of_any_length_is_told_the_same(shop: Shop, length: int) -> None:
    scope = scope_of(f"{PREFIX}/{shop.project}/js")
    scope["headers"] = [(b"host", b"a" * length)]
    assert await compared(shop, scope) is (0 < length <= 260)
    scope["headers"].append((b"if-none-match", (await shop.get("js")).headers.get(b"etag")))
    assert await compared(shop, scope) is (0 < length <= 260)


async def test_what_it_cannot_judge_takes_the_longer_way(shop: Shop) -> None:
    plain = scope_of(f"{PREFIX}/{shop.project}/js")
    assert await compared(shop, plain)
    for other in (
        {"raw_path": None},
        {"root_path": "/sub"},
        {"method": "HEAD"},
        {"raw_path": plain["raw_path"] + b"?a"},
        {"raw_path": b"/elsewhere"},
        {"raw_path": plain["raw_path"].replace(b"/js", b"xjs")},
    ):
        assert not await compared(shop, plain | other)


async def test_a_gate_that_is_closed_answers_nothing_at_a_glance(shop: Shop) -> None:
    app, statuses = APIKeyChainMiddleware(host, shop.gate.keychain), list[int]()
    plain = scope_of(f"{PREFIX}/{shop.project}/js")

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    async def receive() -> Any:
        return {"type": "http.request"}

    for scope in (plain, plain | {"raw_path": None}, plain):
        await app(scope, receive, send)
    assert statuses == [200, 0, 500, 0, 500, 0]


@pytest.mark.parametrize("chosen", [{"development": True}, {"asset_host": "host.example"}])
async def test_what_depends_on_more_takes_the_longer_way(chosen: dict[str, Any]) -> None:
    async with open_shop(settings=replace(APIKeyChainSettings(), **chosen)) as shop:
        assert (await shop.get("js")).body == SCRIPT
        assert not await compared(shop, scope_of(f"{PREFIX}/{shop.project}/js"))


async def test_a_caller_that_left_is_no_error() -> None:
    async with open_shop() as shop:
        await shop.get("js")
        sent: list[str] = []

        async def send(message: Any) -> None:
            sent.append(message["type"])
            raise OSError

        async def receive() -> Any:
            raise AssertionError

        await shop.gate.app(scope_of(f"{PREFIX}/{shop.project}/js"), receive, send)
        assert sent == ["http.response.start"]
    # And one that is closed answers nobody.
    assert at_once_of(shop, scope_of(f"{PREFIX}/{shop.project}/js")) is None
