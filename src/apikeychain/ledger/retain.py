"""Old entries of a chain lose their bodies: what is read before, and how it goes in steps.

The chain is read to its end first, and nothing is dropped of one that does not hold. Then the bodies go, so many in a
transaction, each with the entry that covers all that are gone by then: calls of the tenant wait for one step at most,
a run that was killed leaves a chain that holds, and the next one goes on.

Source: contracts 6 (retention is an entry); amendment 6.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.errors import ConflictError, DoesNotExistError
from apikeychain.ledger.known import known_of
from apikeychain.ledger.verify import PAGE, verify
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Witness
from apikeychain.proof.checkpoint import Statement
from apikeychain.proof.note import VerifierKey
from apikeychain.rules.droppable import Droppable, Mark
from apikeychain.rules.retained import retained

# A database drops so many well within the time that it has for a statement.
STEP = 20 * PAGE
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainedLedger:
    """What came of dropping old bodies.

    Attributes:
        last: the number of the last entry without a body; 0 where every entry has one.
        dropped: how many bodies went, or would.
        signed: how many entries the last signed checkpoint covers: beyond those nothing is dropped.
    """

    tenant: TenantId
    last: int
    dropped: int
    signed: int


async def retain(
    store: Store,
    tenant: TenantId,
    before: datetime,
    *,
    witnesses: Sequence[Witness],
    keys: Iterable[VerifierKey],
    now: Callable[[], datetime],
    actor: str,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> RetainedLedger:
    """Drop the bodies of all entries up to the last one that is older than `before`.

    Args:
        store: where the chain is.
        tenant: whose chain it is.
        before: with a time zone.
        witnesses: that keep its checkpoints: nothing is dropped that one of them has not seen.
        keys: that are trusted to sign checkpoints.
        now: the clock.
        actor: the label for the ledger.
        dry_run: whether nothing is changed.
        progress: as that of `verify`.

    Raises:
        DoesNotExistError: the chain has no signed checkpoint yet, or a witness has none of it, or is not heard.
        LedgerBrokenError: the chain does not hold, or is not the one that was signed; nothing is dropped then.
        ConflictError: the chain was changed meanwhile; what was dropped before stays so.
        InvalidValueError: the label is none.
    """
    signed = await _signed_everywhere(store, tenant, witnesses, keys)
    droppable = Droppable(before, signed, STEP)
    droppable.end(await verify(store, tenant, progress, read=droppable.read))
    gone = droppable.gone
    for mark in droppable.marks:
        if not dry_run:
            await _drop(store, gone + 1, mark, now(), actor)
        gone = mark.head.size
    return RetainedLedger(tenant=tenant, last=gone, dropped=gone - droppable.gone, signed=signed.size)


async def _signed_everywhere(
    store: Store, tenant: TenantId, witnesses: Sequence[Witness], keys: Iterable[VerifierKey]
) -> Statement:
    """The earliest of the last checkpoints that the store and every witness have."""
    known = await known_of(store, tenant, witnesses, keys)
    for unheard in known.unheard:
        msg = f"nothing of {tenant!r} is dropped that not everybody has seen: {unheard.source}: {unheard.reason}"
        raise DoesNotExistError(msg)
    if known.signed is None:
        msg = f"the ledger of {tenant!r} has no signed checkpoint yet: nothing is dropped that none covers"
        raise DoesNotExistError(msg)
    return min(known.statements, key=lambda statement: statement.size)


async def _drop(store: Store, first: int, mark: Mark, at: datetime, actor: str) -> None:
    draft = retained(mark.head.size, mark.root, at=at, actor=actor)
    tenant, last = mark.head.tenant, mark.head.size
    async with store.tenant(tenant) as rows:
        # It commits to all before it, and no entry ever changes: this is still the chain that was read.
        if [entry.head for entry in await rows.entries(last - 1, 1)] != [mark.head]:
            msg = f"the ledger of {tenant!r} was changed while it was read: verify it"
            raise ConflictError(msg)
        await rows.retain(first, last, draft)
