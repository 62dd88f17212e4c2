"""A fault of the database, told as ours: no exception of a driver leaves, and no text of one."""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from apikeychain.errors import APIKeyChainError, BackendUnavailableError

# Beyond the drivers' own: a value in the file, or one given, that its column cannot be.
FAULTS = (SQLAlchemyError, sqlite3.Error, OSError, ValueError, TypeError, OverflowError)


@contextmanager
def told_as_ours(
    broken_rule: APIKeyChainError | None = None,
    *,
    no_text: APIKeyChainError | None = None,
) -> Generator[None, None, None]:
    """Turns whatever goes wrong inside into BackendUnavailableError.

    Args:
        broken_rule: raised instead where a key is taken or a reference leads nowhere.
        no_text: raised instead where a stored text is none.
    """
    try:
        yield
    except Exception as fault:
        if not isinstance(fault, FAULTS) and not _is_of_driver(fault):
            raise
        if broken_rule and isinstance(fault, IntegrityError):
            raise broken_rule from None
        if no_text and _is_no_text(fault):
            raise no_text from None
        msg = f"the store does not answer: {name_of(fault)}"
        raise BackendUnavailableError(msg) from None


def _is_no_text(fault: BaseException) -> bool:
    """Whether bytes of another coding stand in a text column: an OperationalError that SQLite has no code for."""
    cause = fault.orig if isinstance(fault, DBAPIError) else fault
    return isinstance(cause, sqlite3.OperationalError) and not hasattr(cause, "sqlite_errorcode")


def _is_of_driver(fault: BaseException) -> bool:
    """Whether asyncpg raised it: where a connection is made SQLAlchemy hands its errors on as they are."""
    return type(fault).__module__.startswith("asyncpg.")


def name_of(fault: BaseException) -> str:
    """The fault's name without its text: SQLITE_BUSY, or the class."""
    cause = fault.orig if isinstance(fault, DBAPIError) else fault
    # What asyncpg raised stands behind what SQLAlchemy made of it.
    named = getattr(cause, "__cause__", None) or cause
    return str(getattr(named, "sqlite_errorname", type(named).__name__))
