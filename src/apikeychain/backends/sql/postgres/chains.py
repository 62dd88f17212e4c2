"""Drafts behind the chains of many tenants, in five statements however many there are.

A worker whose thousand tenants are all active writes a thousand entries every tenth of a second: one after another,
the tenant set for each, they would take seconds. So the two tables of the ledger can also be reached by whoever named
all the tenants at the beginning of the transaction.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import TextClause, text

from apikeychain.backends.sql.engine import Statements
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.postgres.walls import TENANTS_NAMED, TURN
from apikeychain.backends.sql.tenant_reader import head_of
from apikeychain.errors import ConflictError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry, timestamp

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
_FORK = "entries stand behind the head of one of the chains"


async def append_together(
    statements: Statements, payloads: Mapping[TenantId, Sequence[LedgerDraft]]
) -> Mapping[TenantId, Head]:
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
    found = {row["tenant"]: row for row in rows}
    heads = {tenant: head_of(tenant, found[tenant]) if tenant in found else Head.empty(tenant) for tenant in tenants}
    entries: list[LedgerEntry] = []
    for tenant, drafts in payloads.items():
        for draft in drafts:
            entries.append(draft.behind(heads[tenant]))
            heads[tenant] = entries[-1].head
    await _write(statements, entries, [heads[tenant] for tenant in tenants if payloads[tenant]])
    return heads


async def _write(statements: Statements, entries: Sequence[LedgerEntry], heads: Sequence[Head]) -> None:
    await _execute(
        statements,
        _APPEND,
        tenant=[entry.tenant for entry in entries],
        seq=[entry.seq for entry in entries],
        at=[timestamp(entry.at) for entry in entries],
        kind=[entry.kind for entry in entries],
        actor=[entry.actor for entry in entries],
        project=[entry.project for entry in entries],
        payload=[entry.payload for entry in entries],
        hash=[entry.hash for entry in entries],
    )
    await _execute(
        statements,
        _PUT,
        tenant=[head.tenant for head in heads],
        size=[head.size for head in heads],
        hash=[head.hash for head in heads],
    )


async def _execute(statements: Statements, statement: TextClause, **values: Sequence[object]) -> None:
    with told_as_ours(ConflictError(_FORK)):
        await statements.execute(statement.bindparams(**values))
