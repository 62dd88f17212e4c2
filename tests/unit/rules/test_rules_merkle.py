"""The tree beside a chain: against the definitions of RFC 6962, written out, and against any change of a proof."""

import base64
import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError
from apikeychain.proof import tree
from apikeychain.proof.reading import HASH_BYTES, ProofError
from apikeychain.proof.tree import leaf_hash, verify_consistency, verify_inclusion
from apikeychain.rules.merkle import (
    Frontier,
    Growth,
    consistency_from,
    consistency_path,
    inclusion_path,
    inclusion_paths,
)
from outside import cases

MOST = 33
# The leaves and roots by which logs of certificates are tested (google/certificate-transparency, merkle tree tests).
KNOWN_LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
KNOWN_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(count)]


def split(size: int) -> int:
    left = 1
    while left * 2 < size:
        left *= 2
    return left


def mth(data: list[bytes]) -> bytes:
    """RFC 6962, 2.1."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = split(len(data))
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def audit_path(m: int, data: list[bytes]) -> list[bytes]:
    """RFC 6962, 2.1.1."""
    if len(data) == 1:
        return []
    k = split(len(data))
    if m < k:
        return [*audit_path(m, data[:k]), mth(data[k:])]
    return [*audit_path(m - k, data[k:]), mth(data[:k])]


def subproof(m: int, data: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, 2.1.2."""
    if m == len(data):
        return [] if whole else [mth(data)]
    k = split(len(data))
    if m <= k:
        return [*subproof(m, data[:k], whole), mth(data[k:])]
    return [*subproof(m - k, data[k:], False), mth(data[:k])]


def refuses(verify: Callable[..., None], **arguments: Any) -> str:
    with pytest.raises(ProofError) as error:
        verify(**arguments)
    return str(error.value)


@pytest.mark.parametrize("size", KNOWN_ROOTS)
def test_the_root_is_the_one_that_others_publish(size: int) -> None:
    assert Frontier().added(KNOWN_LEAVES[:size]).root.hex() == KNOWN_ROOTS[size]


@pytest.mark.parametrize("size", range(MOST))
def test_every_root_and_path_is_that_of_the_definition(size: int) -> None:
    data = leaves(size)
    assert Frontier().added(data).root == mth(data)
    paths = [audit_path(index, data) for index in range(size)]
    assert inclusion_paths(data) == paths
    assert [inclusion_path(data, index, size) for index in range(size)] == paths
    for earlier in range(1, size + 1):
        assert consistency_path(iter(data), earlier, size) == subproof(earlier, data, True)


@given(st.lists(st.integers(0, 40), max_size=5))
def test_a_tree_that_grew_in_steps_is_the_one_that_grew_at_once(steps: list[int]) -> None:
    data, frontier = leaves(sum(steps)), Frontier()
    rest = iter(data)
    for step in steps:
        frontier = frontier.added(next(rest) for _ in range(step))
    assert frontier == Frontier().added(data)
    assert frontier.size == len(data)


def test_a_frontier_goes_on_from_its_size_and_peaks_alone() -> None:
    kept = Frontier().added(leaves(1000))
    assert len(kept.peaks) == 6
    again = Frontier(kept.size, kept.peaks).added(leaves(1003)[1000:])
    assert again.root == mth(leaves(1003))


@pytest.mark.parametrize(
    ("size", "peaks"),
    [(-1, (bytes(32),)), (1, ()), (3, (bytes(32),)), (0, (bytes(32),)), (1, (bytes(31),)), (3, (bytes(32), b""))],
    ids=["negative", "none", "one of two", "one of none", "short", "empty"],
)
def test_what_cannot_be_peaks_is_no_frontier(size: int, peaks: tuple[bytes, ...]) -> None:
    with pytest.raises(InvalidValueError, match=f"not the peaks of a tree of {size} leaves"):
        Frontier(size, peaks)


