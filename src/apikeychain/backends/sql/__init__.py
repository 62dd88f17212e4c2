"""The SQL store: SQLAlchemy Core on SQLite and PostgreSQL. Loads SQLAlchemy on first use of a name, not before.

Files: `schema` (tables), `scope` (every statement, with its tenant), `faults` (errors),
`tenant_store` (the port within one transaction). SQLite: `engine` and `opening` (files, pragmas, migrations),
`store` and `signals`. PostgreSQL: the room `postgres`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from apikeychain.backends.on_use import on_use

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


def _needs(module: str) -> tuple[Sequence[str], str, str]:
    if module.startswith("postgres."):
        return (*_PACKAGES, "asyncpg"), "the PostgreSQL store", "postgres"
    return _PACKAGES, "the SQLite store", "embedded"


__getattr__ = on_use(__name__, _HOMES, _needs)
