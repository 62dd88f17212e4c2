"""One round: which chains moved, one note that signs what they have become, and the way of it to the witnesses.

The order is what makes a crash harmless. A checkpoint is stored before a witness hears of it, and in place of the very
one that it goes on from: what was signed and not stored never was, and what was stored and not published is found by
the next round, here or in another worker, since what a witness has is asked where it is not known.

A chain that does not hold, or is shorter than was signed, is never signed: it is told, and the others go on.

Source: contracts 6; RFC 6962, section 2.1; pitfalls 45 and 46.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import final

from apikeychain.errors import AlreadyExistsError, ConflictError, DamagedDataError, LedgerBrokenError
from apikeychain.ledger.checkpoint_keys import CheckpointSigners, SigningPair, trusted_keys
from apikeychain.ledger.moved import Moved, moved
from apikeychain.ledger.publishing import Due, Frontiers, Trust
from apikeychain.ledger.remembered import Remembered
from apikeychain.ledger.turn import Turn
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.model.ledger_records import CheckpointKeys, SignedChain
from apikeychain.ports.store import Store
from apikeychain.primitives import random_bytes
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.note import VerifierKey
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.checkpoints import SALT_BYTES, checkpoints, moment, require_no_shorter, state
from apikeychain.telemetry import chain_broken, reach

# Heads that are asked for in one transaction: a database holds a lock for each.
HEADS = 1000
# As many chains are looked at, and signed by one note, before the next ones.
MAX_MOMENT = 10_000
# Of as many chains it is remembered where they ended when they were signed.
MAX_CHAINS = 100_000
_log = logging.getLogger("apikeychain.ledger")


@final
class Memory:
    """What a worker remembers from one round to the next.

    Attributes:
        signed: where each chain ended when its last checkpoint was signed.
        frontiers: of sizes that a witness may have.
        broken: why chains were not signed the last time.
    """

    def __init__(self) -> None:
        self.signed: Remembered[TenantId, Head] = Remembered(MAX_CHAINS)
        self.frontiers: Frontiers = Frontiers(MAX_MOMENT)
        self.broken: dict[TenantId, str] = {}


@final
@dataclass(slots=True)
class SigningRound:
    """One round.

    Attributes:
        origin: of the statements.
        now: the time.
        turn: kept while it lasts.
        signed: how many entries the new checkpoint of each chain has that moved.
        broken: why others were not signed.
    """

    store: Store
    signers: CheckpointSigners
    origin: str
    now: Callable[[], datetime]
    memory: Memory
    turn: Turn
    signed: dict[TenantId, int] = field(default_factory=dict[TenantId, int])
    broken: dict[TenantId, str] = field(default_factory=dict[TenantId, str])
    _pairs: list[CheckpointKeys] = field(default_factory=list[CheckpointKeys])
    _trusted: list[VerifierKey] = field(default_factory=list[VerifierKey])

    async def run(self) -> AsyncGenerator[list[Due], None]:
        """Sign what moved; after each moment, the checkpoints that a witness may lack.

        Raises:
            TurnLostError: another worker signs now.
            SealedValueError: the keys do not open.
            InvalidValueError: the ledger has another origin.
            BackendUnavailableError: the store or the key service does not answer.
        """
        await self._learn_pairs()
        async for tenants in self._tenants():
            changed = await self._look(tenants)
            if PLATFORM in tenants:
                changed += await self._look_at_platform(is_signing=bool(changed))
            new = await self._sign(changed) if changed else []
            just = {due.tenant for due in new}
            heads = [(tenant, self.memory.signed.get(tenant)) for tenant in tenants if tenant not in just]
            yield [*new, *(Due(tenant, head.size) for tenant, head in heads if head and head.size)]

    @property
    def trust(self) -> Trust:
        """The keys of all pairs, destroyed ones too."""
        return Trust([pair.key_list for pair in self._pairs], self._trusted)

    async def _learn_pairs(self) -> None:
        self._pairs = await self.signers.expire()
        self._trusted = trusted_keys(self._pairs)

    async def _ensure_pair(self) -> bool:
        if self._pairs:
            return False
        await self.signers.ensure()
        await self._learn_pairs()
        return True

    async def _tenants(self) -> AsyncIterator[list[TenantId]]:
        """All that have a chain, so many at a time that one note signs them; the platform comes last."""
        batch: list[TenantId] = []
        after = ""
        while page := await reach("store", self.store.tenants(after, HEADS)):
            if len(batch) + len(page) > MAX_MOMENT:
                yield batch
                batch = []
            batch, after = [*batch, *page], page[-1]
        yield [*batch, PLATFORM]

    async def _look(self, tenants: Sequence[TenantId]) -> list[Moved]:
        """Those chains that moved."""
        found: list[Moved] = []
        others = [tenant for tenant in tenants if tenant != PLATFORM]
        for first in range(0, len(others), HEADS):
            heads = await self._heads(others[first : first + HEADS])
            found += [one for head in heads if (one := await self._moved(head))]
        return found

    async def _look_at_platform(self, *, is_signing: bool) -> list[Moved]:
        """Its chain, once the entry of the first pair stands there too."""
        if is_signing:
            await self._ensure_pair()
        found = [one for head in await self._heads([PLATFORM]) if (one := await self._moved(head))]
        if found and await self._ensure_pair():
            found = [one for head in await self._heads([PLATFORM]) if (one := await self._moved(head))]
        return found

    async def _heads(self, tenants: Sequence[TenantId]) -> list[Head]:
        """Where these chains end, but for those that cannot be read: they are found by halves."""
        nothing: dict[TenantId, Sequence[LedgerDraft]] = dict.fromkeys(tenants, ())
        await self.turn.keep()
        try:
            heads = await reach("store", self.store.append_many(nothing))
        except DamagedDataError as damaged:
            if len(tenants) == 1:
                self._tell_broken(tenants[0], str(damaged))
                return []
            half = len(tenants) // 2
            return [*await self._heads(tenants[:half]), *await self._heads(tenants[half:])]
        return [heads[tenant] for tenant in tenants]

    async def _moved(self, head: Head) -> Moved | None:
        signed = self.memory.signed.get(head.tenant)
        if head == signed:
            self.memory.broken.pop(head.tenant, None)
            return None
        try:
            if signed is not None:
                require_no_shorter(head, signed)
            found = await moved(self.store, head, self._trusted, self.turn.keep)
        except (LedgerBrokenError, DamagedDataError) as broken:
            self._tell_broken(head.tenant, str(broken))
            return None
        self.memory.broken.pop(head.tenant, None)
        if found is None:
            self.memory.signed.put(head.tenant, head)
        return found

    def _tell_broken(self, tenant: TenantId, why: str) -> None:
        chain_broken()
        self.broken[tenant] = why
        if self.memory.broken.get(tenant) != why:
            self.memory.broken[tenant] = why
            _log.error("no checkpoint of tenant %s is signed: %s", tenant, why)

    async def _sign(self, changed: Sequence[Moved]) -> list[Due]:
        """One note for all of them, stored with each; those whose time has not come yet are dated by themselves."""
        await self._ensure_pair()
        signers = await self.signers.signing(self._pairs)
        now, moments = self.now(), dict[datetime, list[Moved]]()
        for one in sorted(changed, key=lambda one: one.head.tenant):
            # Of one chain no checkpoint is of an earlier moment than the one before, whatever the clock here says.
            moments.setdefault(max(now, one.said or now), []).append(one)
        return [due for at, together in moments.items() for due in await self._sign_at(at, together, signers)]

    async def _sign_at(self, at: datetime, together: Sequence[Moved], signers: Sequence[SigningPair]) -> list[Due]:
        """One note; of many chains it takes seconds, in which calls go on."""
        statements = await asyncio.to_thread(_statements, self.origin, together, at)
        what = await asyncio.to_thread(moment, statements)
        note = what.note(line for signer in signers for line in signer.lines(what.text))
        signed = await asyncio.to_thread(checkpoints, statements, note)
        return [
            due for one, checkpoint in zip(together, signed, strict=True) if (due := await self._store(one, checkpoint))
        ]

    async def _store(self, one: Moved, checkpoint: Checkpoint) -> Due | None:
        """What is to be published, or None where another worker has signed that chain meanwhile."""
        await self.turn.keep()
        record, tenant = _record_of(one, checkpoint), one.head.tenant
        try:
            async with self.store.tenant(tenant) as rows:
                await (rows.replace(record, one.record.generation) if one.record else rows.insert(record))
        except (AlreadyExistsError, ConflictError):
            return None
        self.memory.signed.put(tenant, one.head)
        if one.since:
            self.memory.frontiers.put((tenant, one.since), one.before)
        self.signed[tenant] = one.head.size
        return Due(tenant, one.head.size, record, one.since, one.path)


def _statements(origin: str, together: Sequence[Moved], at: datetime) -> list[Statement]:
    return [state(origin, one.head, one.frontier, at, random_bytes(SALT_BYTES)) for one in together]


def _record_of(one: Moved, checkpoint: Checkpoint) -> SignedChain:
    return SignedChain(
        statement=checkpoint.statement,
        index=checkpoint.index,
        path=checkpoint.path,
        note=checkpoint.note,
        peaks=one.frontier.peaks,
        generation=one.record.generation + 1 if one.record else 1,
    )
