"""TLS in front of a server that speaks none: what comes is decrypted and handed on, both ways."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import trustme


@asynccontextmanager
async def tls_front(port: int, authority: trustme.CA, version: ssl.TLSVersion) -> AsyncGenerator[int, None]:
    """A port of 127.0.0.1 that leads to `port`.

    Args:
        port: of the server behind it.
        authority: that its certificate is from.
        version: the only one that it speaks.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    authority.issue_cert("localhost").configure_cert(context)

    async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_hand_on(reader, behind_writer), _hand_on(behind_reader, writer))

    async with await asyncio.start_server(front, "127.0.0.1", 0, ssl=context) as server:
        yield int(server.sockets[0].getsockname()[1])


async def _hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
