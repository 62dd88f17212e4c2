"""The Merkle tree beside a chain: how it grows, and the paths by which others verify it.

A tree that only grows is known by its peaks: the roots of the full subtrees of which it is made, one for each bit of
its size. They are all that has to be kept to go on. Paths need the leaves anew; they are read once, in their order,
and no more than the peaks of one subtree are held at a time. `apikeychain.proof` verifies.

Source: contracts 6; RFC 6962, sections 2.1 to 2.1.2.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import islice

from apikeychain.errors import InvalidValueError
from apikeychain.proof.reading import HASH_BYTES
from apikeychain.proof.tree import leaf_hash, node_hash

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree, which is all that it needs to grow.

    Attributes:
        size: how many leaves there are.
        peaks: the roots of the full subtrees, the largest first.

    Raises:
        InvalidValueError: there are not as many peaks as `size` has bits, or one does not have 32 bytes.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        fits = self.size >= 0 and len(self.peaks) == self.size.bit_count()
        if not fits or any(len(peak) != HASH_BYTES for peak in self.peaks):
            msg = f"these are not the peaks of a tree of {self.size} leaves"
            raise InvalidValueError(msg)

    def added(self, leaves: Iterable[bytes]) -> "Frontier":
        """The frontier with these leaves behind those that are there."""
        size, peaks = self.size, list(self.peaks)
        for leaf in leaves:
            peaks.append(leaf_hash(leaf))
            full = size
            while full & 1:
                right = peaks.pop()
                peaks[-1] = node_hash(peaks[-1], right)
                full >>= 1
            size += 1
        return Frontier(size, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The root of the tree. One without leaves has the hash of nothing."""
        if not self.peaks:
            return hashlib.sha256().digest()
        return reduce(lambda right, left: node_hash(left, right), reversed(self.peaks))


def inclusion_path(leaves: Iterable[bytes], index: int, size: int) -> list[bytes]:
    """The path of the leaf at `index`, counted from 0, in the tree of the first `size` leaves.

    Args:
        leaves: at least `size`, in their order; they are read once.
        index: below `size`.
        size: of the tree.

    Raises:
        InvalidValueError: there is no such leaf, or `leaves` ends before one that the path needs.
    """
    if not 0 <= index < size:
        msg = f"a tree of {size} leaves has none at {index}"
        raise InvalidValueError(msg)
    ranges: list[Range] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _left_size(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return _roots(leaves, ranges[::-1])


def consistency_path(leaves: Iterable[bytes], size: int, later_size: int) -> list[bytes]:
    """The path between the trees of the first `size` and of the first `later_size` leaves.

    Args:
        leaves: at least `later_size`, in their order; they are read once.
        size: of the earlier tree, at least 1.
        later_size: at least `size`.

    Raises:
        InvalidValueError: no such trees, or `leaves` ends before one that the path needs.
    """
    return _roots(leaves, _ranges_between(size, later_size))


def consistency_from(frontier: Frontier, leaves: Iterable[bytes], later_size: int) -> list[bytes]:
    """The same path, where the frontier of the earlier tree is known: nothing that stands in it is read again.

    Args:
        frontier: of the earlier tree, with at least 1 leaf.
        leaves: at least those of the later tree that the earlier one does not have, in their order.
        later_size: at least the size of the earlier one.

    Raises:
        InvalidValueError: no such trees, or `leaves` ends before one that the path needs.
    """
    growth = Growth(frontier, later_size)
    growth.add(leaves)
    return growth.path


class Growth:
    """The path from a tree to one that it grows into, made while the new leaves are read.

    Args:
        frontier: of the earlier tree, with at least 1 leaf.
        later_size: at least the size of the earlier one.

    Raises:
        InvalidValueError: no such trees.
    """

    def __init__(self, frontier: Frontier, later_size: int) -> None:
        self._ranges = _ranges_between(frontier.size, later_size)
        # Those of the earlier tree are its peaks, or there are none where its root is all that is needed.
        earlier = sorted(one for one in self._ranges if one[1] <= frontier.size)
        self._roots = dict(zip(earlier, frontier.peaks, strict=False))
        self._missing = sorted(one for one in self._ranges if one[1] > frontier.size)
        self._open = Frontier()

    def add(self, leaves: Iterable[bytes]) -> None:
        """Read the next leaves; those behind the later tree are of no use."""
        rest = iter(leaves)
        while self._missing:
            start, end = self._missing[0]
            self._open = self._open.added(islice(rest, end - start - self._open.size))
            if self._open.size < end - start:
                return
            self._roots[self._missing.pop(0)] = self._open.root
            self._open = Frontier()

    @property
    def path(self) -> list[bytes]:
        """The path, once all leaves were read.

        Raises:
            InvalidValueError: one is missing.
        """
        if self._missing:
            msg = f"there are no {self._missing[-1][1]} leaves"
            raise InvalidValueError(msg)
        return [self._roots[one] for one in self._ranges]


def _ranges_between(size: int, later_size: int) -> list[Range]:
    """The subtrees whose roots are the path between two sizes, in its order."""
    if not 0 < size <= later_size:
        msg = f"a tree does not grow from {size} leaves to {later_size}"
        raise InvalidValueError(msg)
    ranges: list[Range] = []
    start, end = 0, later_size
    while end != size:
        middle = start + _left_size(end - start)
        if size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    # What is left is the right end of the earlier tree; where it is all of it, its root is known.
    if start:
        ranges.append((start, end))
    return ranges[::-1]


def inclusion_paths(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """The path of every leaf in the tree of them all, each node made once."""
    levels = [[leaf_hash(leaf) for leaf in leaves]]
    while len(levels[-1]) > 1:
        levels.append(_level_above(levels[-1]))
    return [_path_through(levels, index) for index in range(len(leaves))]


def _level_above(level: list[bytes]) -> list[bytes]:
    """Its nodes in pairs; one without a neighbour goes up as it is."""
    paired = [node_hash(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
    return paired + level[2 * len(paired) :]


def _path_through(levels: list[list[bytes]], index: int) -> list[bytes]:
    beside = [(level, (index >> height) ^ 1) for height, level in enumerate(levels)]
    return [level[place] for level, place in beside if place < len(level)]


def _left_size(size: int) -> int:
    """The largest power of two below `size`: so many leaves stand in the left subtree."""
    return 1 << ((size - 1).bit_length() - 1)


def _roots(leaves: Iterable[bytes], ranges: list[Range]) -> list[bytes]:
    """The roots of the subtrees above these ranges of leaves, which do not overlap."""
    rest, place = iter(leaves), 0
    roots: dict[Range, bytes] = {}
    for start, end in sorted(ranges):
        frontier = Frontier().added(islice(rest, start - place, end - place))
        if frontier.size != end - start:
            msg = f"there are no {end} leaves"
            raise InvalidValueError(msg)
        roots[start, end], place = frontier.root, end
    return [roots[one] for one in ranges]
