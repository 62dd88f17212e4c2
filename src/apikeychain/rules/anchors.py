"""Whether a chain is the one that is known from elsewhere: its entry at a size, and the tree over all until there.

A chain is known by checkpoints, which witnesses and the store keep, and by what somebody kept of it. While it is read,
its tree grows, and at each of those sizes both are compared. Nothing is held but the right edge of the tree.

Where a checkpoint is taken as the beginning, nothing before it is read: its root shows that the peaks that are stored
beside it are those of its tree, and from them the tree grows on.

Source: contracts 6; RFC 6962, 2.1 (what a head and a root commit to).
"""

from collections.abc import Collection, Sequence

from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_report import Anchor, Manipulation
from apikeychain.rules.faults import Faults
from apikeychain.rules.merkle import Frontier


class Anchors:
    """Compares a chain, as it is read, with what is known of it.

    Args:
        start: behind which it is read: the beginning of the chain, or an entry that was signed.
        anchors: what is known; none of them before `start`.
        frontier: the tree at `start`.

    Attributes:
        start: as it was given.
        compared: the anchors, in the order of their sizes.
        frontier: of the tree over what was read.
    """

    def __init__(self, start: Head, anchors: Sequence[Anchor] = (), frontier: Frontier | None = None) -> None:
        self.start = start
        self.compared = sorted(anchors, key=lambda anchor: anchor.head.size)
        self.frontier = frontier or Frontier()
        # Behind the last root that is known no tree is needed.
        self._last = max([anchor.head.size for anchor in anchors if anchor.root], default=0)
        self._sizes = sorted({anchor.head.size for anchor in anchors})
        self._met: dict[Anchor, bool] = {}
        self._misstated: set[Anchor] = set()
        self._is_cut = False

    @property
    def signed(self) -> int:
        """How many of the first entries some checkpoint that is known of has signed."""
        return self._last

    def begin(self, last: LedgerEntry | None) -> None:
        """How what is taken as signed ends in the store.

        Args:
            last: the entry of the number of `start`; None where there is none.
        """
        if last is None:
            self._is_cut = True
        else:
            self.meet(self.start.size, last.hash, {last.hash})

    def pass_by(self, size: int, hashes: Sequence[bytes]) -> None:
        """The next entries hold.

        Args:
            size: how many entries stand before them.
            hashes: of each of them.
        """
        done = 0
        for end in [end - size for end in self._sizes if size < end <= size + len(hashes)]:
            self._grow(size + done, hashes[done:end])
            self._compare(size + end, {hashes[end - 1]})
            done = end
        self._grow(size + done, hashes[done:])

    def meet(self, place: int, digest: bytes, among: Collection[bytes]) -> None:
        """An entry stands at `place`, or is taken to.

        Args:
            place: counted from 1.
            digest: its hash as it is stored.
            among: what its hash may be, where the stored one may be wrong.
        """
        self._grow(place - 1, [digest])
        self._compare(place, among)

    def ends_before_start(self, furthest: int) -> bool:
        """Whether the chain does not even reach the entry behind which it was to be read.

        Args:
            furthest: the last place in which an entry stands.
        """
        return self._is_cut and furthest == self.start.size

    def judge(self, faults: Faults, furthest: int, stored: Head | None) -> None:
        """Add what does not fit.

        Args:
            faults: what was found in the chain alone.
            furthest: the last place in which an entry stands.
            stored: where the store says that the chain ends; None where that cannot be read.
        """
        told = stored.size if stored else 0
        if self.ends_before_start(furthest):
            furthest = told if stored and told < furthest else furthest - 1
            if told > furthest:
                faults.cut(furthest + 1, told)
        elif self._is_cut:
            faults.miss(self.start.size, self.start.size)
        # What is missing before the stored head was told as cut.
        end = max(furthest, told)
        beyond = [anchor for anchor in self.compared if anchor.head.size > end]
        if beyond:
            size = beyond[-1].head.size
            by = _sources([anchor for anchor in beyond if anchor.head.size == size])
            reason = f"the chain ends before it, and had {size} entries by {by}"
            faults.add(furthest + 1, Manipulation.ROLLED_BACK, reason, size - furthest)
        sound = not faults.count
        for same in self._by_head():
            self._judge_one(faults, same, sound=sound)

    def _judge_one(self, faults: Faults, same: list[Anchor], *, sound: bool) -> None:
        size = same[0].head.size
        if self._met.get(same[0]) is False:
            reason = f"its hash is not that of {_sources(same)}: it, or one before it, was replaced with all behind it"
            faults.add(size, Manipulation.REPLACED, reason)
        elif sound and (false := [anchor for anchor in same if anchor in self._misstated]):
            reason = f"it is the entry of {_sources(false)}, where another tree is signed than that of the entries"
            faults.add(size, Manipulation.MISSTATED, reason)

    def _by_head(self) -> list[list[Anchor]]:
        heads = dict.fromkeys(anchor.head for anchor in self.compared)
        return [[anchor for anchor in self.compared if anchor.head == head] for head in heads]

    def _grow(self, size: int, hashes: Sequence[bytes]) -> None:
        """The tree goes on with what stands right behind it: with a gap it ends."""
        if size == self.frontier.size < self._last:
            self.frontier = self.frontier.added(hashes)

    def _compare(self, size: int, hashes: Collection[bytes]) -> None:
        for anchor in self.compared:
            if anchor.head.size == size:
                self._met[anchor] = self._met.get(anchor, False) or anchor.head.hash in hashes
                if anchor.root and self.frontier.size == size and self.frontier.root != anchor.root:
                    self._misstated.add(anchor)


def _sources(anchors: Sequence[Anchor]) -> str:
    return " and ".join(anchor.source for anchor in anchors)
