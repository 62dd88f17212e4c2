import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Response, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings, SecureTransportMiddleware
from apikeychain.model.headers import Headers, Line
from gate import Answer, scope_of
from wire import exchange, request, served

SAFE = APIKeyChainSettings()
DEVELOPMENT = APIKeyChainSettings(development=True)
BEHIND = APIKeyChainSettings(trusted_proxies=("10.0.0.0/8",))
PROXY: dict[str, Any] = {"client": ("10.1.2.3", 4711), "scheme": "http"}
PLAIN: dict[str, Any] = {"scheme": "http"}
HSTS = b"max-age=31536000"


async def login(_: Request) -> PlainTextResponse:
    answer = PlainTextResponse("welcome", headers={"x-host": "yes"})
    answer.set_cookie("session", "s3cr3t", httponly=True, samesite="strict")
    answer.set_cookie("theme", "dark", secure=True, samesite=None)
    return answer


def starlette_app(*middleware: Middleware) -> Starlette:
    return Starlette(routes=[Route("/login", login, methods=["GET", "POST"])], middleware=list(middleware))


def fastapi_app(settings: APIKeyChainSettings) -> FastAPI:
    app = FastAPI()
    app.add_middleware(SecureTransportMiddleware, settings=settings)

    @app.get("/login")
    async def _(answer: Response) -> str:
        answer.set_cookie("session", "s3cr3t")
        return "welcome"

    @app.websocket("/live")
    async def _(socket: WebSocket) -> None:
        await socket.accept(headers=[(b"set-cookie", b"seen=1")])
        await socket.send_text("hello")
        await socket.close()

    return app


def wrapped(settings: APIKeyChainSettings = SAFE, *, app: ASGIApp | None = None) -> ASGIApp:
    return SecureTransportMiddleware(app or starlette_app(), settings=settings)


async def get(
    app: ASGIApp, scope: dict[str, Any] | None = None, *lines: Line, path: str = "/login", method: str = "GET"
) -> Answer:
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status, answer.headers = message["status"], Headers(message["headers"])
        else:
            answer.chunks.append(message["body"])

    await app({**scope_of(path, method=method, headers=lines), **(scope or {})}, receive, send)
    return answer


def sending(*messages: Message) -> ASGIApp:
    """A host that sends just these."""

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


def with_lines(*lines: Line) -> ASGIApp:
    return sending(
        {"type": "http.response.start", "status": 200, "headers": lines}, {"type": "http.response.body", "body": b""}
    )


async def test_plain_http_is_refused_and_never_reaches_the_host() -> None:  # contracts 2
    async def unreachable(_scope: Scope, _receive: Receive, _send: Send) -> None:
        pytest.fail("the host was called")

    answer = await get(wrapped(app=unreachable), PLAIN)
    assert (answer.status, answer.code) == (403, "https-required")
    assert answer.headers.get(b"content-type") == b"application/problem+json"
    assert answer.problem == {
        "type": "urn:apikeychain:problem:https-required",
        "title": "Only https is served.",
        "status": 403,
        "code": "https-required",
    }
    assert b"location" not in answer.headers
    assert b"strict-transport-security" not in answer.headers


async def test_a_refusal_of_head_has_no_body() -> None:
    answer = await get(wrapped(), PLAIN, method="HEAD")
    assert (answer.status, answer.body) == (403, b"")


async def test_without_settings_the_safe_ones_hold() -> None:
    assert (await get(SecureTransportMiddleware(starlette_app()), PLAIN)).code == "https-required"


async def test_an_https_answer_carries_hsts_and_its_cookies_are_secure() -> None:
    answer = await get(wrapped())
    assert (answer.status, answer.body) == (200, b"welcome")
    assert answer.headers.all(b"strict-transport-security") == (HSTS,)
    assert answer.headers.all(b"set-cookie") == (
        b"session=s3cr3t; HttpOnly; Path=/; SameSite=strict; Secure",
        b"theme=dark; Path=/; Secure",
    )


async def test_nothing_else_of_an_answer_is_changed() -> None:
    before, after = await get(starlette_app()), await get(wrapped())
    changed = {b"set-cookie", b"strict-transport-security"}
    assert [line for line in after.headers if line[0] not in changed] == [
        line for line in before.headers if line[0] not in changed
    ]


