"""The body of a request in its pieces, and the caller's absence at any moment of a call."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from apikeychain import inbox as inbox_module
from apikeychain.errors import CallerGoneError
from apikeychain.inbox import ROOM_BYTES, Inbox
from apikeychain.testing.eventually import until

SECRET = "secret-1"
GONE: Message = {"type": "http.disconnect"}
END: Message = {"type": "http.request", "more_body": False}


def piece(body: bytes) -> Message:
    return {"type": "http.request", "body": body, "more_body": True}


class Server:
    """What `receive` says, message by message; then nothing, until `leave` is set."""

    def __init__(self, *messages: Message) -> None:
        self.waiting = list(messages)
        self.leave = asyncio.Event()
        self.received = 0

    async def receive(self) -> Message:
        self.received += 1
        if self.waiting:
            return self.waiting.pop(0)
        await self.leave.wait()
        return GONE


async def test_a_body_comes_in_its_pieces_to_its_end() -> None:
    last: Message = {"type": "http.request", "body": b"b"}
    with Inbox(Server(piece(b"a"), {"type": "http.request", "more_body": True}, last).receive) as inbox:
        assert [chunk async for chunk in inbox] == [b"a", b"b"]
        assert [chunk async for chunk in inbox] == []


@pytest.mark.parametrize("messages", [[piece(b"a"), GONE], [GONE], [piece(b"a"), piece(b"b"), GONE]])
async def test_a_disconnect_is_never_the_end_of_a_body(messages: list[Message]) -> None:
    heard: list[str] = []

    async def read(inbox: Inbox) -> None:
        try:
            async for _ in inbox:
                pass
            heard.append("an end")
        except CallerGoneError:
            heard.append("an absence")

    with Inbox(Server(*messages).receive) as inbox:
        reader = asyncio.create_task(read(inbox))
        await asyncio.sleep(5)
    await reader
    assert inbox.left
    assert heard == ["an absence"]


async def test_what_a_caller_sends_after_the_end_of_its_body_is_not_its_body() -> None:
    with Inbox(Server(piece(b"a"), END, END).receive) as inbox:
        assert [chunk async for chunk in inbox] == [b"a"]
        await asyncio.sleep(0)


async def test_a_reader_is_told_of_the_absence_as_an_error_of_its_own() -> None:
    with Inbox(Server(piece(b"a")).receive) as inbox:
        raise CallerGoneError
    assert not inbox.left


async def test_a_server_that_breaks_has_lost_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    async def receive() -> Message:
        raise ZeroDivisionError(SECRET)

    with Inbox(receive) as inbox:
        await asyncio.sleep(5)
    assert inbox.left
    assert caplog.messages == ["the caller cannot be heard any more: ZeroDivisionError"]


async def test_other_errors_pass() -> None:
    server = Server()
    with pytest.raises(ZeroDivisionError), Inbox(server.receive):
        raise ZeroDivisionError
    assert server.received == 0


async def test_reading_ahead_stops_where_the_room_ends() -> None:
    chunk = b"x" * 65536
    server = Server(*[piece(chunk)] * 20, END)
    with Inbox(server.receive) as inbox:
        chunks = aiter(inbox)
        assert await anext(chunks) == chunk
        await asyncio.sleep(0.02)
        assert server.received == 1 + ROOM_BYTES // len(chunk)
        assert [len(one) async for one in chunks] == [len(chunk)] * 19


async def leave_in_an_upload(wait: Callable[[Inbox, Server], Awaitable[None]]) -> Server:
    """A caller that leaves while an upload of which nobody takes more than one chunk is under way."""
    server = Server(*[piece(b"x" * 65536)] * 20)
    server.leave.set()
    async with asyncio.timeout(5):
        with Inbox(server.receive) as inbox:
            async for _ in inbox:
                await wait(inbox, server)
    assert inbox.left
    return server


async def test_an_absence_behind_an_upload_that_an_answering_provider_leaves_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox_module, "_UNTAKEN_SECONDS", 0.01)

    async def answer(inbox: Inbox, _server: Server) -> None:
        inbox.answering = True
        await asyncio.sleep(30)

    assert (await leave_in_an_upload(answer)).waiting == []


async def test_a_provider_that_has_not_answered_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "_UNTAKEN_SECONDS", 0.01)
    seen: list[int] = []

    async def think(_inbox: Inbox, server: Server) -> None:
        if not seen:
            await asyncio.sleep(0.1)
        seen.append(len(server.waiting))

    await leave_in_an_upload(think)
    assert seen[0] >= 20 - 1 - ROOM_BYTES // 65536
    assert len(seen) > 1


async def test_an_upload_that_was_thrown_away_never_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_module, "_UNTAKEN_SECONDS", 0.01)
    server = Server(*[piece(b"x" * 65536)] * 20, END)
    with Inbox(server.receive) as inbox:
        chunks = aiter(inbox)
        await anext(chunks)
        inbox.answering = True
        await until(lambda: not server.waiting)
        with pytest.raises(CallerGoneError):
            await anext(chunks)


async def test_who_is_hung_up_on_is_gone_once() -> None:
    ends: list[int] = []

    async def answer() -> None:
        with Inbox(Server().receive) as inbox:
            hung_up.append(inbox)
            try:
                await asyncio.Event().wait()
            finally:
                # A second cancellation would cut this short.
                inbox.hang_up()
                await asyncio.sleep(0)
                ends.append(1)
        assert inbox.left

    hung_up: list[Inbox] = []
    task = asyncio.create_task(answer())
    await until(lambda: hung_up)
    hung_up[0].hang_up()
    await asyncio.wait_for(task, 5)
    assert ends == [1]
    assert task.cancelling() == 0
