"""What keeps tenants apart in PostgreSQL, as SQL: policies, grants, and three functions that act as the owner.

Every table of the schema gets the same policy. Who has set no tenant is nobody and finds nothing; so does the owner.
The two tables of the ledger are there as well for a transaction that named several tenants, to append for all of them.
Who may log in as the application may do what this store does and no more: of a chain it may only read and append.
Two of the functions look across tenants. The third drops bodies of entries of the tenant that the transaction has set:
it writes nothing that is not empty, and never touches the last entry. For the owner the policies hold as well.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from apikeychain.backends.sql.opening import VERSION_TABLE
from apikeychain.backends.sql.postgres.roles import literal
from apikeychain.backends.sql.schema import CHANGES, HEADS, LEASES, LEDGER, PROJECTS, SCHEMA, TENANTS, metadata

TABLES = tuple(table.name for table in metadata.sorted_tables if table is not CHANGES)
# The tables that are looked up across tenants.
LOOKED_UP = (PROJECTS.name, TENANTS.name)
_CHAINS = (LEDGER.name, HEADS.name)
# What a transaction says of itself: whose it is, or whose chains it appends to.
TENANT, TENANTS_NAMED = "apikeychain.tenant", "apikeychain.tenants"
# One at a time may change what is a tenant's: its chain has one end. Who reads takes no turn.
TURN = "pg_advisory_xact_lock(hashtextextended('apikeychain:' || {tenant}, 0))"
# In the words in which PostgreSQL tells of its policies, so that what stands there can be compared.
# A custom setting reads as NULL before its first use and as '' after the transaction that set it.
_SAID = "NULLIF(current_setting('{setting}'::text, true), ''::text)"
_MINE = f"((tenant)::text = {_SAID.format(setting=TENANT)})"
_NAMED = f"((tenant)::text IN ( SELECT unnest(({_SAID.format(setting=TENANTS_NAMED)})::text[]) AS unnest))"
# A setting of our own would do, but only a superuser may fix one for a function.
_PATH = "pg_catalog, pg_temp"


@dataclass(frozen=True, slots=True)
class Policy:
    """One of a table's.

    Attributes:
        using: which rows are found.
        check: which may be written, or None where it is for reading alone.
        of_owner: whether it is the owner's; else everybody's.
    """

    name: str
    using: str
    check: str | None
    of_owner: bool = False

    def statement(self, table: str, owner: str) -> str:
        """That makes it on `table`; both are identifiers of SQL."""
        verbs, check = ("SELECT", "") if self.check is None else ("ALL", f" WITH CHECK ({self.check})")
        role = owner if self.of_owner else "PUBLIC"
        return f"CREATE POLICY {self.name} ON {table} FOR {verbs} TO {role} USING ({self.using}){check}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What the application may do with a table.

    Attributes:
        verbs: with the whole of it.
        columns: that it may update.
    """

    verbs: tuple[str, ...]
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As SQL has it."""
        updates = (f"UPDATE ({', '.join(self.columns)})",) if self.columns else ()
        return ", ".join((*self.verbs, *updates))


_RECORD = Grant(("SELECT", "INSERT", "DELETE"), ("generation", "body"))
GRANTS = dict.fromkeys(TABLES, _RECORD) | {
    LEDGER.name: Grant(("SELECT", "INSERT")),
    HEADS.name: Grant(("SELECT", "INSERT"), ("size", "hash")),
    LEASES.name: Grant(("SELECT", "INSERT"), ("holder", "until_ms")),
    VERSION_TABLE: Grant(("SELECT",)),
}
_TENANT = (Policy("tenant", _MINE, _MINE),)
_TENANTS = (*_TENANT, Policy("tenants", _NAMED, _NAMED))
# By the owner alone, and not by accident: what opens it is the search_path that the functions fix.
_LOOK_UP = (Policy("look_up", f"(current_setting('search_path'::text) = '{_PATH}'::text)", None, of_owner=True),)
_VERSION = (Policy("everybody", "true", None), Policy("owner", "true", "true", of_owner=True))
POLICIES = {
    **{name: (*_TENANT, *(_LOOK_UP if name in LOOKED_UP else ())) for name in TABLES},
    **dict.fromkeys(_CHAINS, _TENANTS),
    VERSION_TABLE: _VERSION,
}


@dataclass(frozen=True, slots=True)
class OwnersFunction:
    """A function that acts as the owner of the tables, whoever calls it.

    Attributes:
        name: with its arguments, as SQL has them.
        returns: the type.
        body: one statement.
        changes: whether it changes anything.
    """

    name: str
    returns: str
    body: str
    changes: bool = False

    @property
    def source(self) -> str:
        """As it stands in the catalogue."""
        return f" {self.body} "


PATH = f"search_path={_PATH}"
_OWN = f"(SELECT {_SAID.format(setting=TENANT)})"
FUNCTIONS = (
    OwnersFunction(
        "tenant_of(project text)",
        "text",
        f"SELECT p.tenant FROM {SCHEMA}.projects AS p WHERE p.project = $1",  # noqa: S608  # constants
    ),
    OwnersFunction(
        "tenants_after(after text, at_most integer)",
        "SETOF text",
        f"SELECT t.tenant FROM {SCHEMA}.tenants AS t WHERE t.tenant > $1 ORDER BY t.tenant LIMIT $2",  # noqa: S608  # constants
    ),
    OwnersFunction(
        "drop_bodies(first bigint, last bigint)",
        "void",
        f"UPDATE {SCHEMA}.ledger AS l SET payload = '', at = '', kind = '', actor = '', project = NULL "  # noqa: S608  # constants
        f"WHERE l.tenant = {_OWN} AND l.seq BETWEEN $1 AND $2 "
        f"AND l.seq < (SELECT h.size FROM {SCHEMA}.heads AS h WHERE h.tenant = {_OWN})",
        changes=True,
    ),
)
_OUR_NAMES = ", ".join(sorted({f"'{policy.name}'" for policies in POLICIES.values() for policy in policies}))
# Also those that nobody made here, where they may be the application's: who sees a row is what all that permit say
# together. Those of another role are an operator's own.
_NO_POLICIES = (
    "DO $do$ DECLARE found record; BEGIN FOR found IN SELECT c.relname, p.polname FROM pg_policy AS p "  # noqa: S608  # constants
    f"JOIN pg_class AS c ON c.oid = p.polrelid WHERE c.relnamespace = '{SCHEMA}'::regnamespace "
    f"AND (p.polname IN ({_OUR_NAMES}) OR p.polpermissive AND p.polroles && ARRAY[0, c.relowner, {{role}}::regrole]) "
    f"LOOP EXECUTE format('DROP POLICY %I ON {SCHEMA}.%I', found.polname, found.relname); END LOOP; END $do$"
)


def walls(owner: str, application: str) -> Iterator[str]:
    """The statements that the owner executes, again and again with the same result.

    Args:
        owner: the role, as an identifier of SQL.
        application: likewise.
    """
    # Mended in one transaction: nobody ever sees a table without its policy.
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM PUBLIC, {application}"
    yield f"REVOKE ALL ON SCHEMA {SCHEMA} FROM PUBLIC, {application}"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {application}"
    yield _NO_POLICIES.format(role=literal(application))
    for name in GRANTS:
        table = f"{SCHEMA}.{name}"
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
        for policy in POLICIES[name]:
            yield policy.statement(table, owner)
        yield f"GRANT {GRANTS[name]} ON {table} TO {application}"
    for function in FUNCTIONS:
        yield (
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.{function.name} RETURNS {function.returns} LANGUAGE sql "
            f"{'VOLATILE' if function.changes else 'STABLE'} SECURITY DEFINER SET search_path = {_PATH} "
            f"AS $function${function.source}$function$"
        )
        yield f"REVOKE ALL ON FUNCTION {SCHEMA}.{function.name} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {SCHEMA}.{function.name} TO {application}"
