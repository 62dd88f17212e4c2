"""The two roles and the schema that a migration makes, as SQL.

Both roles are made without a login. One that exists is left as it is, unless it may more than it should.
"""

from apikeychain.backends.sql.schema import SCHEMA

OWNER = "apikeychain_owner"
APPLICATION = "apikeychain_app"
# Behind a long transaction everybody else would wait for this one's locks.
BEGIN = (
    "SELECT set_config('lock_timeout', '30s', true), set_config('statement_timeout', '0', true), "
    "pg_advisory_xact_lock(hashtextextended('apikeychain/migrate', 0))"
)
MIGHTY = "rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication"


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


def block(body: str) -> str:
    """Statements of PL/pgSQL."""
    return f"DO $do$ BEGIN {body}END $do$"
