"""The two Merkle trees: that of a chain, over its entries, and that of a moment, over statements on chains.

::

    an entry  SHA-256(hash of the entry before it || payload)
    a leaf    SHA-256(0x00 || leaf)
    a node    SHA-256(0x01 || left || right)

    the tree of a chain   its leaves are the 32-byte hashes of its entries, in their order
    the tree of a moment  its leaves are the statements on the chains that moved

Source: contracts 6; RFC 6962, section 2; RFC 9162, sections 2.1.3.2 and 2.1.4.2.
"""

import hashlib
from collections.abc import Sequence

from apikeychain.proof.reading import HASH_BYTES, require


def entry_hash(previous_hash: bytes, payload: bytes) -> bytes:
    """The hash of the entry with `payload` behind `previous_hash`."""
    return hashlib.sha256(previous_hash + payload).digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf in a tree."""
    return hashlib.sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of the node above two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


def verify_inclusion(
    leaf: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes, tree: str = "the tree"
) -> None:
    """Require that `leaf` stands at `index` in the tree of `size` leaves with that `root`.

    Args:
        leaf: as it was put into the tree, not its hash.
        index: counted from 0.
        size: how many leaves the tree has.
        path: the hashes beside the way from the leaf to the root.
        root: 32 bytes.
        tree: which one it is, for the text of the error.

    Raises:
        ProofError: it does not stand there, or `path` has a hash too many or too few.
    """
    _verify_path(leaf_hash(leaf), index=index, size=size, path=path, root=root, tree=tree)


def _verify_path(found: bytes, *, index: int, size: int, path: Sequence[bytes], root: bytes, tree: str) -> None:
    require(0 <= index < size, f"{tree} has {size} leaves, so none at {index}")
    _require_hashes(tree, found, root, *path)
    node, last = index, size - 1
    for step in path:
        require(last, f"the path through {tree} is too long")
        if node & 1 or node == last:
            found = node_hash(step, found)
            node, last = _past_left_edges(node, last)
        else:
            found = node_hash(found, step)
        node, last = node >> 1, last >> 1
    require(not last, f"the path through {tree} is too short")
    require(found == root, f"the path through {tree} leads to another root")


def verify_consistency(
    *, size: int, root: bytes, later_size: int, later_root: bytes, path: Sequence[bytes], tree: str = "the tree"
) -> None:
    """Require that the later tree begins with all leaves of the earlier one, in their order.

    Args:
        size: of the earlier tree, at least 1: an empty tree is the beginning of every other.
        root: of the earlier tree.
        later_size: at least `size`.
        later_root: of the later tree.
        path: empty where both sizes are one.
        tree: which one it is, for the text of the error.

    Raises:
        ProofError: it does not, or `path` has a hash too many or too few.
    """
    require(0 < size <= later_size, f"{tree} cannot have grown from {size} leaves to {later_size}")
    _require_hashes(tree, root, later_root, *path)
    too_long, too_short = (f"the path between two sizes of {tree} is too {word}" for word in ("long", "short"))
    other = f"the later {tree.removeprefix('the ')} is no extension of the earlier one"
    if size == later_size:
        require(not path, too_long)
        require(root == later_root, other)
        return
    require(path, too_short)
    # An earlier tree of a power of two leaves is a node of the later one, so its root is no part of the path.
    first, *steps = path if size & (size - 1) else (root, *path)
    node, last = _past_right_turns(size - 1, later_size - 1)
    earlier = later = first
    for step in steps:
        require(last, too_long)
        if node & 1 or node == last:
            earlier, later = node_hash(step, earlier), node_hash(step, later)
            node, last = _past_left_edges(node, last)
        else:
            later = node_hash(later, step)
        node, last = node >> 1, last >> 1
    require(not last, too_short)
    require((earlier, later) == (root, later_root), other)


def _past_left_edges(node: int, last: int) -> tuple[int, int]:
    """Up the levels at which a node at the right end of the tree has none beside it."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _past_right_turns(node: int, last: int) -> tuple[int, int]:
    """Up the levels at which the earlier tree is full."""
    while node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def _require_hashes(tree: str, *hashes: bytes) -> None:
    require(all(len(item) == HASH_BYTES for item in hashes), f"a hash of {tree} does not have {HASH_BYTES} bytes")
