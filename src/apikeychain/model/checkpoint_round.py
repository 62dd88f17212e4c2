"""What came of a round in which checkpoints were signed and published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from apikeychain.model.ids import TenantId


@dataclass(slots=True)
class Publication:
    """What became of the checkpoints at one witness.

    Attributes:
        witness: its place among the witnesses and its class.
        kept: the chains whose last checkpoint it has now and was not known to have before.
        refused: why it did not take others, or was not given them, by tenant; "" where it is the key lists, and
            other names where it does not tell whose.
        fault: why it could not be asked, or "".
    """

    witness: str
    kept: list[TenantId] = field(default_factory=list[TenantId])
    refused: dict[TenantId, str] = field(default_factory=dict[TenantId, str])
    fault: str = ""


@dataclass(frozen=True, slots=True)
class CheckpointRound:
    """What a round came to.

    Attributes:
        signed: how many entries the new checkpoint of each chain has that moved.
        broken: why others were not signed.
        publications: what became of them at each witness that lacked something.
    """

    signed: Mapping[TenantId, int]
    broken: Mapping[TenantId, str]
    publications: Sequence[Publication]
