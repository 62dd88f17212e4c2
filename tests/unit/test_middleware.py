"""The prefix and the lifespan; the host's scopes pass unchanged."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from types import ModuleType
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Message, Receive, Scope, Send

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings
from apikeychain.errors import BackendUnavailableError, MisplacedMiddlewareError, NotOpenError
from gate import host, scope_of

URL = "/api/apikeychain/p_aaaaaaaaaaaaaaaaaaaa/proxy/weather"


class Conversation:
    """What a server says to an application, and what comes back."""

    def __init__(self, *types: str) -> None:
        self.waiting = list(types)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if not self.waiting:
            await asyncio.sleep(30)
        kind = self.waiting.pop(0)
        return {"type": kind, "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


async def call(app: Any, scope: dict[str, Any]) -> Conversation:
    talk = Conversation("http.request")
    await app(scope, talk.receive, talk.send)
    return talk


async def lifespan(app: Any, raising: type[Exception] | None = None) -> Conversation:
    talk = Conversation("lifespan.startup", "lifespan.shutdown")
    with pytest.raises(raising) if raising else nullcontext():
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, talk.receive, talk.send)
    return talk


def code(talk: Conversation) -> str:
    return str(dict(talk.sent[0]["headers"]).get(b"x-apikeychain-error", b"").decode())


@pytest.mark.parametrize("path", ["/", "/api", "/api/apikeychai", "/api/apikeychainx/y", "/other/api/apikeychain/"])
async def test_the_hosts_paths_are_the_hosts(path: str) -> None:
    talk = await call(APIKeyChainMiddleware(host, APIKeyChain.in_memory()), scope_of(path))
    assert talk.sent[1]["body"] == b"the host"


@pytest.mark.parametrize("path", ["/api/apikeychain", "/api/apikeychain/", URL])
async def test_all_under_the_prefix_is_ours(path: str) -> None:
    keychain = APIKeyChain.in_memory()
    talk = await call(APIKeyChainMiddleware(host, keychain), scope_of(path))
    assert (talk.sent[0]["status"], code(talk)) == (404, "not-found")
    await keychain.close()


async def test_the_prefix_can_be_another_one() -> None:
    keychain = APIKeyChain.in_memory(settings=APIKeyChainSettings(prefix="/gate"))
    app = APIKeyChainMiddleware(host, keychain)
    assert code(await call(app, scope_of("/gate/x"))) == "not-found"
    assert code(await call(app, scope_of(URL))) == ""
    await keychain.close()


async def test_a_websocket_under_the_prefix_is_closed_before_it_is_accepted() -> None:
    talk = Conversation("websocket.connect")
    app = APIKeyChainMiddleware(host, APIKeyChain.in_memory())
    await app(scope_of(URL) | {"type": "websocket"}, talk.receive, talk.send)
    assert talk.types == ["websocket.close"]


async def test_other_scopes_are_handed_on_as_they_are() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    middleware = APIKeyChainMiddleware(app, APIKeyChain.in_memory())
    scopes: list[dict[str, Any]] = [{"type": "custom"}, scope_of("/ws") | {"type": "websocket"}]
    for scope in scopes:
        await middleware(scope, Conversation().receive, Conversation().send)
    assert seen[0] is scopes[0]
    assert seen[1] is scopes[1]


async def test_the_keychain_is_open_before_the_host_starts_and_closed_after_it_ends() -> None:
    keychain, seen = APIKeyChain.in_memory(), list[str]()

    @asynccontextmanager
    async def own(_app: Starlette) -> AsyncGenerator[None, None]:
        await keychain.ensure_tenant("acme")
        seen.append("started")
        yield
        seen.extend(await keychain.list_tenants())

    talk = await lifespan(APIKeyChainMiddleware(Starlette(lifespan=own), keychain))
    assert talk.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert seen == ["started", "acme"]
    with pytest.raises(NotOpenError, match="async with keychain"):
        await keychain.list_tenants()


async def test_a_call_after_the_shutdown_is_told_that_the_gate_is_closed(caplog: pytest.LogCaptureFixture) -> None:
    app = APIKeyChainMiddleware(Starlette(), APIKeyChain.in_memory())
    await lifespan(app)
    talk = await call(app, scope_of(URL))
    assert (talk.sent[0]["status"], code(talk)) == (500, "internal")
    assert any(line.startswith("the gate is closed: the keychain is not open") for line in caplog.messages)


async def test_why_the_gate_is_closed_is_said_once_and_not_with_each_call(caplog: pytest.LogCaptureFixture) -> None:
    app = APIKeyChainMiddleware(Starlette(), APIKeyChain.in_memory())
    await lifespan(app)
    for _ in range(3):
        await call(app, scope_of(URL))
    assert len([line for line in caplog.messages if line.startswith("the gate is closed")]) == 1


async def test_a_host_that_fails_to_start_leaves_the_keychain_closed() -> None:
    keychain = APIKeyChain.in_memory()

    @asynccontextmanager
    async def own(_app: Starlette) -> AsyncGenerator[None, None]:
        msg = "the host's own trouble"
        raise ZeroDivisionError(msg)
        yield

    with pytest.raises(ZeroDivisionError):
        await lifespan(APIKeyChainMiddleware(Starlette(lifespan=own), keychain))
    with pytest.raises(NotOpenError):
        await keychain.list_tenants()


async def test_a_host_without_lifespan_still_serves() -> None:
    async def no_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            msg = "no lifespan here"
            raise NotImplementedError(msg)
        await host(scope, receive, send)

    keychain = APIKeyChain.in_memory()
    app = APIKeyChainMiddleware(no_lifespan, keychain)
    with pytest.raises(NotImplementedError):
        await lifespan(app)
    assert code(await call(app, scope_of(URL))) == "not-found"
    await keychain.close()


class Shut:
    """A store that cannot be opened."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def __aenter__(self) -> None:
        raise self.error

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError


