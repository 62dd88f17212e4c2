"""The gate under uvicorn over real sockets: memory, back-pressure, callers that leave."""

import asyncio
import contextlib
import hashlib
import re
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider, Visit
from signer import Signer
from streaming_host import ORIGIN

MIB = 1 << 20
HOST = Path(__file__).parents[1] / "streaming_host.py"


def kernel_buffers() -> int:
    """The most bytes that Linux keeps of one connection, both ends together (tcp(7))."""
    sizes = [Path(f"/proc/sys/net/ipv4/{name}").read_text().split()[2] for name in ("tcp_rmem", "tcp_wmem")]
    return sum(map(int, sizes))


@dataclass
class Server:
    """A host process and the provider that it calls."""

    port: int
    project: str
    pid: int
    provider: LocalProvider
    signer: Signer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, limit=MIB)

    def head(self, route: str, method: str = "GET", *lines: str) -> bytes:
        path = f"/api/apikeychain/{self.project}/proxy/{route}"
        head = [f"{method} {path} HTTP/1.1", "host: localhost", f"origin: {ORIGIN}", "connection: close", *lines]
        return "\r\n".join([*head, "", ""]).encode()

    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    @contextlib.asynccontextmanager
    async def growth(self, most_mib: float) -> AsyncGenerator[None, None]:
        """The largest resident size inside stands less than `most_mib` above that before."""
        self.forget_peak()
        before = self.peak_mib()
        yield
        assert self.peak_mib() - before < most_mib


@pytest.fixture
async def server(tmp_path: Path) -> AsyncGenerator[Server, None]:
    async with LocalProvider("files.localhost") as provider:
        base = f"https://files.localhost:{provider.port}"
        process = await asyncio.create_subprocess_exec(
            sys.executable, HOST, tmp_path / "data", base, provider.ca_pem_path, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            port, project, key_id, key = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
            yield Server(int(port), project, process.pid, provider, Signer(key_id, key.encode(), project))
        finally:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 10)
            if process.returncode is None:
                process.kill()
                await process.wait()


async def down(visit: Visit) -> None:
    await visit.head(200, [(b"content-length", b"%d" % (100 * MIB))])
    for _ in range(400):
        await visit.write(b"d" * (MIB // 4))


async def up(visit: Visit) -> None:
    await visit.answer(200, body=b"taken")


async def test_a_hundred_mib_down_add_less_than_16_mib(server: Server) -> None:
    server.provider.on("/down", down)
    for _ in range(2):
        async with server.growth(16 if _ else 1000):
            reader, writer = await server.connect()
            writer.write(server.head("down"))
            await reader.readuntil(b"\r\n\r\n")
            count = 0
            while piece := await reader.read(MIB):
                count += len(piece)
            assert count == 100 * MIB
            writer.close()


async def test_a_hundred_mib_up_add_less_than_16_mib(server: Server) -> None:
    server.provider.on("/up", up)
    for _ in range(2):
        async with server.growth(16 if _ else 1000):
            reader, writer = await server.connect()
            lines = ("content-type: application/octet-stream", f"content-length: {100 * MIB}")
            writer.write(server.head("up", "POST", *lines))
            for _piece in range(400):
                writer.write(b"u" * (MIB // 4))
                await writer.drain()
            assert (await reader.read()).endswith(b"taken")
            assert server.provider.requests[-1].body_bytes == 100 * MIB
            writer.close()


async def test_a_hundred_mib_up_under_a_signature_add_less_than_16_mib(server: Server) -> None:
    server.provider.on("/up", up)
    kind = (b"content-type", b"application/octet-stream")
    whole = hashlib.sha256(b"u" * (100 * MIB)).hexdigest().encode()
    for _ in range(2):
        async with server.growth(16 if _ else 1000):
            reader, writer = await server.connect()
            path = f"/api/apikeychain/{server.project}/proxy/up"
            changed = replace(server.signer, changed={"body": whole.decode()})
            signing = [*changed.sign(path, method="POST", lines=(kind,)), (b"x-content-sha256", whole)]
            lines = [f"{name.decode()}: {value.decode()}" for name, value in (kind, *signing)]
            writer.write(server.head("up", "POST", f"content-length: {100 * MIB}", *lines))
            for _piece in range(400):
                writer.write(b"u" * (MIB // 4))
                await writer.drain()
            assert (await reader.read()).endswith(b"taken")
            assert server.provider.requests[-1].body_bytes == 100 * MIB
            writer.close()


async def test_a_caller_that_reads_nothing_does_not_outlast_the_timeouts(server: Server) -> None:
    async def endless(visit: Visit) -> None:
        await visit.head(200, [(b"transfer-encoding", b"chunked")])
        while True:
            await visit.chunk(b"e" * MIB)

    server.provider.on("/down", endless)
    _, writer = await server.connect()
    writer.write(server.head("short"))
    await asyncio.sleep(0.5)
    await server.provider.until_left(3)
    writer.close()


async def test_a_reader_that_stalls_holds_the_provider_back(server: Server) -> None:
    written = 0

    async def endless(visit: Visit) -> None:
        nonlocal written
        await visit.head(200, [(b"transfer-encoding", b"chunked")])
        while True:
            await visit.chunk(b"e" * MIB)
            written += MIB

    server.provider.on("/down", endless)
    async with server.growth(16):
        reader, writer = await server.connect()
        with contextlib.closing(writer):
            writer.write(server.head("down"))
            await reader.readexactly(MIB)
            before = -1
            async with asyncio.timeout(20):
                while written > before:
                    before = written
                    await asyncio.sleep(0.5)
            assert written < 16 * MIB + 2 * kernel_buffers()
    await server.provider.until_left()


async def test_a_caller_that_leaves_before_the_head_is_noticed_within_a_second(server: Server) -> None:
    async def sleep(visit: Visit) -> None:
        await visit.gone()

    server.provider.on("/down", sleep)
    _, writer = await server.connect()
    writer.write(server.head("down"))
    await until(lambda: server.provider.requests)
    writer.close()
    await server.provider.until_left()


async def test_a_caller_that_leaves_in_an_upload_is_noticed_within_a_second(server: Server) -> None:
    server.provider.on("/up", up)
    _, writer = await server.connect()
    lines = ("content-type: application/octet-stream", "content-length: 1000")
    writer.write(server.head("up", "POST", *lines) + b"part")
    await until(lambda: server.provider.requests)
    writer.close()
    await server.provider.until_left()
    assert not server.provider.requests[-1].is_whole


async def test_a_caller_that_leaves_in_the_body_is_noticed_within_a_second(server: Server) -> None:
    async def drip(visit: Visit) -> None:
        await visit.head(200, [(b"transfer-encoding", b"chunked"), (b"content-type", b"text/event-stream")])
        await visit.chunk(b"data: 1\n\n")
        await visit.gone()

    server.provider.on("/down", drip)
    reader, writer = await server.connect()
    writer.write(server.head("down"))
    await reader.readuntil(b"data: 1\n\n")
    writer.close()
    await server.provider.until_left()


async def test_an_answer_that_breaks_is_cut_on_the_wire_too(server: Server) -> None:
    async def broken(visit: Visit) -> None:
        await visit.head(200, [(b"transfer-encoding", b"chunked")])
        await visit.chunk(b"half\n")
        visit.cut()

    server.provider.on("/down", broken)
    reader, writer = await server.connect()
    writer.write(server.head("down"))
    answer = await reader.read()
    assert answer.endswith(b"5\r\nhalf\n\r\n")
    writer.close()
