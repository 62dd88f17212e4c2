"""Who keeps checkpoints where this installation cannot take them back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from apikeychain.model.ids import TenantId
from apikeychain.proof.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Extension:
    """A checkpoint, and how its chain goes on from what a witness has.

    Attributes:
        checkpoint: the new one.
        since: the size in the last one that the witness has of this chain; 0 where it has none.
        path: from there to the new size, see `apikeychain.proof.tree.verify_consistency`; empty from 0.
    """

    checkpoint: Checkpoint
    since: int
    path: tuple[bytes, ...]


class Witness(Protocol):
    """Keeps the checkpoints of every chain, and which keys sign them, and takes nothing back.

    One installation has one witness of a place: what a witness was told first is what it holds all others against.
    It does not verify the signatures of checkpoints: whoever reads them does, with its keys. One that is an async
    context manager is entered with the keychain, and asks nobody then: the gate opens while a witness is down. One
    that may take longer than 10 s for an honest answer has an attribute `patience`: in how many seconds it answers.

    Contract (tested by `apikeychain.testing.WitnessContract`):
        W1: `latest` returns the last checkpoint that was kept of a chain as it was published, or None.
        W2: `publish` refuses with WitnessRefusedError what is no extension of the last one of its chain, and keeps
            nothing of it: fewer entries, an earlier moment, another root or head at the same size, a path that does
            not lead there, another origin. Extensions of other chains in the same call are kept.
        W3: what is kept already is not kept twice, and is no error.
        W4: `vouch` keeps key lists behind those that are there, and `key_lists` returns them in their order; a list
            that is there is no error, one that its predecessor does not vouch for raises WitnessRefusedError.
        W5: what was kept is there when the witness is opened again, also after its process was killed.
        W6: of two that publish at once, one chain comes out that extends itself everywhere.
        W7: a witness that cannot be reached raises BackendUnavailableError, and nothing is half kept.
    """

    async def latest(self, tenant: TenantId) -> Checkpoint | None:
        """The last checkpoint of the tenant's chain.

        Raises:
            DamagedDataError: what is kept cannot be read.
        """
        ...

    async def publish(self, extensions: Sequence[Extension]) -> None:
        """Keep the checkpoints of one moment, for one tenant each.

        Raises:
            WitnessRefusedError: with the tenants whose chains were refused, and why; those too of which what is kept
                cannot be read.
        """
        ...

    async def vouch(self, key_lists: Sequence[str]) -> None:
        """Keep key lists, see `apikeychain.proof.key_list`: all that there are, from the first.

        Raises:
            WitnessRefusedError: they are not those that are kept, with others behind them.
        """
        ...

    async def key_lists(self) -> Sequence[str]:
        """All key lists that were kept, in their order."""
        ...
