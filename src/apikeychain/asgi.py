"""scope, receive and send on one side, Call and Reply on the other. Nothing else.

Source: the ASGI specification, HTTP and WebSocket message format, version 3.
"""

import asyncio
import logging
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any, cast, final
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain.errors import AnswerError, APIKeyChainError, BackendUnavailableError, CallerGoneError, InternalError
from apikeychain.model.call import ByteStream, Call, Reply
from apikeychain.model.headers import Headers, Line

Handle = Callable[[Call], Awaitable[Reply]]
FailureReply = Callable[[Call, AnswerError], Reply]

PATIENCE_SECONDS = 0.05
_log = logging.getLogger("apikeychain.asgi")


def application(handle: Handle, failed: FailureReply, prefix: str) -> ASGIApp:
    """An ASGI application for the HTTP scopes under `prefix`.

    Args:
        handle: answers a call; raises nothing but what is a bug.
        failed: the answer where `handle` raised all the same.
        prefix: what `path_of` found the scope under.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        inbox = Inbox(receive)
        call = call_of(scope, prefix, inbox)
        with Watcher(inbox) as watcher:
            try:
                reply = await handle(call)
            except CallerGoneError:
                raise
            except APIKeyChainError as error:
                _log.error("the gate is closed: %s", error)
                reply = failed(call, error if isinstance(error, BackendUnavailableError) else InternalError())
            except Exception as error:  # noqa: BLE001 - whatever a bug raises becomes one answer and one log entry
                _log.error("the gate failed\n%s", _trace(error))
                reply = failed(call, InternalError())
            await _send(reply, call, send)
        if watcher.left:
            _log.debug("the caller left before the answer was over")

    return app


def path_of(scope: Scope) -> bytes:
    """The raw path of an HTTP or WebSocket scope, below the server's root path.

    A server that gives none gives its decoded path, encoded anew: good enough to find the prefix, not to judge a call.
    """
    raw_path = cast("bytes | None", scope.get("raw_path"))
    path = quote(str(scope["path"])).encode() if raw_path is None else raw_path.partition(b"?")[0]
    root = str(scope.get("root_path", "")).encode("latin-1", "replace").rstrip(b"/")
    return path[len(root) :] if root and path.startswith(root + b"/") else path


def call_of(scope: Scope, prefix: str, inbox: "Inbox") -> Call:
    """The call in a scope whose path lies under `prefix`."""
    path = path_of(scope)
    project, _, rest = path[len(prefix) + 1 :].partition(b"/")
    area, _, tail = rest.partition(b"/")
    client = cast("tuple[str, int] | None", scope.get("client"))
    return Call(
        method=str(scope["method"]),
        scheme=str(scope.get("scheme", "http")),
        project=project.decode("latin-1"),
        area=area.decode("latin-1"),
        path=tail,
        query=bytes(scope.get("query_string", b"")),
        headers=Headers(cast("Iterable[Line]", scope["headers"])),
        peer=client[0] if client else "",
        body=inbox,
    )


@final
class Inbox:
    """The body of a request as chunks, and the caller's absence.

    Attributes:
        ended: whether the body was read to its end, so that the next message can only be the caller's absence.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.ended = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        while not self.ended:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise CallerGoneError
            self.ended = not message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk

    async def gone(self) -> None:
        """Wait until the caller has left. Only after the body has ended: `receive` has one reader at a time."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


@final
class Watcher:
    """Ends the task that it is entered in when the caller leaves, once an answer takes longer than 50 ms.

    A server's `send` stays silent when nobody listens, so that a call would else stream to nobody. While a body is
    still being read its reader sees the absence; the watcher waits for the end of the body.

    Attributes:
        left: whether the caller left.
    """

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._watching: asyncio.Task[None] | None = None
        self.left = False

    def __enter__(self) -> "Watcher":
        self._task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._timer = self._task.get_loop().call_later(PATIENCE_SECONDS, self._begin)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()
        if isinstance(error, CallerGoneError):
            self.left = True
            return True
        if self.left and isinstance(error, asyncio.CancelledError):
            self._task.uncancel()
            return True
        return False

    def _begin(self) -> None:
        loop = self._task.get_loop()
        if self._inbox.ended:
            self._watching = loop.create_task(self._watch())
        else:
            self._timer = loop.call_later(PATIENCE_SECONDS, self._begin)

    async def _watch(self) -> None:
        await self._inbox.gone()
        self.left = True
        self._task.cancel()


async def _send(reply: Reply, call: Call, send: Send) -> None:
    """Send a reply; a stream that breaks leaves the answer without an end, so that the server cuts the connection."""
    start: Message = {"type": "http.response.start", "status": reply.status, "headers": list(reply.headers)}
    if isinstance(reply.body, bytes):
        await send(start)
        await send({"type": "http.response.body", "body": b"" if call.method == "HEAD" else reply.body})
        return
    try:
        await send(start)
        if await _stream(reply.body, send):
            await send({"type": "http.response.body", "body": b""})
    finally:
        await reply.body.aclose()


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
        _log.error("an answer under way was cut\n%s", _trace(error))
        return False
    return True


def _trace(error: BaseException) -> str:
    """The frames and classes of an error and of what led to it, never a text: that of a plug may hold a secret."""
    told: list[str] = []
    current: BaseException | None = error
    while current is not None:
        told.append("".join(traceback.format_tb(current.__traceback__)) + type(current).__name__)
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\nled to:\n".join(reversed(told))
