"""A port of this machine that answers every request, and the requests that came to it, byte for byte."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from apikeychain.model.call import Call
from signature_vectors import a_call


@dataclass
class Overheard:
    """What came.

    Attributes:
        requests: each with its head and its body.
    """

    port: int = 0
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, place: int = 0) -> tuple[Call, bytes]:
        """What the gate would make of a request, and its body."""
        head, body = self.requests[place]
        first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        method, target, _ = first.split(b" ")
        lines = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in rest)]
        return a_call(method.decode(), target, lines, prefix="/api/apikeychain"), body


@asynccontextmanager
async def overheard(pages: Mapping[bytes, tuple[str, bytes]] | None = None) -> AsyncGenerator[Overheard, None]:
    """Such a port.

    Args:
        pages: by path, what is answered with its type and not counted among the requests.
    """
    found = Overheard()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: ")]
        body = await reader.readexactly(int(lengths[0].split()[1])) if lengths else b""
        page = (pages or {}).get(head.split(b" ")[1])
        if page is None:
            found.requests.append((head, body))
            writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        else:
            writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {page[0]}\r\n\r\n".encode() + page[1])
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        found.port = server.sockets[0].getsockname()[1]
        yield found
