"""Drafts behind the chains of many tenants at once: what is the same in every database, and how SQLite writes them.

One tenant after another a worker whose thousand tenants are all active would write for seconds, each tenth of one.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from sqlalchemy import Connection, RowMapping

from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.backends.sql.tenant_reader import head_of
from apikeychain.errors import ConflictError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerRow, rows_behind

Payloads = Mapping[TenantId, Sequence[LedgerDraft]]
# SQLite takes some 32,000 values in one statement.
_TENANTS = 10_000
# All three as the driver takes them: SQLAlchemy would look at every value of every row.
_APPEND = "INSERT INTO ledger (tenant, seq, at, kind, actor, project, payload, hash) VALUES "
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?)"
# The driver lets go of the interpreter for each statement, and where calls keep that busy has it back late.
_ROWS = 1_024
_ENDS = "SELECT tenant, size, hash FROM heads WHERE heads.tenant IN "
_PUT = (
    "INSERT INTO heads (tenant, size, hash) VALUES (?, ?, ?) "
    "ON CONFLICT (tenant) DO UPDATE SET size = excluded.size, hash = excluded.hash"
)


def forked() -> ConflictError:
    """Raised where a head cannot be gone on with; whose is not known."""
    return ConflictError("the head of one of the chains is not where its entries end")


def behind_heads(rows: Iterable[RowMapping], payloads: Payloads) -> tuple[list[LedgerRow], dict[TenantId, Head]]:
    """The rows that the drafts become, and where each chain ends then.

    Args:
        rows: the heads as they are stored.
        payloads: the drafts, by tenant.

    Raises:
        DamagedDataError: the head of a chain cannot be read.
    """
    found = {TenantId(row["tenant"]): row for row in rows}
    heads = {tenant: head_of(tenant, found[tenant]) if tenant in found else Head.empty(tenant) for tenant in payloads}
    entries: list[LedgerRow] = []
    for tenant, drafts in payloads.items():
        entries += rows_behind(heads[tenant], drafts)
        if drafts:
            heads[tenant] = entries[-1].head
    return entries, heads


def append_together(connection: Connection, payloads: Payloads) -> Mapping[TenantId, Head]:
    """Put each tenant's drafts behind its chain. See Store.append_many.

    Args:
        connection: to SQLite, in a transaction that nobody else can write beside, and that whoever made it commits.
        payloads: the drafts, by tenant.

    Raises:
        DamagedDataError: the head of a chain cannot be read.
        ConflictError: a chain goes on behind its head, or a head is no text; whose is not known.
    """
    tenants = [*payloads]
    found: list[RowMapping] = []
    with told_as_ours(forked(), no_text=forked()):
        for first in range(0, len(tenants), _TENANTS):
            these = tenants[first : first + _TENANTS]
            places = ", ".join("?" * len(these))
            found += connection.exec_driver_sql(f"{_ENDS}({places})", (*these,)).mappings().all()
    entries, heads = behind_heads(found, payloads)
    if entries:
        ends = [(tenant, heads[tenant].size, heads[tenant].hash) for tenant in tenants if payloads[tenant]]
        with told_as_ours(forked()):
            for first in range(0, len(entries), _ROWS):
                rows = entries[first : first + _ROWS]
                connection.exec_driver_sql(_APPEND + ", ".join([_ROW] * len(rows)), (*chain.from_iterable(rows),))
            connection.exec_driver_sql(_PUT, ends)
    return heads
