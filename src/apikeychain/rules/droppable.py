"""Which bodies of a chain may be dropped: those of old entries that a signed checkpoint covers.

All up to the last old one go, also a younger one between them, so that what is gone is one range from the first entry
on. What no checkpoint covers stays: its hashes are all that would be left, and nobody elsewhere has seen them.

Source: contracts 6 (retention, under a signed checkpoint); RFC 6962, section 2.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.errors import LedgerBrokenError
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.proof.checkpoint import Statement
from apikeychain.rules.checkpoints import require_signed
from apikeychain.rules.merkle import Frontier


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the chain up to which bodies may go.

    Attributes:
        root: of the tree over all entries up to there.
    """

    head: Head
    root: bytes


class Droppable:
    """Told a chain in its order, each entry after it was verified.

    Args:
        before: what is older may go; with a time zone.
        signed: what the last checkpoint of the chain says.
        step: of how many entries the bodies go in one transaction, some more where a page is longer.

    Attributes:
        gone: so many of the first entries have no body already.
    """

    def __init__(self, before: datetime, signed: Statement, step: int) -> None:
        self._before, self._signed, self._step = before, signed, step
        self._frontier = Frontier()
        self._ends: list[Mark] = []
        self._last: Mark | None = None
        self.gone = 0

    @property
    def marks(self) -> Sequence[Mark]:
        """Where each transaction ends, in order; none where nothing is to be dropped."""
        if self._last is None or self._last.head.size <= self.gone:
            return []
        last = self._last.head.size
        return [*(end for end in self._ends if self.gone < end.head.size < last), self._last]

    def read(self, entries: Sequence[LedgerEntry]) -> None:
        """The next entries.

        Raises:
            LedgerBrokenError: the chain is not the one that was signed.
        """
        within = entries[: max(self._signed.size - self._frontier.size, 0)]
        old = next((place for place in range(len(within), 0, -1) if self._is_old(within[place - 1])), 0)
        self._grow(within[:old])
        if old:
            self._last = self._mark(within[old - 1])
        self._grow(within[old:])
        if within and self._frontier.size == self._signed.size:
            require_signed(within[-1].head, self._frontier, self._signed)
        if within and self._frontier.size - (self._ends[-1].head.size if self._ends else 0) >= self._step:
            self._ends.append(self._mark(within[-1]))

    def end(self, head: Head) -> None:
        """There are no more: the chain ends at `head`.

        Raises:
            LedgerBrokenError: before what was signed.
        """
        if head.size < self._signed.size:
            reason = f"it is missing, and a checkpoint of {self._signed.at} signed {self._signed.size} entries"
            raise LedgerBrokenError(head.tenant, head.size + 1, reason)

    def _is_old(self, entry: LedgerEntry) -> bool:
        return entry.is_dropped or entry.at < self._before

    def _mark(self, entry: LedgerEntry) -> Mark:
        return Mark(entry.head, self._frontier.root)

    def _grow(self, entries: Sequence[LedgerEntry]) -> None:
        for entry in entries:
            if not entry.is_dropped or entry.seq != self.gone + 1:
                break
            self.gone += 1
        self._frontier = self._frontier.added(entry.hash for entry in entries)
