"""The half of the contract of Upstream about what breaks: callers who leave, providers that cut, bodies that lie."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from http import HTTPStatus

import pytest

from apikeychain.errors import BodyTooLargeError, CallerGoneError, UpstreamRefusedError, UpstreamTimeoutError
from apikeychain.model.route import Timeouts
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Visit
from apikeychain.testing.upstream_scene import CANARY, LocalGuard, Stage, chunks, endless, stream

_TOO_LONG = b"HTTP/1.1 200 OK\r\n" + b"x: %s\r\n" % (b"y" * 12_000) * 6 + b"content-length: 0\r\n\r\n"


class UpstreamBreaks(Stage):
    """See UpstreamContract, of which this is a part."""

    @pytest.mark.parametrize("moment", ["dial", "head", "upload", "stalled upload", "body"])
    async def test_u7_a_caller_who_leaves_closes_the_connection(self, moment: str) -> None:
        """Within a second, wherever the call is: cancelled, or its body closed, begun or not."""

        async def stalled(visit: Visit) -> None:
            await hold.wait()
            await visit.read_all()

        async def pours(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"%d" % (10**12))])
            while True:
                await visit.write(b"x" * 65_536)

        hold = asyncio.Event()
        body = endless() if "upload" in moment else None
        path = f"/{moment.replace(' ', '-')}".encode()
        async with self.scene(LocalGuard(delay=30 if moment == "dial" else 0)) as scene:
            scene.provider.on("/head", Visit.gone)
            scene.provider.on("/stalled-upload", stalled)
            scene.provider.on("/body", pours)
            call = asyncio.ensure_future(scene.call(path, "POST", body=body))
            await until(lambda: scene.provider.requests or (moment == "dial" and scene.guard.asked))
            await asyncio.sleep(0.1)
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            hold.set()
            await scene.provider.until_left(1.0)
            for begun in (True, False) if moment == "body" else ():
                reply = await scene.upstream.send(scene.request(path))
                if begun:
                    await anext(chunks(reply))
                await chunks(reply).aclose()
                await scene.provider.until_left(1.0)
                assert [chunk async for chunk in chunks(reply)] == []

    async def test_u12_calls_that_hang_keep_no_other_waiting(self) -> None:
        """More of them than clients allow unless they are told otherwise."""
        hanging = 130
        async with self.scene() as scene:
            scene.provider.on("/hang", Visit.gone)
            calls = [asyncio.ensure_future(scene.call(b"/hang")) for _ in range(hanging)]
            await until(lambda: len(scene.provider.requests) == hanging)
            async with asyncio.timeout(5):
                reply, _ = await scene.call(b"/other")
            assert reply.status == HTTPStatus.OK
            for call in calls:
                call.cancel()
            await asyncio.wait(calls)
            assert all(call.cancelled() for call in calls)

    @pytest.mark.parametrize("length", [None, 10**12])
    async def test_u13_a_body_that_the_provider_does_not_take_is_given_up(self, length: int | None) -> None:
        """Before the answer; a source that takes longer for each of its chunks is waited for."""

        async def stops(visit: Visit) -> None:
            await hold.wait()
            await visit.read_all()

        async def slow() -> AsyncGenerator[bytes, None]:
            for _ in range(2):
                await asyncio.sleep(0.5)
                yield b"x" * 10

        hold, limits = asyncio.Event(), Timeouts(idle=0.3)
        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/stops", stops)
            await scene.call(b"/slow", "POST", body=slow(), content_length=length and 20, timeouts=limits)
            with pytest.raises(UpstreamTimeoutError):
                await scene.call(b"/stops", "POST", body=endless(), content_length=length, timeouts=limits)
            hold.set()
            await scene.provider.until_left()
            assert [received.is_whole for received in scene.provider.requests] == [True, False]

    async def test_what_is_still_on_its_way_is_no_time_of_the_head(self) -> None:
        """A provider that takes a body slowly but steadily has `first_byte` once it has all of it, and no longer."""

        async def steady(visit: Visit) -> None:
            while await visit.read():  # noqa: ASYNC110  # it takes its time
                await asyncio.sleep(0.005)
            if visit.received.target == b"/never":
                await visit.gone()
            await visit.answer()

        limits = Timeouts(first_byte=0.1, idle=2)
        async with self.scene() as scene, asyncio.timeout(15):
            for path in ("/steady", "/never"):
                scene.provider.on(path, steady)
            reply, _ = await scene.call(b"/steady", "POST", body=b"x" * (16 << 20), timeouts=limits)
            assert reply.status == HTTPStatus.OK
            for body in (b"x", b"x" * 100_000):
                with pytest.raises(UpstreamTimeoutError):
                    await scene.call(b"/never", "POST", body=body, timeouts=replace(limits, idle=0.3))
            await scene.provider.until_left()

    @pytest.mark.parametrize("limits", [Timeouts(idle=0.3), Timeouts(total=1)])
    @pytest.mark.parametrize("path", ["/pours", "/waits"])
    async def test_u14_an_answer_that_nobody_reads_is_closed(self, path: str, limits: Timeouts) -> None:
        """Begun or not, whether the provider has more to say or not."""

        async def answers(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"%d" % (10**12))])
            await visit.write(b"x")
            while path == "/pours":
                await visit.write(b"x" * 65_536)
            await visit.gone()

        async with self.scene() as scene:
            scene.provider.on(path, answers)
            for begun in (False, True):
                reply = await scene.upstream.send(scene.request(path.encode(), timeouts=limits))
                if begun:
                    await anext(chunks(reply))
                await scene.provider.until_left(1 + min(limits.idle, limits.total or limits.idle))
                for _ in range(2):
                    with pytest.raises(UpstreamTimeoutError):
                        await anext(chunks(reply))
                await chunks(reply).aclose()

    @pytest.mark.parametrize("seconds", [0.1, 30.0])
    async def test_a_provider_that_never_begins_tls_is_left(self, seconds: float) -> None:
        """When its time is over, or when the caller leaves."""
        left = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()
            left.set()

        async with self.scene() as scene, await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            call = asyncio.ensure_future(scene.call(port=port, timeouts=Timeouts(connect=seconds)))
            await asyncio.wait([call], timeout=0.3)
            if call.done():
                assert isinstance(call.exception(), UpstreamTimeoutError)
            else:
                call.cancel()
                await asyncio.wait([call])
                assert call.cancelled()
            async with asyncio.timeout(1):
                await left.wait()

    @pytest.mark.parametrize(
        "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: \x00\r\n\r\n", b"HTTP/1.1 101 Go\r\n\r\n"]
    )
    async def test_u8_nothing_of_the_client_comes_out(self, answer: bytes, caplog: pytest.LogCaptureFixture) -> None:
        """Neither the URL with its secret nor the client's exception, in text, arguments, cause, context or log."""

        async def breaks(visit: Visit) -> None:
            await visit.write(answer)
            visit.cut()

        with caplog.at_level(logging.DEBUG):
            async with self.scene() as scene:
                scene.provider.on("/breaks", breaks)
                for target, port in (
                    (b"/breaks", scene.provider.port),
                    (b"/unreached", 9),
                    (b"/fine", scene.provider.port),
                ):
                    request = scene.request(target + b"?key=" + CANARY.encode(), headers=((b"x-key", CANARY.encode()),))
                    if target == b"/fine":
                        await chunks(await scene.upstream.send(request)).aclose()
                        continue
                    with pytest.raises(UpstreamRefusedError) as raised:
                        await scene.upstream.send(replace(request, port=port))
                    assert CANARY not in repr(raised.value) + str(raised.value) + raised.value.hint
                    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
        assert CANARY not in caplog.text

    @pytest.mark.parametrize(
        ("line", "part"),
        [
            ((b"content-length", b"100"), b"x" * 99),
            ((b"transfer-encoding", b"chunked"), b"5\r\nhello\r\n"),
            ((b"transfer-encoding", b"chunked"), b"5\r\nhello\r\nnonsense\r\n"),
        ],
    )
    async def test_u9_an_answer_cut_short_never_ends_cleanly(self, line: tuple[bytes, bytes], part: bytes) -> None:
        """It raises ours, without the client's exception, and goes on raising nothing else."""

        async def cuts(visit: Visit) -> None:
            await visit.head(200, [line])
            await asyncio.sleep(0.05)
            await visit.write(part)
            await asyncio.sleep(0.05)
            visit.cut()

        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/", cuts)
            reply = await scene.upstream.send(scene.request())
            with pytest.raises(UpstreamRefusedError) as raised:
                [chunk async for chunk in chunks(reply)]
            assert (raised.value.__cause__, raised.value.__context__) == (None, None)
            await chunks(reply).aclose()

    @pytest.mark.parametrize("chunks", [(b"a" * 9,), (b"a" * 5, b"a" * 6), (b"a" * 10, b"a"), ()])
    async def test_u10_a_body_of_another_length_cuts_the_request(self, chunks: tuple[bytes, ...]) -> None:
        """The provider never sees a whole one."""
        async with self.scene() as scene:
            with pytest.raises(UpstreamRefusedError):
                await scene.upstream.send(scene.request(b"/", "POST", body=stream(*chunks), content_length=10))
            await scene.provider.until_left()
            assert [received.is_whole for received in scene.provider.requests] in ([], [False])

    @pytest.mark.parametrize("error", [CallerGoneError(), BodyTooLargeError("it is")])
    @pytest.mark.parametrize("length", [None, 10, 100])
    async def test_what_the_source_of_a_body_raises_comes_out_unchanged(
        self, error: Exception, length: int | None
    ) -> None:
        """And the provider never sees a whole request, even if the source fails after its last byte."""
        async with self.scene() as scene:
            with pytest.raises(type(error)) as raised:
                await scene.upstream.send(
                    scene.request(b"/", "POST", body=stream(b"a" * 10, then=error), content_length=length)
                )
            assert raised.value is error
            await scene.provider.until_left()
            assert [received.is_whole for received in scene.provider.requests] in ([], [False])
