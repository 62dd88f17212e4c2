"""Attacks on row-level security that other people wrote, and how they are run against the tables of the migrations."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from apikeychain.backends.sql.postgres.roles import APPLICATION, OWNER
from apikeychain.backends.sql.schema import SHELVES
from outside import cases
from served_postgres import Database

_CASES = cases("rls_attacks")
SESSION_ATTACKS = [attack for attack in _CASES if attack["kind"] == "session"]
CATALOGUE_ATTACKS = [attack for attack in _CASES if attack["kind"] == "catalog"]
_A, TENANT_B = "acme", "globex"
_PROJECT_A, _PROJECT_B = "p_" + "a" * 20, "p_" + "b" * 20
VALUE_B = "cipher-of-b"
COMMON = {
    "S": "apikeychain",
    "C": "tenant",
    "G": "apikeychain.tenant",
    "APP": APPLICATION,
    "OWNER": OWNER,
    "A": _A,
    "B": TENANT_B,
    "V": "body",
    "VAL_B": VALUE_B,
}
_SECRETS = {
    "T": "secrets",
    "COLS": "tenant,project,name,generation,body",
    "K": "tenant,project,name",
    "ROW_B": f"'{TENANT_B}','{_PROJECT_B}','more',1,'x'",
    "ROW_A_WITH_NAME_OF_B": f"'{_A}','{_PROJECT_A}','of-g',1,'x'",
    "ROW_A_PROJECT_OF_B": f"'{_A}','{_PROJECT_B}','of-b',1,'x'",
    "ROW_A_PROJECT_NONE": f"'{_A}','p_{'z' * 20}','of-b',1,'x'",
}
# A row of A can only have an id of B's where an id is unique beyond its tenant.
_PROJECTS = {
    "T": "projects",
    "COLS": "tenant,project,generation,body",
    "K": "project",
    "ROW_A_WITH_ID_OF_B": f"'{_A}','{_PROJECT_B}',1,'x'",
}


def fill(words: str, values: dict[str, str]) -> str:
    return re.sub(r"\{\{|\}\}|\{(\w+)\}", lambda found: values[found[1]] if found[1] else found[0][0], words)


def fillings(attack: dict[str, Any]) -> Iterator[dict[str, str]]:
    """The tables that the attack can be run on: all that hold records, unless it needs rows of one."""
    needed = set(re.findall(r"\{(\w+)\}", " ".join(attack["steps"])))
    special = [COMMON | more for more in (_SECRETS, _PROJECTS) if needed <= (COMMON | more).keys()]
    if needed - COMMON.keys() == {"T"}:
        special = [COMMON | {"T": shelf.table.name} for shelf in SHELVES.values()]
    assert special, f"{attack['id']} needs {needed}"
    return iter(special)


def stock(database: Database) -> None:
    """Two tenants with a row in each table of records, and rows enough for the planner."""
    statements: list[str] = []
    for owner, project, body in ((_A, _PROJECT_A, "cipher-of-a"), (TENANT_B, _PROJECT_B, VALUE_B)):
        for shelf in SHELVES.values():
            words = ["of-" + owner[0] if name != "project" else project for name in shelf.names]
            names = ",".join(("tenant", *shelf.names, "generation", "body"))
            values = ",".join(f"'{word}'" for word in (owner, *words, "1", body))
            statements.append(f"INSERT INTO apikeychain.{shelf.table.name} ({names}) VALUES ({values})")  # noqa: S608  # constants
    more = f"'{TENANT_B}', '{_PROJECT_B}', 's' || n, 1, '{VALUE_B}'"
    statements.append(f"INSERT INTO apikeychain.secrets SELECT {more} FROM generate_series(1, 300) n")  # noqa: S608  # constants
    database.execute("; ".join(statements))
    database.execute("ANALYZE")


async def run(connection: AsyncConnection, attack: dict[str, Any], values: dict[str, str]) -> tuple[object, str, str]:
    """The last value, and the code and text of the error that ended it."""
    last: object = None
    late = ["set constraints all immediate"] if "23503" in attack["expect"].get("error", ()) else []
    for step in (*attack["steps"], *late):
        try:
            result = await connection.exec_driver_sql(fill(step.removeprefix("!"), values))
        except DBAPIError as error:
            if not step.startswith("!"):
                return last, str(getattr(error.orig, "sqlstate", "")), str(error.orig)
        else:
            last = result.scalar() if result.returns_rows else last
    return last, "", ""


def holds(expect: dict[str, Any], last: object, code: str, told: str, values: dict[str, str]) -> bool:
    wanted: dict[str, Callable[[Any], bool]] = {
        "last_value": lambda value: not code and last == value,
        "last_value_or_error": lambda value: bool(code) or last == value,
        "error": lambda codes: code in codes,
        "no_error": lambda codes: code not in codes,
        "error_text_without": lambda words: fill(words, values) not in told,
        "ok_or_error_text_without": lambda words: fill(words, values) not in told,
        "app_must": lambda _words: True,
    }
    return all(wanted[name](value) for name, value in expect.items())
