"""A migration as SQL, for whoever lets nobody but psql change a database.

It makes what `migrate_postgres` makes, in one transaction: where a statement fails, nothing is changed. What is looked
at before and cannot be known here is looked at by the script itself.
"""

from collections.abc import Iterator

from sqlalchemy.dialects import postgresql

from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS, upgrade_script
from apikeychain.backends.sql.postgres.opening import OLDEST
from apikeychain.backends.sql.postgres.roles import (
    APPLICATION,
    BEGIN,
    MIGHTY,
    OWNER,
    as_owner,
    block,
    literal,
    require_names,
    role,
    schema,
)
from apikeychain.backends.sql.postgres.walls import walls
from apikeychain.backends.sql.schema import SCHEMA
from apikeychain.errors import InvalidValueError


def migration_script(*, owner: str = OWNER, application: str = APPLICATION, since: str | None = None) -> str:
    """The statements, for ``psql -v ON_ERROR_STOP=1``; the role that executes them is as for `migrate_postgres`.

    Args:
        owner: the role that owns the tables.
        application: the role that may do what the store does.
        since: the version that the database has; None for one without tables of apikeychain.

    Raises:
        InvalidValueError: there is no such version, or a name cannot be that of a role.
    """
    require_names(owner, application)
    if since not in {None, *VERSIONS}:
        msg = f"not a version: {since!r} (one of {', '.join(VERSIONS)})"
        raise InvalidValueError(msg)
    steps = upgrade_script(since, SCHEMA).strip().removesuffix(";")
    walled = walls(_identifier(owner), _identifier(application))
    statements = ("BEGIN", *_before(owner, application, since), steps, *walled, "COMMIT")
    return "".join(f"{statement};\n" for statement in statements if statement)


def _before(owner: str, application: str, since: str | None) -> Iterator[str]:
    yield BEGIN
    yield _unless(
        f"current_setting('server_version_num')::int >= {OLDEST}0000 AND current_setting('server_encoding') = 'UTF8'",
        f"PostgreSQL {OLDEST} is the oldest that serves, and the database is encoded as UTF8",
    )
    for name in (owner, application):
        exists = f"EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(name)}"
        yield _unless(f"NOT {exists} AND ({MIGHTY}))", f"the role {name} may more than a role of apikeychain should")
        yield block(f"IF NOT {exists}) THEN {role(_identifier(name), granted=name == owner)}END IF; ")
    if since is None:
        yield schema(_identifier(owner))
    yield as_owner(_identifier(owner))
    if since:
        found = f"(SELECT version_num FROM {SCHEMA}.{VERSION_TABLE})"  # noqa: S608  # constants
        yield _unless(f"{found} = {literal(since)}", f"the database does not have version {since}")


def _unless(condition: str, problem: str) -> str:
    return block(f"IF ({condition}) IS NOT TRUE THEN RAISE EXCEPTION USING MESSAGE = {literal(problem)}; END IF; ")


def _identifier(name: str) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    return str(dialect.identifier_preparer.quote_identifier(name))
