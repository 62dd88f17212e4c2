"""Chains and what is signed of them, made as an installation would: checkpoints, extensions and key lists."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apikeychain.ledger.checkpoint_keys import SigningPair
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft, LedgerEntry, chained, timestamp
from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.key_list import KeyList
from apikeychain.proof.note import Moment, VerifierKey
from apikeychain.rules.checkpoints import checkpoints, moment, state
from apikeychain.rules.merkle import Frontier, consistency_path

ORIGIN = "gate.example.com/ledger"
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
ACME, OTHER = TenantId("acme"), TenantId("other")
SALT = bytes(range(32))


@dataclass(frozen=True)
class SigningKeys:
    """The two keys of an origin, from made-up seeds.

    Attributes:
        ed25519_seed: 32 bytes.
        mldsa65_seed: likewise.
    """

    origin: str = ORIGIN
    ed25519_seed: bytes = bytes(range(32))
    mldsa65_seed: bytes = bytes(range(32, 64))

    @property
    def _pair(self) -> SigningPair:
        return SigningPair(self.origin, self.ed25519_seed, self.mldsa65_seed)

    @property
    def public(self) -> list[VerifierKey]:
        """What an auditor is given: Ed25519, then ML-DSA-65."""
        return [*self._pair.public]

    def lines(self, text: str) -> list[str]:
        """The two signatures of a text."""
        return self._pair.lines(text)

    def note(self, what: Moment) -> str:
        """The signed note."""
        return what.note(self.lines(what.text))


KEYS = SigningKeys()
NEXT_KEYS = SigningKeys(ed25519_seed=b"\1" * 32, mldsa65_seed=b"\2" * 32)


def written(tenant: TenantId = ACME, count: int = 10, say: str = "call") -> list[LedgerEntry]:
    """A chain.

    Args:
        tenant: whose.
        count: how many entries it has.
        say: their kind; two chains with different ones have no entry in common.
    """
    drafts = [LedgerDraft(at=NOON + timedelta(seconds=n), kind=say, actor="gate", data={"n": n}) for n in range(count)]
    return chained(Head.empty(tenant), drafts)


def frontier(entries: Iterable[LedgerEntry]) -> Frontier:
    """Of the tree over a chain."""
    return Frontier().added(entry.hash for entry in entries)


def said(entries: Sequence[LedgerEntry], at: datetime = NOON, origin: str = ORIGIN) -> Statement:
    """The statement on a chain."""
    return state(origin, entries[-1].head, frontier(entries), at, SALT)


def signed(*statements: Statement, keys: SigningKeys = KEYS) -> list[Checkpoint]:
    """The checkpoints of one moment, in the order of their tenants."""
    return checkpoints(statements, keys.note(moment(statements)))


def extension(
    entries: Sequence[LedgerEntry], since: int = 0, minutes: float = 0, keys: SigningKeys = KEYS
) -> Extension:
    """A checkpoint on a chain alone, and how it goes on.

    Args:
        entries: all of the chain.
        since: the size from which it goes on.
        minutes: of its moment, after noon.
        keys: that sign it.
    """
    (checkpoint,) = signed(said(entries, NOON + timedelta(minutes=minutes), keys.origin), keys=keys)
    return Extension(checkpoint, since, path_between(entries, since))


def path_between(entries: Sequence[LedgerEntry], since: int) -> tuple[bytes, ...]:
    """From a size of a chain to all of it; empty from 0."""
    return tuple(consistency_path([entry.hash for entry in entries], since, len(entries))) if since else ()


def key_list(keys: SigningKeys, *before: SigningKeys, minutes: float = 0) -> str:
    """The list of a pair of keys; signed again, it is another one.

    Args:
        keys: the pair, by which it is signed.
        before: others that sign it too.
        minutes: of its moment, after noon.
    """
    classical, quantum_safe = keys.public
    listed = KeyList(keys.origin, (classical, quantum_safe), timestamp(NOON + timedelta(minutes=minutes)))
    return listed.note(line for signer in (keys, *before) for line in signer.lines(listed.text))
