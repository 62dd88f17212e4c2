"""Whatever path and query a caller sends: it goes to the provider's own place, under its base path, or nowhere."""

import asyncio
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes, urlsplit

import pytest
import yarl
from hypothesis import Phase, event, example, given, settings
from hypothesis import strategies as st

from apikeychain import APIKeyChainSettings, HeaderCredential, PathParameter, Provider, ProxyRoute, QueryParameter
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.errors import RefusalError
from apikeychain.model.request_transforms import DefaultParameter, RenameParameter, SetParameter
from apikeychain.rules.injection import inject
from apikeychain.rules.routing import CompiledRoute
from apikeychain.secret import Secret
from exchange import BY_HEADER, BY_QUERY, NOW, a_route, goes_up
from gate import APP, Gate, open_gate

SECRET = Secret("s3cret-key")
HOSTILE = [
    b"..",
    b".",
    b"%2e%2e",
    b"%2E.",
    b"%252e%252e",
    b"..;x",
    b".;",
    b"/",
    b"//",
    b"%2f",
    b"%5c",
    b"\\",
    b"@evil.example",
    b"//evil.example/",
    b"https://evil.example/",
    b":8443",
    b"#",
    b"?",
    b"&",
    b"=",
    b"%00",
    b"%0d%0aHost:%20evil.example",
    b"\r\n",
    b"%",
    b"%c0%ae",
    b"%ff",
    b"\xff",
    b" ",
    b"+",
    b"appid",
    b"%41PPID=",
    b"q=",
    b"a",
]
RAW = st.lists(st.sampled_from(HOSTILE) | st.binary(max_size=4), max_size=8).map(b"".join)
ROUTES = {
    "tail": a_route(tail=True, undeclared="forward"),
    "values": a_route(path="/u/{a}.x/{b}", parameters=[PathParameter("a"), PathParameter("b"), QueryParameter("q")]),
    "query": a_route(BY_QUERY, tail=True, undeclared="forward"),
    "shaped": a_route(
        tail=True,
        undeclared="forward",
        request_transforms=[RenameParameter("q", "appid"), SetParameter("a", "&#?/"), DefaultParameter("d", "//x")],
    ),
    "root": a_route(Provider("weather", "https://api.weather.example", HeaderCredential("x-key")), tail=True),
}
FREE = ProxyRoute("free", provider="weather", path="/here", tail=True, undeclared="forward")
BY_KEY = Provider("weather", "https://weather.localhost", HeaderCredential("X-Api-Key"))
_BARE_TARGET = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*")


def _require_own_place(url: str, route: CompiledRoute) -> None:
    """As three readers read it: by its text, by urllib and by yarl."""
    base = route.base
    root = f"https://{base.host}"
    assert url.startswith((f"{root}{base.path}/", f"{root}{base.path}?")) or url == root + base.path
    assert _BARE_TARGET.fullmatch(url.removeprefix(root))
    for scheme, host, port, path in (_by_urllib(url), _by_yarl(url)):
        assert (scheme, host, port) == ("https", base.host, None)
        for decoded in (path, unquote_to_bytes(path).decode()):
            assert not {".", ".."} & set(decoded.split("/"))
            assert decoded.startswith(base.path)


def _by_urllib(url: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port, parts.path


def _by_yarl(url: str) -> tuple[str, str | None, int | None, str]:
    parts = yarl.URL(url, encoded=True)
    return parts.scheme, parts.raw_host, parts.explicit_port, parts.raw_path


@pytest.mark.parametrize("name", ROUTES)
@given(path=RAW, query=RAW)
@example(path=b"%2e%2e/x", query=b"")
@example(path=b"/evil.example/x", query=b"")
@example(path=b"a/b", query=b"q=1&appid=2")
@example(path=b"", query=b"")
def test_the_url_that_is_sent_is_the_providers_own_or_nothing_is_sent(name: str, path: bytes, query: bytes) -> None:
    # contracts 4: what is sent is what was validated
    route = ROUTES[name]
    try:
        request = inject(goes_up(route, b"weather/" + path, query), SECRET, NOW)
    except RefusalError as refused:
        event(refused.code)
        return
    event("sent")
    _require_own_place(request.url, route)


@given(path=RAW, query=RAW)
def test_what_goes_up_would_be_accepted_as_it_is_and_go_up_the_same(path: bytes, query: bytes) -> None:
    # contracts 4: each decoded once and encoded anew
    route = a_route(BY_HEADER, tail=True, undeclared="forward")
    try:
        target = goes_up(route, b"weather/" + path, query)
    except RefusalError:
        return
    again = goes_up(route, b"weather" + target.path.removeprefix(b"/v1"), target.query)
    assert (again.path, again.query) == (target.path, target.query)


@pytest.mark.parametrize("plug", [AiohttpUpstream, HttpxUpstream])
# Each example is a gate and twenty calls: a failing one is told as it is.
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(calls=st.lists(st.tuples(RAW, RAW), min_size=20, max_size=20))
@example(calls=[(b"a%2eb/:c;d@e", b"q=%41+b&c=%26"), (b"x//y/", b"?a=/?"), (b"..%2f", b"")])
def test_the_provider_hears_the_url_that_was_validated(
    plug: Callable[..., AiohttpUpstream | HttpxUpstream], calls: list[tuple[bytes, bytes]]
) -> None:
    # contracts 4: the text of the URL on the object that is sent must equal it byte for byte
    async def run() -> None:
        limits = APIKeyChainSettings()
        async with open_gate(settings=limits, routes=[FREE], provider=BY_KEY, upstream=plug) as gate:
            await gate.shop.configure(quota="100000/minute", address_quota="100000/minute")
            await asyncio.sleep(0.02)
            for path, query in calls:
                await _require_heard(gate, path, query)

    asyncio.run(run())


async def _require_heard(gate: Gate, path: bytes, query: bytes) -> None:
    """The provider hears what the rules make of a call, byte for byte; nothing where they refuse it."""
    path = path.partition(b"?")[0]  # where a server leaves the query in the raw path, it is none of it
    before = len(gate.provider.requests)
    url = gate.shop.url("free")
    scope = {"raw_path": f"{url}/".encode() + path}
    answer = await gate.call(url, query, headers=[(b"origin", APP.encode())], scope=scope)
    heard = [request.target for request in gate.provider.requests[before:]]
    expected = _expected(a_route(path="/here", tail=True, undeclared="forward"), path, query)
    assert (answer.code, heard) == expected
    assert {request.headers.get(b"host") for request in gate.provider.requests} <= {
        b"weather.localhost:%d" % gate.provider.port
    }


def _expected(route: CompiledRoute, path: bytes, query: bytes) -> tuple[str, list[bytes]]:
    """The code of the refusal and what the provider hears."""
    try:
        target = goes_up(route, b"weather/" + path, query)
    except RefusalError as refused:
        return refused.code, []
    return "", [target.path.removeprefix(b"/v1") + (b"?" + target.query if target.query else b"")]
