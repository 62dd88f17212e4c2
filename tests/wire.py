"""A host application under uvicorn in the test's own loop, and raw bytes to it: no client cleans what is sent."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

from apikeychain.model.headers import Headers, Line
from apikeychain.testing.eventually import until
from gate import Answer

# What uvicorn reads requests with: the one that it always has, and the one that it takes where it is installed.
Parser = Literal["h11", "httptools"]
PARSERS: tuple[Parser, ...] = ("h11", "httptools")


@asynccontextmanager
async def served(app: ASGIApp, parser: Parser = "h11") -> AsyncGenerator[int, None]:
    """The port on which `app` is served; X-Forwarded headers reach it as they were sent."""
    options: dict[str, Any] = {"log_level": "critical", "lifespan": "off", "ws": "none", "proxy_headers": False}
    config = uvicorn.Config(app, "127.0.0.1", 0, http=parser, **options)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


def request(method: str, target: str, lines: Iterable[Line]) -> bytes:
    """A request without a body, every value as it is."""
    head = b"".join(b"%s: %s\r\n" % line for line in lines)
    return f"{method} {target} HTTP/1.1\r\nhost: host.example\r\n".encode() + head + b"\r\n"


async def exchange(port: int, *requests: bytes) -> list[Answer]:
    """The answers to `requests`, one after the other on one connection. Every answer needs a Content-Length."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return [await _exchange(reader, writer, sent) for sent in requests]
    finally:
        writer.close()
        await writer.wait_closed()


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> Answer:
    writer.write(sent)
    first, *rest = (await reader.readuntil(b"\r\n\r\n"))[:-4].split(b"\r\n")
    headers = Headers((name, value) for name, _, value in (line.partition(b": ") for line in rest))
    length = 0 if sent.startswith(b"HEAD ") else int(headers.get(b"content-length") or 0)
    return Answer(int(first.split(b" ")[1]), headers, [await reader.readexactly(length)], ended=True)
