"""Chains as contract tests read them."""

from collections.abc import Sequence

from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry, link
from apikeychain.ports.store import Store


async def chain(store: Store, owner: TenantId) -> Sequence[LedgerEntry]:
    """All entries of a tenant."""
    async with store.reading(owner) as one:
        return await one.entries(0, 1_000_000)


def require_chain(entries: Sequence[LedgerEntry]) -> Head:
    """The head of the chain, which holds without a gap or a fork."""
    head = Head.empty(entries[0].tenant)
    for entry in entries:
        assert entry.seq == head.size + 1, f"a gap behind {head.size}"
        assert entry.hash == link(head.hash, entry.payload), f"a fork at {entry.seq}"
        head = entry.head
    return head
