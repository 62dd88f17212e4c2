"""The SQL store: SQLAlchemy Core on SQLite and PostgreSQL. Loads SQLAlchemy on first use of a name, not before.

Files: `schema` (tables), `scope` (every statement, with its tenant), `faults` (errors),
`tenant_store` (the port within one transaction). SQLite: `engine` and `opening` (files, pragmas, migrations),
`store` and `signals`. PostgreSQL: the room `postgres`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from apikeychain.errors import MissingExtraError

if TYPE_CHECKING:
    from apikeychain.backends.sql.opening import migrate_sqlite
    from apikeychain.backends.sql.postgres.migration import migrate_postgres
    from apikeychain.backends.sql.postgres.script import migration_script
    from apikeychain.backends.sql.postgres.signals import PostgresSignals
    from apikeychain.backends.sql.postgres.store import PostgresStore
    from apikeychain.backends.sql.signals import SQLiteSignals
    from apikeychain.backends.sql.store import SQLStore

__all__ = [
    "PostgresSignals",
    "PostgresStore",
    "SQLStore",
    "SQLiteSignals",
    "migrate_postgres",
    "migrate_sqlite",
    "migration_script",
]

_HOMES = {
    "PostgresSignals": "postgres.signals",
    "PostgresStore": "postgres.store",
    "SQLStore": "store",
    "SQLiteSignals": "signals",
    "migrate_postgres": "postgres.migration",
    "migrate_sqlite": "opening",
    "migration_script": "postgres.script",
}
_PACKAGES = ("sqlalchemy", "aiosqlite", "alembic", "greenlet")
_POSTGRES_PACKAGES = (*_PACKAGES, "asyncpg")


def __getattr__(name: str) -> object:
    """A public name, loaded on first use.

    Raises:
        MissingExtraError: a package that it needs is not installed.
    """
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    is_postgres = _HOMES[name].startswith("postgres.")
    # Looked for and not imported: Alembic alone takes a tenth of a second, and is needed only where tables are made.
    if not all(find_spec(package) for package in (_POSTGRES_PACKAGES if is_postgres else _PACKAGES)):
        asked, extra = ("the PostgreSQL store", "postgres") if is_postgres else ("the SQLite store", "embedded")
        raise MissingExtraError(asked, extra)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
