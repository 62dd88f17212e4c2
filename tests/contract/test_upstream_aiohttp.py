import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

import pytest

from apikeychain.backends import connections
from apikeychain.backends.aiohttp_call import AiohttpCall
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.errors import CallerGoneError, UpstreamRefusedError
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.upstream import UpstreamContract
from apikeychain.testing.upstream_scene import HOST, LocalGuard, Scene, chunks, together


class TestAiohttpUpstream(UpstreamContract):
    def make(self, guard: Guard) -> AbstractAsyncContextManager[Upstream]:
        return AiohttpUpstream(guard)

    async def test_an_early_answer_is_handed_over_and_a_source_that_then_fails_cuts_it(self) -> None:
        """The provider answers before the body has ended, as it may."""
        step, error = asyncio.Event(), CallerGoneError()

        async def early(visit: Visit) -> None:
            await visit.read()
            await visit.head(200, [(b"content-length", b"100")])
            await visit.write(b"early")
            await visit.gone()

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"one"
            await step.wait()
            raise error

        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/", early)
            reply = await scene.upstream.send(scene.request(b"/", "POST", body=body()))
            assert await anext(chunks(reply)) == b"early"
            step.set()
            with pytest.raises(CallerGoneError) as raised:
                await anext(chunks(reply))
            assert raised.value is error
            await scene.provider.until_left()
            assert not scene.provider.requests[0].is_whole

    async def test_nothing_is_sent_twice(self) -> None:
        """A connection that breaks after it was kept: aiohttp alone would try a GET again."""

        async def leaves(visit: Visit) -> None:
            visit.cut()
            await visit.gone()

        async with self.scene() as scene:
            await scene.call()
            scene.provider.on("/leaves", leaves)
            with pytest.raises(UpstreamRefusedError):
                await scene.call(b"/leaves")
            assert len(scene.provider.requests) == 2

    @pytest.mark.parametrize("size", [0, 1, 65_536, 65_537])
    @pytest.mark.parametrize("chunked", [False, True])
    async def test_a_body_that_is_there_with_its_head_is_handed_over_whole(self, size: int, *, chunked: bool) -> None:
        """Where it is not large; and the connection is free already."""
        line = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % size
        body = b"%x\r\n%s\r\n" % (size, b"x" * size) if size and chunked else b"x" * size
        end = b"0\r\n\r\n" if chunked else b""

        async def at_once(visit: Visit) -> None:
            await visit.write(b"HTTP/1.1 200 OK\r\n" + line + b"\r\n\r\n" + body + end)

        async with self.scene() as scene:
            scene.provider.on("/", at_once)
            for _ in range(2):
                reply = await scene.upstream.send(scene.request())
                assert b"".join([chunk async for chunk in chunks(reply)]) == b"x" * size
                # What comes in several reads of the socket may be whole by chance, and need not.
                assert isinstance(reply.body, bytes) or size > 1
                assert not isinstance(reply.body, bytes) or size <= 65_536
            assert scene.provider.connections == 1

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    async def test_an_answer_that_has_no_body_is_whole(self, method: str, status: int) -> None:
        async with self.scene() as scene:
            scene.provider.on("/empty", lambda visit: visit.head(status, [(b"content-length", b"5")]))
            for _ in range(2):
                assert (await scene.upstream.send(scene.request(b"/empty", method))).body == b""
            assert scene.provider.connections == 1

    @pytest.mark.parametrize("at_once", [True, False])
    async def test_an_answer_before_the_end_of_a_body_ends_that_body(self, *, at_once: bool) -> None:
        """With the end of the answer, and no sooner."""
        step = asyncio.Event()

        async def early(visit: Visit) -> None:
            await visit.read()
            await visit.write(b"HTTP/1.1 413 Enough\r\ncontent-length: 2\r\n\r\nx" + b"y" * at_once)
            if not at_once:
                assert await visit.read() == b"two"
                await visit.write(b"y")
            await visit.gone()

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"one"
            await step.wait()
            yield b"two"
            await asyncio.sleep(30)

        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/", early)
            reply = await scene.upstream.send(scene.request(b"/", "POST", body=body()))
            assert isinstance(reply.body, bytes) is at_once
            step.set()
            assert b"".join([chunk async for chunk in chunks(reply)]) == b"xy"
            await scene.provider.until_left()
            assert not scene.provider.requests[0].is_whole

    async def test_a_provider_that_pauses_between_chunks_is_waited_for(self) -> None:
        async def pauses(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"2")])
            for byte in (b"a", b"b"):
                await asyncio.sleep(0.05)
                await visit.write(byte)

        async with self.scene() as scene:
            scene.provider.on("/", pauses)
            assert (await scene.call())[1] == b"ab"

    async def test_an_answer_that_was_held_back_goes_on_once_it_is_read(self) -> None:
        size = 4 * 2**20

        async def large(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"%d" % size)])
            await visit.write(b"x" * size)

        async with self.scene() as scene, asyncio.timeout(10):
            scene.provider.on("/", large)
            reply = await scene.upstream.send(scene.request())
            assert isinstance(reply.body, AiohttpCall)
            while not reply.body._connection._reading_paused:  # noqa: ASYNC110  # aiohttp has no event for it
                await asyncio.sleep(0)
            assert sum([len(chunk) async for chunk in chunks(reply)]) == size

    async def test_a_target_that_clients_change_arrives_byte_for_byte(self) -> None:
        async with self.scene() as scene:
            await scene.call(b"/v1?")
            assert scene.provider.requests[0].target == b"/v1?"

    async def test_an_idle_connection_is_closed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "KEPT_SECONDS", 0.1)
        async with self.scene() as scene:
            await scene.call()
            await scene.provider.until_left()

    async def test_idle_connections_are_bounded_and_those_in_use_are_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connections, "_KEPT_CONNECTIONS", 2)
        async with self.scene() as scene:
            for opened in (5, 8):
                await together(scene, 5)
                assert scene.provider.connections == opened

    async def test_a_header_byte_that_is_no_utf8_arrives_as_it_is(self) -> None:
        async with self.scene() as scene:
            await scene.call(headers=((b"x-a", b"caf\xe9"),))
            assert scene.provider.requests[0].headers.get(b"x-a") == b"caf\xe9"


def test_each_event_loop_has_connections_of_its_own() -> None:
    async def call(upstream: AiohttpUpstream) -> int:
        async with LocalProvider(HOST) as provider, upstream:
            scene = Scene(provider, upstream, LocalGuard())
            replies = await asyncio.gather(*(scene.call() for _ in range(3)))
            return sum(reply.status for reply, _ in replies)

    upstream = AiohttpUpstream(LocalGuard())
    assert [asyncio.run(call(upstream)) for _ in range(2)] == [600, 600]


def test_what_belonged_to_a_closed_loop_is_forgotten() -> None:
    upstream = AiohttpUpstream(LocalGuard(answers=()))

    async def fail() -> None:
        async with LocalProvider(HOST) as provider:
            with pytest.raises(UpstreamRefusedError):
                await Scene(provider, upstream, LocalGuard()).call()

    for _ in range(2):
        asyncio.run(fail())
    assert len(upstream._pools) == 1

    async def leave() -> None:
        async with upstream:
            await fail()

    asyncio.run(leave())
    assert not [key for key in upstream._pools if not key[0].is_closed()]
