"""A chain that moved: its new entries, verified behind what was signed last, and the tree over all of them.

It is read page by page from the last checkpoint on, so that neither a long chain nor a long pause needs memory.

Source: contracts 6; RFC 6962, section 2.1.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.errors import InvalidValueError, LedgerBrokenError
from apikeychain.ledger.verify import PAGE
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_records import SignedChain
from apikeychain.ports.store import Store
from apikeychain.proof.note import VerifierKey
from apikeychain.rules import chain
from apikeychain.rules.checkpoints import has_moved, resume
from apikeychain.rules.merkle import Frontier, Growth

Keep = Callable[[], Awaitable[None]]
_MISSING = "entries of the chain are missing"


@dataclass(frozen=True, slots=True)
class Moved:
    """A chain with more entries than the last checkpoint says.

    Attributes:
        head: where it ends now; `frontier` is that of its tree there.
        record: its last checkpoint, or None.
        said: the moment of that one, or None.
        since: the size in it, or 0; `before` is the frontier there.
        path: from there to the size of `head`; empty from 0.
    """

    head: Head
    frontier: Frontier
    record: SignedChain | None
    said: datetime | None
    before: Frontier
    path: tuple[bytes, ...]

    @property
    def since(self) -> int:
        """The size in the last checkpoint, or 0."""
        return self.before.size


async def moved(store: Store, head: Head, keys: Iterable[VerifierKey], keep: Keep) -> Moved | None:
    """What there is to sign of a chain, or None where its last checkpoint says it all.

    Args:
        store: where it is.
        head: where the store says that it ends.
        keys: public keys that may have signed its last checkpoint.
        keep: awaited between pages; whatever it raises ends the reading.

    Raises:
        LedgerBrokenError: it does not go on from its last checkpoint, or an entry does not hold.
        DamagedDataError: something of it cannot be read.
    """
    async with store.reading(head.tenant) as rows:
        record = await rows.get(SignedChain, ())
    statement, before = resume(head.tenant, record, keys) if record else (None, Frontier())
    if not has_moved(head, statement):
        return None
    signed = Head(head.tenant, statement.size, statement.head) if statement else Head.empty(head.tenant)
    frontier, path = await _read(store, signed, before, head, keep)
    return Moved(head, frontier, record, datetime.fromisoformat(statement.at) if statement else None, before, path)


async def _read(
    store: Store, head: Head, before: Frontier, end: Head, keep: Keep
) -> tuple[Frontier, tuple[bytes, ...]]:
    """The frontier at `end`, and the path to it from `before`, the frontier at `head`."""
    frontier, growth = before, Growth(before, end.size) if before.size else None
    async for entries in pages(store, end.tenant, head.size, end.size):
        head = chain.verify(head, entries)
        _require_bodies(entries)
        leaves = [entry.hash for entry in entries]
        frontier = frontier.added(leaves)
        if growth:
            growth.add(leaves)
        await keep()
    if head.size < end.size:
        raise LedgerBrokenError(end.tenant, head.size + 1, "it is missing")
    if head != end:
        raise LedgerBrokenError(end.tenant, head.size, "the stored head is that of another entry")
    return frontier, tuple(growth.path) if growth else ()


def _require_bodies(entries: Iterable[LedgerEntry]) -> None:
    """Of what is signed for the first time every body is there: bodies are dropped only of what was signed before."""
    for entry in entries:
        if entry.is_dropped:
            raise LedgerBrokenError(entry.tenant, entry.seq, "its body is gone, and no checkpoint has signed it yet")


async def pages(store: Store, tenant: TenantId, after: int, until: int) -> AsyncIterator[list[LedgerEntry]]:
    """The entries behind `after` up to `until`, a page at a time; it ends where one is missing at the end."""
    while after < until:
        async with store.reading(tenant) as rows:
            entries = [*await rows.entries(after, min(PAGE, until - after))]
        if not entries:
            return
        after += len(entries)
        yield entries


async def frontier_at(store: Store, tenant: TenantId, size: int) -> Frontier:
    """The frontier of a chain's first entries, from their hashes as they are stored.

    Raises:
        InvalidValueError: entries are missing.
    """
    frontier = Frontier()
    async for entries in pages(store, tenant, 0, size):
        frontier = frontier.added(_hashes(frontier.size, entries))
    if frontier.size != size:
        raise InvalidValueError(_MISSING)
    return frontier


async def path_from(store: Store, tenant: TenantId, frontier: Frontier, size: int) -> tuple[bytes, ...]:
    """The path from a frontier of a chain to a later size, from hashes as they are stored.

    Raises:
        InvalidValueError: entries are missing.
    """
    growth, after = Growth(frontier, size), frontier.size
    async for entries in pages(store, tenant, after, size):
        growth.add(_hashes(after, entries))
        after += len(entries)
    return tuple(growth.path)


def _hashes(after: int, entries: Sequence[LedgerEntry]) -> list[bytes]:
    if entries[-1].seq != after + len(entries):
        raise InvalidValueError(_MISSING)
    return [entry.hash for entry in entries]
