"""An engine for one PostgreSQL database, and connections of it that nothing keeps waiting for long.

Every statement has two limits: the server's own timeouts, set for the transaction alone so that a pooler between
passes them on and forgets them, and an alarm here that cuts the connection of a server that does not answer at all.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, CursorResult, Executable, PoolProxiedConnection, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from apikeychain.backends.sql.engine import whole
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.turns import Turns
from apikeychain.backends.tls import trusting
from apikeychain.errors import InvalidValueError

T = TypeVar("T")
DRIVER = "postgresql+asyncpg"
# How long anybody waits for a connection and the turn at a tenant together, and for each statement after that.
WAIT_SECONDS = 4.5
POOL_SIZE = 10


def postgres_engine(url: str | URL, *, trust: str | Path | None = None, pool_size: int = POOL_SIZE) -> AsyncEngine:
    """An engine for the database at `url`: TLS 1.3, verified, unless the host is a Unix socket. It touches nothing yet.

    It keeps no prepared statements, which a pooler would give to another connection.

    Args:
        url: ``postgresql+asyncpg://user@host/database``, or ``postgresql://``; a socket is
            ``postgresql+asyncpg://user@/database?host=/run/postgresql``.
        trust: a file with the authorities that the server's certificate may be from; those of the system unless given.
        pool_size: how many connections at most.

    Raises:
        InvalidValueError: not such a URL, it has TLS options of its own, or the authorities cannot be read.
    """
    place = _parsed(url)
    if place.drivername not in {DRIVER, "postgresql"}:
        msg = "not a URL of PostgreSQL with asyncpg: write postgresql://user@host/database"
        raise InvalidValueError(msg)
    if mine := {name for name in place.query if name.startswith("ssl")}:
        msg = f"TLS is always verified: leave {', '.join(sorted(mine))} out of the URL, and give `trust` instead"
        raise InvalidValueError(msg)
    if odd := sorted(name for name, value in place.query.items() if not _is_place(name, value)):
        msg = f"options that are not known, or not like that: leave {', '.join(odd)} out of the URL"
        raise InvalidValueError(msg)
    context = trusting(trust)
    return create_async_engine(
        place.set(drivername=DRIVER),
        connect_args={
            # asyncpg asks a socket for no TLS, and nobody else without it.
            "ssl": context,
            "timeout": WAIT_SECONDS,
            "command_timeout": WAIT_SECONDS,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": _no_name,
        },
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        pool_use_lifo=True,
    )


def _parsed(url: str | URL) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        msg = "not a URL of PostgreSQL: write postgresql://user@host/database"
        # The text is not told: it may hold a password.
        raise InvalidValueError(msg) from None


def _is_place(name: str, value: str | tuple[str, ...]) -> bool:
    """Whether an option says where one server is; any other would be the driver's."""
    return isinstance(value, str) and (name == "host" or (name == "port" and value.isdecimal()))


class Bounded:
    """Statements on a connection, each with its time. See Statements.

    Args:
        connection: whose.
        raw: what the pool lent for it.
        first: how many seconds are left for the first statement.

    Attributes:
        driver: the connection as asyncpg has it.
    """

    def __init__(self, connection: AsyncConnection, raw: PoolProxiedConnection, first: float = WAIT_SECONDS) -> None:
        self._connection, self._raw = connection, raw
        self.driver: Any = raw.driver_connection
        self._seconds = first

    async def execute(
        self, statement: Executable, rows: Sequence[dict[str, object]] | None = None
    ) -> "CursorResult[Any]":
        """See Statements.execute."""
        return await self.bounded(self._connection.execute(statement, rows))

    async def bounded(self, deed: Coroutine[Any, Any, T]) -> T:
        """What `deed` brings. When its time is over its connection is cut, which ends it with an error."""
        seconds, self._seconds = self._seconds, WAIT_SECONDS
        alarm = asyncio.get_running_loop().call_later(seconds, self.driver.terminate)
        try:
            return await whole(deed)
        finally:
            alarm.cancel()

    def detach(self) -> None:
        """Leave the pool, which may open another in its place; closed it is truly closed."""
        self._raw.detach()

    async def commit(self) -> None:
        """End the transaction well."""
        await self.bounded(self._connection.commit())


class Connections:
    """The connections of one engine, so many at a time, in the order in which they were asked for.

    Args:
        engine: whose; what its own pool allows holds beside.
        places: how many at a time.
    """

    def __init__(self, engine: AsyncEngine, places: int) -> None:
        self.engine = engine
        self._turns = Turns(places, WAIT_SECONDS, "transactions")

    @asynccontextmanager
    async def one(self, **options: Any) -> AsyncGenerator[Bounded, None]:  # noqa: ANN401  # of SQLAlchemy
        """A connection with a transaction that is rolled back at the end unless it was committed.

        Args:
            options: SQLAlchemy's, of the transaction.

        Raises:
            BackendUnavailableError: there is none to be had in time.
        """
        end = _clock() + WAIT_SECONDS
        async with self._turns.one(), self._opened(end, options) as bounded:
            yield bounded

    @asynccontextmanager
    async def lone(self) -> AsyncGenerator[Bounded, None]:
        """A connection outside the engine's pool, whose place is free again, and in no transaction.

        Raises:
            BackendUnavailableError: there is none to be had in time.
        """
        end = _clock() + WAIT_SECONDS
        async with AsyncExitStack() as kept:
            async with self._turns.one():
                bounded = await kept.enter_async_context(self._opened(end, {}))
                bounded.detach()
            yield bounded

    @asynccontextmanager
    async def _opened(self, end: float, options: dict[str, Any]) -> AsyncGenerator[Bounded, None]:
        connection = self.engine.connect()
        bounded: Bounded | None = None
        try:
            with told_as_ours():
                await whole(_started(connection, end - _clock()))
                await connection.execution_options(**options)
                bounded = Bounded(connection, await connection.get_raw_connection(), end - _clock())
            yield bounded
        finally:
            with told_as_ours():
                await (_closed(connection) if bounded is None else bounded.bounded(connection.close()))


def _clock() -> float:
    return asyncio.get_running_loop().time()


async def _started(connection: AsyncConnection, seconds: float) -> None:
    """Begin, past those of the pool that were lost while nobody used them."""
    async with asyncio.timeout(seconds):
        await connection.start()
        while await _is_lost(connection):
            await connection.invalidate()


async def _is_lost(connection: AsyncConnection) -> bool:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    return bool(driver.is_closed())


async def _closed(connection: AsyncConnection) -> None:
    """What was started and never used, or never started."""
    if connection.sync_connection is not None:
        await whole(connection.close())


def _no_name() -> str:
    """A prepared statement without a name: the next one takes its place."""
    return ""
