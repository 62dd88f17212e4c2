"""`APIKeyChainMiddleware`: the prefix and the lifespan. Everything else of the host passes through unchanged.

Source: contracts 1, 2 (outside of any CORS middleware); the ASGI specification, lifespan protocol.
"""

import asyncio
import logging
import sys
import traceback
from typing import Any, cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain.asgi import application, path_of, send_small
from apikeychain.errors import APIKeyChainError, InternalError, MisplacedMiddlewareError
from apikeychain.keychain import APIKeyChain
from apikeychain.model.call import Call, Reply

_INSTALL = "pip install 'uvicorn[standard]'"
_CLOSING = frozenset({"lifespan.shutdown.complete", "lifespan.shutdown.failed", "lifespan.startup.failed"})
_log = logging.getLogger("apikeychain")


class APIKeyChainMiddleware:
    """Serves the gate under the keychain's prefix, and opens and closes the keychain with the host.

    ::

        app.add_middleware(APIKeyChainMiddleware, keychain=keychain)   # last added = outermost

    Args:
        app: the host's application.
        keychain: opened before the host's own startup runs and closed after its shutdown; where the server runs no
            lifespan, the first call opens it.
    """

    def __init__(self, app: ASGIApp, keychain: APIKeyChain) -> None:
        self.app, self.keychain = app, keychain
        self._prefix = keychain.settings.prefix
        self._below = (self._prefix + "/").encode()
        self._gate = application(self._handle, keychain.failed, self._prefix)
        self._unfit: APIKeyChainError | None = None
        self._looked = self._serves = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a scope under the prefix, and hand on every other."""
        reply = self._at_once(scope) if self._serves and scope["type"] == "http" else None
        if reply is not None:
            await send_small(reply, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
        elif not self._is_ours(scope):
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            self._look_at(scope)
            self._require_raw_path(scope)
            await self._gate(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        if scope["type"] not in {"http", "websocket"}:
            return False
        path = path_of(scope)
        return path.startswith(self._below) or path == self._below[:-1]

    def _at_once(self, scope: Scope) -> Reply | None:
        """What needs no waiting and no body: most requests for assets."""
        path: bytes | None = scope.get("raw_path")
        if path is None or scope["method"] != "GET" or scope.get("root_path"):
            return None
        client: tuple[str, int] | None = scope.get("client")
        peer, scheme = client[0] if client else "", scope.get("scheme", "http")
        return self.keychain.at_once(path, scope.get("query_string", b""), scope["headers"], peer, scheme)

    async def _handle(self, call: Call) -> Reply:
        if self._unfit is not None:
            raise self._unfit
        return await self.keychain.handle(call)

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = await receive()
        try:
            await self._start(scope, receive)
        except Exception as error:
            # A server prints the text and needs no more; a test client would go on without the error.
            told = str(error) if isinstance(error, APIKeyChainError) else traceback.format_exc()
            await send({"type": "lifespan.startup.failed", "message": told})
            raise
        await self._host_lifespan(first, scope, receive, send)

    async def _start(self, scope: Scope, receive: Receive) -> None:
        self._look_at(scope)
        if self._unfit is not None:
            raise self._unfit
        if not self.keychain.settings.development and (missing := _missing_parts(receive)):
            _log.warning("uvicorn runs without %s, with which each call costs less: %s", missing, _INSTALL)
        await self.keychain.serve()

    async def _host_lifespan(self, first: Message, scope: Scope, receive: Receive, send: Send) -> None:
        waiting, serving = [first], [self.keychain]

        async def receive_again() -> Message:
            return waiting.pop() if waiting else await receive()

        async def close_once(*, reopens: bool) -> None:
            # The keychain counts: a second close would be that of whoever else opened it.
            while serving:
                await serving.pop().close(reopens=reopens)

        async def send_closed(message: Message) -> None:
            if message["type"] in _CLOSING:
                await close_once(reopens=False)
            await send(message)

        try:
            await self.app(scope, receive_again, send_closed)
        finally:
            # A host that knows no lifespan raises here, and is served all the same.
            await close_once(reopens=True)

    def _look_at(self, scope: Scope) -> None:
        """Look at the first scope for what keeps us from serving here, and log it once."""
        if not self._looked:
            self._looked = True
            self._close(_misplacement(scope, outer_cors=self.keychain.settings.outer_cors))

    def _require_raw_path(self, scope: Scope) -> None:
        """Close the gate to a server without raw paths: an encoded slash could not be told from a real one."""
        if self._unfit is None and scope.get("raw_path") is None:
            told = "this server gives no raw_path in its scopes, without which no call can be judged"
            self._close(InternalError(told))

    def _close(self, reason: APIKeyChainError | None) -> None:
        self._unfit, self._serves = reason, reason is None
        if reason is not None:
            _log.error("%s", reason)


def _missing_parts(receive: Receive) -> str:
    """What uvicorn, if it is the server whose `receive` this is, would be faster with and runs without; or ""."""
    if not type(getattr(receive, "__self__", None)).__module__.startswith("uvicorn."):
        return ""
    parts = {
        "httptools": "uvicorn.protocols.http.httptools_impl" in sys.modules,
        "uvloop": type(asyncio.get_running_loop()).__module__.startswith("uvloop"),
    }
    return " and ".join(name for name, is_there in parts.items() if not is_there)


def _misplacement(scope: Scope, *, outer_cors: bool) -> MisplacedMiddlewareError | None:
    """What is wrong with the order of the host's middleware, or None.

    The CORS class is found among the loaded modules: a host that did not load it does not use it.
    """
    module = sys.modules.get("starlette.middleware.cors")
    stack = cast("list[Any]", getattr(scope.get("app"), "user_middleware", []))
    classes = [getattr(entry, "cls", None) for entry in stack]
    if outer_cors or module is None or APIKeyChainMiddleware not in classes:
        return None
    outside = classes[: classes.index(APIKeyChainMiddleware)]
    if not any(isinstance(cls, type) and issubclass(cls, module.CORSMiddleware) for cls in outside):
        return None
    return MisplacedMiddlewareError(
        "a CORSMiddleware stands outside of APIKeyChainMiddleware and would answer foreign preflights. "
        "Add ours last: app.add_middleware(APIKeyChainMiddleware, keychain=keychain)",
    )
