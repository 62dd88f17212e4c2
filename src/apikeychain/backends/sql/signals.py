"""Signals between the processes that share a SQLite file."""

import asyncio
from collections.abc import AsyncGenerator

from sqlalchemy.ext.asyncio import AsyncConnection

from apikeychain.backends.memory_signals import MAILBOX_SIZE, Mailboxes
from apikeychain.backends.sql.engine import connection_of, whole
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.store import SQLStore
from apikeychain.ports.signals import Change


class SQLiteSignals:
    """Tells subscribers in this process at once, and those in others within the interval. See Signals.

    A commit of another process moves SQLite's `data_version`; only then the store is asked which projects changed.

    Args:
        store: whose changes are told. It must be open while anybody is subscribed.
        interval_seconds: between two looks at `data_version`.
        mailbox_size: how many changes a slow subscriber may be behind before it hears ``Change(None)`` instead.
    """

    def __init__(
        self,
        store: SQLStore,
        *,
        interval_seconds: float = 1.0,
        mailbox_size: int = MAILBOX_SIZE,
    ) -> None:
        self.store, self._interval = store, interval_seconds
        self._mailboxes = Mailboxes(mailbox_size)
        self._seen: int | None = None

    @property
    def subscribers(self) -> int:
        """How many are subscribed."""
        return len(self._mailboxes)

    async def publish(self, change: Change) -> None:
        """See Signals.publish. Other processes learn of the commit behind the change, not of this call."""
        if change not in await self._look():
            self._mailboxes.put(change)

    async def subscribe(self) -> AsyncGenerator[Change, None]:
        """See Signals.subscribe."""
        clock = asyncio.get_running_loop().time
        if not self._mailboxes:
            self._seen = None
        with self._mailboxes.one() as mailbox:
            async with connection_of(self.store.engine, pooled=False) as connection:
                version = await _data_version(connection)
                await self._look()
                yield Change(None)
                due = clock() + self._interval
                while True:
                    try:
                        async with asyncio.timeout_at(due):
                            change = await mailbox.take()
                    except TimeoutError:
                        due = clock() + self._interval
                        before, version = version, await _data_version(connection)
                        if version != before:
                            await self._look()
                    else:
                        yield change

    async def _look(self) -> set[Change]:
        """Tell every change since the last look; the first look tells none, it only sees where the changes stand."""
        last = self._seen
        if last is None:
            last = await self.store.last_change()
            self._seen = last if self._seen is None else self._seen
            return set()
        found = await self.store.changes(last)
        # Judged again after the wait: two looks may have gone at once.
        news = [(stamp, Change(project)) for stamp, project in found if stamp > (self._seen or 0)]
        for stamp, change in news:
            self._seen = stamp
            self._mailboxes.put(change)
        return {change for _, change in news}


async def _data_version(connection: AsyncConnection) -> int:
    """A number that moves when another connection commits."""
    with told_as_ours():
        version = (await whole(connection.exec_driver_sql("PRAGMA data_version"))).scalar_one()
        await connection.rollback()
    return int(version)
