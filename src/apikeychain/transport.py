"""`SecureTransportMiddleware`: for the host's own routes what the gate does for its calls.

Plain http is refused and never redirected, since what came with it has been seen already; https answers carry HSTS;
every cookie is ``Secure``. Nothing is buffered, and nothing else of an answer is changed.

Source: spec 4.1, 4.3; contracts 2 (https, HSTS); RFC 6455, section 4.1 (a WebSocket opens with an HTTP request); RFC
6265bis, section 5.6 (how a browser reads the attributes of a cookie).
"""

import re
from collections.abc import Callable, Iterable
from typing import cast, final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain.asgi import call_of, send_reply
from apikeychain.errors import HeaderLines, HTTPSRequiredError
from apikeychain.inbox import Inbox
from apikeychain.model.call import Call
from apikeychain.model.headers import Line
from apikeychain.rules import headers, problem
from apikeychain.rules.caller import Caller, identify, parse_trusted
from apikeychain.settings import APIKeyChainSettings

_ANSWERS = frozenset({"http.response.start", "websocket.http.response.start"})
_WITH_COOKIES = _ANSWERS | {"websocket.accept"}
_LOCAL = re.compile(r"(?:(?:[a-z0-9-]+\.)*localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?", re.IGNORECASE)


@final
class SecureTransportMiddleware:
    """Serves a host's routes over https only.

    ::

        app.add_middleware(SecureTransportMiddleware, settings=keychain.settings)

    It may stand on either side of `APIKeyChainMiddleware`.

    Args:
        app: the host's application.
        settings: the keychain's. In development http is served, and no HSTS is sent; `trusted_proxies` are believed
            when they say by which scheme and host a call came.
    """

    def __init__(self, app: ASGIApp, *, settings: APIKeyChainSettings | None = None) -> None:
        self.app = app
        settings = settings or APIKeyChainSettings()
        self._development, self._trusted = settings.development, parse_trusted(settings.trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on a scope that came over https, and secure its answer."""
        if scope["type"] not in {"http", "websocket"}:
            await self.app(scope, receive, send)
            return
        inbox = Inbox(receive)
        call = call_of(_as_http(scope), "", inbox)
        caller = identify(call, self._trusted)
        try:
            headers.require_https(caller, development=self._development)
        except HTTPSRequiredError as error:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008})
            else:
                with inbox:
                    await self._refuse(error, call, caller, send, inbox.end)
        else:
            await self.app(scope, receive, self._securing(send, caller))

    async def _refuse(
        self, error: HTTPSRequiredError, call: Call, caller: Caller, send: Send, ending: Callable[[float], None]
    ) -> None:
        reply = problem.secured(error, call, caller, development=self._development)
        await send_reply(reply, call, send, ending)

    def _securing(self, send: Send, caller: Caller) -> Send:
        hsts = headers.hsts(caller, development=self._development)
        # A browser keeps no Secure cookie that came over http, and only on these hosts it is sure to stay here.
        bare = caller.scheme == "http" and _LOCAL.fullmatch(caller.host) is not None

        async def securing(message: Message) -> None:
            if message["type"] in _WITH_COOKIES:
                lines = list(cast("Iterable[Line]", message.get("headers", ())))
                lines = lines if bare else [_with_secure_cookie(line) for line in lines]
                lines += _missing(hsts, lines) if message["type"] in _ANSWERS else ()
                message = {**message, "headers": lines}
            await send(message)

        return securing


def _as_http(scope: Scope) -> Scope:
    """The request that a WebSocket scope began with; some proxies forward its scheme as ``ws`` or ``wss``."""
    if scope["type"] == "http":
        return scope
    lines = [
        (name, value.lower().replace(b"ws", b"http") if name.lower() == b"x-forwarded-proto" else value)
        for name, value in cast("Iterable[Line]", scope["headers"])
    ]
    scheme = str(scope.get("scheme", "ws")).replace("ws", "http")
    return {**scope, "method": "GET", "scheme": scheme, "headers": lines}


def _with_secure_cookie(line: Line) -> Line:
    name, value = line
    if name.lower() != b"set-cookie":
        return line
    attributes = {part.partition(b"=")[0].strip(b" \t").lower() for part in value.split(b";")[1:]}
    return line if b"secure" in attributes else (name, value + b"; Secure")


def _missing(hsts: HeaderLines, lines: Iterable[Line]) -> HeaderLines:
    return () if any(name.lower() == headers.HSTS[0] for name, _ in lines) else hsts
