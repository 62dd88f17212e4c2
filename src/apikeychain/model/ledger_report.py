"""What an examination of an audit chain found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head


class Manipulation(StrEnum):
    """What was done to a chain."""

    EDITED = "edited"
    DELETED = "deleted"
    INSERTED = "inserted"
    REORDERED = "reordered"
    CUT = "cut"
    ROLLED_BACK = "rolled back"
    REPLACED = "replaced"
    SPLICED = "spliced from another tenant"
    FORKED = "forked"
    MISSTATED = "misstated"


@dataclass(frozen=True, slots=True)
class Fault:
    """One place of a chain that does not hold.

    Attributes:
        seq: the number of the entry; of several, of the first.
        manipulation: what was done to it.
        reason: how that shows, as half a sentence.
    """

    seq: int
    manipulation: Manipulation
    reason: str

    def __str__(self) -> str:
        """Both on one line."""
        return f"{self.manipulation}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where a chain is known to have come to.

    Attributes:
        source: from whom, as it is told.
        head: the number and the hash of the last entry at that time.
        root: of the tree over all entries until there; None where that is not known.
        is_elsewhere: whether this is known from where whoever writes to the database cannot change it.
    """

    source: str
    head: Head
    root: bytes | None
    is_elsewhere: bool


@dataclass(frozen=True, slots=True)
class Unheard:
    """What a chain was not compared with.

    Attributes:
        source: of what was to be known, as it is told.
        reason: why it is not.
        is_failure: whether it ought to have been; else there was nothing yet.
    """

    source: str
    reason: str
    is_failure: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerReport:
    """A chain as it was read to its end.

    Attributes:
        head: the number and the stored hash of its last entry.
        read: how many entries were read.
        faults: the first hundred in the order of their places.
        counts: how many entries are concerned, by what was done to them; nothing is in it that was not found.
        anchors: what the chain was compared with. Without one from elsewhere nothing shows whether its end was cut off
            or all of it was written anew.
        since: with which entry began what was read: all before it was taken as a checkpoint signed it. None where all
            was read.
        unheard: what it could not be compared with.
        dropped: of how many entries the body is gone.
        covering: the numbers of the entries that say so, the last hundred of them.
    """

    head: Head
    read: int
    faults: Sequence[Fault]
    counts: Mapping[Manipulation, int]
    anchors: Sequence[Anchor] = ()
    since: Head | None = None
    unheard: Sequence[Unheard] = ()
    dropped: int = 0
    covering: Sequence[int] = ()

    @property
    def tenant(self) -> TenantId:
        """Whose chain it is."""
        return self.head.tenant

    @property
    def kept(self) -> Head | None:
        """What was kept of it, where it was compared with that."""
        return next((anchor.head for anchor in self.anchors if anchor.root is None), None)

    @property
    def holds(self) -> bool:
        """Whether no fault was found."""
        return not self.faults

    @property
    def anchored(self) -> bool:
        """Whether it holds and goes on behind what is known of it from elsewhere."""
        return self.holds and any(anchor.is_elsewhere for anchor in self.anchors)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing with which it ought to have been compared."""
        return not any(unheard.is_failure for unheard in self.unheard)