@pytest.mark.parametrize(
    ("sent", "got"),
    [
        (b"a=b", b"a=b; Secure"),
        (b"a=b; Secure", b"a=b; Secure"),
        (b"a=b;secure", b"a=b;secure"),
        (b"a=b; \tSECURE ; Path=/", b"a=b; \tSECURE ; Path=/"),
        (b"a=b; Secure=yes", b"a=b; Secure=yes"),
        (b"a=Secure", b"a=Secure; Secure"),
        (b"secure", b"secure; Secure"),
        (b"secure=1; Path=/secure", b"secure=1; Path=/secure; Secure"),
        (b"a=b; Insecure", b"a=b; Insecure; Secure"),
        (b'a="x; y"; HttpOnly', b'a="x; y"; HttpOnly; Secure'),
        (b"__Host-a=b; Secure; Path=/", b"__Host-a=b; Secure; Path=/"),
        (b"__Host-a=b; Path=/", b"__Host-a=b; Path=/; Secure"),
        (b"a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT", b"a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Secure"),
        (b"", b"; Secure"),
    ],
)
async def test_a_cookie_is_secure_once_and_else_as_it_was(sent: bytes, got: bytes) -> None:
    answer = await get(wrapped(app=with_lines((b"set-cookie", sent))))
    assert answer.headers.all(b"set-cookie") == (got,)


async def test_a_header_in_capitals_is_the_same_header() -> None:
    lines = ((b"Set-Cookie", b"a=b"), (b"Strict-Transport-Security", b"max-age=1"))
    answer = await get(wrapped(app=with_lines(*lines)))
    assert answer.headers.all(b"set-cookie") == (b"a=b; Secure",)
    assert answer.headers.all(b"strict-transport-security") == (b"max-age=1",)


async def test_a_start_without_headers_gets_hsts() -> None:
    bare = sending({"type": "http.response.start", "status": 204}, {"type": "http.response.body", "body": b""})
    assert (await get(wrapped(app=bare))).headers.lines == ((b"strict-transport-security", HSTS),)


@pytest.mark.parametrize("host", [b"localhost", b"localhost:8443", b"127.0.0.1", b"[::1]:8443", b"192.0.2.7", b""])
async def test_localhost_and_ip_hosts_get_no_hsts(host: bytes) -> None:
    answer = await get(wrapped(), {"headers": [(b"host", host)]})
    assert answer.status == 200
    assert b"strict-transport-security" not in answer.headers
    assert answer.headers.all(b"set-cookie")[0].endswith(b"; Secure")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ([(b"x-forwarded-proto", b"https")], 200),
        ([(b"x-forwarded-proto", b"http, HTTPS")], 200),
        ([(b"x-forwarded-proto", b"http")], 403),
        ([(b"x-forwarded-proto", b"https, http")], 403),
        ([(b"x-forwarded-proto", b"gopher")], 403),
        ([], 403),
    ],
)
async def test_a_trusted_proxy_says_by_which_scheme_a_call_came(lines: Sequence[Line], status: int) -> None:
    assert (await get(wrapped(BEHIND), PROXY, *lines)).status == status


async def test_nobody_else_is_believed() -> None:
    assert (await get(wrapped(BEHIND), PLAIN, (b"x-forwarded-proto", b"https"))).status == 403
    assert (await get(wrapped(), PROXY, (b"x-forwarded-proto", b"https"))).status == 403


async def test_hsts_goes_by_the_host_that_a_trusted_proxy_names() -> None:
    forwarded = ((b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"app.example.com"))
    inner = {**PROXY, "headers": [(b"host", b"127.0.0.1:8000"), *forwarded]}
    assert (await get(wrapped(BEHIND), inner)).headers.all(b"strict-transport-security") == (HSTS,)
    assert b"strict-transport-security" not in (await get(wrapped(), {**inner, "scheme": "https"})).headers


@pytest.mark.parametrize("host", [b"localhost:8000", b"127.0.0.1:8000", b"[::1]", b"shop.localhost"])
async def test_in_development_cookies_of_localhost_stay_as_they_are(host: bytes) -> None:
    before = await get(starlette_app())
    answer = await get(wrapped(DEVELOPMENT), {**PLAIN, "headers": [(b"host", host)]})
    assert (answer.status, answer.headers) == (200, before.headers)


@pytest.mark.parametrize(
    "scope",
    [{"scheme": "http", "headers": [(b"host", b"app.example.com")]}, {"headers": [(b"host", b"localhost")]}],
    ids=["another host", "https"],
)
async def test_in_development_other_cookies_are_secure_and_there_is_no_hsts(scope: dict[str, Any]) -> None:
    answer = await get(wrapped(DEVELOPMENT), scope)
    assert answer.status == 200
    assert answer.headers.all(b"set-cookie")[0].endswith(b"; Secure")
    assert b"strict-transport-security" not in answer.headers


