"""Signals by LISTEN and NOTIFY."""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from apikeychain.backends.memory_signals import MAILBOX_SIZE, Mailbox, Mailboxes
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.postgres.engine import Bounded, Connections
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.backends.sql.postgres.tenant_store import CHANNEL
from apikeychain.errors import BackendUnavailableError, InvalidValueError
from apikeychain.model.ids import parse_project_id
from apikeychain.ports.signals import Change

# What a new subscriber says to hear whether it hears; no change looks like it.
_TEST = "?"
_TEST_SECONDS = 2


class PostgresSignals:
    """Tells subscribers of every worker as soon as a change is committed. See Signals.

    The store notifies within the transaction of the change; `publish` says it once more, and what only it knows. Any
    role of the database can listen and notify: a message is a project's id, and all it does is that workers look anew.

    Args:
        store: whose changes are told, and through which they are told.
        listening: where to listen, if not through the store's engine: a pooler in transaction mode hands on nothing.
            Each subscriber has a connection of its own, outside the engine's pool.
        interval_seconds: between two looks at whether a silent connection still lives.
        mailbox_size: how many changes a slow subscriber may be behind before it hears ``Change(None)`` instead.
    """

    def __init__(
        self,
        store: PostgresStore,
        *,
        listening: AsyncEngine | None = None,
        interval_seconds: float = 5.0,
        mailbox_size: int = MAILBOX_SIZE,
    ) -> None:
        self.store, self._interval = store, interval_seconds
        self._connections = Connections(listening, 1) if listening else store.connections
        self._mailboxes = Mailboxes(mailbox_size)

    @property
    def subscribers(self) -> int:
        """How many are subscribed."""
        return len(self._mailboxes)

    async def publish(self, change: Change) -> None:
        """See Signals.publish."""
        await self._notify(change.project or "")

    async def subscribe(self) -> AsyncGenerator[Change, None]:
        """See Signals.subscribe."""
        with self._mailboxes.one() as mailbox:
            async with self._listening_to(mailbox) as bounded:
                yield Change(None)
                while True:
                    try:
                        async with asyncio.timeout(self._interval):
                            change = await mailbox.take()
                    except TimeoutError:
                        with told_as_ours():
                            await bounded.bounded(bounded.driver.execute("SELECT 1"))
                    else:
                        _require_open(bounded)
                        yield change

    @asynccontextmanager
    async def _listening_to(self, mailbox: Mailbox) -> AsyncGenerator[Bounded, None]:
        """A connection that fills the mailbox.

        Raises:
            BackendUnavailableError: there is none, or it hears nothing.
        """
        test, heard = _TEST + secrets.token_hex(8), asyncio.Event()

        def receive(_connection: object, _pid: int, _channel: str, payload: str) -> None:
            if payload == test:
                heard.set()
            elif not payload.startswith(_TEST):
                mailbox.put(_change(payload))

        def wake(_connection: object) -> None:
            # Whoever waits finds it closed.
            mailbox.put(Change(None))

        async with self._connections.lone() as bounded:
            with told_as_ours():
                await bounded.bounded(bounded.driver.add_listener(CHANNEL, receive))
            bounded.driver.add_termination_listener(wake)
            await self._notify(test)
            try:
                async with asyncio.timeout(_TEST_SECONDS):
                    await heard.wait()
            except TimeoutError:
                msg = "what is notified is not heard: behind a pooler give `listening`, an engine that leads past it"
                raise BackendUnavailableError(msg) from None
            yield bounded

    async def _notify(self, payload: str) -> None:
        async with self.store.connections.one() as bounded:
            with told_as_ours():
                await bounded.execute(select(func.pg_notify(CHANNEL, payload)))
                await bounded.commit()


def _require_open(bounded: Bounded) -> None:
    if bounded.driver.is_closed():
        msg = "the store does not answer: the connection that listened was closed"
        raise BackendUnavailableError(msg)


def _change(payload: str) -> Change:
    """What a message says; one that nobody of ours sent says that something may have changed."""
    try:
        return Change(parse_project_id(payload))
    except InvalidValueError:
        return Change(None)
