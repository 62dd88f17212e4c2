"""What is known of a chain before it is read: by its witnesses, by the store's own last checkpoint, and by which keys.

Which keys sign is never taken from the database: it is said by whoever verifies, or by the witnesses. Key lists lead
from the keys that were given to those that came in their place, wherever they are kept, since each is signed by the
keys before. Where witnesses name them, the stored checkpoint has to be signed by keys that all of them name: else one
witness and the database could be of one hand.

Source: contracts 6 (`verify` takes public keys from the witness or `--key`, never from the database); spec 9.3.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apikeychain.errors import APIKeyChainError, DamagedDataError, InvalidValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head
from apikeychain.model.ledger_records import CheckpointKeys, SignedChain
from apikeychain.model.ledger_report import Anchor, Unheard
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Witness
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint
from apikeychain.proof.key_list import follow
from apikeychain.proof.note import VerifierKey
from apikeychain.proof.reading import ProofError, require
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.checkpoints import checkpoint_of, signed_frontier
from apikeychain.rules.merkle import Frontier

STORED = "the stored checkpoint"
_STORED_LISTS = "the stored key lists"
_WITNESS_SECONDS = 10.0
_MOST_LISTS = 1000


@dataclass(slots=True)
class Known:
    """What is known of a chain.

    Attributes:
        anchors: where it is known to have come to.
        unheard: what is not known of it, and why.
        signed: where the last checkpoint in the store ends, which keys that are trusted signed, and its tree there.
        statements: of all checkpoints that hold.
    """

    anchors: list[Anchor] = field(default_factory=list[Anchor])
    unheard: list[Unheard] = field(default_factory=list[Unheard])
    signed: tuple[Head, Frontier] | None = None
    statements: list[Statement] = field(default_factory=list[Statement])

    def miss(self, source: str, reason: str) -> None:
        """Note what is not known, for no fault of anybody."""
        self.unheard.append(Unheard(source, reason, is_failure=False))

    def tell(self, source: str, error: Exception) -> None:
        """Note what could not be heard."""
        self.unheard.append(Unheard(source, str(error)))


def patience_with(witness: Witness) -> float:
    """In how many seconds it is to answer."""
    return float(getattr(witness, "patience", _WITNESS_SECONDS))


async def known_of(
    store: Store, tenant: TenantId, witnesses: Sequence[Witness], keys: Iterable[VerifierKey] | None
) -> Known:
    """What is known of the tenant's chain. It raises nothing of what a witness or the stored checkpoint is like.

    Args:
        store: where the chain is.
        tenant: whose chain it is.
        witnesses: that keep checkpoints of it.
        keys: that are trusted; None for those that the witnesses name.
    """
    known = Known()
    given = None if keys is None else await _followed_in_store(store, list(keys), known)
    named: list[Sequence[VerifierKey]] = []
    for number, witness in enumerate(witnesses, 1):
        source = f"witness {number} ({type(witness).__name__})"
        named += filter(None, [await _hear(witness, source, tenant, given, known)])
    trusted = [*(given or ()), *(key for keys in named for key in keys)]
    if given is None:
        trusted = [key for key in trusted if all(key in keys for keys in named)]
    await _look(store, tenant, trusted, known)
    return known


async def _followed_in_store(store: Store, given: list[VerifierKey], known: Known) -> list[VerifierKey]:
    """The keys that came in the place of those that were given, by the lists in the store, each signed."""
    try:
        async with store.reading(PLATFORM) as rows:
            pairs = await rows.list(CheckpointKeys, (), _MOST_LISTS)
        return follow([pair.key_list for pair in pairs], given)
    except (DamagedDataError, ProofError) as error:
        known.tell(_STORED_LISTS, error)
        return given


async def _hear(
    witness: Witness, source: str, tenant: TenantId, given: list[VerifierKey] | None, known: Known
) -> Sequence[VerifierKey]:
    """What a witness knows, as an anchor. Returns the keys that it leads to."""
    trusted, seconds = given or [], patience_with(witness)
    try:
        async with asyncio.timeout(seconds):
            lists, latest = await witness.key_lists(), await witness.latest(tenant)
        trusted = follow(lists, given)
        if latest is None:
            known.miss(source, "it has no checkpoint of this chain")
        else:
            statement = _verified(latest, tenant, trusted)
            known.statements.append(statement)
            known.anchors.append(_anchor(statement, source, is_elsewhere=True))
    except TimeoutError:
        known.unheard.append(Unheard(source, f"it did not answer within {seconds:g} s"))
    except (APIKeyChainError, ProofError) as error:
        known.tell(source, error)
    except Exception as error:  # noqa: BLE001 - a plug's own error, whose text nobody has vouched for
        known.unheard.append(Unheard(source, f"it failed with {type(error).__name__}"))
    return trusted


async def _look(store: Store, tenant: TenantId, trusted: list[VerifierKey], known: Known) -> None:
    """The last checkpoint in the store. Who writes to the store can put an older one there, and none that is false."""
    try:
        async with store.reading(tenant) as rows:
            stored = await rows.get(SignedChain, ())
        if stored is None:
            return
        if not trusted:
            known.miss(STORED, "nobody says which keys sign: name them with --key")
        else:
            checkpoint = checkpoint_of(stored)
            statement = _verified(checkpoint, tenant, trusted)
            anchor = _anchor(statement, STORED, is_elsewhere=False)
            known.statements.append(statement)
            known.anchors.append(anchor)
            known.signed = anchor.head, signed_frontier(statement, stored.peaks)
    except (DamagedDataError, InvalidValueError, ProofError) as error:
        known.tell(STORED, error)


def _verified(checkpoint: Checkpoint, tenant: TenantId, trusted: Iterable[VerifierKey]) -> Statement:
    statement = verify_checkpoint(checkpoint, trusted)
    require(statement.tenant == tenant, "it is a checkpoint of another chain")
    return statement


def _anchor(statement: Statement, source: str, *, is_elsewhere: bool) -> Anchor:
    head = Head(TenantId(statement.tenant), statement.size, statement.head)
    return Anchor(f"{source}, at {statement.at}", head, statement.root, is_elsewhere)
