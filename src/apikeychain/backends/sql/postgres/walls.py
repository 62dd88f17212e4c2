"""What keeps tenants apart in PostgreSQL, as SQL: policies, grants, and the two functions that look across.

Every table of the schema gets the same policy. Who has set no tenant is nobody and finds nothing; so does the owner.
The two tables of the ledger are there as well for a transaction that named several tenants, to append for all of them.
Who may log in as the application may do what this store does and no more: of a chain it may only read and append.
"""

from collections.abc import Iterator

from apikeychain.backends.sql.opening import VERSION_TABLE
from apikeychain.backends.sql.schema import CHANGES, HEADS, LEASES, LEDGER, PROJECTS, SCHEMA, TENANTS, metadata

TABLES = tuple(table.name for table in metadata.sorted_tables if table is not CHANGES)
# The tables that one of the two functions reads.
LOOKED_UP = (PROJECTS.name, TENANTS.name)
_CHAINS = (LEDGER.name, HEADS.name)
_RECORD = "SELECT, INSERT, UPDATE (generation, body), DELETE"
_GRANTS = {
    LEDGER.name: "SELECT, INSERT",
    HEADS.name: "SELECT, INSERT, UPDATE (size, hash)",
    LEASES.name: "SELECT, INSERT, UPDATE (holder, until_ms)",
}
# What a transaction says of itself: whose it is, or whose chains it appends to.
TENANT, TENANTS_NAMED = "apikeychain.tenant", "apikeychain.tenants"
# One at a time may change what is a tenant's: its chain has one end. Who reads takes no turn.
TURN = "pg_advisory_xact_lock(hashtextextended('apikeychain:' || {tenant}, 0))"
# A custom setting reads as NULL before its first use and as '' after the transaction that set it.
_SAID = "nullif(current_setting('{setting}', true), '')"
_MINE = {
    "tenant": f"tenant = {_SAID.format(setting=TENANT)}",
    "tenants": f"tenant IN (SELECT unnest(CAST({_SAID.format(setting=TENANTS_NAMED)} AS text[])))",
}
# A setting of our own would do, but only a superuser may fix one for a function.
_PATH = "pg_catalog, pg_temp"
_FUNCTIONS = {
    "tenant_of(project text) RETURNS text": f"SELECT p.tenant FROM {SCHEMA}.projects AS p WHERE p.project = $1",  # noqa: S608  # constants
    "tenants_after(after text, at_most integer) RETURNS SETOF text": (
        f"SELECT t.tenant FROM {SCHEMA}.tenants AS t WHERE t.tenant > $1 ORDER BY t.tenant LIMIT $2"  # noqa: S608  # constants
    ),
}


def walls(owner: str, application: str) -> Iterator[str]:
    """The statements that the owner executes, again and again with the same result.

    Args:
        owner: the role, as an identifier of SQL.
        application: likewise.
    """
    # Mended in one transaction: nobody ever sees a table without its policy.
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA {SCHEMA} FROM PUBLIC, {application}"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {application}"
    for name in (*TABLES, VERSION_TABLE):
        table = f"{SCHEMA}.{name}"
        yield f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"
        yield f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY"
    for name in TABLES:
        table = f"{SCHEMA}.{name}"
        for policy in policies_of(name):
            yield f"DROP POLICY IF EXISTS {policy} ON {table}"
            yield f"CREATE POLICY {policy} ON {table} USING ({_MINE[policy]}) WITH CHECK ({_MINE[policy]})"
        yield f"GRANT {_GRANTS.get(name, _RECORD)} ON {table} TO {application}"
    yield from _version(owner, application)
    yield from _look_ups(owner, application)


def policies_of(table: str) -> tuple[str, ...]:
    """The names of the policies by which a table's rows are its tenants', in order."""
    return ("tenant", "tenants") if table in _CHAINS else ("tenant",)


def _version(owner: str, application: str) -> Iterator[str]:
    table = f"{SCHEMA}.{VERSION_TABLE}"
    for name, how in (
        ("everybody", "FOR SELECT USING (true)"),
        ("owner", f"TO {owner} USING (true) WITH CHECK (true)"),
    ):
        yield f"DROP POLICY IF EXISTS {name} ON {table}"
        yield f"CREATE POLICY {name} ON {table} {how}"
    yield f"GRANT SELECT ON {table} TO {application}"


def _look_ups(owner: str, application: str) -> Iterator[str]:
    """By the owner alone, and not by accident: what opens the policy is the search_path that the functions fix."""
    for name in LOOKED_UP:
        yield f"DROP POLICY IF EXISTS look_up ON {SCHEMA}.{name}"
        yield (
            f"CREATE POLICY look_up ON {SCHEMA}.{name} FOR SELECT TO {owner} "
            f"USING (current_setting('search_path') = '{_PATH}')"
        )
    for head, body in _FUNCTIONS.items():
        function = f"{SCHEMA}.{head.split(' RETURNS ')[0]}"
        yield (
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.{head} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = {_PATH} AS $function$ {body} $function$"
        )
        yield f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC"
        yield f"GRANT EXECUTE ON FUNCTION {function} TO {application}"
