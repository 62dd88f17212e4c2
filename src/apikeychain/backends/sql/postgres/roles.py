"""The two roles and the schema that a migration makes, as SQL.

Both roles are made without a login. One that exists is left as it is, unless it may more than it should.
"""

import re

from apikeychain.backends.sql.schema import SCHEMA
from apikeychain.errors import InvalidValueError

OWNER = "apikeychain_owner"
APPLICATION = "apikeychain_app"
# Behind a long transaction everybody else would wait for this one's locks. Words without a schema are PostgreSQL's own.
BEGIN = (
    "SELECT set_config('search_path', 'pg_catalog', true), "
    "set_config('lock_timeout', '30s', true), set_config('statement_timeout', '0', true), "
    "pg_advisory_xact_lock(hashtextextended('apikeychain/migrate', 0))"
)
MIGHTY = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"

# PostgreSQL's own begin with `pg_`, and it cuts off what is longer; the rest means something inside of SQL.
_NAME = re.compile(r"(?!pg_)[^%$\x00-\x1f\x7f]+").fullmatch
_LONGEST = 63


def require_names(owner: str, application: str) -> None:
    """Refuse names that cannot be those of the two roles.

    Raises:
        InvalidValueError: one is not a plain name, or both are the same.
    """
    for name in (owner, application):
        if not _NAME(name) or len(name.encode()) > _LONGEST:
            msg = f"not a name for a role: {name!r} (up to {_LONGEST} bytes, not pg_..., without % and $)"
            raise InvalidValueError(msg)
    if owner == application:
        msg = f"the owner and the application must be two roles, not {owner!r} alone"
        raise InvalidValueError(msg)


def role(name: str, *, granted: bool) -> str:
    """Make a role that is missing: a body of `block`.

    Args:
        name: as an identifier of SQL.
        granted: whether it is granted to whoever makes it.
    """
    grant = f"GRANT {name} TO CURRENT_USER; " if granted else ""
    # Roles belong to all databases of the server: another one's migration may be faster.
    return (
        f"BEGIN CREATE ROLE {name} NOLOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; {grant}"
    )


def schema(owner: str) -> str:
    """Make the schema. `owner` is an identifier of SQL."""
    return f"CREATE SCHEMA {SCHEMA} AUTHORIZATION {owner}"


def as_owner(owner: str) -> str:
    """Be the owner for the rest of the transaction. `owner` is an identifier of SQL."""
    return f"SET LOCAL ROLE {owner}"


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def block(body: str) -> str:
    """Statements of PL/pgSQL."""
    return f"DO $do$ BEGIN {body}END $do$"
