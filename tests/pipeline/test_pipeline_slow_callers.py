"""Callers that dribble, stall or do not read: each costs a bounded time, and no provider waits for them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
from starlette.types import Message, Scope

from apikeychain import JSONBody, JSONField, ProxyRoute, RawBody, Timeouts, inbox
from apikeychain.ledger import passage
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Visit
from gate import APP, WEATHER, Gate, open_gate, scope_of
from signer import Signer

PATH = "/data/2.5/weather"
ORIGIN = (b"origin", APP.encode())
CHUNKED = (b"transfer-encoding", b"chunked")
SHORT = Timeouts(connect=1, first_byte=1, idle=0.3, total=1)
ASK = ProxyRoute("weather", provider="weather", path=PATH, methods=["POST"], body=JSONBody([JSONField("q")]))
UPLOAD = ProxyRoute(
    "weather",
    provider="weather",
    path=PATH,
    methods=["POST"],
    body=RawBody(["application/octet-stream"]),
    max_body_bytes=64 << 20,
    timeouts=SHORT,
)


class Caller:
    """A caller that sends `pieces` and then neither more nor its end; it reads what it is told to."""

    def __init__(self, *pieces: bytes, reads: bool = True) -> None:
        self._messages: list[Message] = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
        self._reads = reads
        self.left = asyncio.Event()
        self.status = 0
        self.body = b""
        self.ended = False

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        if not self._reads:
            await asyncio.Event().wait()
        self.body += message["body"]
        self.ended = not message.get("more_body", False)

    @contextlib.asynccontextmanager
    async def calling(self, gate: Gate, scope: Scope) -> AsyncGenerator["asyncio.Task[None]", None]:
        task = asyncio.ensure_future(gate.app(scope, self.receive, self.send))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_body_that_is_read_whole_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passage, "READ_SECONDS", 0.2)
    async with open_gate(routes=[ASK]) as gate:
        caller = Caller(b'{"q"', b":")
        headers = [ORIGIN, CHUNKED, (b"content-type", b"application/json")]
        async with caller.calling(gate, scope_of(gate.shop.url("weather"), method="POST", headers=headers)) as call:
            await asyncio.wait_for(call, 5)
        assert (caller.status, caller.ended) == (408, True)
        assert b'"body-timeout"' in caller.body
        assert gate.provider.requests == []


async def test_a_body_that_is_streamed_may_not_pause_for_longer_than_the_route_says() -> None:
    async with open_gate(routes=[UPLOAD]) as gate:
        caller = Caller(b"x" * 1000)
        headers = [ORIGIN, CHUNKED, (b"content-type", b"application/octet-stream")]
        async with caller.calling(gate, scope_of(gate.shop.url("weather"), method="POST", headers=headers)) as call:
            await asyncio.wait_for(call, 5)
        assert (caller.status, caller.ended) == (408, True)
        await gate.provider.until_left()


async def test_a_caller_that_reads_nothing_is_cut_and_the_provider_let_go() -> None:
    async def flood(visit: Visit) -> None:
        await visit.head(200, [CHUNKED])
        while True:
            await visit.chunk(b"x" * 65536)

    route = ProxyRoute("weather", provider="weather", path=PATH, parameters=WEATHER.parameters, timeouts=SHORT)
    async with open_gate(routes=[route]) as gate:
        gate.provider.on(PATH, flood)
        caller = Caller(reads=False)
        caller._messages.append({"type": "http.request", "body": b"", "more_body": False})
        async with caller.calling(gate, scope_of(gate.shop.url("weather"), b"q=x", headers=[ORIGIN])) as call:
            await asyncio.wait_for(call, 5)
        assert (caller.status, caller.ended) == (200, False)
        await gate.provider.until_left()


async def test_a_caller_that_leaves_an_upload_which_an_answering_provider_reads_no_more_closes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inbox, "_UNTAKEN_SECONDS", 0.5)

    async def early(visit: Visit) -> None:
        await visit.head(200, [(b"content-type", b"text/event-stream"), CHUNKED])
        while True:
            await visit.chunk(b"data: x\n\n")
            await asyncio.sleep(0.1)

    async with open_gate(routes=[UPLOAD]) as gate:
        gate.provider.on(PATH, early)
        caller = Caller(*[b"x" * 65536] * 500)
        headers = [ORIGIN, CHUNKED, (b"content-type", b"application/octet-stream")]
        async with caller.calling(gate, scope_of(gate.shop.url("weather"), method="POST", headers=headers)) as call:
            await until(lambda: b"data: x" in caller.body and not caller._messages)
            caller.left.set()
            await asyncio.wait_for(call, 1)
        await gate.provider.until_left()


class Silent:
    """A provider that takes calls, counts them and says nothing."""

    def __init__(self) -> None:
        self.taken = 0

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        self.taken += 1
        await asyncio.Event().wait()
        raise AssertionError


async def test_one_address_has_at_most_128_calls_under_way_and_others_go_on() -> None:
    silent = Silent()
    async with open_gate(upstream=lambda _: silent) as gate:
        await gate.shop.configure(quota="9999/minute", address_quota="9999/minute")
        key = await gate.shop.add_signing_key()
        await asyncio.sleep(0.02)
        path, query = gate.shop.url("weather"), b"q=x"
        async with asyncio.TaskGroup() as calls:
            under_way = [calls.create_task(gate.get(query)) for _ in range(128)]
            await until(lambda: silent.taken == 128)
            refused = await asyncio.wait_for(gate.get(query), 10)
            assert (refused.status, refused.headers.get(b"retry-after")) == (429, b"1")
            signed = Signer(key.id, key.key.reveal(), gate.shop.id).sign(path, query)
            under_way += [
                calls.create_task(gate.get(query, scope={"client": ("198.51.100.7", 1)})),
                calls.create_task(gate.call(path, query, headers=signed)),
            ]
            await until(lambda: silent.taken == 130)
            assert [call for call in under_way if call.done()] == []
            for call in under_way:
                call.cancel()
