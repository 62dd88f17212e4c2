"""Making and changing the database's side of the store: roles, tables, and the walls between tenants."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from apikeychain.backends.sql.engine import Whole
from apikeychain.backends.sql.faults import name_of, told_as_ours
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS, Migrated, upgrade
from apikeychain.backends.sql.postgres.engine import postgres_engine
from apikeychain.backends.sql.postgres.inspection import of_walls
from apikeychain.backends.sql.postgres.opening import judge, of_connection, require_server
from apikeychain.backends.sql.postgres.roles import (
    APPLICATION,
    BEGIN,
    MIGHTY,
    OWNER,
    as_owner,
    block,
    require_names,
    role,
    schema,
)
from apikeychain.backends.sql.postgres.walls import walls
from apikeychain.backends.sql.schema import SCHEMA
from apikeychain.errors import SettingsError

_ROLE = text(f"SELECT {MIGHTY} FROM pg_roles WHERE rolname = :name")  # noqa: S608  # constants
_SCHEMA_OWNER = text("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = :name")
_HAS_VERSION = text(f"SELECT to_regclass('{SCHEMA}.{VERSION_TABLE}') IS NOT NULL")
_VERSION = text(f"SELECT version_num FROM {SCHEMA}.{VERSION_TABLE}")  # noqa: S608  # constants


async def migrate_postgres(
    url_or_engine: str | URL | AsyncEngine,
    *,
    owner: str = OWNER,
    application: str = APPLICATION,
    trust: str | Path | None = None,
) -> Migrated:
    """Make the schema `apikeychain` of the database one of this version, in one transaction.

    It may run again at any time and from several places at once: what is as it should be is left alone, and a wall
    that was taken down is put up again. Both roles are made without a login; grant `application` to the one that
    your workers connect as.

    Args:
        url_or_engine: by a role that may create in this database, and may create roles or is in `owner` already.
        owner: the role that owns the tables.
        application: the role that may do what the store does.
        trust: as in `SQLStore.postgres`.

    Raises:
        DatabaseVersionError: a newer apikeychain migrated it, or PostgreSQL is too old.
        SettingsError: a role or the schema exists and cannot be used for this, this role may not do it, the
            connection is not safe, or something goes round the walls that is not the migrations' to drop.
        InvalidValueError: a name cannot be that of a role.
        BackendUnavailableError: the database does not answer.
    """
    require_names(owner, application)
    if not isinstance(url_or_engine, AsyncEngine):
        engine = postgres_engine(url_or_engine, trust=trust, pool_size=1)
        try:
            return await migrate_postgres(engine, owner=owner, application=application)
        finally:
            await engine.dispose()
    with told_as_ours(), _told_to_operator(owner):
        async with url_or_engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            if problems := of_connection(driver):
                raise SettingsError(problems)
            await connection.execution_options(isolation_level="READ COMMITTED")
            await connection.exec_driver_sql(BEGIN)
            await require_server(Whole(connection))
            await connection.run_sync(_make_roles, owner, application)
            version = await connection.run_sync(_make_tables, owner)
            is_newest = version == VERSIONS[-1]
            faults = is_newest and await of_walls(Whole(connection), application)
            if faults or not is_newest:
                await connection.run_sync(_make_walls, owner, application)
                if left := await of_walls(Whole(connection), application):
                    raise SettingsError(left)
            await connection.commit()
            return Migrated(version, mended=bool(faults))


@contextmanager
def _told_to_operator(owner: str) -> Generator[None, None, None]:
    try:
        yield
    except DBAPIError as fault:
        if name_of(fault) != "InsufficientPrivilegeError":
            raise
        msg = f"this role may not migrate: it needs CREATE on the database, and CREATEROLE or to be in the role {owner}"
        raise SettingsError([msg]) from None


def _make_roles(connection: Connection, owner: str, application: str) -> None:
    for name in (owner, application):
        mighty = connection.execute(_ROLE.bindparams(name=name)).scalar_one_or_none()
        if mighty:
            msg = f"the role {name} exists and may more than a role of apikeychain should: drop it, or name another"
            raise SettingsError([msg])
        if mighty is None:
            _execute(connection, block(role(_quoted(connection, name), granted=name == owner)))


def _make_tables(connection: Connection, owner: str) -> str | None:
    """Take the steps that are missing; the version before."""
    found = connection.execute(_SCHEMA_OWNER.bindparams(name=SCHEMA)).scalar_one_or_none()
    if found not in {None, owner}:
        msg = f"the schema {SCHEMA} exists and belongs to {found}: rename it, or give it to {owner}"
        raise SettingsError([msg])
    if found is None:
        _execute(connection, schema(_quoted(connection, owner)))
    _execute(connection, as_owner(_quoted(connection, owner)))
    has_version = connection.execute(_HAS_VERSION).scalar_one()
    version: str | None = connection.execute(_VERSION).scalar_one() if has_version else None
    judge(version)
    if version != VERSIONS[-1]:
        upgrade(connection, version, SCHEMA)
    return version


def _make_walls(connection: Connection, owner: str, application: str) -> None:
    for statement in walls(_quoted(connection, owner), _quoted(connection, application)):
        _execute(connection, statement)


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
