"""The contract of Upstream, for whoever writes one. It calls a real provider on this machine over real TLS."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest

from apikeychain.errors import UpstreamRefusedError, UpstreamTimeoutError
from apikeychain.model.route import Timeouts
from apikeychain.testing.local_provider import Certificate, Visit
from apikeychain.testing.upstream_breaks import UpstreamBreaks
from apikeychain.testing.upstream_lies import UpstreamLies
from apikeychain.testing.upstream_scene import CANARY, HOST, LocalGuard, chunks, peak_resident, stream

MIB = 1024 * 1024
_FRAMING = frozenset({b"host", b"content-length", b"transfer-encoding"})


class UpstreamContract(UpstreamBreaks, UpstreamLies):
    """Subclass it in a test module as ``TestMine`` and say how a client is made; pytest does the rest.

    The tests are coroutines: ``asyncio_mode = "auto"``.
    """

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
    @pytest.mark.parametrize("kind", ["none", "empty", "bytes", "large", "counted", "uncounted", "nothing"])
    async def test_u1_the_request_arrives_byte_for_byte(self, method: str, kind: str) -> None:
        """Target, header lines in order and with their doubles, and body; nothing is added but framing."""
        parts = (b"a" * 70_000, b"", b"b" * 10)
        bodies: dict[str, tuple[bytes | AsyncGenerator[bytes, None] | None, int | None, bytes]] = {
            "none": (None, None, b""),
            "empty": (b"", None, b""),
            "bytes": (b"{}", None, b"{}"),
            "large": (b"x" * 300_000, None, b"x" * 300_000),
            "counted": (stream(*parts), 70_010, b"".join(parts)),
            "uncounted": (stream(*parts), None, b"".join(parts)),
            "nothing": (stream(), 0, b""),
        }
        body, length, expected = bodies[kind]
        target = b"/v1/models/a:b,c;d=1/%2E%41/caf%C3%A9//x@y?q=a+b&x=%20%2F&x=/?$!*'()"
        headers = ((b"accept", b"*/*"), (b"x-b", b"1"), (b"X-A", "é".encode()), (b"x-b", b'"2", 3'), (b"x-c", b""))
        async with self.scene() as scene:
            request = scene.request(target, method, body=body, content_length=length, headers=headers)
            reply = await scene.upstream.send(request)
            assert (reply.status, [chunk async for chunk in chunks(reply)]) == (HTTPStatus.OK, [])
            (received,) = scene.provider.requests
        assert (received.method, received.target) == (method, target)
        assert tuple(line for line in received.lines if line[0].lower() not in _FRAMING) == headers
        assert (bytes(received.body), received.is_whole) == (expected, True)
        known = None if kind == "uncounted" else str(len(expected)).encode()
        assert received.headers.get(b"content-length") in ({known, None} if kind == "none" else {known})

    async def test_u2_it_dials_only_what_the_guard_hands_out(self) -> None:
        """All of it in turn, with SNI and Host kept; the verdict is asked before each send; networks share nothing."""
        async with self.scene(LocalGuard(("127.0.0.2", "127.0.0.1"))) as scene:
            request = scene.request()
            where = (HOST, scene.provider.port, request.network)
            await scene.call()
            await scene.call()
            assert (scene.guard.asked, scene.guard.admitted) == ([where], [where, where])
            assert scene.provider.server_names == [HOST]
            assert scene.provider.requests[0].headers.get(b"host") == f"{HOST}:{scene.provider.port}".encode()
            await scene.call(network=replace(request.network, redirect_hosts=("cdn.provider.test",)))
            assert (len(scene.guard.asked), scene.provider.connections) == (2, 2)
            scene.guard.refuses = True
            with pytest.raises(UpstreamRefusedError):
                await scene.upstream.send(request)
            scene.guard.refuses, scene.guard.answers = False, ()
            for host in (f"x.{HOST}", "127.0.0.1", "[::1]", "127.1", "2130706433"):
                with pytest.raises(UpstreamRefusedError):
                    await scene.upstream.send(replace(request, host=host))
            assert (len(scene.provider.requests), scene.provider.connections) == (3, 2)

    async def test_u3_it_follows_and_keeps_nothing(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """No redirect, cookie, proxy or netrc; a content coding stays as it is."""
        (tmp_path / "netrc").write_text(f"machine {HOST} login me password {CANARY}\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        squeezed = gzip.compress(b"as it came")
        moved = ((b"Location", b"/other"), (b"Set-Cookie", b"of=user-one; Path=/"), (b"Content-Encoding", b"gzip"))
        async with self.scene() as scene:
            scene.provider.on("/moved", lambda visit: visit.answer(302, moved, squeezed))
            reply, body = await scene.call(b"/moved")
            assert (reply.status, body) == (302, squeezed)
            assert reply.headers.lines[:3] == tuple((name.lower(), value) for name, value in moved)
            await scene.call(b"/after")
            assert [received.target for received in scene.provider.requests] == [b"/moved", b"/after"]
            for received in scene.provider.requests:
                assert not {b"cookie", b"authorization", b"proxy-authorization"} & {
                    name for name, _ in received.headers
                }

    @pytest.mark.parametrize("certificate", ["expired", "foreign", "self-made", "unknown", "old TLS", "no trust file"])
    async def test_u4_a_provider_that_does_not_prove_itself_is_refused(self, certificate: str) -> None:
        """And gets no request; where the network allows TLS 1.2, that is enough."""
        old = ssl.TLSVersion.TLSv1_2 if certificate == "old TLS" else ssl.TLSVersion.MAXIMUM_SUPPORTED
        kind: Certificate = "good" if certificate in {"old TLS", "no trust file"} else certificate  # type: ignore[assignment]  # one of them
        async with self.scene(certificate=kind, maximum_tls=old) as scene:
            network = scene.provider.network
            asked = replace(network, trust=f"{network.trust}.gone") if certificate == "no trust file" else network
            with pytest.raises(UpstreamRefusedError):
                await scene.call(network=asked)
            assert scene.provider.requests == []

    async def test_tls_of_an_older_version_is_enough_where_the_network_says_so(self) -> None:
        """Only there."""
        async with self.scene(maximum_tls=ssl.TLSVersion.TLSv1_2) as scene:
            reply, _ = await scene.call(network=replace(scene.provider.network, minimum_tls="1.2"))
            assert reply.status == HTTPStatus.OK

    async def test_u5_chunks_pass_as_they_come(self) -> None:
        """Up and down: neither side sends its next chunk before the other has the last."""
        step = asyncio.Event()

        async def events(visit: Visit) -> None:
            assert await visit.read() == b"one"
            step.set()
            await visit.read_all()
            await visit.head(200, [(b"transfer-encoding", b"chunked")])
            for event in (b"data: 1\n\n", b"data: 2\n\n"):
                step.clear()
                await visit.chunk(event)
                await step.wait()
            await visit.chunk(b"")

        async def body() -> AsyncGenerator[bytes, None]:
            yield b"one"
            await step.wait()
            yield b"two"

        async with self.scene() as scene, asyncio.timeout(5):
            scene.provider.on("/", events)
            reply = await scene.upstream.send(scene.request(b"/", "POST", body=body()))
            seen: list[bytes] = []
            async for chunk in chunks(reply):
                seen.append(chunk)
                step.set()
        assert seen == [b"data: 1\n\n", b"data: 2\n\n"]
        assert bytes(scene.provider.requests[0].body) == b"onetwo"

    @pytest.mark.parametrize("counted", [True, False])
    async def test_a_hundred_mebibytes_pass_without_being_held(self, counted: bool) -> None:  # noqa: FBT001  # a parameter of the test
        """Both ways, each in less than 16 MiB of memory, the provider's included."""

        async def down(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"%d" % (100 * MIB))])
            for _ in range(1600):
                await visit.write(b"d" * 65_536)

        async def body(pieces: int) -> AsyncGenerator[bytes, None]:
            for _ in range(pieces):
                yield b"u" * 65_536

        async with self.scene() as scene:
            scene.provider.on("/down", down)
            up = scene.request(b"/up", "POST", body=body(16), content_length=MIB if counted else None)
            await chunks(await scene.upstream.send(up)).aclose()
            before = peak_resident(reset=True)
            up = scene.request(b"/up", "POST", body=body(1600), content_length=100 * MIB if counted else None)
            await chunks(await scene.upstream.send(up)).aclose()
            reply = await scene.upstream.send(scene.request(b"/down"))
            size = sum([len(chunk) async for chunk in chunks(reply)])
            grown = peak_resident() - before
            assert (size, scene.provider.requests[1].body_bytes) == (100 * MIB, 100 * MIB)
        assert grown < 16 * MIB

    @pytest.mark.parametrize(
        ("limits", "delay", "target"),
        [
            (Timeouts(connect=0.1), 5.0, b"/"),
            (Timeouts(first_byte=0.1), 0.0, b"/silent"),
            (Timeouts(total=0.1), 0.0, b"/silent"),
            (Timeouts(idle=0.1), 0.0, b"/begins"),
            (Timeouts(total=0.2), 0.0, b"/drips"),
            (Timeouts(first_byte=0.2, idle=5), 0.0, b"/late"),
        ],
    )
    async def test_u6_a_provider_may_take_its_time_and_no_longer(
        self, limits: Timeouts, delay: float, target: bytes
    ) -> None:
        """Before the head `send` raises, after it the body does; the time for the head does not bound the body."""

        async def begins(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"100")])
            await visit.write(b"x")
            while target == b"/drips":
                await visit.write(b"x")
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5 if target == b"/late" else 10)
            await visit.write(b"x" * 99)

        async with self.scene(LocalGuard(delay=delay)) as scene, asyncio.timeout(3):
            scene.provider.on("/silent", Visit.gone)
            for path in ("/begins", "/drips", "/late"):
                scene.provider.on(path, begins)
            if target == b"/late":
                _, body = await scene.call(target, timeouts=limits)
                assert body == b"x" * 100
                return
            if target in {b"/begins", b"/drips"}:
                reply = await scene.upstream.send(scene.request(target, timeouts=limits))
                with pytest.raises(UpstreamTimeoutError):
                    [chunk async for chunk in chunks(reply)]
            else:
                with pytest.raises(UpstreamTimeoutError):
                    await scene.upstream.send(scene.request(target, timeouts=limits))
            await scene.provider.until_left()

    @pytest.mark.parametrize(
        "kind", [b"text/event-stream", b"Application/x-ndjson ;charset=utf-8", b"application/ndjson"]
    )
    async def test_u11_a_stream_outlasts_the_total(self, kind: bytes) -> None:
        """Whole though it takes longer; a stall ends it all the same, and so does the total before the head."""

        async def streams(visit: Visit) -> None:
            stalls = visit.received.target == b"/stalls"
            if visit.received.target == b"/late":
                await asyncio.sleep(0.4)
            await visit.head(200, [(b"content-type", kind), (b"transfer-encoding", b"chunked")])
            for _ in range(5):
                await visit.chunk(b"{}\n")
                await asyncio.sleep(5 if stalls else 0.08)
            await visit.chunk(b"")

        limits = Timeouts(total=0.2, idle=0.3)
        async with self.scene() as scene, asyncio.timeout(3):
            for path in ("/runs", "/stalls", "/late"):
                scene.provider.on(path, streams)
            _, body = await scene.call(b"/runs", timeouts=limits)
            assert body == b"{}\n" * 5
            for target in (b"/stalls", b"/late"):
                with pytest.raises(UpstreamTimeoutError):
                    await scene.call(target, timeouts=limits)
            await scene.provider.until_left()
