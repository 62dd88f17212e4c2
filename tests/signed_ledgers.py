"""Proofs, made by the package as an installation would; what they prove with is made by `testing.checkpoints`."""

from collections.abc import Sequence

from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.proof.checkpoint import Checkpoint
from apikeychain.proof.entry import Proof
from apikeychain.rules.merkle import inclusion_path
from apikeychain.testing.checkpoints import (
    ACME,
    KEYS,
    NOON,
    ORIGIN,
    OTHER,
    SALT,
    SigningKeys,
    frontier,
    said,
    signed,
    written,
)

__all__ = [
    "ACME",
    "KEYS",
    "NOON",
    "ORIGIN",
    "OTHER",
    "PLATFORM",
    "SALT",
    "TRUSTED",
    "SigningKeys",
    "a_proof",
    "frontier",
    "proof_of",
    "said",
    "signed",
    "written",
]

PLATFORM = TenantId("platform")
TRUSTED = KEYS.public


def proof_of(entries: Sequence[LedgerEntry], seq: int, checkpoint: Checkpoint) -> Proof:
    """The proof of an entry by a checkpoint over all of `entries`."""
    previous = entries[seq - 2].hash if seq > 1 else Head.empty(entries[0].tenant).hash
    path = inclusion_path((entry.hash for entry in entries), seq - 1, len(entries))
    return Proof(entries[seq - 1].payload.decode(), previous, tuple(path), checkpoint)


def a_proof(seq: int = 7, count: int = 10) -> Proof:
    """A proof out of a moment with three chains."""
    chains = [written(ACME, count), written(OTHER, 4), written(PLATFORM, 1)]
    return proof_of(chains[0], seq, signed(*(said(chain) for chain in chains))[0])
