"""What was done to a stored chain, read page by page to its end, whatever stands in it.

Before the first entry is read it is asked what is known of the chain (`known`), so that nothing which is signed
meanwhile lies behind what was read.

Source: contracts 6; spec 9.3.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from apikeychain.errors import DamagedDataError
from apikeychain.ledger.known import STORED, Known, known_of
from apikeychain.ledger.verify import PAGE
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_report import Anchor, LedgerReport
from apikeychain.ports.store import Store, TenantReader
from apikeychain.ports.witness import Witness
from apikeychain.proof.note import VerifierKey
from apikeychain.rules.anchors import Anchors
from apikeychain.rules.examination import Examination
from apikeychain.rules.statements import is_numbered

# No entry has a number below 1, but somebody may have stored one there: of those a page is enough.
_BEFORE_ALL = -(1 << 63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """With what a chain is compared.

    Attributes:
        kept: where an earlier report said that it ended, from wherever that was kept.
        witnesses: that keep checkpoints of it.
        keys: that are trusted to sign checkpoints; None for those that the witnesses name.
        is_since_checkpoint: whether all until the last checkpoint in the store is taken as signed, and not read.
    """

    kept: Head | None = None
    witnesses: Sequence[Witness] = ()
    keys: Iterable[VerifierKey] | None = None
    is_since_checkpoint: bool = False


NOTHING = Against()


async def examine(
    store: Store,
    tenant: TenantId,
    against: Against = NOTHING,
    progress: Callable[[int, int | None], None] | None = None,
    batch: int = PAGE,
) -> LedgerReport:
    """Everything that does not hold in the tenant's chain. It goes on behind a fault, where `verify` raises.

    Args:
        store: where the chain is.
        tenant: whose chain it is.
        against: what it is compared with.
        progress: called behind every page with the number of the entry read last and of all, None while that is
            unknown.
        batch: entries a page.

    Raises:
        DamagedDataError: the store cannot read an entry at all.
    """
    known = await known_of(store, tenant, against.witnesses, against.keys)
    anchors = _anchors(tenant, known, against)
    start = anchors.start.size
    async with store.reading(tenant) as rows:
        found = Examination(tenant, anchors, await _stored_head(rows))
        before = await rows.entries(start - 1 if start else _BEFORE_ALL, batch if not start else 1)
    if start:
        anchors.begin(next((entry for entry in before if entry.seq == start), None))
    outside = [entry for entry in before if not start and is_numbered(entry) and entry.seq <= 0]
    found.read(outside)
    read, after, numbered = start + len(outside), start, True
    while True:
        async with store.reading(tenant) as rows:
            entries: Sequence[LedgerEntry] = await rows.entries(after, batch) if numbered else ()
            if not entries:
                stored = await _stored_head(rows)
                break
        found.read(entries)
        # What is stored under no number comes last: of that a page is enough.
        read, after = read + len(entries), entries[-1].seq
        numbered = is_numbered(entries[-1])
        if progress:
            progress(read, None)
    if progress:
        progress(read, read)
    report = found.end(stored)
    return replace(report, unheard=[*known.unheard, *report.unheard])


def _anchors(tenant: TenantId, known: Known, against: Against) -> Anchors:
    """What is known of the chain, from where it is read on."""
    start, frontier = (known.signed if against.is_since_checkpoint else None) or (Head.empty(tenant), None)
    if against.is_since_checkpoint and not start.size:
        known.miss(STORED, "there is none that holds, so all was read")
    if against.kept:
        known.anchors.append(Anchor("what was kept", against.kept, None, is_elsewhere=True))
    for anchor in [anchor for anchor in known.anchors if anchor.head.size < start.size]:
        known.anchors.remove(anchor)
        known.miss(anchor.source, f"that is of {anchor.head.size} entries, which were taken as they were signed later")
    return Anchors(start, known.anchors, frontier)


async def _stored_head(rows: TenantReader) -> Head | None:
    try:
        return await rows.head()
    except DamagedDataError:
        return None