@pytest.mark.parametrize(
    ("error", "told"),
    [(BackendUnavailableError("the disk is full"), "the disk is full"), (ZeroDivisionError("a bug"), "Traceback")],
)
async def test_what_keeps_us_from_opening_keeps_the_server_from_starting(error: Exception, told: str) -> None:
    keychain = APIKeyChain.in_memory(store=Shut(error))  # type: ignore[arg-type]  # it never gets to its verbs
    talk = await lifespan(APIKeyChainMiddleware(host, keychain), type(error))
    assert talk.types == ["lifespan.startup.failed"]
    assert told in talk.sent[0]["message"]


def app_of(*outside_first: Middleware) -> Starlette:
    return Starlette(middleware=list(outside_first))


@pytest.mark.parametrize("kind", ["lifespan", "http"])
async def test_inside_a_cors_middleware_nothing_is_served(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    keychain = APIKeyChain.in_memory()
    app = app_of(Middleware(CORSMiddleware), Middleware(APIKeyChainMiddleware, keychain=keychain))
    if kind == "lifespan":
        talk = await lifespan(app, MisplacedMiddlewareError)
        assert talk.types == ["lifespan.startup.failed"]
        assert "app.add_middleware(APIKeyChainMiddleware, keychain=keychain)" in talk.sent[0]["message"]
    else:
        for _ in range(2):
            talk = await call(app, scope_of(URL))
            assert (talk.sent[0]["status"], code(talk)) == (500, "internal")
    assert any("app.add_middleware(APIKeyChainMiddleware" in record.getMessage() for record in caplog.records)


async def test_outside_of_a_cors_middleware_all_is_well() -> None:
    keychain = APIKeyChain.in_memory()
    ours = Middleware(APIKeyChainMiddleware, keychain=keychain)
    for stack in ([ours, Middleware(CORSMiddleware)], [Middleware(GZipMiddleware), ours], [ours]):
        assert (await lifespan(app_of(*stack))).types[0] == "lifespan.startup.complete"


async def test_an_outer_cors_middleware_can_be_wanted() -> None:
    keychain = APIKeyChain.in_memory(settings=APIKeyChainSettings(outer_cors=True))
    app = app_of(Middleware(CORSMiddleware), Middleware(APIKeyChainMiddleware, keychain=keychain))
    assert (await lifespan(app)).types[0] == "lifespan.startup.complete"


async def test_a_server_that_ran_a_lifespan_is_looked_at_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    app, ready, ended = APIKeyChainMiddleware(Starlette(), APIKeyChain.in_memory()), asyncio.Event(), asyncio.Event()
    messages: list[Message] = [{"type": "lifespan.startup"}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await ended.wait()
        return {"type": "lifespan.shutdown"}

    async def send(message: Message) -> None:
        ready.set()

    async with asyncio.TaskGroup() as server:
        server.create_task(app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))
        await ready.wait()
        answers = [await call(app, scope_of(URL) | {"raw_path": raw_path}) for raw_path in (URL.encode(), None, None)]
        ended.set()
    assert [code(answer) for answer in answers] == ["not-found", "internal", "internal"]
    assert caplog.text.count("this server gives no raw_path") == 2


async def test_a_server_without_raw_paths_gets_500_and_one_clear_line(caplog: pytest.LogCaptureFixture) -> None:
    scope = scope_of(URL)
    del scope["raw_path"]
    talk = await call(APIKeyChainMiddleware(host, APIKeyChain.in_memory()), scope)
    assert (talk.sent[0]["status"], code(talk)) == (500, "internal")
    assert "raw_path" in caplog.text


class _OfUvicorn(Conversation):
    __module__ = "uvicorn.lifespan.on"


@pytest.mark.parametrize(
    ("server", "module", "loop", "told"),
    [
        (_OfUvicorn, "uvicorn.protocols.http.httptools_impl", "uvloop", ""),
        (_OfUvicorn, "uvicorn.protocols.http.httptools_impl", "asyncio", "without uvloop, "),
        (_OfUvicorn, "uvicorn.protocols.http.h11_impl", "uvloop", "without httptools, "),
        (_OfUvicorn, "uvicorn.protocols.http.h11_impl", "asyncio", "without httptools and uvloop, "),
        (Conversation, "hypercorn", "asyncio", ""),
    ],
)
async def test_a_start_on_slow_parts_of_uvicorn_is_told(
    server: type[Conversation],
    module: str,
    loop: str,
    told: str,
    *,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.delitem(sys.modules, "uvicorn.protocols.http.httptools_impl", raising=False)
    monkeypatch.setitem(sys.modules, module, ModuleType(module))
    monkeypatch.setattr(type(asyncio.get_running_loop()), "__module__", f"{loop}.loop")
    app = APIKeyChainMiddleware(host, APIKeyChain.in_memory(development=False))
    talk = server("lifespan.startup", "lifespan.shutdown")
    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, talk.receive, talk.send)
    assert [record.message for record in caplog.records if "uvicorn" in record.message] == (
        [f"uvicorn runs {told}with which each call costs less: pip install 'uvicorn[standard]'"] if told else []
    )


async def test_what_is_slow_is_not_told_in_development(caplog: pytest.LogCaptureFixture) -> None:
    app = APIKeyChainMiddleware(host, APIKeyChain.in_memory(development=True))
    talk = _OfUvicorn("lifespan.startup", "lifespan.shutdown")
    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, talk.receive, talk.send)
    assert "uvicorn" not in caplog.text
