"""What is looked at before a PostgreSQL database is used: whether anything there could let one tenant see another's."""

import socket
import ssl
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from apikeychain.backends.sql.engine import Statements
from apikeychain.backends.sql.faults import name_of, told_as_ours
from apikeychain.backends.sql.opening import NO_WAY_BACK, VERSION_TABLE, VERSIONS
from apikeychain.backends.sql.postgres.inspection import MIGRATE, of_roles, of_walls
from apikeychain.backends.sql.schema import SCHEMA
from apikeychain.errors import DatabaseVersionError, SettingsError

# The oldest that is still maintained; and before it anybody could create things in the schema `public`.
OLDEST = 15
_SERVER = text(
    "SELECT current_setting('server_version_num')::int / 10000 AS major, current_setting('server_encoding') AS encoding"
)
_VERSION = text(f"SELECT version_num FROM {SCHEMA}.{VERSION_TABLE}")  # noqa: S608  # constants


async def require_safe(statements: Statements, driver: Any) -> None:  # noqa: ANN401  # asyncpg has no types
    """Refuse a database, a role or a connection by which one tenant could see another's.

    Args:
        statements: in a transaction of the role that will serve.
        driver: the connection as asyncpg has it.

    Raises:
        DatabaseVersionError: the migrations have not run, or a newer apikeychain's have, or PostgreSQL is too old.
        SettingsError: the rest, all at once.
    """
    await require_server(statements)
    await require_version(statements)
    with told_as_ours():
        user = (await statements.execute(text("SELECT current_user"))).scalar_one()
    problems = [*of_connection(driver), *await of_roles(statements), *await of_walls(statements, user)]
    if problems:
        raise SettingsError(problems)


async def require_server(statements: Statements) -> None:
    """Refuse a server that cannot do what is asked of it.

    Raises:
        DatabaseVersionError: it is too old.
        SettingsError: its database does not hold all text.
    """
    with told_as_ours():
        found = (await statements.execute(_SERVER)).mappings().one()
    if found["major"] < OLDEST:
        msg = f"this is PostgreSQL {found['major']}: {OLDEST} is the oldest that serves"
        raise DatabaseVersionError(msg)
    if found["encoding"] != "UTF8":
        msg = f"the database is encoded as {found['encoding']}: create one with ENCODING 'UTF8'"
        raise SettingsError([msg])


async def require_version(statements: Statements) -> None:
    """Refuse tables that are not of this version.

    Raises:
        DatabaseVersionError: the migrations have not run, or a newer apikeychain's have.
    """
    with told_as_ours():
        try:
            found = (await statements.execute(_VERSION)).scalar_one_or_none()
        except DBAPIError as fault:
            if name_of(fault) not in {"UndefinedTableError", "InvalidSchemaNameError", "InsufficientPrivilegeError"}:
                raise
            msg = f"there are no tables of apikeychain that this role may read: {MIGRATE}, and grant it the role"
            raise DatabaseVersionError(msg) from None
    judge(found)
    if found != VERSIONS[-1]:
        msg = f"the database has version {found}, this apikeychain needs {VERSIONS[-1]}: {MIGRATE}"
        raise DatabaseVersionError(msg)


def judge(version: str | None) -> None:
    """Refuse a version that this code does not know.

    Raises:
        DatabaseVersionError: it is a newer one.
    """
    if version is not None and version not in VERSIONS:
        msg = (
            f"the database has version {version}, this apikeychain knows up to {VERSIONS[-1]}: install a newer one, "
            f"{NO_WAY_BACK}"
        )
        raise DatabaseVersionError(msg)


def of_connection(driver: Any) -> list[str]:  # noqa: ANN401  # asyncpg has no types
    """What is wrong with the way to the server: TLS 1.3, verified, or a socket of this machine."""
    transport = driver._transport  # noqa: SLF001  # the one place where asyncpg keeps it
    if transport.get_extra_info("socket").family == socket.AF_UNIX:
        return []
    tls = transport.get_extra_info("ssl_object")
    if tls is None:
        return ["the connection is not encrypted: use TLS 1.3, or a Unix socket"]
    problems: list[str] = []
    if tls.version() != "TLSv1.3":
        problems.append(f"the connection is {tls.version()}: use TLS 1.3")
    if tls.context.verify_mode != ssl.CERT_REQUIRED or not tls.context.check_hostname:
        problems.append("the server's certificate is not verified: give the engine a context that does")
    return problems
