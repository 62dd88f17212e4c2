"""Proofs of entries out of a stored chain, under a checkpoint on it.

The hashes are read once for the roots of the subtrees, and what is proven once more, so that a long chain needs little
more memory than a short one. What comes out was compared with what was signed: a chain that was changed since proves
nothing. Whether the signatures hold is for who verifies, with his keys.

Source: contracts 6; RFC 6962, section 2.1.1.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import suppress

from apikeychain.errors import DamagedDataError, DoesNotExistError, InvalidValueError, LedgerBrokenError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry, link
from apikeychain.model.ledger_records import SignedChain
from apikeychain.ports.store import Store
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.entry import EntryProof, Proof
from apikeychain.proof.export import export_header
from apikeychain.proof.reading import ProofError
from apikeychain.rules.checkpoints import checkpoint_of
from apikeychain.rules.statements import with_bytes
from apikeychain.rules.subtrees import LEAVES, Subtrees

Progress = Callable[[int, int | None], None]
_HOW_TO_GET_ONE = "one is made within a minute while a server serves, or at once with: apikeychain ledger checkpoint"


async def signed_checkpoint(store: Store, tenant: TenantId) -> Checkpoint:
    """The last checkpoint of the tenant's chain that the store has.

    Raises:
        DoesNotExistError: there is none yet.
        DamagedDataError: it cannot be read.
    """
    async with store.reading(tenant) as rows:
        stored = await rows.get(SignedChain, ())
    if stored is None:
        msg = f"the ledger of {tenant!r} has no checkpoint yet: {_HOW_TO_GET_ONE}"
        raise DoesNotExistError(msg)
    return checkpoint_of(stored)


class Prover:
    """Proves entries of a chain under one checkpoint on it.

    Args:
        store: where the chain is.
        tenant: whose chain it is.
        checkpoint: on it.

    Attributes:
        statement: that of the checkpoint.

    Raises:
        DamagedDataError: what is stored as a checkpoint of the chain is none.
    """

    def __init__(self, store: Store, tenant: TenantId, checkpoint: Checkpoint) -> None:
        self._store, self._tenant, self._checkpoint = store, tenant, checkpoint
        self.statement = _statement(tenant, checkpoint)
        self._subtrees = Subtrees()

    @property
    def header(self) -> str:
        """The first line of an export under its checkpoint, see `apikeychain.proof.export`."""
        return export_header(self._checkpoint)

    async def read(self, progress: Progress | None = None) -> None:
        """Read the chain as far as it was signed.

        Args:
            progress: told after each page: entries read, and how many there are to read.

        Raises:
            LedgerBrokenError: it is not what was signed.
        """
        size, last = self.statement.size, b""
        while (done := self._subtrees.size) < size:
            entries = await self._entries(done, min(LEAVES, size - done))
            self._subtrees.add([entry.hash for entry in entries])
            last = entries[-1].hash
            if progress:
                progress(self._subtrees.size, size)
        if (last, self._subtrees.root) != (self.statement.head, self.statement.root):
            raise LedgerBrokenError(self._tenant, size, f"the checkpoint of {self.statement.at} signed other entries")

    def require_signed(self, seq: int) -> None:
        """Require that the checkpoint is on this entry, too.

        Raises:
            DoesNotExistError: it is older.
        """
        said = self.statement
        if not 0 < seq <= said.size:
            signed = f"the last checkpoint, of {said.at}, is on {said.size} entries"
            msg = f"entry {seq} of {self._tenant!r} is not signed: {signed}; {_HOW_TO_GET_ONE}"
            raise DoesNotExistError(msg)

    async def proof(self, seq: int) -> Proof:
        """The proof of one entry, once the chain was read.

        Raises:
            DoesNotExistError: the checkpoint is older than it, or it has no payload any more.
            LedgerBrokenError: it is not what was signed.
        """
        self.require_signed(seq)
        for entry, proof in await self._subtree(self._subtrees.around(seq - 1)):
            if entry.seq == seq:
                return Proof(proof.payload, proof.previous, proof.path, self._checkpoint)
        msg = f"entry {seq} of {self._tenant!r} has no payload any more: only its hash is kept"
        raise DoesNotExistError(msg)

    async def proofs(self) -> AsyncGenerator[tuple[LedgerEntry, EntryProof], None]:
        """Every entry that has a payload, with its proof, once the chain was read.

        Raises:
            LedgerBrokenError: one is not what was signed.
        """
        for start in range(0, self.statement.size, LEAVES):
            for entry, proof in await self._subtree(self._subtrees.around(start)):
                yield entry, proof

    async def _subtree(self, places: range) -> Iterator[tuple[LedgerEntry, EntryProof]]:
        first = places.start
        entries = await self._entries(max(first - 1, 0), len(places) + bool(first))
        previous = entries.pop(0).hash if first else Head.empty(self._tenant).hash
        hashes = [entry.hash for entry in entries]
        try:
            paths = self._subtrees.paths(first, hashes)
        except InvalidValueError as error:
            raise LedgerBrokenError(self._tenant, first + 1, str(error)) from None
        befores = [previous, *hashes]
        return (
            (entry, EntryProof(_payload(entry, before), before, path))
            for entry, before, path in zip(entries, befores, paths, strict=False)
            if entry.payload
        )

    async def _entries(self, after: int, count: int) -> list[LedgerEntry]:
        """So many entries, each under its number. Raises LedgerBrokenError."""
        async with self._store.reading(self._tenant) as rows:
            found: Sequence[LedgerEntry] = await rows.entries(after, count)
        numbers = [entry.seq for entry in found]
        for place, seq in enumerate(range(after + 1, after + count + 1)):
            if numbers[place : place + 1] != [seq]:
                reason = f"it is missing, and the checkpoint of {self.statement.at} signed it"
                raise LedgerBrokenError(self._tenant, seq, reason)
        return [with_bytes(entry) for entry in found]


def _payload(entry: LedgerEntry, before: bytes) -> str:
    if entry.hash == link(before, entry.payload):
        with suppress(UnicodeDecodeError):
            return entry.payload.decode()
    raise LedgerBrokenError(entry.tenant, entry.seq, "its payload is not the one that was signed")


def _statement(tenant: TenantId, checkpoint: Checkpoint) -> Statement:
    with suppress(ProofError):
        statement = Statement.parse(checkpoint.statement)
        if statement.tenant == tenant:
            return statement
    what = "the checkpoint of the ledger"
    raise DamagedDataError(what, tenant, advice="the next checkpoint takes its place")
