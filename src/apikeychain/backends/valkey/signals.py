"""ValkeySignals: changes told to all workers by publish and subscribe.

What is published while nobody listens is gone. So a subscription that lost its connection ends with
BackendUnavailableError, and whoever subscribes anew first hears ``Change(None)``. A connection that says nothing for a
while is asked; one that stays silent counts as lost.

Source: contracts 10 ("takes effect within 1 s with Signals").
"""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Self, cast, final

from redis.exceptions import TimeoutError as SilentError

from apikeychain.backends.memory_signals import MAILBOX_SIZE, Mailbox, Mailboxes
from apikeychain.backends.valkey.guard import PREFIX, TIMEOUT_SECONDS, parse_prefix
from apikeychain.backends.valkey.line import Lines, say_nothing
from apikeychain.backends.valkey.wire import Connection, Server, ask, told_as_ours
from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import parse_project_id
from apikeychain.ports.signals import Change


@final
class ValkeySignals:
    """Tells the subscribers of all processes that share the server. See Signals.

    An async context manager, as ValkeyGuard is; a subscription has a connection of its own.

    Args:
        url: see ValkeyGuard.
        prefix: likewise; of the channel.
        timeout_seconds: after which publishing fails; a subscription that hears nothing for twice as long is lost.
        mailbox_size: how many changes a slow subscriber may be behind before it hears ``Change(None)`` instead.
        trust: see ValkeyGuard.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = PREFIX,
        timeout_seconds: float = TIMEOUT_SECONDS,
        mailbox_size: int = MAILBOX_SIZE,
        trust: Path | str | None = None,
    ) -> None:
        self._channel, self._seconds = f"{parse_prefix(prefix)}:changes", timeout_seconds
        self._server = Server(url, trust)
        self._lines = Lines(self._server, say_nothing, timeout_seconds)
        self._mailboxes = Mailboxes(mailbox_size)

    @property
    def subscribers(self) -> int:
        """How many are subscribed in this process."""
        return len(self._mailboxes)

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            BackendUnavailableError: the server does not answer.
        """
        with told_as_ours():
            await self._lines.enter()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection of this loop that publishes; a subscription ends when it is closed."""
        await self._lines.leave()

    async def publish(self, change: Change) -> None:
        """See Signals.publish."""
        with told_as_ours():
            await self._lines.here().ask("PUBLISH", self._channel, change.project or "")

    async def subscribe(self) -> AsyncGenerator[Change, None]:
        """See Signals.subscribe."""
        with self._mailboxes.one() as mailbox:
            with told_as_ours():
                connection = await self._subscribed()
            hearing = asyncio.get_running_loop().create_task(self._hear(connection, mailbox))
            try:
                yield Change(None)
                while True:
                    with told_as_ours():
                        change = await _next(mailbox, hearing)
                    yield change
            finally:
                hearing.cancel()
                await asyncio.wait([hearing])
                # Not by the task: one that is cancelled before it began does nothing at all.
                await connection.disconnect(nowait=True)

    async def _subscribed(self) -> Connection:
        async with asyncio.timeout(self._seconds), self._server.connection() as connection:
            await ask(connection, "SUBSCRIBE", self._channel)
            return connection

    async def _hear(self, connection: Connection, mailbox: Mailbox) -> None:
        """Put into the mailbox what comes, until the connection is lost."""
        reading, is_asked = asyncio.ensure_future(connection.read_response()), False
        try:
            while True:
                await asyncio.wait([reading], timeout=self._seconds)
                if reading.done():
                    said = reading.result()
                    if said[0] == b"message":
                        mailbox.put(_change(said[2]))
                    reading, is_asked = asyncio.ensure_future(connection.read_response()), False
                elif is_asked:
                    raise SilentError
                else:
                    await connection.send_command("PING")
                    is_asked = True
        finally:
            reading.cancel()


async def _next(mailbox: Mailbox, hearing: "asyncio.Task[None]") -> Change:
    """The next change; raises what ended the hearing."""
    taking = asyncio.ensure_future(mailbox.take())
    try:
        await asyncio.wait([taking, hearing], return_when=asyncio.FIRST_COMPLETED)
        if not taking.done():
            hearing.result()
        return await taking
    finally:
        taking.cancel()


def _change(said: Any) -> Change:  # noqa: ANN401 - whatever somebody published
    """The change of a message; what is none may stand for any."""
    try:
        return Change(parse_project_id(cast("bytes", said).decode()))
    except (InvalidValueError, UnicodeDecodeError):
        return Change(None)
