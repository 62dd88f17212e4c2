import asyncio
import logging
import sys
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus

import pytest
import respx

from apikeychain.backends import upstream_httpx
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.errors import UpstreamRefusedError
from apikeychain.ports.upstream import Guard, Upstream
from apikeychain.testing.local_provider import LocalProvider, Visit
from apikeychain.testing.upstream import UpstreamContract
from apikeychain.testing.upstream_scene import HOST, LocalGuard, Scene, chunks, together


class TestHttpxUpstream(UpstreamContract):
    def make(self, guard: Guard) -> AbstractAsyncContextManager[Upstream]:
        return HttpxUpstream(guard)

    async def test_an_idle_connection_is_closed_though_nobody_calls_any_more(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upstream_httpx, "KEPT_SECONDS", 0.1)
        async with self.scene() as scene:
            await scene.call()
            await scene.provider.until_left()

    async def test_a_connection_in_use_is_not_idle(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(upstream_httpx, "KEPT_SECONDS", 0.1)

        async def slow(visit: Visit) -> None:
            await asyncio.sleep(0.5)
            await visit.answer()

        async with self.scene() as scene:
            scene.provider.on("/slow", slow)
            reply, _ = await scene.call(b"/slow")
            assert reply.status == HTTPStatus.OK
            await scene.provider.until_left()

    async def test_a_connection_that_was_taken_while_another_was_closed_stays(self) -> None:
        async with self.scene() as scene:
            await scene.call()
            reply = await scene.upstream.send(scene.request())
            (client,) = scene.upstream._clients.values()  # type: ignore[attr-defined]  # the client under test
            await upstream_httpx._close(client._transport._pool.connections)
            assert [chunk async for chunk in chunks(reply)] == []
            await scene.call()
            assert scene.provider.connections == 1

    async def test_idle_connections_are_bounded_and_those_in_use_are_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(upstream_httpx, "_KEPT_CONNECTIONS", 2)
        async with self.scene() as scene:
            for opened in (5, 8):
                await together(scene, 5)
                assert scene.provider.connections == opened
            (client,) = scene.upstream._clients.values()  # type: ignore[attr-defined]  # the client under test
            assert client._transport._pool._max_connections == sys.maxsize


def test_each_event_loop_has_connections_of_its_own() -> None:
    async def call(upstream: HttpxUpstream) -> int:
        async with LocalProvider(HOST) as provider, upstream:
            scene = Scene(provider, upstream, LocalGuard())
            replies = await asyncio.gather(*(scene.call() for _ in range(3)))
            return sum(reply.status for reply, _ in replies)

    upstream = HttpxUpstream(LocalGuard())
    assert [asyncio.run(call(upstream)) for _ in range(2)] == [600, 600]


def test_what_belonged_to_a_closed_loop_is_forgotten() -> None:
    upstream = HttpxUpstream(LocalGuard(answers=()))

    async def fail() -> None:
        async with LocalProvider(HOST) as provider:
            with pytest.raises(UpstreamRefusedError):
                await Scene(provider, upstream, LocalGuard()).call()

    for _ in range(2):
        asyncio.run(fail())
    assert len(upstream._clients) == 1

    async def leave() -> None:
        async with upstream:
            await fail()

    asyncio.run(leave())
    assert not [key for key in upstream._clients if not key[0].is_closed()]


async def test_a_target_that_httpx_would_change_is_refused() -> None:
    async with LocalProvider(HOST) as provider, HttpxUpstream(LocalGuard()) as upstream:
        with pytest.raises(UpstreamRefusedError, match="byte for byte"):
            await Scene(provider, upstream, LocalGuard()).call(b'/a"b')
        assert provider.requests == []


async def test_a_test_of_the_host_can_intercept_httpx() -> None:
    """As respx does: above the transport, nothing is dialled."""
    async with LocalProvider(HOST) as provider, HttpxUpstream(LocalGuard()) as upstream:
        with respx.mock:
            respx.get(f"https://{HOST}:{provider.port}/hello").respond(201, content=b"from the test")
            reply, body = await Scene(provider, upstream, LocalGuard()).call(b"/hello")
        assert (reply.status, body, provider.connections) == (201, b"from the test", 0)


async def test_the_loggers_of_httpx_are_mute_below_warning() -> None:
    HttpxUpstream(LocalGuard())
    assert [logging.getLogger(name).level for name in ("httpx", "httpcore")] == [logging.WARNING] * 2
