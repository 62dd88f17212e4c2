"""scope, receive and send on one side, Call and Reply on the other. Nothing else.

Source: the ASGI specification, HTTP and WebSocket message format, version 3.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain.errors import AnswerError, APIKeyChainError, BackendUnavailableError, CallerGoneError, InternalError
from apikeychain.frames import frames_of
from apikeychain.inbox import Inbox
from apikeychain.model.call import ByteStream, Call, Reply
from apikeychain.model.headers import Headers
from apikeychain.watch.mentions import Mentions

Handle = Callable[[Call], Awaitable[Reply]]
FailureReply = Callable[[Call, AnswerError], Reply]

_BLANKS = b" \t"
_log = logging.getLogger("apikeychain.asgi")


def application(handle: Handle, failed: FailureReply, prefix: str) -> ASGIApp:
    """An ASGI application for the HTTP scopes under `prefix`.

    Args:
        handle: answers a call; raises nothing but what is a bug.
        failed: the answer where `handle` raised all the same.
        prefix: what `path_of` found the scope under.
    """
    mentions = Mentions()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inbox = Inbox(receive)
        call = call_of(scope, prefix, inbox)
        with inbox:
            try:
                reply = await handle(call)
            except CallerGoneError:
                raise
            except APIKeyChainError as error:
                mentions.close(str(error), time.monotonic())
                reply = failed(call, error if isinstance(error, BackendUnavailableError) else InternalError())
            except Exception as error:  # noqa: BLE001 - whatever a bug raises becomes one answer and one log entry
                _log.error("the gate failed\n%s", frames_of(error))
                reply = failed(call, InternalError())
            inbox.answering = True
            await send_reply(reply, call, send, inbox.end)
        if inbox.left:
            _log.debug("the answer ended before it was over: its caller left, or was suspended")

    return app


def path_of(scope: Scope) -> bytes:
    """The raw path of an HTTP or WebSocket scope, below the server's root path.

    A server that gives none gives its decoded path, encoded anew: good enough to find the prefix, not to judge a call.
    """
    raw_path: bytes | None = scope.get("raw_path")
    if raw_path is None:
        path = quote(str(scope["path"])).encode()
    else:
        path = raw_path.partition(b"?")[0] if b"?" in raw_path else raw_path
    if not scope.get("root_path"):
        return path
    root = _root_of(scope).encode("latin-1", "replace")
    return path[len(root) :] if root and path.startswith(root + b"/") else path


def call_of(scope: Scope, prefix: str, inbox: Inbox) -> Call:
    """The call in a scope whose path lies under `prefix`.

    Blanks around a header's value are none of it (RFC 9110, 5.5), and some servers leave them there.
    """
    project, _, rest = path_of(scope)[len(prefix) + 1 :].partition(b"/")
    area, slash, tail = rest.partition(b"/")
    client: tuple[str, int] | None = scope.get("client")
    login: object = scope.get("apikeychain.caller")
    return Call(
        method=scope["method"],
        scheme=scope.get("scheme", "http"),
        project=project.decode("latin-1"),
        area=area.decode("latin-1"),
        path=tail,
        query=scope.get("query_string", b""),
        headers=Headers([(name, value.strip(_BLANKS)) for name, value in scope["headers"]]),
        peer=client[0] if client else "",
        body=inbox,
        root=_root_of(scope),
        login=login if isinstance(login, str) and login else None,
        slash=bool(slash),
        hang_up=inbox.hang_up,
    )


def _root_of(scope: Scope) -> str:
    return str(scope.get("root_path", "")).rstrip("/")


async def send_small(reply: Reply, send: Send) -> None:
    """Send a reply whose body is at most `MAX_WHOLE_BYTES`: a server takes that without waiting for its caller."""
    try:
        await send({"type": "http.response.start", "status": reply.status, "headers": [*reply.headers]})
        await send({"type": "http.response.body", "body": reply.body})
    except OSError:
        # The caller left.
        return


async def send_reply(reply: Reply, call: Call, send: Send, ending: Callable[[float], None]) -> None:
    """Send a reply; a stream that breaks leaves the answer without an end, so that the server cuts the connection.

    Args:
        reply: to `call`.
        call: what it answers.
        send: of the server.
        ending: called before the end is sent, after which a server takes everybody for gone, with the seconds in which
            the caller has to take it.
    """
    start: Message = {"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)}
    if isinstance(reply.body, bytes):
        ending(min(reply.idle_seconds, reply.total_seconds))
        await _send_whole(start, b"" if call.method == "HEAD" else reply.body, send)
        return
    send = _bounded(send, reply, ending)
    try:
        await send(start)
        if await _stream(reply.body, send):
            await send({"type": "http.response.body", "body": b""})
    finally:
        await reply.body.aclose()


async def _send_whole(start: Message, body: bytes, send: Send) -> None:
    try:
        await send(start)
        await send({"type": "http.response.body", "body": body})
    except OSError:
        raise CallerGoneError from None


def _bounded(send: Send, reply: Reply, ending: Callable[[float], None]) -> Send:
    """`send` with an end to its patience: a caller that reads nothing is one that left.

    Raises:
        CallerGoneError: when sending; it takes no more, or a server says so (OSError).
    """
    loop = asyncio.get_running_loop()
    ends = loop.time() + reply.total_seconds

    async def bounded(message: Message) -> None:
        until = min(ends, loop.time() + reply.idle_seconds)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            ending(until - loop.time())
        try:
            async with asyncio.timeout_at(until):
                await send(message)
        except OSError:
            raise CallerGoneError from None

    return bounded


async def _stream(body: ByteStream, send: Send) -> bool:
    """Send the chunks; whether the stream came to its true end."""
    try:
        async for chunk in body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except CallerGoneError:
        return False
    except AnswerError as error:
        _log.warning("an answer under way was cut: %s", error.code)
        return False
    except Exception as error:  # noqa: BLE001 - whatever a bug raises cuts the answer and is logged
        _log.error("an answer under way was cut\n%s", frames_of(error))
        return False
    return True
