"""The faults of a chain as they are gathered: bounded, however many there are.

An entry that is not in its place may stand somewhere else. So what is missing is remembered, and becomes `reordered`
where it is found.

Source: contracts 6; spec 9.3.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence

from apikeychain.model.ledger_report import Fault, Manipulation

SHOWN = 100
# So many gaps, and so many entries outside the chain, are remembered; beyond that nothing that moved is found again.
_REMEMBERED = 1000


class Faults:
    """Gathers what an examination finds.

    Attributes:
        counts: how many entries are concerned, by what was done to them.
    """

    def __init__(self) -> None:
        self.counts: Counter[Manipulation] = Counter()
        self._shown: list[Fault] = []
        self._gaps: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)
        self._strays: dict[int, str] = {}

    @property
    def shown(self) -> Sequence[Fault]:
        """The first of them, in the order of their places."""
        gaps = [Fault(first, Manipulation.DELETED, _missing(first, last)) for first, last in self._gaps]
        return sorted([*self._shown, *gaps], key=lambda fault: fault.seq)[:SHOWN]

    @property
    def count(self) -> Mapping[Manipulation, int]:
        """How many entries are concerned; nothing that was not found."""
        return {manipulation: self.counts[manipulation] for manipulation in Manipulation if self.counts[manipulation]}

    @property
    def many(self) -> bool:
        """Whether there are more than are shown: what takes long is not looked for then."""
        return len(self._shown) >= SHOWN

    def add(self, seq: int, manipulation: Manipulation, reason: str, entries: int = 1) -> None:
        """One more.

        Args:
            seq: the number of the entry; of several, of the first.
            manipulation: what was done.
            reason: how that shows.
            entries: how many are concerned.
        """
        self.counts[manipulation] += entries
        # Twice as many as are shown, since they are not found quite in the order of their places.
        if len(self._shown) < 2 * SHOWN:
            self._shown.append(Fault(seq, manipulation, reason))

    def miss(self, first: int, last: int) -> None:
        """The entries from `first` to `last` do not stand in their place."""
        self.counts[Manipulation.DELETED] += last - first + 1
        self._gaps.append((first, last))
        for seq in [seq for seq in self._strays if first <= seq <= last]:
            self.counts[Manipulation.INSERTED] -= 1
            self.find(seq, self._strays.pop(seq))

    def find(self, seq: int, where: str) -> bool:
        """Whether the entry `seq` was missing; it is not any more.

        Args:
            seq: what the entry says of its place.
            where: it stands.
        """
        for gap in self._gaps:
            if gap[0] <= seq <= gap[1]:
                self._gaps.remove(gap)
                self._gaps.extend(rest for rest in ((gap[0], seq - 1), (seq + 1, gap[1])) if rest[0] <= rest[1])
                self.counts[Manipulation.DELETED] -= 1
                self.add(seq, Manipulation.REORDERED, f"it stands {where}")
                return True
        return False

    def stray(self, says: int, where: str) -> None:
        """An entry outside the chain, which says that its place is `says`: moved if that is missing, else inserted."""
        if self.find(says, where):
            return
        self.counts[Manipulation.INSERTED] += 1
        if len(self._strays) < _REMEMBERED:
            self._strays[says] = where

    def cut(self, first: int, last: int) -> None:
        """The chain ends before `first`, and the store says that it ends with `last`."""
        if any(first <= seq <= last for seq in self._strays):
            self.miss(first, last)
        else:
            reason = f"the chain ends before it, and the stored head counts {last} entries"
            self.add(first, Manipulation.CUT, reason, last - first + 1)

    def settle(self) -> None:
        """Nothing more comes: what stands outside the chain and is not missed in it was inserted."""
        for says, where in self._strays.items():
            self._shown.append(Fault(says, Manipulation.INSERTED, f"another entry of that number stands {where}"))
        self._strays.clear()


def _missing(first: int, last: int) -> str:
    return "it is missing" if first == last else f"the entries {first} to {last} are missing"
