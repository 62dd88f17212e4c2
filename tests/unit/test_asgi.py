"""Scopes and messages on one side, calls and replies on the other."""

import asyncio
from typing import Any, Self

import pytest
from starlette.types import Message

from apikeychain.asgi import application, call_of, path_of
from apikeychain.errors import (
    AnswerError,
    BackendUnavailableError,
    CallerGoneError,
    InternalError,
    NotOpenError,
    UpstreamTimeoutError,
)
from apikeychain.inbox import Inbox
from apikeychain.model.call import Call, Reply
from gate import scope_of

PREFIX = "/api/apikeychain"


class Server:
    """The server's side of one request."""

    def __init__(self, *messages: Message, leave: asyncio.Event | None = None) -> None:
        self.waiting = list(messages) or [{"type": "http.request", "body": b"", "more_body": False}]
        self.leave = leave or asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if self.waiting:
            return self.waiting.pop(0)
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)


class Stream:
    """A body that can break, and notes its closing."""

    def __init__(self, *chunks: bytes, error: Exception | None = None) -> None:
        self.chunks, self.error, self.closed = list(chunks), error, 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self.chunks:
            return self.chunks.pop(0)
        if self.error is not None:
            raise self.error
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed += 1


def failed(_call: Call, error: AnswerError) -> Reply:
    return Reply(error.status, (), error.code.encode())


def path(**scope: Any) -> bytes:
    return path_of(scope_of("/x") | scope)


def test_the_raw_path_counts_and_not_the_decoded_one() -> None:
    assert path(path="/a/b", raw_path=b"/a%2Fb") == b"/a%2Fb"


def test_a_query_in_the_raw_path_is_not_the_path() -> None:
    assert path(raw_path=b"/a?b=/c") == b"/a"


@pytest.mark.parametrize(
    ("root", "raw", "expected"),
    [
        ("/root", b"/root/api", b"/api"),
        ("/root/", b"/root/api", b"/api"),
        ("/root", b"/api", b"/api"),
        ("/root", b"/rooted/api", b"/rooted/api"),
        ("", b"/api", b"/api"),
    ],
)
def test_the_servers_root_path_is_no_part_of_the_path(root: str, raw: bytes, expected: bytes) -> None:
    assert path(root_path=root, raw_path=raw) == expected


def test_a_server_without_raw_paths_is_still_found_under_the_prefix() -> None:
    scope = scope_of("/api/ä")
    del scope["raw_path"]
    assert path_of(scope) == b"/api/%C3%A4"


def test_a_call_is_what_came_and_nothing_else() -> None:
    scope = scope_of(f"{PREFIX}/p_x/proxy/weather/a%2Fb", b"q=%20", method="POST", headers=[(b"X-A", b"1")])
    inbox = Inbox(Server().receive)
    call = call_of(scope, PREFIX, inbox)
    assert (call.project, call.area, call.path, call.query) == ("p_x", "proxy", b"weather/a%2Fb", b"q=%20")
    assert (call.method, call.scheme, call.peer) == ("POST", "https", "203.0.113.9")
    assert call.headers.get(b"x-a") == b"1"
    assert call.body is inbox
    assert (call.root, call_of(scope | {"root_path": "/sub/"}, PREFIX, inbox).root) == ("", "/sub")


def test_a_server_that_names_no_peer_gives_an_empty_one() -> None:
    assert call_of(scope_of(PREFIX) | {"client": None}, PREFIX, Inbox(Server().receive)).peer == ""


def test_blanks_around_a_value_are_none_of_it_and_nothing_else_is_left_out() -> None:
    lines = [(b"accept", b" \t a b\t "), (b"x-key", b"\x0ba\x0c"), (b"x-none", b" ")]
    call = call_of(scope_of(PREFIX) | {"headers": lines}, PREFIX, Inbox(Server().receive))
    assert call.headers.lines == ((b"accept", b"a b"), (b"x-key", b"\x0ba\x0c"), (b"x-none", b""))


async def test_a_reply_of_bytes_is_two_messages() -> None:
    async def handle(_call: Call) -> Reply:
        return Reply(201, ((b"x-a", b"1"),), b"body")

    server = Server()
    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, server.send)
    assert server.sent == [
        {"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]},
        {"type": "http.response.body", "body": b"body"},
    ]


async def test_a_head_request_gets_no_body() -> None:
    async def handle(_call: Call) -> Reply:
        return Reply(200, (), b"body")

    server = Server()
    await application(handle, failed, PREFIX)(scope_of(PREFIX, method="HEAD"), server.receive, server.send)
    assert server.sent[1] == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ZeroDivisionError("secret-1"), b"internal"),
        (NotOpenError("open me"), b"internal"),
        (BackendUnavailableError(), b"backend-unavailable"),
        (InternalError(), b"internal"),
    ],
)
async def test_what_is_no_answer_becomes_one(error: Exception, answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_call: Call) -> Reply:
        raise error

    server = Server()
    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, server.send)
    assert server.sent[1]["body"] == answer
    assert len(caplog.records) == 1


