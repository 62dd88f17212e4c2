"""Transactions on SQLite in a thread of their own, each statement in one trip to it.

An asynchronous driver makes four trips of a statement, each of which waits for a turn of the event loop. Where many
calls are under way turns are long, and whoever writes keeps all others from it, the ledger too.
"""

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, cast, final

from sqlalchemy import Connection, CursorResult, Engine, Executable

from apikeychain.backends.sql.scope import is_of_one_row
from apikeychain.loops import OfLoop
from apikeychain.threads import brought

T = TypeVar("T")


@final
class OwnThread:
    """One thread in each event loop, in which one deed is done after the other. Loops come one after the other."""

    def __init__(self) -> None:
        self._executor = OfLoop(partial(ThreadPoolExecutor, 1, "apikeychain-sqlite"))

    async def bring(self, deed: Callable[[], T]) -> T:
        """See `brought`."""
        return await brought(self._executor.here().submit(contextvars.copy_context().run, deed))

    def close(self) -> None:
        """Let the thread end, which it does once nobody has its executor any more."""
        self._executor.forget()


@final
class InThread:
    """A transaction in a thread, begun with its first statement, and each statement done to its end. See Statements.

    Args:
        thread: in which.
        engine: whose connection it has until it is over.
    """

    def __init__(self, thread: OwnThread, engine: Engine) -> None:
        self._thread, self._engine = thread, engine
        self._connection: Connection | None = None

    async def execute(
        self, statement: Executable, rows: Sequence[dict[str, object]] | None = None
    ) -> "CursorResult[Any]":
        """See Statements.execute. Within the transaction one row takes less time than a trip to the thread costs."""
        if self._connection is not None and is_of_one_row(statement):
            return self._executed(statement, rows)
        return await self._thread.bring(partial(self._executed, statement, rows))

    def begun(self) -> Connection:
        """For the thread: the connection, in the transaction."""
        if self._connection is None:
            connection = self._engine.connect()
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def commit(self) -> None:
        """For the thread: commit what there is, and let the connection go."""
        if self._connection is None:
            return
        with self._connection as connection:
            try:
                connection.commit()
            except BaseException:
                # SQLite keeps the transaction open, SQLAlchemy takes it for ended: nobody may use this one again.
                connection.invalidate()
                raise

    def close(self) -> None:
        """For the thread: let the connection go; what was not committed is undone."""
        if self._connection is not None:
            self._connection.close()

    def _executed(self, statement: Executable, rows: Sequence[dict[str, object]] | None) -> "CursorResult[Any]":
        """The result, with its rows read: whoever reads them later would do so in another thread."""
        result = self.begun().execute(statement, rows)
        return cast("CursorResult[Any]", result.freeze()()) if result.returns_rows else result
