"""Whether the walls between tenants stand as `walls` makes them, and whether a role could go round them.

The catalogue is compared with what it should say: a policy by its text, a function by its source, a right by whoever
could have it. What cannot be known here: what a function of somebody mighty elsewhere in the database does.
"""

from collections.abc import Iterator, Mapping

from sqlalchemy import RowMapping, TextClause

from apikeychain.backends.sql.engine import Statements
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.postgres.catalogue import (
    MAKES_THINGS,
    PLAIN,
    ROLES,
    TABLES,
    VIEWS,
    WRITTEN_FUNCTIONS,
    WRITTEN_POLICIES,
)
from apikeychain.backends.sql.postgres.walls import FUNCTIONS, GRANTS, PATH, POLICIES, Grant, OwnersFunction
from apikeychain.backends.sql.schema import SCHEMA

MIGRATE = "run `apikeychain migrate`"
_ROLE_FAULTS = {
    "is_superuser": "is a superuser, for whom no policy holds",
    "bypasses": "has BYPASSRLS",
    "makes_roles": "has CREATEROLE, and could make itself mightier",
    "replicates": "has REPLICATION, and may copy the whole server",
    "reaches_files": "reaches the files and programs of the server",
    "owns": "owns the tables, and could take their policies away",
}


async def of_roles(statements: Statements) -> list[str]:
    """What is wrong with the role, and with those that it could become."""
    return [
        f"the role {role['name']} {why}: connect as another"
        for role in await _rows(statements, ROLES)
        for key, why in _ROLE_FAULTS.items()
        if role[key]
    ]


async def of_walls(statements: Statements, role: str) -> list[str]:
    """What is wrong with the schema, and with what `role` may do there.

    Args:
        statements: in a transaction, whose search_path is another one afterwards.
        role: of the application, or one that is in it.
    """
    with told_as_ours():
        await statements.execute(PLAIN)
    tables = {row["name"]: row for row in await _rows(statements, TABLES, role=role)}
    policies = await _rows(statements, WRITTEN_POLICIES, role=role)
    functions = {row["name"]: row for row in await _rows(statements, WRITTEN_FUNCTIONS, role=role)}
    (makes_things,) = await _rows(statements, MAKES_THINGS, role=role)
    views = await _rows(statements, VIEWS, role=role)
    return [
        *(f"the table {name} is missing: {MIGRATE}" for name in GRANTS if name not in tables),
        *(problem for name, table in tables.items() for problem in _of_table(role, name, table, policies)),
        *(problem for function in FUNCTIONS for problem in _of_function(function, functions)),
        *(_stranger(f"function {name}") for name in functions if name not in {made.name for made in FUNCTIONS}),
        *(
            [f"{role} may create things in the schema {SCHEMA}: {MIGRATE}, or take that from it"]
            if makes_things["found"]
            else []
        ),
        *(
            f"{view['name']} gives {role} what its owner may do in {SCHEMA}: drop it, or take it from {role}"
            for view in views
        ),
    ]


def _of_table(role: str, name: str, table: RowMapping, policies: list[RowMapping]) -> Iterator[str]:
    if name not in GRANTS or not table["is_table"]:
        yield _stranger(f"table {name}")
        return
    if not table["alone"]:
        yield f"the table {name} has a trigger, a rule or a partition that no migration made: drop it"
    if not table["forced"]:
        yield f"the table {name} does not FORCE ROW LEVEL SECURITY: {MIGRATE}"
    found = {
        (row["name"], row["using"], row["check"], row["of_owner"]): row["plain"]
        for row in policies
        if row["table"] == name
    }
    wanted = {(policy.name, policy.using, policy.check, policy.of_owner) for policy in POLICIES[name]}
    if set(found) != wanted or not all(found.values()):
        yield f"the table {name} has not the policies that it was made with: {MIGRATE}"
    yield from _of_rights(role, name, table, GRANTS[name])


def _of_rights(role: str, name: str, table: RowMapping, grant: Grant) -> Iterator[str]:
    verbs, columns = set(grant.verbs), set(grant.columns)
    if more := [
        *sorted(set(table["most_verbs"]) - verbs),
        *(["UPDATE"] if set(table["most_columns"]) - columns else []),
    ]:
        yield f"{role} may {', '.join(more)} on the table {name}: {MIGRATE}, or take that from it"
    if less := [*sorted(verbs - set(table["verbs"])), *(["UPDATE"] if columns - set(table["columns"]) else [])]:
        yield f"{role} may not {', '.join(less)} on the table {name}: {MIGRATE}, and grant it the role"


def _of_function(made: OwnersFunction, functions: Mapping[str, RowMapping]) -> Iterator[str]:
    found = functions.get(made.name)
    wanted = (True, made.changes, made.source, [PATH])
    if found is None or (found["as_made"], found["changes"], found["source"], found["settings"]) != wanted:
        yield f"the function {made.name} is not as it was made: {MIGRATE}"
    elif not found["granted"]:
        yield f"the function {made.name} may not be called: {MIGRATE}, and grant the role"


def _stranger(thing: str) -> str:
    return f"the {thing} in the schema {SCHEMA} was not made by apikeychain: move it elsewhere"


async def _rows(statements: Statements, statement: TextClause, **values: str) -> list[RowMapping]:
    with told_as_ours():
        return list((await statements.execute(statement.bindparams(schema=SCHEMA, **values))).mappings().all())
