"""What an entry says of itself, and what the one behind it says of it.

Source: contracts 6; spec 9.3.
"""

from dataclasses import dataclass, replace
from typing import Any

from apikeychain.model.ledger import Head, LedgerEntry, link
from apikeychain.rules.chain import parse


@dataclass(frozen=True, slots=True)
class Said:
    """What the payload of an entry says.

    Attributes:
        owner: whose entry it is, or "" where it does not say that.
        seq: its place in the chain, or None where it does not say that.
    """

    owner: str
    seq: int | None


def said_by(entry: LedgerEntry) -> Said:
    """What its payload says."""
    payload = parse(entry.payload) or {}
    owner, seq = payload.get("tenant"), payload.get("seq")
    return Said(owner if isinstance(owner, str) else "", seq if type(seq) is int and seq > 0 else None)


def is_numbered(entry: LedgerEntry) -> bool:
    """Whether it is stored under a number: what is not comes last in a database without column types."""
    seq: Any = entry.seq
    return type(seq) in {int, float}


def place_of(next_: LedgerEntry | Head | None) -> int | None:
    """The place that what stands behind an entry says it has itself.

    Args:
        next_: the next entry, the end of the chain, or None where that cannot be read.
    """
    if isinstance(next_, LedgerEntry):
        return next_.seq if next_.is_dropped else said_by(next_).seq
    return next_.size + 1 if next_ else None


def is_behind(next_: LedgerEntry | Head | None, digest: bytes) -> bool:
    """Whether what stands behind an entry was written when that had the hash `digest`. See `place_of`."""
    if isinstance(next_, LedgerEntry):
        return next_.hash == link(digest, next_.payload)
    return next_ is not None and next_.hash == digest


def with_bytes(entry: LedgerEntry) -> LedgerEntry:
    """Without what is no bytes: a database without column types gives back whatever somebody wrote there."""
    payload: Any = entry.payload
    digest: Any = entry.hash
    if type(payload) is bytes and type(digest) is bytes:
        return entry
    return replace(entry, payload=payload if type(payload) is bytes else b"", hash=b"")
