"""Many paths of a long chain: the same as the path of each, from two readings in pieces of any size."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError
from apikeychain.rules.merkle import Frontier, inclusion_path
from apikeychain.rules.subtrees import LEAVES, Subtrees


def leaves(count: int) -> list[bytes]:
    return [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(count)]


@given(st.data())
def test_the_paths_are_those_of_the_whole_tree(data: st.DataObject) -> None:
    count, width = data.draw(st.integers(1, 70)), data.draw(st.sampled_from([1, 2, 4, 8, 16, 64, 128]))
    hashes, trees, rest = leaves(count), Subtrees(width), data.draw(st.lists(st.integers(0, 30)))
    done = 0
    for step in [*rest, count]:
        trees.add(hashes[done : done + step])
        done = min(done + step, count)
        assert trees.size == done
        assert trees.root == Frontier().added(hashes[:done]).root
    index = data.draw(st.integers(0, count - 1))
    around = trees.around(index)
    assert index in around
    assert around.start % width == 0
    paths = [*trees.paths(around.start, [hashes[place] for place in around])]
    assert paths == [tuple(inclusion_path(hashes, place, count)) for place in around]


@pytest.mark.parametrize("start", [0, 8, 16])
def test_leaves_that_were_not_added_have_no_paths(start: int) -> None:
    hashes, trees = leaves(20), Subtrees(8)
    trees.add(hashes)
    found = hashes[start : start + 8]
    for others in (found[:-1], found[::-1], [*found, hashes[0]], []):
        with pytest.raises(InvalidValueError, match=f"the entries behind {start} are not those that were read before"):
            trees.paths(start, others)


def test_a_subtree_is_a_node_of_the_tree() -> None:
    assert LEAVES.bit_count() == 1


def test_an_empty_tree_has_the_hash_of_nothing() -> None:
    assert Subtrees().root == hashlib.sha256().digest()
