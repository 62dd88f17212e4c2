"""Signals within one process."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.signals import Change

MAILBOX_SIZE = 1000


class Mailbox:
    """What one subscriber has not yet heard; a full one is emptied for one ``Change(None)``.

    Args:
        size: how many changes it holds.
    """

    def __init__(self, size: int) -> None:
        self._queue: asyncio.Queue[Change] = asyncio.Queue(size)

    def put(self, change: Change) -> None:
        """Add a change, without ever waiting."""
        if self._queue.full():
            while not self._queue.empty():
                self._queue.get_nowait()
            change = Change(None)
        self._queue.put_nowait(change)

    async def take(self) -> Change:
        """The oldest change, as soon as there is one."""
        return await self._queue.get()


class Mailboxes:
    """The mailboxes of all subscribers.

    Args:
        size: of each.
    """

    def __init__(self, size: int = MAILBOX_SIZE) -> None:
        self._size = size
        self._open: set[Mailbox] = set()

    def __len__(self) -> int:
        return len(self._open)

    @contextmanager
    def one(self) -> Generator[Mailbox, None, None]:
        """A new mailbox, forgotten afterwards."""
        mailbox = Mailbox(self._size)
        self._open.add(mailbox)
        try:
            yield mailbox
        finally:
            self._open.remove(mailbox)

    def put(self, change: Change) -> None:
        """Add a change to every mailbox."""
        for mailbox in self._open:
            mailbox.put(change)


class MemorySignals:
    """Tells the subscribers in this process. See Signals.

    Args:
        mailbox_size: how many changes a slow subscriber may be behind before it hears ``Change(None)`` instead.

    Attributes:
        reachable: False makes both verbs fail as a lost channel does, so that a host's tests can pull the plug.
    """

    def __init__(self, *, mailbox_size: int = MAILBOX_SIZE) -> None:
        self.reachable = True
        self._mailboxes = Mailboxes(mailbox_size)

    @property
    def subscribers(self) -> int:
        """How many are subscribed."""
        return len(self._mailboxes)

    async def publish(self, change: Change) -> None:
        """See Signals.publish."""
        self._reach()
        self._mailboxes.put(change)

    async def subscribe(self) -> AsyncGenerator[Change, None]:
        """See Signals.subscribe."""
        with self._mailboxes.one() as mailbox:
            self._reach()
            yield Change(None)
            while True:
                self._reach()
                yield await mailbox.take()

    def _reach(self) -> None:
        if not self.reachable:
            msg = "the signals were made unreachable"
            raise BackendUnavailableError(msg)