def test_a_path_that_cannot_be_is_refused_and_never_made_up() -> None:
    for index, size in ((-1, 3), (3, 3), (0, 0)):
        with pytest.raises(InvalidValueError, match="has none at"):
            inclusion_path(leaves(3), index, size)
    for size, later in ((0, 3), (-1, 3), (4, 3)):
        with pytest.raises(InvalidValueError, match="does not grow"):
            consistency_path(leaves(4), size, later)
    with pytest.raises(InvalidValueError, match="there are no 7 leaves"):
        inclusion_path(leaves(6), 0, 7)
    with pytest.raises(InvalidValueError, match="there are no 9 leaves"):
        consistency_path(leaves(8), 5, 9)


@given(st.data())
def test_every_inclusion_verifies_and_none_that_was_changed(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    index = data.draw(st.integers(0, size - 1))
    all_leaves = leaves(size)
    path, root = inclusion_path(all_leaves, index, size), Frontier().added(all_leaves).root
    verify = partial(refuses, verify_inclusion)
    verify_inclusion(all_leaves[index], index=index, size=size, path=path, root=root)
    wrong = data.draw(st.integers(-3, 2 * size).filter(lambda number: number != index))
    verify(leaf=all_leaves[index], index=wrong, size=size, path=path, root=root)
    verify(leaf=flipped(all_leaves[index], data), index=index, size=size, path=path, root=root)
    verify(leaf=all_leaves[index], index=index, size=size, path=path, root=flipped(root, data))
    verify(leaf=all_leaves[index], index=index, size=size, path=[*path, root], root=root)
    verify(leaf=all_leaves[index], index=index, size=size, path=[root, *path], root=root)
    if path:
        verify(leaf=all_leaves[index], index=index, size=size, path=path[1:], root=root)
        verify(leaf=all_leaves[index], index=index, size=size, path=path[:-1], root=root)
        verify(leaf=all_leaves[index], index=index, size=size, path=changed(path, data), root=root)


@given(st.data())
def test_every_extension_verifies_and_none_that_was_changed(data: st.DataObject) -> None:
    later_size = data.draw(st.integers(1, 300))
    size = data.draw(st.integers(1, later_size))
    all_leaves = leaves(later_size)
    root, later_root = Frontier().added(all_leaves[:size]).root, Frontier().added(all_leaves).root
    good: dict[str, Any] = {
        "size": size,
        "root": root,
        "later_size": later_size,
        "later_root": later_root,
        "path": consistency_path(all_leaves, size, later_size),
    }
    verify_consistency(**good)
    verify = partial(refuses, verify_consistency)
    verify(**good | {"root": flipped(root, data)})
    verify(**good | {"later_root": flipped(later_root, data)})
    verify(**good | {"path": [*good["path"], root]})
    verify(**good | {"path": [root, *good["path"]]})
    if good["path"]:
        verify(**good | {"path": good["path"][1:]})
        verify(**good | {"path": good["path"][:-1]})
        verify(**good | {"path": changed(good["path"], data)})
        verify(**good | {"root": later_root, "later_root": root})


@given(st.data())
def test_a_tree_is_no_extension_of_one_with_another_leaf(data: st.DataObject) -> None:
    later_size = data.draw(st.integers(2, 200))
    size = data.draw(st.integers(1, later_size - 1))
    earlier, later = leaves(size), leaves(later_size)
    place = data.draw(st.integers(0, size - 1))
    later[place] = flipped(later[place], data)
    refuses(
        verify_consistency,
        size=size,
        root=Frontier().added(earlier).root,
        later_size=later_size,
        later_root=Frontier().added(later).root,
        path=consistency_path(later, size, later_size),
    )


def test_one_proof_is_good_for_one_pair_of_sizes() -> None:
    data = leaves(40)
    roots = {size: Frontier().added(data[:size]).root for size in range(1, 41)}
    for size, later in ((3, 7), (4, 8), (8, 13), (20, 40)):
        path = consistency_path(data, size, later)
        pairs = [(one, other) for one in roots for other in roots]
        assert [pair for pair in pairs if _holds(pair[0], roots[pair[0]], pair[1], roots[pair[1]], path)] == [
            (size, later)
        ]


def _holds(size: int, root: bytes, later_size: int, later_root: bytes, path: list[bytes]) -> bool:
    try:
        verify_consistency(size=size, root=root, later_size=later_size, later_root=later_root, path=path)
    except ProofError:
        return False
    return True


def flipped(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    return bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(value))


def changed(path: list[bytes], data: st.DataObject) -> list[bytes]:
    place = data.draw(st.integers(0, len(path) - 1))
    return [flipped(step, data) if at == place else step for at, step in enumerate(path)]


def test_a_failure_says_what_does_not_hold() -> None:
    one, two = leaves(2)
    root = Frontier().added([one, two]).root
    inclusion = partial(refuses, verify_inclusion, leaf=one, tree="the tree of the chain")
    other = leaf_hash(two)
    assert inclusion(index=2, size=2, path=[other], root=root) == "the tree of the chain has 2 leaves, so none at 2"
    assert inclusion(index=0, size=2, path=[], root=root) == "the path through the tree of the chain is too short"
    assert inclusion(index=0, size=2, path=[other, other], root=root).endswith("is too long")
    assert inclusion(index=1, size=2, path=[other], root=root).endswith("leads to another root")
    assert inclusion(index=0, size=2, path=[b""], root=root) == "a hash of the tree of the chain does not have 32 bytes"
    assert inclusion(index=0, size=2, path=[other], root=root[1:]).endswith("does not have 32 bytes")
    extension = partial(refuses, verify_consistency, size=1, root=leaf_hash(one), later_root=root)
    assert extension(later_size=0, path=[]) == "the tree cannot have grown from 1 leaves to 0"
    assert extension(later_size=2, path=[]) == "the path between two sizes of the tree is too short"
    assert extension(later_size=4, path=[other]).endswith("is too short")
    assert extension(later_size=2, path=[other, other]).endswith("is too long")
    assert extension(later_size=1, path=[other]).endswith("is too long")
    assert extension(later_size=2, path=[root]) == "the later tree is no extension of the earlier one"
    assert extension(later_size=2, path=[b""]) == "a hash of the tree does not have 32 bytes"


def _bytes(text: str) -> bytes:
    return base64.b64decode(text or "")


def _id(case: dict[str, Any]) -> str:
    return str(case["id"])


@pytest.mark.parametrize("case", cases("merkle_rfc6962_proofs"), ids=_id)
def test_the_proofs_of_others_are_judged_as_they_say(case: dict[str, Any]) -> None:
    data = case["data"]
    path = [_bytes(step) for step in data["proof"] or ()]
    if case["category"] == "inclusion":
        roots = [_bytes(data["root"])]
        of = {"index": data["leafIdx"], "size": data["treeSize"], "root": roots[0]}
        verify = partial(tree._verify_path, _bytes(data["leafHash"]), path=path, tree="the tree", **of)
    else:
        roots = [_bytes(data["root1"]), _bytes(data["root2"])]
        sizes = {"size": data["size1"], "later_size": data["size2"]}
        verify = partial(verify_consistency, root=roots[0], later_root=roots[1], path=path, **sizes)
    # One case accepts a text as a root: here a root has 32 bytes.
    if case["expect"] == "accept" and all(len(root) == HASH_BYTES for root in roots):
        verify()
    else:
        refuses(verify)


@given(size=st.integers(1, 200), more=st.integers(0, 200), pages=st.lists(st.integers(0, 50), max_size=8))
def test_a_path_from_a_frontier_is_that_from_all_leaves_however_they_come(
    size: int, more: int, pages: list[int]
) -> None:
    data = leaves(size + more)
    frontier, rest = Frontier().added(data[:size]), data[size:]
    wanted = consistency_path(data, size, size + more)
    assert consistency_from(frontier, rest, size + more) == wanted
    assert consistency_from(frontier, rest + leaves(3), size + more) == wanted
    growth = Growth(frontier, size + more)
    for page in pages:
        growth.add(rest[:page])
        rest = rest[page:]
    growth.add(rest)
    assert growth.path == wanted


def test_a_path_from_a_frontier_needs_every_leaf_and_a_tree_that_grows() -> None:
    frontier = Frontier().added(leaves(5))
    with pytest.raises(InvalidValueError, match="there are no 12 leaves"):
        consistency_from(frontier, leaves(6), 12)
    for start, later in ((Frontier(), 3), (frontier, 4)):
        with pytest.raises(InvalidValueError, match="does not grow"):
            consistency_from(start, [], later)
