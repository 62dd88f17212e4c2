"""What a worker may lose of a tenant's entries, said before it can lose them; and what is said after an unclean end.

An allowance is written down before it is used: at no moment are more calls of a tenant open or unwritten at a worker
than the store has it noted. It grows by doubling, and never shrinks: who has nothing left gives it back whole.

Source: contracts 6 (a worker notes how many entries it has open per tenant; the next one writes a gap entry).
"""

from datetime import datetime, timedelta

from apikeychain.model.ledger import JSON, LedgerDraft, timestamp
from apikeychain.model.ledger_records import OpenEntries, Worker

# So many calls are held before more has to be noted: a store may be away for 5 s at 50 calls a second of one tenant.
FIRST = 256
UNCLEAN = "unclean"


def grown(at_most: int, bound: int) -> int:
    """The next allowance.

    Args:
        at_most: the one there is, 0 for none.
        bound: what no allowance goes beyond.
    """
    return min(max(2 * at_most, FIRST), bound)


def outlasts(at_most: int, entries: int, turns: int) -> bool:
    """Whether the allowance is enough for so many turns of the ledger in which nothing is written.

    Args:
        at_most: the allowance.
        entries: how many came in one turn.
        turns: how many there are to outlast.
    """
    return entries * turns <= at_most


def is_overdue(worker: Worker, now: datetime, seconds: float) -> bool:
    """Whether a worker was not seen for so long that it may be dead; its lease says whether it is."""
    return now - worker.seen >= timedelta(seconds=seconds)


def gap_of(worker: Worker, note: OpenEntries, now: datetime) -> LedgerDraft:
    """What the chain of a tenant says of a worker that ended uncleanly."""
    return _gap(worker, note.at_most, now)


def gap_of_all(worker: Worker, now: datetime) -> LedgerDraft:
    """What the chain of the platform says of it: what the chains of tenants say, together."""
    return _gap(worker, worker.stated, now)


def _gap(worker: Worker, entries: int, now: datetime) -> LedgerDraft:
    data: dict[str, JSON] = {
        "reason": UNCLEAN,
        "worker": worker.id,
        "last_seen": timestamp(worker.seen),
        "entries": entries,
    }
    return LedgerDraft(at=now, kind="gap", actor="gate", data=data)
