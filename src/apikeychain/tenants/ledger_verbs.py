"""What can be read of a ledger, and shown of it: of a tenant, of one that is gone, and of the platform."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import final

from apikeychain.errors import DamagedDataError
from apikeychain.ledger.examine import Against, examine
from apikeychain.ledger.known import patience_with
from apikeychain.ledger.prove import Prover, signed_checkpoint
from apikeychain.ledger.verify import verify
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_records import SignedChain
from apikeychain.model.ledger_report import LedgerReport
from apikeychain.model.records import Tenant
from apikeychain.ports.witness import Witness
from apikeychain.proof.checkpoint import Checkpoint
from apikeychain.proof.entry import Proof
from apikeychain.proof.note import VerifierKey
from apikeychain.tenants.change import Office

Progress = Callable[[int, int | None], None]


class LedgerVerbs:
    """The verbs of one ledger. See `TenantAdmin` and `LedgerAdmin`, of which this is a part.

    Attributes:
        id: whose ledger it is.
    """

    def __init__(self, office: Office, tenant: TenantId) -> None:
        self._office, self.id = office, tenant

    async def entries(self, after: int = 0, limit: int = 100) -> Sequence[LedgerEntry]:
        """At most `limit` entries of the ledger with a seq above `after`, in order."""
        async with self._office.store.reading(self.id) as store:
            return await store.entries(after, limit)

    async def verify_ledger(self, progress: Progress | None = None) -> Head:
        """Recompute the whole chain.

        Args:
            progress: told after each page: entries done, and of how many where that is known.

        Raises:
            LedgerBrokenError: with the first entry that does not hold.
        """
        return await verify(self._office.store, self.id, progress)

    async def examine_ledger(
        self,
        kept: Head | None = None,
        progress: Progress | None = None,
        *,
        keys: Iterable[VerifierKey] | None = None,
        is_since_checkpoint: bool = False,
    ) -> LedgerReport:
        """Everything that does not hold in the chain: what was done to it, where first, and to how many entries.

        It is compared with the last checkpoints of the witnesses and of the store. Without one from elsewhere, or
        `kept`, nothing shows whether the end was cut off or all of the chain was written anew.

        Args:
            kept: the head of an earlier report, from wherever that was kept.
            progress: told after each page: the number of the entry read last, and of how many where that is known.
            keys: that are trusted to sign checkpoints, and those that came in their place; None for those that the
                witnesses name.
            is_since_checkpoint: whether nothing is read until the last checkpoint in the store, where its signatures
                hold.
        """
        against = Against(
            kept=kept, witnesses=self._office.witnesses, keys=keys, is_since_checkpoint=is_since_checkpoint
        )
        return await examine(self._office.store, self.id, against, progress)

    async def prove(self, seq: int, progress: Progress | None = None) -> Proof:
        """The proof that an entry stands in the chain, by the last checkpoint: `text` is the proof file.

        Args:
            seq: the number of the entry.
            progress: told after each page: entries read, and how many there are to read.

        Raises:
            DoesNotExistError: there is no checkpoint that is on this entry yet.
            LedgerBrokenError: the chain is not what was signed.
        """
        prover = await self.prover()
        prover.require_signed(seq)
        await prover.read(progress)
        return await prover.proof(seq)

    async def prover(self, checkpoint: Checkpoint | None = None) -> Prover:
        """Proves entries of the chain, many of them by one reading.

        Args:
            checkpoint: an earlier one of this chain, instead of the last one.

        Raises:
            DoesNotExistError: there is no checkpoint yet.
        """
        return Prover(self._office.store, self.id, checkpoint or await signed_checkpoint(self._office.store, self.id))


@final
class LedgerAdmin(LedgerVerbs):
    """A ledger for its own sake, whether its tenant is there or not. Got from a keychain: `ledger`, `platform_ledger`.

    Attributes:
        id: whose ledger it is: a tenant, or ``platform``.
    """

    async def exists(self) -> bool:
        """Whether anybody knows of this chain; true where somebody cannot say."""
        try:
            async with self._office.store.reading(self.id) as store:
                found = await store.entries(0, 1) or await store.get(Tenant, ()) or await store.get(SignedChain, ())
                if found or (await store.head()).size:
                    return True
        except DamagedDataError:
            return True
        return any([await self._is_known_to(witness) for witness in self._office.witnesses])

    async def _is_known_to(self, witness: Witness) -> bool:
        try:
            async with asyncio.timeout(patience_with(witness)):
                return await witness.latest(self.id) is not None
        except Exception:  # noqa: BLE001 - also a plug's own error: examining the ledger tells of it
            return True
