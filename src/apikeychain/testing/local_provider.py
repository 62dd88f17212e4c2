"""A provider on this machine: real TLS, raw HTTP/1.1, and it misbehaves on command.

A handler gets a `Visit` and answers as it likes, down to single bytes::

    async with LocalProvider("api.provider.test") as provider:
        provider.on("/hello", lambda visit: visit.answer(200, body=b"hello"))
        ...  # call it with provider.network
        assert provider.requests[0].target == b"/hello"
"""

import asyncio
import contextlib
import datetime as dt
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import trustme

from apikeychain.model.headers import Headers, Line
from apikeychain.model.network import Network

Certificate = Literal["good", "expired", "foreign", "self-made", "unknown"]

_MAX_HEAD = 256 * 1024
_MAX_KEPT = 1024 * 1024
_PIECE = 64 * 1024
_BROKEN = (OSError, EOFError)


@dataclass(slots=True)
class Received:
    """One request as it arrived.

    Attributes:
        lines: the header lines as sent, in order, names in their case.
        body: its first MiB, without framing.
        body_bytes: how long it was.
        is_whole: whether its end arrived.
        connection: which connection it came on, counted from 0.
    """

    method: str
    target: bytes
    lines: tuple[Line, ...]
    connection: int
    body: bytearray = field(default_factory=bytearray)
    body_bytes: int = 0
    is_whole: bool = False

    @property
    def headers(self) -> Headers:
        """The header lines for look-ups."""
        return Headers(self.lines)


