"""What the gate is measured against, one ASGI factory each: limits, what one writes by hand, and published peers.

Each adds the provider's key to what it forwards, streams both ways and checks nothing. BASE names the provider. The
published ones run in an environment of their own, in which apikeychain is not: nothing here imports it.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BASE = os.environ.get("BASE", "")
KEY = os.environ.get("KEY", "")
SCRIPT = b"// 0123456789 abcdefghijklmnopqrstuvwxyz\n" * 400
_HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"te", b"trailers", b"upgrade")
)
_NOT_UP = _HOP_BY_HOP | {b"host", b"transfer-encoding", b"x-api-key"}
_NOT_DOWN = _HOP_BY_HOP | {b"transfer-encoding"}


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def hello() -> App:
    """An ASGI application that answers 1 KiB by itself: what the server costs."""
    body = b'{"id":"obj_1","pad":"' + b"x" * 1001 + b'"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1024"), (b"cache-control", b"no-store")]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def hello_script() -> App:
    """The same with a script of 16 KiB; HEADERS, if any, are further lines of JSON pairs."""
    headers = [
        (b"content-type", b"text/javascript; charset=utf-8"),
        (b"content-length", b"%d" % len(SCRIPT)),
        (b"cache-control", b"public, no-cache"),
        *((name.encode(), value.encode()) for name, value in json.loads(os.environ.get("HEADERS", "[]"))),
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": SCRIPT})

    return app


def static_files() -> App:
    """Starlette's StaticFiles with that script."""
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    folder = Path(os.environ["DATA"])
    (folder / "v1").mkdir(exist_ok=True)
    (folder / "v1" / "thing").write_bytes(SCRIPT)
    return Starlette(routes=[Mount("/", StaticFiles(directory=folder))])


def bare_aiohttp() -> App:
    """Raw ASGI and aiohttp, with nothing between them."""
    import aiohttp

    sessions: list[aiohttp.ClientSession] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if not sessions:
            sessions.append(
                aiohttp.ClientSession(
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    connector=aiohttp.TCPConnector(limit=512),
                    timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
                )
            )
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"] if name not in _NOT_UP]
        target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        response = await sessions[0].request(
            scope["method"],
            BASE + target,
            headers=[*headers, ("x-api-key", KEY)],
            data=_body(receive) if scope["method"] in {"POST", "PUT", "PATCH"} else None,
            allow_redirects=False,
        )
        try:
            lines = [(name.lower(), value) for name, value in response.raw_headers if name.lower() not in _NOT_DOWN]
            await send({"type": "http.response.start", "status": response.status, "headers": lines})
            async for chunk in response.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            response.close()

    return app


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


def starlette_httpx() -> App:
    """What one writes by hand: Starlette and an httpx client."""
    import httpx
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.requests import Request
    from starlette.responses import StreamingResponse
    from starlette.routing import Route

    client = httpx.AsyncClient(timeout=60)

    async def proxy(request: Request) -> StreamingResponse:
        target = request.url.path + ("?" + request.url.query if request.url.query else "")
        headers = [(name, value) for name, value in request.headers.raw if name not in _NOT_UP]
        content = request.stream() if request.method in {"POST", "PUT", "PATCH"} else None
        made = client.build_request(
            request.method, BASE + target, headers=[*headers, (b"x-api-key", KEY.encode())], content=content
        )
        answer = await client.send(made, stream=True)
        response = StreamingResponse(
            answer.aiter_raw(), status_code=answer.status_code, background=BackgroundTask(answer.aclose)
        )
        response.raw_headers = [
            (name.lower(), value) for name, value in answer.headers.raw if name.lower() not in _NOT_DOWN
        ]
        return response

    return Starlette(routes=[Route("/{path:path}", proxy, methods=["GET", "POST", "PUT", "DELETE", "PATCH"])])


def asgiproxy() -> App:
    """The published peer ``asgiproxy``, on aiohttp."""
    from asgiproxy.config import (  # type: ignore[import-not-found]  # it is in the environment of the peers alone
        BaseURLProxyConfigMixin,
        ProxyConfig,
    )
    from asgiproxy.context import ProxyContext  # type: ignore[import-not-found]  # likewise
    from asgiproxy.simple_proxy import make_simple_proxy_app  # type: ignore[import-not-found]  # likewise

    class Config(BaseURLProxyConfigMixin, ProxyConfig):  # type: ignore[misc]  # likewise
        upstream_base_url = BASE
        rewrite_host_header = urlsplit(BASE).netloc

        def process_client_headers(self, *, scope: Scope, headers: Any) -> Any:
            passed = super().process_client_headers(scope=scope, headers=headers).mutablecopy()
            passed["x-api-key"] = KEY
            return passed

    app: App = make_simple_proxy_app(ProxyContext(Config()))
    return app


def fastapi_proxy_lib() -> App:
    """The published peer ``fastapi-proxy-lib``, on httpx."""
    from fastapi_proxy_lib.fastapi.app import (  # type: ignore[import-not-found]  # likewise
        reverse_http_app,
    )
    from httpx import AsyncClient

    app: App = reverse_http_app(client=AsyncClient(headers={"x-api-key": KEY}, timeout=60), base_url=BASE + "/")
    return app


def streams() -> App:
    """The provider of long answers and long bodies: ``/v1/events``, ``/v1/down`` (MIB of them) and ``/v1/up``."""
    piece = bytes(65536)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        async for _ in _body(receive):
            pass
        kind = b"text/event-stream" if scope["path"] == "/v1/events" else b"application/octet-stream"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        if scope["path"] == "/v1/events":
            await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
            await asyncio.sleep(0.01)
            await send({"type": "http.response.body", "body": b"data: last\n\n", "more_body": True})
        elif scope["path"] == "/v1/down":
            for _ in range(int(os.environ["MIB"]) * 2**20 // len(piece)):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app
