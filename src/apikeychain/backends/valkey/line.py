"""Lines to the server: each connects when somebody asks, and again after every fault."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, final

from apikeychain.backends.valkey.wire import Connection, Server, Wire
from apikeychain.flights import Flights

Greet = Callable[[Connection], Awaitable[None]]


async def say_nothing(connection: Connection) -> None:
    """Greet with nothing."""
    del connection


@final
class Line:
    """A line in one event loop.

    Args:
        server: to which it goes.
        greet: says what has to be said on a new connection before anything else.
        timeout_seconds: for each call, connecting included. A connection that lets one wait longer is cut.
    """

    def __init__(self, server: Server, greet: Greet, timeout_seconds: float) -> None:
        self._server, self._greet, self._seconds = server, greet, timeout_seconds
        self._wire: Wire | None = None
        self._connecting: Flights[str, Wire] = Flights()
        self._is_closed = False
        self.entered = 0

    async def ask(self, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever the server says
        """The answer to a command.

        Raises:
            RedisError, OSError: there is none, or it is a no.
        """
        try:
            async with asyncio.timeout(self._seconds):
                wire = await self._connected()
                return await wire.ask(*words)
        except TimeoutError:
            if self._wire is not None:
                self._wire.cut()
            raise

    async def open(self) -> None:
        """Connect. Raises as `ask`."""
        async with asyncio.timeout(self._seconds):
            await self._connected()

    async def close(self) -> None:
        """Close the connection, also one that is still to come."""
        self._is_closed = True
        if self._wire is not None:
            await self._wire.close()

    async def _connected(self) -> Wire:
        """A connection that was greeted; for a caller whose time is limited."""
        while self._wire is None or self._wire.is_cut:
            try:
                return await self._connecting.join("wire", self._connect, self._land)
            except TimeoutError:
                # The attempt began before this caller came: there is time for another, once this one has ended.
                await asyncio.sleep(0)
        return self._wire

    async def _connect(self) -> Wire:
        async with asyncio.timeout(self._seconds), self._server.connection() as connection:
            await self._greet(connection)
            if self._is_closed:
                msg = "the line was closed"
                raise ConnectionError(msg)
            return Wire(connection)

    def _land(self, wire: Wire) -> None:
        self._wire = wire


@final
class Lines:
    """One line for each event loop: what belongs to a loop cannot be used from another.

    Args:
        server: see Line; likewise what follows.
        greet: likewise.
        timeout_seconds: likewise.
    """

    def __init__(self, server: Server, greet: Greet, timeout_seconds: float) -> None:
        self._server, self._greet, self._seconds = server, greet, timeout_seconds
        self._lines: dict[asyncio.AbstractEventLoop, Line] = {}

    def here(self) -> Line:
        """The line of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._lines:
            self._lines = {other: line for other, line in self._lines.items() if not other.is_closed()}
            self._lines[loop] = Line(self._server, self._greet, self._seconds)
        return self._lines[loop]

    async def enter(self) -> None:
        """Connect. Raises whatever keeps it from that."""
        line = self.here()
        await line.open()
        line.entered += 1

    async def leave(self) -> None:
        """Close what as many have left as entered."""
        line = self.here()
        line.entered -= 1
        if line.entered <= 0:
            del self._lines[asyncio.get_running_loop()]
            await line.close()
