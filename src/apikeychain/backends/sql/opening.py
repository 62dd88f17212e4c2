"""Opening a SQLite file: create it, judge it, migrate it under its write lock."""

import asyncio
import io
import logging
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, PrimaryKeyConstraint, String
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from apikeychain.backends.sql.engine import BUSY_SECONDS, sqlite_engine
from apikeychain.backends.sql.faults import FAULTS, name_of
from apikeychain.errors import BackendUnavailableError, DatabaseVersionError, DataDirectoryError, SetupError

# In their order: each is a module of migrations/versions, whose revision has its name.
VERSIONS = (
    "v0001_the_first_tables",
    "v0002_signing_keys",
    "v0003_key_services",
    "v0004_checkpoints",
    "v0005_rotation",
    "v0006_watch",
    "v0007_assets",
)
MIGRATIONS = str(Path(__file__).parent / "migrations")
VERSION_TABLE = "apikeychain_version"
NO_WAY_BACK = "or restore the backup from before: migrations have no way back"
_STEPS = "apikeychain.backends.sql.migrations.versions"
_RETRY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Migrated:
    """What a migration found and made.

    Attributes:
        before: the version of the database, or None for an empty one.
        after: the version that it has now.
        mended: whether walls between tenants were put up again, in a database that had the version before.
    """

    before: str | None
    after: str = VERSIONS[-1]
    mended: bool = False


async def migrate_sqlite(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Migrated:
    """`migrate` for the file at `path`, as entering a store on it does."""
    engine = sqlite_engine(path, busy_seconds=busy_seconds)
    try:
        return await migrate(engine, busy_seconds)
    finally:
        await engine.dispose()


async def migrate(engine: AsyncEngine, busy_seconds: float) -> Migrated:
    """Make the engine's file a database of this version.

    Raises:
        DataDirectoryError: the file cannot be used, or is no database.
        DatabaseVersionError: it was written by a newer version, or is the database of something else.
        BackendUnavailableError: another process keeps it locked.
    """
    path = str(engine.url.database)
    with _told_about(path):
        # Before SQLite does, which would leave it to the umask who reads it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        async with engine.connect() as connection:
            if await connection.run_sync(_version, path) == VERSIONS[-1]:
                return Migrated(VERSIONS[-1])
            await connection.rollback()
            await _write_ahead(connection, time.monotonic() + busy_seconds)
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            # Another process may have been faster.
            version = await connection.run_sync(_version, path)
            if version != VERSIONS[-1]:
                await connection.run_sync(upgrade, version)
            await connection.commit()
            return Migrated(version)


def _version(connection: Connection, path: str) -> str | None:
    """The version of the database, or None for an empty one."""
    names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
    if not names:
        return None
    if VERSION_TABLE not in names:
        msg = f"{path} is the database of something else: give apikeychain a file of its own"
        raise DatabaseVersionError(msg)
    version = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").scalar()  # noqa: S608  # a constant
    if version not in VERSIONS:
        msg = (
            f"{path} has version {version}, this apikeychain knows up to {VERSIONS[-1]}: install a newer apikeychain, "
            f"{NO_WAY_BACK}"
        )
        raise DatabaseVersionError(msg)
    return str(version)


async def _write_ahead(connection: AsyncConnection, deadline: float) -> None:
    """Switch to write-ahead logging. SQLite does not wait for others here, so this does."""
    while True:
        try:
            await connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        except OperationalError as fault:
            await connection.rollback()
            if not _is_locked(fault) or time.monotonic() > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            await connection.rollback()
            return


def upgrade(connection: Connection, version: str | None, schema: str | None = None) -> None:
    """Take the steps behind `version`, in the transaction that is open.

    Args:
        connection: of whichever database.
        version: that it has, or None.
        schema: where the version is written.
    """
    _take_steps(version, {"version_table_schema": schema}, connection=connection)


def upgrade_script(version: str | None, schema: str) -> str:
    """The same as SQL of PostgreSQL, without a database."""
    script = io.StringIO()
    options = {"as_sql": True, "output_buffer": script, "starting_rev": version, "version_table_schema": schema}
    _take_steps(version, options, dialect_name="postgresql")
    return script.getvalue()


def _take_steps(version: str | None, options: dict[str, Any], **way: Any) -> None:  # noqa: ANN401  # Alembic's own
    with _hushed("alembic.runtime.migration"), _hushed("alembic.runtime.plugins"):
        # Imported here: it takes a tenth of a second, and most openings find their version.
        from alembic.operations import Operations  # noqa: PLC0415  # see above
        from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  # see above
        from alembic.script import ScriptDirectory  # noqa: PLC0415  # see above

        context = MigrationContext.configure(**way, opts={"version_table": VERSION_TABLE, **options})
        with Operations.context(context) as operations:
            if version is None and context.as_sql:
                # Alembic makes it by itself only where there is a database.
                operations.create_table(
                    VERSION_TABLE,
                    Column("version_num", String(32), nullable=False),
                    PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
                    schema=options["version_table_schema"],
                )
            for step in VERSIONS[VERSIONS.index(version) + 1 if version else 0 :]:
                import_module(f"{_STEPS}.{step}").upgrade()
        context.stamp(ScriptDirectory(MIGRATIONS), VERSIONS[-1])


@contextmanager
def _hushed(name: str) -> Generator[None, None, None]:
    """Keeps what Alembic tells of its progress out of the host's log."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def _told_about(path: str) -> Generator[None, None, None]:
    try:
        yield
    except SetupError:
        raise
    except FAULTS as fault:
        if _is_locked(fault):
            msg = f"{path} is locked by another process"
            raise BackendUnavailableError(msg) from None
        msg = f"{path} cannot be used: {name_of(fault)}"
        raise DataDirectoryError(msg) from None


def _is_locked(fault: BaseException) -> bool:
    return name_of(fault).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
