"""Entries whose bodies were dropped, and the `retained` entries that say so.

A `retained` entry names the range whose bodies went in its transaction, always from the first entry on, and the root
of the tree over the hashes of that range, which stay. So it commits to what the dropped entries were, and a later one
covers an earlier one, the earlier entry itself included. A body that is gone is accepted where a later entry covers it:
the range goes from 1 to the last of the dropped ones, and the root is that of the hashes as they are stored.

Read in one pass: the tree grows by its frontier, and its root is remembered only where a run of dropped entries ends,
until an entry covers that. Of a sound chain this is one run.

Source: contracts 6 (retention is an entry); RFC 6962, section 2.1.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.model.ledger import JSON, LedgerDraft, LedgerEntry
from apikeychain.model.ledger_report import Unheard
from apikeychain.rules import chain
from apikeychain.rules.merkle import Frontier

KIND = "retained"
UNCOVERED = "its body is gone, and no retained entry covers it"
# So many runs wait for the entry that covers them; beyond that the first two count as one.
_WAITING = 1000
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class DroppedRun:
    """Entries side by side whose bodies are gone.

    Attributes:
        first, last: their numbers.
        entries: how many they are.
        root: of the tree over the hashes of 1 to `last`.
    """

    first: int
    last: int
    entries: int
    root: bytes

    @property
    def reason(self) -> str:
        """Why they are a fault while nothing covers them, as half a sentence."""
        several = f"the bodies of the entries {self.first} to {self.last} are gone, and no retained entry covers them"
        return UNCOVERED if self.entries == 1 else several

    def joined(self, later: "DroppedRun") -> "DroppedRun":
        """Both as one."""
        return DroppedRun(self.first, later.last, self.entries + later.entries, later.root)


def retained(last: int, root: bytes, *, at: datetime, actor: str) -> LedgerDraft:
    """The entry that says that the bodies of the entries 1 to `last` were dropped.

    Args:
        last: the number of the last one.
        root: of the tree over the hashes of 1 to `last`.
        at: with a time zone.
        actor: as that of `chain.admin`.

    Raises:
        InvalidValueError: no such actor.
    """
    data: dict[str, JSON] = {"first": 1, "last": last, "root": root.hex()}
    return chain.admin(KIND, at=at, actor=actor, data=data)


class Retention:
    """What is known of a chain that is read: its tree, and which bodies are gone.

    Args:
        frontier: of the tree over all before the first entry that is read.

    Attributes:
        frontier: of the tree over all that was read.
        dropped: of how many entries the body is gone.
        covering: the numbers of the entries that cover what is gone, the last hundred of them.
    """

    def __init__(self, frontier: Frontier | None = None) -> None:
        self.frontier = frontier or Frontier()
        self.dropped = 0
        self.covering: deque[int] = deque(maxlen=_SHOWN)
        self._first: int | None = None
        self._waiting: list[DroppedRun] = []

    @property
    def uncovered(self) -> Sequence[DroppedRun]:
        """What nothing has covered so far."""
        return [*self._waiting, *([] if self._first is None else [self._run(self._first)])]

    def unsigned(self, signed: int) -> Sequence[Unheard]:
        """The last of the entries that cover what is gone, where no checkpoint is on it.

        Args:
            signed: how many of the first entries a checkpoint is known to be on.
        """
        last = max(self.covering, default=0)
        if last <= signed:
            return []
        reason = "it says that bodies were dropped, and none that is known has signed it yet"
        return [Unheard(f"a checkpoint on entry {last}", reason)]

    def read(self, entries: Sequence[LedgerEntry]) -> None:
        """The next entries, in their order."""
        start = 0
        for place, entry in enumerate(entries):
            if entry.is_dropped == (self._first is None):
                self._grow(entries[start:place])
                start = place
                self._turn()
            if entry.kind == KIND:
                self._cover(entry)
        self._grow(entries[start:])

    def _grow(self, entries: Sequence[LedgerEntry]) -> None:
        self.frontier = self.frontier.added(entry.hash for entry in entries)
        if self._first is not None:
            self.dropped += len(entries)

    def _turn(self) -> None:
        """A run begins, or the one that is open has ended."""
        if self._first is None:
            self._first = self.frontier.size + 1
            return
        self._waiting.append(self._run(self._first))
        self._first = None
        if len(self._waiting) > _WAITING:
            first, second, *_ = self._waiting
            self._waiting[:2] = [first.joined(second)]

    def _run(self, first: int) -> DroppedRun:
        last = self.frontier.size
        return DroppedRun(first, last, last - first + 1, self.frontier.root)

    def _cover(self, entry: LedgerEntry) -> None:
        """Let go of what a `retained` entry covers."""
        data = (chain.parse(entry.payload) or {}).get("data")
        said = data if isinstance(data, dict) else {}
        for place, run in enumerate(self._waiting):
            if said == {"first": 1, "last": run.last, "root": run.root.hex()}:
                del self._waiting[: place + 1]
                self.covering.append(entry.seq)
                return
