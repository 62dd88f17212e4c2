"""What a store keeps beside the chains: checkpoints and their keys, and what a worker that ends uncleanly may lose.

A chain outlives its tenant, and the platform has one and is no tenant: these records belong to a chain, and need
neither a tenant nor a project to be stored.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from apikeychain.model.ids import TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointKeys:
    """A pair of keys that signs checkpoints; stored with the platform.

    Attributes:
        id: counts the pairs from 1, four digits: ``0001``.
        public: both public keys in their text form, a line each.
        wrapped_ed25519, wrapped_mldsa65: the 32-byte seeds, wrapped by the default key service; empty once destroyed.
        key_list: the signed key list by which the pair before vouches for this one (`apikeychain.proof.key_list`).
        until: when it signs no more, or None for the newest.
    """

    kind: ClassVar[str] = "checkpoint-keys"
    id: str
    created: datetime
    public: str
    wrapped_ed25519: bytes = field(repr=False)
    wrapped_mldsa65: bytes = field(repr=False)
    key_list: str
    until: datetime | None = None
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """The id."""
        return (self.id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedChain:
    """The last checkpoint of a chain, and the tree from which the next one goes on; stored with its tenant.

    Attributes:
        statement, index, path, note: as in `apikeychain.proof.checkpoint.Checkpoint`.
        peaks: the frontier of the tree at the size that the statement says, see `apikeychain.rules.merkle`.
    """

    kind: ClassVar[str] = "checkpoint"
    statement: str
    index: int
    path: tuple[bytes, ...]
    note: str
    peaks: tuple[bytes, ...]
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Empty: a chain has one."""
        return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker that has not ended cleanly yet; stored with the platform.

    Attributes:
        id: drawn when it starts.
        seen: when it last said that it lives.
        stated: once it ended uncleanly, how many entries the chains of tenants say it may have lost, so far.
    """

    kind: ClassVar[str] = "worker"
    id: str
    started: datetime
    seen: datetime
    stated: int = 0
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """The id."""
        return (self.id,)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenEntries:
    """How many entries of a tenant a worker may lose at most, should it end uncleanly; stored with the platform.

    Attributes:
        worker: its id.
        tenant: whose entries.
        at_most: so many are open or not written at any moment.
    """

    kind: ClassVar[str] = "open-entries"
    worker: str
    tenant: TenantId
    at_most: int
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Worker and tenant."""
        return (self.worker, self.tenant)


LedgerRecord = CheckpointKeys | SignedChain | Worker | OpenEntries
