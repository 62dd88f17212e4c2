"""Connections as aiohttp makes them, without its session: what a session does for each request is most of its cost.

A connection has one alarm, which is moved by saying until when and rings where it is too late: then the connection is
cut, and whoever waits for something from it wakes.

Source: contracts 4, "Connection" and "Timeouts".
"""

import asyncio
import math
import ssl
from collections.abc import Callable
from functools import partial
from typing import cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage, StreamWriter
from yarl import URL

from apikeychain.backends.door import Door
from apikeychain.backends.exchange import KEPT_SECONDS
from apikeychain.backends.upload import Upload
from apikeychain.model.network import Network
from apikeychain.ports.upstream import Guard

_MAX_LINE = 16 * 1024
_KEPT_CONNECTIONS = 1_000
_INFORMATIONAL = range(100, 200)
_SWITCHING = 101


class Connection(ResponseHandler):
    """One connection to a provider.

    Attributes:
        place: host and port.
        is_late: whether it was cut because its time was over.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[["Connection"], None]) -> None:
        super().__init__(loop)
        self.place: tuple[str, int] = ("", 0)
        self.is_late = False
        self._lost = lost
        self._ends = self._rings = math.inf
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def is_usable(self) -> bool:
        """Whether a request may be sent: it is open, the last answer has ended, and nothing was said since."""
        return self.transport is not None and not self.transport.is_closing() and not self.should_close

    def begin(self, method: str) -> None:
        """Await the answer to a request."""
        self.set_response_params(
            skip_payload=method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
        )

    def send(self, data: bytes) -> None:
        """Send it at once."""
        if self.transport is None:
            raise ConnectionError
        self.transport.write(data)

    async def pour(self, head: bytes, upload: Upload) -> None:
        """Send a body as it is taken, and the head with its first chunk; where it fails, cut the connection."""
        writer = StreamWriter(self, self._loop)
        if upload.length is None:
            writer.enable_chunking()
        try:
            first = await anext(upload, b"")
            self.send(head)
            await writer.write(first)
            async for chunk in upload:
                await writer.write(chunk)
            await writer.write_eof()
        except Exception:  # noqa: BLE001  # whatever it is, the upload has it and the call raises it
            self.cut()

    async def answer(self) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """The head of the answer, and its body as it comes."""
        while True:
            message, body = await self.read()
            if message.code not in _INFORMATIONAL or message.code == _SWITCHING:
                return message, body

    def rest(self) -> None:
        """Be open for another request; whatever is said until then makes it useless."""
        self._parser = None
        self.watch(KEPT_SECONDS, math.inf)

    def watch(self, seconds: float, latest: float) -> None:
        """Be cut in so many seconds from now, at the latest at `latest` by the loop's clock; what was said ends."""
        self._ends = min(self._loop.time() + seconds, latest)
        if self._ends < self._rings:
            self._set_alarm()

    def cut(self) -> None:
        """Close it at once and be forgotten: a goodbye would wait for a peer that has stopped reading."""
        if self.transport is not None:
            self.transport.abort()
        self._lost(self)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - as aiohttp calls it
        """Take in what was held back: aiohttp asks for that after each read, where nothing was held back too."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Wake whoever waits, and cut it: after malformed framing aiohttp (3.14) does neither for a body's reader."""
        super().set_exception(exc, exc if exc_cause is None else exc_cause)
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(exc)
        self.cut()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Be forgotten."""
        if self._alarm is not None:
            self._alarm.cancel()
        super().connection_lost(exc)
        self._lost(self)

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._rings = self._ends
        self._alarm = self._loop.call_at(self._ends, self._ring)

    def _ring(self) -> None:
        """Cut the connection, or set the alarm anew where its end was moved."""
        if self._loop.time() < self._ends:
            self._set_alarm()
        else:
            self.is_late = True
            self.cut()


class Connections(aiohttp.TCPConnector):
    """Those of one event loop to the providers of one Network: any number in use, and a bounded number at rest.

    Args:
        guard: the only source of addresses.
        network: what is allowed beyond the rule.
        context: the TLS that they speak.
    """

    def __init__(self, guard: Guard, network: Network, context: ssl.SSLContext) -> None:
        # No limit here: one provider that hangs would take the connections of all others.
        super().__init__(resolver=Door(guard, network), use_dns_cache=False, ssl=context, limit=0)  # pyright: ignore[reportUnknownMemberType]  # of a socket factory, which is not given
        self._factory = partial(Connection, self._loop, self._forget)  # type: ignore[assignment]  # a ResponseHandler
        self._resting: dict[tuple[str, int], list[Connection]] = {}
        self._kept = 0

    def take(self, host: str, port: int) -> Connection | None:
        """A usable one that rests, the one that was used last, or None."""
        resting = self._resting.get((host, port), [])
        while resting:
            connection = resting.pop()
            self._kept -= 1
            if connection.is_usable:
                return connection
            connection.cut()
        return None

    async def dial(self, host: str, port: int) -> Connection:
        """A new one.

        Raises:
            UpstreamRefusedError: by the guard.
            aiohttp.ClientError: it cannot be had.
        """
        address = aiohttp.ClientRequest("GET", URL.build(scheme="https", host=host, port=port), loop=self._loop)
        connection = cast("Connection", await self._create_connection(address, [], aiohttp.ClientTimeout(total=None)))
        connection.place = (host, port)
        # What is closed with the connector, be it in use or at rest.
        self._acquired.add(connection)
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep it for another request; cut it where it is of no use, or enough are at rest."""
        if connection.should_close or self._kept >= _KEPT_CONNECTIONS:
            connection.cut()
            return
        connection.rest()
        self._resting.setdefault(connection.place, []).append(connection)
        self._kept += 1

    def _forget(self, connection: Connection) -> None:
        self._acquired.discard(connection)
        resting = self._resting.get(connection.place, [])
        if connection in resting:
            resting.remove(connection)
            self._kept -= 1
        if not resting:
            self._resting.pop(connection.place, None)
