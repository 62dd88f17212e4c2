"""The paths of many entries of a long chain, in two readings and little memory.

The tree is cut into subtrees of as many leaves, a power of two, of which the last may have fewer. The first reading
keeps the root of each. The second has the leaves of one subtree at a time: the path of a leaf is that within its
subtree, and the one from there through the roots.

Source: contracts 6; RFC 6962, section 2.1.1 (a tree is cut behind powers of two, so subtrees of such a size are whole
nodes of it).
"""

from collections.abc import Iterator, Sequence

from apikeychain.errors import InvalidValueError
from apikeychain.proof.tree import node_hash
from apikeychain.rules.merkle import Frontier, inclusion_paths

LEAVES = 1024


class Subtrees:
    """The roots of the subtrees of a tree, as its leaves are read the first time.

    Args:
        leaves: of each subtree: a power of two.

    Attributes:
        size: how many leaves the tree has.
    """

    def __init__(self, leaves: int = LEAVES) -> None:
        self._leaves, self.size = leaves, 0
        self._full: list[bytes] = []
        self._open = Frontier()
        self._levels: list[list[bytes]] = []

    def add(self, leaves: Sequence[bytes]) -> None:
        """The next leaves, of however many subtrees."""
        self._levels.clear()
        self.size += len(leaves)
        while leaves:
            room = self._leaves - self._open.size
            self._open, leaves = self._open.added(leaves[:room]), leaves[room:]
            if self._open.size == self._leaves:
                self._full.append(self._open.root)
                self._open = Frontier()

    @property
    def root(self) -> bytes:
        """Of the whole tree."""
        return self._above()[-1][0]

    def around(self, index: int) -> range:
        """The leaves of the subtree in which the leaf at `index`, counted from 0, stands."""
        start = index - index % self._leaves
        return range(start, min(start + self._leaves, self.size))

    def paths(self, start: int, leaves: Sequence[bytes]) -> Iterator[tuple[bytes, ...]]:
        """The path of each leaf of one subtree, in the tree of all leaves that were added.

        Args:
            start: the index of its first leaf.
            leaves: all of its leaves.

        Raises:
            InvalidValueError: they are not those that were added.
        """
        place, levels = start // self._leaves, self._above()
        if Frontier().added(leaves).root != levels[0][place]:
            msg = f"the entries behind {start} are not those that were read before"
            raise InvalidValueError(msg)
        beside = [(level, (place >> height) ^ 1) for height, level in enumerate(levels)]
        above = tuple(level[node] for level, node in beside if node < len(level))
        return ((*within, *above) for within in inclusion_paths(leaves))

    def _above(self) -> list[list[bytes]]:
        """The nodes above the subtrees, level by level, from their roots to that of the tree."""
        if not self._levels:
            last = [self._open.root] if self._open.size or not self._full else []
            self._levels.append([*self._full, *last])
            while len(below := self._levels[-1]) > 1:
                paired = [node_hash(left, right) for left, right in zip(below[::2], below[1::2], strict=False)]
                self._levels.append(paired + below[2 * len(paired) :])
        return self._levels