async def socket(app: ASGIApp, *lines: Line, **scope: Any) -> list[Message]:
    """What a WebSocket client is sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    opened = scope_of("/live", headers=lines) | {"type": "websocket", "scheme": "wss", "subprotocols": []} | scope
    del opened["method"]
    await app(opened, receive, send)
    return sent


CLOSED: list[Message] = [{"type": "websocket.close", "code": 1008}]


async def test_a_plain_websocket_is_closed_before_it_is_accepted() -> None:
    assert await socket(fastapi_app(SAFE), scheme="ws") == CLOSED


async def test_a_secure_websocket_is_accepted_and_its_cookies_are_secure() -> None:
    accepted, *rest = await socket(fastapi_app(SAFE))
    assert accepted == {
        "type": "websocket.accept",
        "subprotocol": None,
        "headers": [(b"set-cookie", b"seen=1; Secure")],
    }
    assert [message["type"] for message in rest] == ["websocket.send", "websocket.close"]


async def test_a_refusal_of_the_hosts_own_to_a_websocket_carries_hsts() -> None:
    refusing = sending({"type": "websocket.http.response.start", "status": 401, "headers": [(b"set-cookie", b"a=b")]})
    (start,) = await socket(wrapped(app=refusing))
    assert start["headers"] == [(b"set-cookie", b"a=b; Secure"), (b"strict-transport-security", HSTS)]


@pytest.mark.parametrize(
    ("forwarded", "opened"),
    [(b"https", True), (b"wss", True), (b"WSS", True), (b"ws", False), (b"http", False), (b"wss, ws", False)],
)
async def test_a_trusted_proxy_says_it_of_websockets_too(forwarded: bytes, *, opened: bool) -> None:
    sent = await socket(fastapi_app(BEHIND), (b"x-forwarded-proto", forwarded), **PROXY | {"scheme": "ws"})
    assert (sent != CLOSED) is opened


async def test_in_development_a_plain_websocket_is_served() -> None:
    accepted, *_ = await socket(fastapi_app(DEVELOPMENT), (b"host", b"localhost"), scheme="ws")
    assert accepted["type"] == "websocket.accept"


async def test_other_scopes_are_handed_on_as_they_are() -> None:
    seen: list[tuple[Any, ...]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((scope, receive, send))

    handed: tuple[Any, ...] = ({"type": "lifespan"}, object(), object())
    await wrapped(app=app)(*handed)
    assert seen == [handed]


async def test_who_leaves_before_a_refusal_is_sent_is_no_error() -> None:
    async def send(_: Message) -> None:
        raise OSError

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    await wrapped()(scope_of("/login") | PLAIN, receive, send)


Order = Callable[[APIKeyChain], list[Middleware]]


def outside(keychain: APIKeyChain) -> list[Middleware]:
    return inside(keychain)[::-1]


def inside(keychain: APIKeyChain) -> list[Middleware]:
    return [
        Middleware(APIKeyChainMiddleware, keychain=keychain),
        Middleware(SecureTransportMiddleware, settings=keychain.settings),
    ]


@pytest.mark.parametrize("order", [outside, inside])
async def test_it_stands_on_either_side_of_the_gate_and_doubles_nothing(order: Order) -> None:
    keychain = APIKeyChain.in_memory(settings=SAFE)
    app = starlette_app(*order(keychain))
    async with keychain:
        for path, status in (("/login", 200), ("/api/apikeychain/nothing", 404)):
            answer = await get(app, path=path)
            names = [name for name, _ in answer.headers if name != b"set-cookie"]
            assert (answer.status, len(names)) == (status, len(set(names)))
            assert answer.headers.all(b"strict-transport-security") == (HSTS,)
            refused = await get(app, PLAIN, path=path)
            assert (refused.status, refused.code) == (403, "https-required")
            assert len(refused.headers.lines) == len(dict(refused.headers.lines))
            assert refused.headers.get(b"content-security-policy") is not None
        assert await socket(app, scheme="ws", path="/api/apikeychain/x", raw_path=b"/api/apikeychain/x") == CLOSED


async def test_twice_is_once() -> None:
    answer = await get(wrapped(app=wrapped()))
    assert answer.headers.all(b"strict-transport-security") == (HSTS,)
    assert answer.headers.all(b"set-cookie")[0].count(b"Secure") == 1


@pytest.mark.parametrize("kind", ["starlette", "fastapi"])
async def test_under_a_real_server_https_is_told_by_its_proxy(kind: str) -> None:
    near = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    app = fastapi_app(near) if kind == "fastapi" else wrapped(near)
    told = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"app.example.com")]
    async with served(app) as port:
        refused, answer = await exchange(port, request("GET", "/login", []), request("GET", "/login", told))
    assert (refused.status, json.loads(refused.body)["code"]) == (403, "https-required")
    assert answer.status == 200
    assert answer.headers.all(b"strict-transport-security") == (HSTS,)
    assert all(b"Secure" in cookie for cookie in answer.headers.all(b"set-cookie"))
