"""An engine for one SQLite file, and connections of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL, CursorResult, Engine, Executable, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, QueuePool

from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.schema import SCHEMA
from apikeychain.loops import until

T = TypeVar("T")


class Statements(Protocol):
    """Where statements are executed: one transaction, that whoever made it ends."""

    async def execute(
        self, statement: Executable, rows: Sequence[dict[str, object]] | None = None
    ) -> "CursorResult[Any]":
        """What the statement brings, or what it changes with each of `rows`."""
        ...


BUSY_SECONDS = 5.0
# Each has a connection, which has a thread.
READERS = 8
# FULL: in WAL mode anything less may lose commits that were acknowledged when the power goes.
_PRAGMAS = ("PRAGMA foreign_keys = ON", "PRAGMA synchronous = FULL")


def sqlite_engine(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> AsyncEngine:
    """An engine for the SQLite database at `path`. It touches nothing yet.

    Making one mutes the logger ``aiosqlite`` below WARNING: it writes whatever is stored.

    Args:
        path: of the file.
        busy_seconds: how long a statement waits for another process's transaction.
    """
    logging.getLogger("aiosqlite").setLevel(logging.WARNING)
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # Without a limit nobody ever waits for a connection, so the pool belongs to no event loop. The store counts.
        poolclass=AsyncAdaptedQueuePool,
        pool_size=READERS + 1,
        max_overflow=-1,
        # The one used last has what was read last.
        pool_use_lifo=True,
        **_options(busy_seconds),
    )
    _listen(engine.sync_engine)
    return engine


def thread_engine(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """Another for the same database, for transactions in a thread, one at a time. See `OwnThread`."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)), poolclass=QueuePool, pool_size=1, **_options(busy_seconds)
    )
    _listen(engine)
    return engine


def _options(busy_seconds: float) -> dict[str, Any]:
    return {
        "connect_args": {"timeout": busy_seconds},
        "execution_options": {"schema_translate_map": {SCHEMA: None}},
        "hide_parameters": True,
    }


def _listen(engine: Engine) -> None:
    event.listen(engine, "do_connect", _require_file)
    event.listen(engine, "connect", _prepare)


@asynccontextmanager
async def connection_of(engine: AsyncEngine, *, pooled: bool = True) -> AsyncGenerator[AsyncConnection, None]:
    """A connection, rolled back at the end unless it was committed.

    Args:
        engine: whose.
        pooled: whether it goes back to the pool. One that may outlive the pool has to end by itself.

    Raises:
        BackendUnavailableError: there is none to be had.
    """
    connection = engine.connect()
    try:
        with told_as_ours():
            await whole(connection.start())
        yield connection
    finally:
        with told_as_ours():
            await whole(_end(connection, pooled=pooled))


async def whole(statement: Coroutine[Any, Any, T]) -> T:
    """What `statement` brings; a cancellation, or a second one, passes on only once the statement has ended.

    Cut in the middle, its connection would be closed around an unfinished statement, and SQLite would hold that
    connection's lock until the garbage collector comes by.
    """
    running, ended = asyncio.ensure_future(statement), asyncio.Event()
    running.add_done_callback(lambda _: ended.set())
    try:
        await until(ended)
    except asyncio.CancelledError:
        # Looked at in any case: asyncio would log it as never retrieved.
        _ = running.cancelled() or running.exception()
        raise
    return running.result()


class Whole:
    """Statements on a connection, each to its end. See Statements.

    Args:
        connection: whose.
    """

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(
        self, statement: Executable, rows: Sequence[dict[str, object]] | None = None
    ) -> "CursorResult[Any]":
        """See Statements.execute."""
        return await whole(self._connection.execute(statement, rows))


async def _end(connection: AsyncConnection, *, pooled: bool) -> None:
    if connection.sync_connection is None:
        return
    if not pooled:
        await connection.invalidate()
    await connection.close()


def _require_file(_dialect: object, _entry: object, args: tuple[str, ...], _options: object) -> None:
    """Raise FileNotFoundError where SQLite would begin an empty database in place of one that was lost."""
    if not Path(args[0]).is_file():
        raise FileNotFoundError


def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()
