"""The SQL store: SQLAlchemy Core, SQLite today. Loads SQLAlchemy on first use of a name, not before.

Files: `schema` (tables), `scope` (every statement, with its tenant), `faults` (errors),
`engine` and `opening` (files, pragmas, migrations), `tenant_store` and `store` (the port), `signals`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from apikeychain.errors import MissingExtraError

if TYPE_CHECKING:
    from apikeychain.backends.sql.signals import SQLiteSignals
    from apikeychain.backends.sql.store import SQLStore

__all__ = ["SQLStore", "SQLiteSignals"]

_HOMES = {"SQLStore": "store", "SQLiteSignals": "signals"}
_PACKAGES = ("sqlalchemy", "aiosqlite", "alembic", "greenlet")


def __getattr__(name: str) -> object:
    """A public name, loaded on first use.

    Raises:
        MissingExtraError: a package that it needs is not installed.
    """
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    # Looked for and not imported: Alembic alone takes a tenth of a second, and is needed only where tables are made.
    if not all(find_spec(package) for package in _PACKAGES):
        asked = "the SQLite store"
        raise MissingExtraError(asked, "embedded")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
