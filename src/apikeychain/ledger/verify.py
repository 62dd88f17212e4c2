"""Whether a stored chain holds, read page by page, so that a long one needs no more memory than a short one.

Source: contracts 6; spec 9.3.
"""

from collections.abc import Callable, Sequence

from apikeychain.errors import DamagedDataError, LedgerBrokenError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.ports.store import Store, TenantReader
from apikeychain.rules import chain
from apikeychain.rules.retained import Retention

PAGE = 1000


async def verify(
    store: Store,
    tenant: TenantId,
    progress: Callable[[int, int | None], None] | None = None,
    batch: int = PAGE,
    read: Callable[[Sequence[LedgerEntry]], None] | None = None,
) -> Head:
    """The head of the tenant's chain, every entry of which was found in its place.

    The chain alone does not show that its last entries were cut off, nor that all of it was written anew: compare the
    head with one that was kept elsewhere. Entries that are added meanwhile are verified with the others; each page is
    read at a moment of its own.

    Args:
        store: where the chain is.
        tenant: whose chain it is.
        progress: called behind every page with the number of entries verified and of all, None while that is unknown.
        batch: entries a page.
        read: given each page once it was verified; what it raises ends the reading.

    Raises:
        LedgerBrokenError: the first entry that does not hold; the next one, where the store would put it elsewhere.
        DamagedDataError: an entry cannot be read at all.
    """
    head, retention = Head.empty(tenant), Retention()
    while True:
        async with store.reading(tenant) as rows:
            entries = await rows.entries(head.size, batch)
            if not entries:
                await _require_head(rows, head)
                break
        head = chain.verify(head, entries)
        retention.read(entries)
        if read:
            read(entries)
        if progress:
            progress(head.size, None)
    for run in retention.uncovered:
        raise LedgerBrokenError(tenant, run.first, run.reason)
    if progress:
        progress(head.size, head.size)
    return head


async def _require_head(rows: TenantReader, head: Head) -> None:
    """Require that the store would go on behind `head`."""
    try:
        fault = "" if await rows.head() == head else "is another one"
    except DamagedDataError:
        fault = "cannot be read"
    if fault:
        last = head.hash.hex()
        reason = f"the {head.size} entries before it hold, the last hash is {last}, but the stored head {fault}"
        raise LedgerBrokenError(head.tenant, head.size + 1, reason)
