"""Chains that were signed, in a store and with an honest witness in memory, as an installation would leave them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from apikeychain.errors import WitnessRefusedError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import LedgerEntry
from apikeychain.model.ledger_records import SignedChain
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_extension
from apikeychain.proof.key_list import KeyList, verify_key_list
from apikeychain.proof.reading import ProofError
from apikeychain.rules.checkpoints import state
from apikeychain.rules.merkle import consistency_path
from signed_ledgers import ACME, KEYS, NOON, ORIGIN, SALT, SigningKeys, frontier, said, signed

ALL = 1_000_000
SECOND = SigningKeys(ed25519_seed=bytes([2]) * 32, mldsa65_seed=bytes([3]) * 32)
STRANGER = SigningKeys(ed25519_seed=bytes([6]) * 32, mldsa65_seed=bytes([7]) * 32)


def listed(of: SigningKeys, *by: SigningKeys, day: int = 1) -> str:
    """The key list of a pair, by itself and by those before."""
    classical, quantum_safe = of.public
    made = KeyList(ORIGIN, (classical, quantum_safe), f"2026-01-0{day}T12:00:00.000Z")
    return made.note(line for signer in (of, *by) for line in signer.lines(made.text))


LISTS = [listed(KEYS), listed(SECOND, KEYS, day=2)]


@dataclass
class MemoryWitness:
    """Keeps what extends what it has.

    Attributes:
        lists: the key lists.
        kept: the last checkpoint of each chain.
        broken: what it raises of everything.
    """

    lists: list[str] = field(default_factory=lambda: [LISTS[0]])
    kept: dict[TenantId, Checkpoint] = field(default_factory=dict[TenantId, Checkpoint])
    broken: Exception | None = None

    async def latest(self, tenant: TenantId) -> Checkpoint | None:
        self._break()
        return self.kept.get(tenant)

    async def publish(self, extensions: Sequence[Extension]) -> None:
        self._break()
        for extension in extensions:
            later = Statement.parse(extension.checkpoint.statement)
            tenant = TenantId(later.tenant)
            if earlier := self.kept.get(tenant):
                try:
                    verify_extension(Statement.parse(earlier.statement), later, extension.path)
                except ProofError as error:
                    raise WitnessRefusedError({tenant: str(error)}) from None
            self.kept[tenant] = extension.checkpoint

    async def vouch(self, key_lists: Sequence[str]) -> None:
        self._break()
        for before, note in zip([None, *self.lists], key_lists, strict=False):
            verify_key_list(note, None if before is None else verify_key_list(before, None).keys)
        self.lists = list(key_lists)

    async def key_lists(self) -> Sequence[str]:
        self._break()
        return self.lists

    def _break(self) -> None:
        if self.broken:
            raise self.broken


async def entries_of(store: Store, tenant: TenantId) -> Sequence[LedgerEntry]:
    """All entries of a chain."""
    async with store.reading(tenant) as rows:
        return await rows.entries(0, ALL)


async def notarize(
    store: Store,
    tenant: TenantId,
    *witnesses: MemoryWitness,
    keys: SigningKeys = KEYS,
    minutes: int = 0,
    root: bytes | None = None,
) -> Statement:
    """Sign what a chain is now, store it beside the chain and give it to witnesses.

    Args:
        store: where the chain is.
        tenant: whose chain it is.
        witnesses: that keep it.
        keys: that sign.
        minutes: after noon.
        root: of the tree, where that is to be false.
    """
    entries = await entries_of(store, tenant)
    moment: datetime = NOON + timedelta(minutes=minutes)
    statement = state(ORIGIN, entries[-1].head, frontier(entries), moment, SALT)
    if root:
        statement = replace(statement, root=root)
    checkpoint = signed(statement, keys=keys)[0]
    await put_signed(store, tenant, checkpoint, frontier(entries).peaks)
    for witness in witnesses:
        latest = witness.kept.get(tenant)
        since = Statement.parse(latest.statement).size if latest else 0
        hashes = [entry.hash for entry in entries]
        path = consistency_path(hashes, since, len(hashes)) if since else []
        await witness.publish([Extension(checkpoint, since, tuple(path))])
    return statement


async def sign_chain(store: Store, tenant: TenantId = ACME, size: int = ALL) -> SignedChain:
    """Store the checkpoint of a chain of `size` entries, or of all, in the place of the last one."""
    entries = (await entries_of(store, tenant))[:size]
    return await put_signed(store, tenant, signed(said(entries))[0], frontier(entries).peaks)


async def put_signed(store: Store, tenant: TenantId, checkpoint: Checkpoint, peaks: tuple[bytes, ...]) -> SignedChain:
    """Store a checkpoint in the place of the last one."""
    async with store.tenant(tenant) as rows:
        before = await rows.get(SignedChain, ())
        record = SignedChain(
            statement=checkpoint.statement,
            index=checkpoint.index,
            path=checkpoint.path,
            note=checkpoint.note,
            peaks=peaks,
            generation=before.generation + 1 if before else 1,
        )
        if before:
            await rows.replace(record, before.generation)
        else:
            await rows.insert(record)
    return record
