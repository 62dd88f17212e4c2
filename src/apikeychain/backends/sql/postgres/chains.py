"""Drafts behind the chains of many tenants, in five statements however many there are.

A worker whose thousand tenants are all active writes a thousand entries every tenth of a second: one after another,
the tenant set for each, they would take seconds. So the two tables of the ledger can also be reached by whoever named
all the tenants at the beginning of the transaction.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Table, TextClause, text

from apikeychain.backends.sql.chains import Payloads, behind_heads, forked
from apikeychain.backends.sql.engine import Statements
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.postgres.walls import TENANTS_NAMED, TURN
from apikeychain.backends.sql.schema import HEADS, LEDGER
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head

_TENANTS = "CAST(:tenants AS text[])"
_NAME = text(f"SELECT set_config('{TENANTS_NAMED}', CAST({_TENANTS} AS text), true)")
# In the order in which they are given: no two workers wait for each other.
_TURNS = text(f"SELECT {TURN.format(tenant='mine')} FROM unnest({_TENANTS}) AS mine")  # noqa: S608  # constants
_HEADS = text(f"SELECT tenant, size, hash FROM apikeychain.heads WHERE tenant = ANY({_TENANTS})")  # noqa: S608  # constants
_APPEND = text(
    "INSERT INTO apikeychain.ledger (tenant, seq, at, kind, actor, project, payload, hash) SELECT * FROM unnest("
    "CAST(:tenant AS text[]), CAST(:seq AS bigint[]), CAST(:at AS text[]), CAST(:kind AS text[]), "
    "CAST(:actor AS text[]), CAST(:project AS text[]), CAST(:payload AS bytea[]), CAST(:hash AS bytea[]))"
)
_PUT = text(
    "INSERT INTO apikeychain.heads (tenant, size, hash) SELECT * FROM unnest("
    "CAST(:tenant AS text[]), CAST(:size AS bigint[]), CAST(:hash AS bytea[])) "
    "ON CONFLICT (tenant) DO UPDATE SET size = excluded.size, hash = excluded.hash"
)


async def append_together(statements: Statements, payloads: Payloads) -> Mapping[TenantId, Head]:
    """Put each tenant's drafts behind its chain. See Store.append_many.

    Args:
        statements: in a transaction that no tenant was set for, and that whoever made it commits.
        payloads: the drafts, by tenant.

    Raises:
        DamagedDataError: the head of a chain cannot be read.
        ConflictError: a chain goes on behind its head; which one is not known.
    """
    tenants = sorted(payloads)
    for statement in (_NAME, _TURNS):
        await _execute(statements, statement, tenants=tenants)
    with told_as_ours():
        rows = (await statements.execute(_HEADS.bindparams(tenants=tenants))).mappings().all()
    entries, heads = behind_heads(rows, payloads)
    ends = [
        {"tenant": tenant, "size": heads[tenant].size, "hash": heads[tenant].hash}
        for tenant in tenants
        if payloads[tenant]
    ]
    await _execute(statements, _APPEND, **_lists(LEDGER, [row._asdict() for row in entries]))
    await _execute(statements, _PUT, **_lists(HEADS, ends))
    return heads


def _lists(table: Table, rows: Sequence[Mapping[str, object]]) -> dict[str, Sequence[object]]:
    """The rows, column by column."""
    return {column.name: [row[column.name] for row in rows] for column in table.c}


async def _execute(statements: Statements, statement: TextClause, **values: Sequence[object]) -> None:
    with told_as_ours(forked()):
        await statements.execute(statement.bindparams(**values))
