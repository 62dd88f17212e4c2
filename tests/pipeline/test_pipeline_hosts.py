"""Host applications keep what they had: routes, websockets and lifespan, under every way to run them."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi import WebSocket as FastAPIWebSocket
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from apikeychain import APIKeyChain, APIKeyChainMiddleware
from apikeychain.errors import DataDirectoryError, MisplacedMiddlewareError

NOWHERE = "/api/apikeychain/p_aaaaaaaaaaaaaaaaaaaa/proxy/weather"
UVICORN = [
    sys.executable,
    "-m",
    "uvicorn",
    "served_host:app",
    "--port",
    "0",
    "--app-dir",
    str(Path(__file__).parents[1]),
]
Lifespan = Callable[[Any], contextlib.AbstractAsyncContextManager[None]]


def starlette_host(lifespan: Lifespan | None) -> Starlette:
    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"home {request.query_params.get('q', '')}")

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(f"host: {await socket.receive_text()}")
        await socket.close()

    return Starlette(routes=[Route("/", home), WebSocketRoute("/ws", echo)], lifespan=lifespan)


def fastapi_host(lifespan: Lifespan | None) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def home(q: str = "") -> PlainTextResponse:
        return PlainTextResponse(f"home {q}")

    @app.websocket("/ws")
    async def echo(socket: FastAPIWebSocket) -> None:
        await socket.accept()
        await socket.send_text(f"host: {await socket.receive_text()}")
        await socket.close()

    return app


HOSTS = pytest.mark.parametrize("make", [starlette_host, fastapi_host])
OWN_LIFESPAN = pytest.mark.parametrize("own", [True, False], ids=["own-lifespan", "no-lifespan"])


@HOSTS
@OWN_LIFESPAN
@pytest.mark.parametrize("entered", [True, False], ids=["with", "without-with"])
def test_a_host_keeps_its_routes_websockets_and_lifespan(
    make: Callable[[Lifespan | None], Starlette], own: bool, entered: bool
) -> None:
    told: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None, None]:
        told.append("up")
        yield
        told.append("down")

    app = make(lifespan if own else None)
    app.add_middleware(APIKeyChainMiddleware, keychain=APIKeyChain.in_memory())
    client = TestClient(app)
    with client if entered else contextlib.nullcontext():
        assert client.get("/?q=1").text == "home 1"
        assert client.get("/nothing").status_code == 404
        with client.websocket_connect("/ws") as socket:
            socket.send_text("hello")
            assert socket.receive_text() == "host: hello"
        reply = client.get(NOWHERE)
        assert (reply.status_code, reply.headers["x-apikeychain-error"]) == (404, "not-found")
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(NOWHERE):
            pass
    assert told == (["up", "down"] if own and entered else [])


def test_a_keychain_in_memory_serves_a_hosts_own_tests() -> None:
    keychain = APIKeyChain.in_memory()
    urls: list[str] = []

    @contextlib.asynccontextmanager
    async def lifespan(_: Any) -> AsyncGenerator[None, None]:
        project = await (await keychain.ensure_tenant("acme")).ensure_project("storefront")
        await project.configure(origins=["http://localhost:5173"], enabled=True)
        urls.append(project.url("weather"))
        yield

    app = starlette_host(lifespan)
    app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
    with TestClient(app) as client:
        allowed = client.get(urls[0], headers={"origin": "http://localhost:5173"})
        foreign = client.get(urls[0], headers={"origin": "http://localhost:5174"})
    assert (allowed.status_code, allowed.headers["x-apikeychain-error"]) == (404, "not-found")
    assert (foreign.status_code, foreign.headers["x-apikeychain-error"]) == (403, "origin-refused")


@HOSTS
def test_inside_the_hosts_cors_it_does_not_start_and_names_the_repairing_line(
    make: Callable[[Lifespan | None], Starlette], caplog: pytest.LogCaptureFixture
) -> None:
    app = make(None)
    app.add_middleware(APIKeyChainMiddleware, keychain=APIKeyChain.in_memory())
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    with pytest.raises(MisplacedMiddlewareError), TestClient(app):
        pytest.fail("it started")
    line = "Add ours last: app.add_middleware(APIKeyChainMiddleware, keychain=keychain)"
    assert [record.getMessage().endswith(line) for record in caplog.records if record.name == "apikeychain"] == [True]


async def test_a_keychain_that_was_open_before_the_host_is_open_after_it(tmp_path: Path) -> None:
    async with APIKeyChain.embedded(tmp_path / "data") as keychain:
        app = APIKeyChainMiddleware(starlette_host(None), keychain)
        for _ in range(2):
            assert await _lived(app) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
        await keychain.ensure_tenant("acme")
        assert await keychain.list_tenants() == ["acme"]


async def test_a_start_that_was_refused_leaves_nothing_open(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    keychain = APIKeyChain.embedded(tmp_path / "data")
    other = APIKeyChain.embedded(tmp_path / "data")
    await other.serve()
    with pytest.raises(DataDirectoryError):
        await _lived(APIKeyChainMiddleware(starlette_host(None), keychain))
    await other.close()
    assert asyncio.all_tasks() == before


async def _lived(app: APIKeyChainMiddleware) -> list[str]:
    waiting, sent = ["lifespan.startup", "lifespan.shutdown"], list[str]()

    async def receive() -> dict[str, str]:
        return {"type": waiting.pop(0)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return sent


@contextlib.contextmanager
def served(data: Path, *options: str) -> Generator[str, None, None]:
    """The address of a host process under uvicorn's own command."""
    process = subprocess.Popen(  # noqa: S603  # the command is written above
        [*UVICORN, *options], env=_environment(data), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    with process.stdout as out:
        try:
            yield next(found[1] for line in out if (found := re.search(r"running on (http://[0-9.:]+)", line)))
        finally:
            process.terminate()
            out.read()
            process.wait(20)


def _environment(data: Path) -> dict[str, str]:
    return os.environ | {"DATA": str(data)}


@pytest.mark.parametrize(
    "options",
    [(), ("--lifespan", "off"), ("--root-path", "/root")],
    ids=["plain", "lifespan-off", "root-path"],
)
def test_under_uvicorn_the_host_answers_and_so_does_the_gate(options: tuple[str, ...], tmp_path: Path) -> None:
    with served(tmp_path / "data", *options) as address:
        assert httpx.get(f"{address}/").text == "home"
        reply = httpx.get(f"{address}{NOWHERE}")
        assert (reply.status_code, reply.headers["x-apikeychain-error"]) == (404, "not-found")


def test_a_second_server_on_one_data_directory_does_not_start_and_says_what_to_use(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as address:
        second = subprocess.run(  # noqa: S603  # the command is written above
            UVICORN,
            env=_environment(data),
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert second.returncode == 3
        assert f"another process serves from {data}" in second.stderr
        assert "Run one worker, or wire backends that all workers share" in second.stderr
        assert httpx.get(f"{address}/").text == "home"