class Visit:
    """One request and the wire under it.

    Attributes:
        received: what has come so far.
    """

    def __init__(self, received: Received, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.received = received
        self._reader, self._writer = reader, writer
        self._is_chunked = b"chunked" in (received.headers.get(b"transfer-encoding") or b"")
        self._left = int(received.headers.get(b"content-length") or 0)
        received.is_whole = not self._is_chunked and not self._left

    async def read(self) -> bytes:
        """The next piece of the body, b"" at its end.

        Raises:
            EOFError: the caller left before the end.
        """
        if self.received.is_whole:
            return b""
        piece = await (self._read_chunk() if self._is_chunked else self._read_counted())
        self.received.body += piece[: max(_MAX_KEPT - len(self.received.body), 0)]
        self.received.body_bytes += len(piece)
        self.received.is_whole = not piece
        return piece

    async def read_all(self) -> None:
        """Read the body to its end."""
        while await self.read():
            pass

    async def answer(self, status: int = 200, lines: Sequence[Line] = (), body: bytes = b"") -> None:
        """Read the body, then answer whole, with a Content-Length."""
        await self.read_all()
        await self.head(status, [*lines, (b"content-length", b"%d" % len(body))])
        await self.write(b"" if self.received.method == "HEAD" else body)

    async def head(self, status: int, lines: Sequence[Line] = ()) -> None:
        """Write the head of an answer and nothing more."""
        await self.write(b"HTTP/1.1 %d Local\r\n" % status + b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n")

    async def chunk(self, data: bytes) -> None:
        """Write one chunk of a chunked answer; b"" is its end."""
        await self.write(b"%x\r\n%s\r\n" % (len(data), data))

    async def write(self, data: bytes) -> None:
        """Write raw bytes, and wait while the other side does not read."""
        self._writer.write(data)
        await self._writer.drain()
        # drain() waits only while the buffer is full: without this an endless answer would never see its reader leave.
        await asyncio.sleep(0)

    async def gone(self) -> None:
        """Wait until the other side has left."""
        await _lost(self._writer)

    def cut(self) -> None:
        """Close the connection here and now."""
        self._writer.transport.abort()

    async def _read_counted(self) -> bytes:
        piece = await self._reader.read(min(self._left, _PIECE))
        if self._left and not piece:
            raise EOFError
        self._left -= len(piece)
        return piece

    async def _read_chunk(self) -> bytes:
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        return (await self._reader.readexactly(size + 2))[:-2]


Handler = Callable[[Visit], Awaitable[None]]


class LocalProvider:
    """An HTTPS server on 127.0.0.1. An async context manager; all else is for use inside it.

    Args:
        hosts: the names in its certificate.
        certificate: ``"expired"``, ``"foreign"`` (another host's), ``"self-made"`` or ``"unknown"`` (of an authority
            that nobody trusts) are not to be accepted.
        maximum_tls: the highest version it speaks.

    Attributes:
        requests: what arrived, oldest first.
        server_names: the names that TLS was asked for (SNI), one for each handshake.
        connections: how many connections were opened.
    """

    def __init__(
        self,
        *hosts: str,
        certificate: Certificate = "good",
        maximum_tls: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED,
    ) -> None:
        self.requests: list[Received] = []
        self.server_names: list[str | None] = []
        self.connections = 0
        self._certificate: Certificate = certificate
        self._hosts, self._maximum_tls = hosts, maximum_tls
        self._handlers: dict[str, Handler] = {}
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._open: set[asyncio.Task[None]] = set()
        self._folder = Path()
        self._exit = contextlib.AsyncExitStack()
        self._port = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def ca_pem_path(self) -> Path:
        """The authority that its good certificates come from."""
        return self._folder / "ca.pem"

    @property
    def network(self) -> Network:
        """The network by which it is reached and trusted."""
        return Network(private=True, trust=str(self.ca_pem_path))

    def on(self, path: str, handler: Handler) -> None:
        """Let `handler` answer requests for `path`; without one the answer is 200 and empty."""
        self._handlers[path] = handler

    async def until_left(self, seconds: float = 1.0) -> None:
        """Wait until no connection is open.

        Raises:
            TimeoutError: one still is.
        """
        async with asyncio.timeout(seconds):
            while self._open:
                await asyncio.wait(self._open)

    async def __aenter__(self) -> Self:
        self._folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="apikeychain-provider-")))
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0, ssl=self._context(), limit=_MAX_HEAD)
        self._port = server.sockets[0].getsockname()[1]
        self._exit.push_async_callback(self._close, server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._exit.aclose()

    async def _close(self, server: asyncio.Server) -> None:
        server.close()
        for task, writer in self._talks.items():
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._talks, *self._open, return_exceptions=True)

    def _context(self) -> ssl.SSLContext:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(self.ca_pem_path))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = self._maximum_tls
        context.sni_callback = self._note
        own = self._folder / "own.pem"
        own.write_bytes(_certificate(self._certificate, self._hosts, ca))
        context.load_cert_chain(own)
        return context

    def _note(self, connection: object, name: str | None, context: ssl.SSLContext) -> None:
        del connection, context
        self.server_names.append(name)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Tasks of its own: the one that asyncio would make reports its cancellation as an error (3.11).
        loop = asyncio.get_running_loop()
        talk = loop.create_task(self._talk(self.connections, reader, writer))
        self._talks[talk] = writer
        talk.add_done_callback(self._talks.pop)
        wire = loop.create_task(_lost(writer))
        self._open.add(wire)
        wire.add_done_callback(self._open.remove)
        self.connections += 1

    async def _talk(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve(number, reader, writer):
                pass
        except _BROKEN:
            pass
        finally:
            writer.close()

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *rest = head[:-4].split(b"\r\n")
        method, target, _ = first.split(b" ")
        lines = tuple((name, value) for name, _, value in (line.partition(b": ") for line in rest))
        received = Received(method.decode(), target, lines, number)
        self.requests.append(received)
        handler = self._handlers.get(target.split(b"?")[0].decode(), Visit.answer)
        await handler(Visit(received, reader, writer))
        return received.is_whole and not writer.is_closing()


async def _lost(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(*_BROKEN):
        # Shielded, because what is waited for belongs to the connection.
        await asyncio.shield(writer.wait_closed())


def _certificate(kind: Certificate, hosts: Sequence[str], ca: trustme.CA) -> bytes:
    """Key and chain as PEM."""
    if kind == "self-made":
        other = trustme.CA()
        return other.private_key_pem.bytes() + other.cert_pem.bytes()
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=-1 if kind == "expired" else 1)
    names = ("another.test",) if kind == "foreign" else hosts
    issued = (trustme.CA() if kind == "unknown" else ca).issue_cert(
        *names, not_before=ends - dt.timedelta(days=2), not_after=ends
    )
    return issued.private_key_and_cert_chain_pem.bytes()
