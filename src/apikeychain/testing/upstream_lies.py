"""The part of the contract of Upstream about lies: answers with two ends, with none, or to nobody's call."""

import asyncio
from collections.abc import AsyncGenerator
from http import HTTPStatus

import pytest

from apikeychain.errors import UpstreamRefusedError, UpstreamTimeoutError
from apikeychain.model.route import Timeouts
from apikeychain.testing.local_provider import Visit
from apikeychain.testing.upstream_scene import Stage, peak_resident, stream

MIB = 1024 * 1024
_FINE = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
_NOBODYS = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"


class UpstreamLies(Stage):
    """See UpstreamContract, of which this is a part."""

    @pytest.mark.parametrize("pieces", [(b"HTTP/1.1 103 Early Hints\r\n\r\n",), (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n")])
    @pytest.mark.parametrize("body", ["none", "bytes", "stream"])
    async def test_what_comes_before_an_answer_is_none(self, pieces: tuple[bytes, ...], body: str) -> None:
        """However long it goes on."""

        async def drips(visit: Visit) -> None:
            await visit.read_all()
            await visit.write(pieces[0])
            while True:
                await visit.write(pieces[-1])
                await asyncio.sleep(0.02)

        given: dict[str, bytes | AsyncGenerator[bytes, None] | None] = {
            "none": None,
            "bytes": b"x",
            "stream": stream(b"x"),
        }
        limits = Timeouts(connect=0.2, first_byte=0.2, idle=0.2, total=60)
        async with self.scene() as scene, asyncio.timeout(10):
            scene.provider.on("/", drips)
            with pytest.raises(UpstreamTimeoutError):
                await scene.call(b"/", "POST", body=given[body], timeouts=limits)
            await scene.provider.until_left()

    @pytest.mark.parametrize("pieces", [(_FINE + _NOBODYS,), (_FINE, _NOBODYS), (_FINE + _NOBODYS[:9], _NOBODYS[9:])])
    @pytest.mark.parametrize("pause", [0.0, 0.05])
    async def test_u15_what_is_said_beyond_an_answer_is_nobodys(self, pieces: tuple[bytes, ...], pause: float) -> None:
        """The next call has the answer to its own request, on another connection."""
        late: list[asyncio.Task[None]] = []

        async def talks(visit: Visit) -> None:
            await visit.write(pieces[0])
            late.append(asyncio.ensure_future(goes_on(visit)))

        async def goes_on(visit: Visit) -> None:
            for piece in pieces[1:]:
                await asyncio.sleep(pause)
                await visit.write(piece)

        async with self.scene() as scene:
            scene.provider.on("/talks", talks)
            scene.provider.on("/own", lambda visit: visit.answer(body=b"own"))
            assert (await scene.call(b"/talks"))[1] == b"hello"
            await asyncio.wait(late)
            await asyncio.sleep(0.05)
            for _ in range(2):
                assert (await scene.call(b"/own"))[1] == b"own"
            assert scene.provider.connections == 2  # noqa: PLR2004  # that of the first call, and another

    @pytest.mark.parametrize(
        "lines",
        [
            (),
            (b"connection: close",),
            (b"content-length: 5", b"content-length: 4"),
            (b"content-length: +4",),
            (b"content-length: -4",),
            (b"content-length: 4", b"transfer-encoding: chunked"),
            (b"transfer-encoding: chunked", b"content-length: 4"),
            (b"transfer-encoding: xchunked",),
            (b"transfer-encoding: gzip, chunked",),
            (b"transfer-encoding: chunked", b"transfer-encoding: chunked"),
        ],
    )
    async def test_u16_an_answer_without_one_end_is_refused(self, lines: tuple[bytes, ...]) -> None:
        """Whatever follows; the same length twice is one end, that of a connection is none."""

        async def lies(visit: Visit) -> None:
            await visit.write(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b"4\r\nevil\r\n0\r\n\r\n"]))

        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/lies", lies)
            with pytest.raises(UpstreamRefusedError):
                await scene.call(b"/lies")
            assert (await scene.call())[0].status == HTTPStatus.OK

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    async def test_an_answer_that_has_no_body_need_not_tell_its_end(self, method: str, status: int) -> None:
        """It ends with its head."""
        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/empty", lambda visit: visit.head(status))
            for _ in range(2):
                reply, body = await scene.call(b"/empty", method)
                assert (reply.status, body) == (status, b"")

    @pytest.mark.parametrize("piece", [b"x" * 65_536, b"x: y\r\n" * 10_000, b"x: %s\r\n" % (b"y" * 1_000) * 64])
    async def test_a_head_without_an_end_is_refused_and_not_held(self, piece: bytes) -> None:
        """However much of it there is."""

        async def pours(visit: Visit) -> None:
            await visit.write(b"HTTP/1.1 200 OK\r\nx: y\r\n")
            while True:
                await visit.write(piece)

        async with self.scene() as scene, asyncio.timeout(20):
            await scene.call()
            scene.provider.on("/pours", pours)
            before = peak_resident(reset=True)
            with pytest.raises(UpstreamRefusedError):
                await scene.call(b"/pours")
            await scene.provider.until_left()
            grown = peak_resident() - before
        assert grown < 16 * MIB
