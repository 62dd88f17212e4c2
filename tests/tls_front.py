"""TLS in front of a server that speaks none: what comes is decrypted and handed on, both ways."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

import trustme

from cable import pour

Forwarding = Literal["nothing", "overwrites", "believes"]


@asynccontextmanager
async def tls_front(
    port: int,
    authority: trustme.CA,
    version: ssl.TLSVersion,
    forwarding: Forwarding = "nothing",
    *,
    name: str = "localhost",
) -> AsyncGenerator[int, None]:
    """A port of 127.0.0.1 that leads to `port`.

    Args:
        port: of the server behind it.
        authority: that its certificate is from.
        version: the only one that it speaks.
        forwarding: whether it says by which scheme a call came, of requests without a body; one that believes its
            callers leaves what they say of it.
        name: of its certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    # Without the level it would not speak the old ones.
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    authority.issue_cert(name).configure_cert(context)

    async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        forwards = pour(reader, behind_writer) if forwarding == "nothing" else _say(reader, behind_writer, forwarding)
        await asyncio.gather(forwards, pour(behind_reader, writer))

    async with await asyncio.start_server(front, "127.0.0.1", 0, ssl=context) as server:
        yield int(server.sockets[0].getsockname()[1])


async def _say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, forwarding: Forwarding) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[:-2]
            theirs = [line for line in lines if line.lower().startswith(b"x-forwarded-proto:")]
            if forwarding == "overwrites" or not theirs:
                lines = [line for line in lines if line not in theirs] + [b"X-Forwarded-Proto: https"]
            writer.write(b"\r\n".join(lines) + b"\r\n\r\n")
            await writer.drain()
    writer.close()