async def test_a_call_whose_caller_left_is_not_answered() -> None:
    async def handle(_call: Call) -> Reply:
        raise CallerGoneError

    server = Server()
    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, server.send)
    assert server.sent == []


@pytest.mark.parametrize("error", [UpstreamTimeoutError(), CallerGoneError(), ZeroDivisionError()])
async def test_a_stream_that_breaks_has_no_end_and_is_closed_once(error: Exception) -> None:
    stream = Stream(b"half", error=error)

    async def handle(_call: Call) -> Reply:
        return Reply(200, (), stream)

    server = Server()
    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, server.send)
    assert server.sent[-1] == {"type": "http.response.body", "body": b"half", "more_body": True}
    assert stream.closed == 1


@pytest.mark.parametrize("body", [b"never", Stream(b"never")])
async def test_a_server_that_cannot_send_any_more_ends_the_call(body: bytes | Stream) -> None:
    async def handle(_call: Call) -> Reply:
        return Reply(200, (), body)

    async def send(_message: Message) -> None:
        raise BrokenPipeError

    await application(handle, failed, PREFIX)(scope_of(PREFIX), Server().receive, send)
    assert isinstance(body, bytes) or body.closed == 1


@pytest.mark.parametrize("seconds", [{"idle_seconds": 0.01}, {"total_seconds": 0.01}])
@pytest.mark.parametrize("kind", ["bytes", "stream"])
async def test_a_caller_that_reads_nothing_is_one_that_left(kind: str, seconds: dict[str, float]) -> None:
    body = Stream(b"first", b"second") if kind == "stream" else b"whole"
    sent: list[Message] = []

    async def handle(_call: Call) -> Reply:
        return Reply(200, (), body, **seconds)

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async with asyncio.timeout(5):
        await application(handle, failed, PREFIX)(scope_of(PREFIX), Server().receive, send)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert isinstance(body, bytes) or body.closed == 1


@pytest.mark.parametrize("body", [b"whole", Stream(b"a", b"b")])
async def test_what_a_middleware_does_after_the_last_byte_is_not_cut(body: bytes | Stream) -> None:
    async def handle(_call: Call) -> Reply:
        await asyncio.sleep(0.1)
        return Reply(200, (), body)

    server, done = Server(), asyncio.Event()

    async def send(message: Message) -> None:
        await server.send(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            server.leave.set()  # as servers do once an answer is over
            await asyncio.sleep(0.05)
            done.set()

    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, send)
    assert done.is_set()


async def test_a_caller_that_reads_slowly_gets_it_all() -> None:
    async def handle(_call: Call) -> Reply:
        return Reply(200, (), Stream(*[b"x"] * 5), idle_seconds=0.2)

    server = Server()

    async def send(message: Message) -> None:
        await asyncio.sleep(0.05)
        await server.send(message)

    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, send)
    assert server.sent[-1] == {"type": "http.response.body", "body": b""}


async def test_a_caller_that_leaves_ends_a_slow_call_and_nothing_is_sent() -> None:
    ended = asyncio.Event()

    async def handle(call: Call) -> Reply:
        assert [chunk async for chunk in call.body] == []
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return Reply(200)

    last, stray = {"type": "http.request", "more_body": False}, {"type": "http.request"}
    server = Server(last, stray)
    asyncio.get_running_loop().call_later(0.1, server.leave.set)
    await application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, server.send)
    assert ended.is_set()
    assert server.sent == []
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_a_body_that_comes_late_is_waited_for() -> None:
    body = asyncio.Event()

    async def handle(call: Call) -> Reply:
        return Reply(200, (), b"".join([chunk async for chunk in call.body]))

    server = Server({"type": "http.request", "body": b"late", "more_body": False})

    async def receive() -> Message:
        await body.wait()
        return await server.receive()

    asyncio.get_running_loop().call_later(0.2, body.set)
    await application(handle, failed, PREFIX)(scope_of(PREFIX), receive, server.send)
    assert server.sent[1]["body"] == b"late"


async def test_somebody_elses_cancellation_is_passed_on() -> None:
    started = asyncio.Event()

    async def handle(_call: Call) -> Reply:
        started.set()
        await asyncio.sleep(30)
        return Reply(200)

    server = Server()
    task = asyncio.ensure_future(application(handle, failed, PREFIX)(scope_of(PREFIX), server.receive, server.send))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_answer_that_is_quick_starts_no_watcher() -> None:
    received = 0

    async def receive() -> Message:
        nonlocal received
        received += 1
        return {"type": "http.disconnect"}

    async def handle(_call: Call) -> Reply:
        return Reply(200, (), b"quick")

    server = Server()
    await application(handle, failed, PREFIX)(scope_of(PREFIX), receive, server.send)
    await asyncio.sleep(0.1)
    assert received == 0
