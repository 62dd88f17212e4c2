"""Looks at the database: reachable, encrypted, walled, of this version, writable, with a clock that agrees."""

import asyncio
import contextlib
import sqlite3
import ssl
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import text

from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS
from apikeychain.backends.sql.postgres.inspection import of_roles, of_walls
from apikeychain.backends.sql.postgres.opening import require_server, require_version
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.doctor import verdicts
from apikeychain.doctor.finding import Finding, holds, told
from apikeychain.errors import DataDirectoryError

_CHECK = "database"
_CLOCK = text("SELECT extract(epoch FROM clock_timestamp())::float8")
# In a transaction as those that change something, which is not asked to be read only.
_WRITABLE = text(
    "SELECT pg_is_in_recovery() AS is_standby, current_setting('transaction_read_only')::boolean AS is_read_only"
)
_READING = {"isolation_level": "READ COMMITTED", "postgresql_readonly": True}


async def look_at_postgres(store: PostgresStore, now: Callable[[], float] = time.time) -> list[Finding]:
    """All of it, each in a transaction of its own: what one finds ends no other.

    Args:
        store: on it.
        now: this machine's clock.
    """
    found = [*await told(_CHECK, _way(store))]
    for look in (_server, partial(_clock, now=now), _walls, _writing) if holds(found) else ():
        found += await told(_CHECK, look(store))
    return found


async def _way(store: PostgresStore) -> Sequence[Finding]:
    async with store.connections.one(**_READING) as bounded:
        tls: ssl.SSLObject | None = bounded.driver._transport.get_extra_info("ssl_object")  # noqa: SLF001  # the one place where asyncpg keeps it
    version = (tls.version() or "") if tls else ""
    return [Finding(_CHECK, "ok", "PostgreSQL answers"), verdicts.of_way(_CHECK, version, is_local=not version)]


async def _server(store: PostgresStore) -> Sequence[Finding]:
    async with store.connections.one(**_READING) as bounded:
        await require_server(bounded)
        await require_version(bounded)
    return [verdicts.of_version(VERSIONS[-1], VERSIONS)]


async def _clock(store: PostgresStore, now: Callable[[], float]) -> Sequence[Finding]:
    async with store.connections.one(**_READING) as bounded:
        with told_as_ours():
            before = now()
            theirs: float = (await bounded.execute(_CLOCK)).scalar_one()
    return [verdicts.of_clock(_CHECK, theirs - (before + now()) / 2)]


async def _walls(store: PostgresStore) -> Sequence[Finding]:
    async with store.connections.one(**_READING) as bounded:
        with told_as_ours():
            user = str((await bounded.execute(text("SELECT current_user"))).scalar_one())
        return verdicts.of_walls([*await of_roles(bounded), *await of_walls(bounded, user)])


async def _writing(store: PostgresStore) -> Sequence[Finding]:
    async with store.connections.one(isolation_level="READ COMMITTED") as bounded:
        with told_as_ours():
            found = (await bounded.execute(_WRITABLE)).mappings().one()
    return [verdicts.of_writing(**found)]


async def look_at_file(path: Path, *, deep: bool) -> Sequence[Finding]:
    """The embedded database, which is not changed.

    Args:
        path: of it.
        deep: whether its pages are looked at too.
    """
    version, damage = await asyncio.to_thread(_of_file, path, deep)
    found = [verdicts.of_version(version, VERSIONS)]
    if damage:
        found.append(Finding(_CHECK, "failure", f"{path} is damaged", "restore it from a backup"))
    return found


def _of_file(path: Path, deep: bool) -> tuple[str | None, bool]:  # noqa: FBT001  # handed on to a thread
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            found: Any = database.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()  # noqa: S608  # a constant
            damaged = deep and database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",)
    except sqlite3.Error as fault:
        msg = f"{path} cannot be used: {fault.sqlite_errorname}"
        raise DataDirectoryError(msg) from None
    return (str(found[0]) if found else None), damaged
