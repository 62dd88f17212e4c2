"""A chain against what is known of it, as its hashes come: in pages, one by one, from the beginning or from a tree."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError
from apikeychain.model.ledger import Head
from apikeychain.model.ledger_report import Anchor, Manipulation
from apikeychain.rules.anchors import Anchors
from apikeychain.rules.checkpoints import signed_frontier
from apikeychain.rules.faults import Faults
from apikeychain.rules.merkle import Frontier
from signed_ledgers import ACME, frontier, said, written

BEGINNING = Head.empty(ACME)
HASHES = [hashlib.sha256(bytes([number])).digest() for number in range(40)]


def anchor(size: int, source: str = "a witness", root: bytes | None = b"", digest: bytes = b"") -> Anchor:
    """What is truly known of the first hashes, unless it says otherwise."""
    true = Frontier().added(HASHES[:size]).root
    return Anchor(
        source, Head(ACME, size, digest or HASHES[size - 1]), true if root == b"" else root, is_elsewhere=True
    )


def judged(anchors: Anchors, furthest: int, stored: Head | None = None) -> list[tuple[int, Manipulation, str]]:
    faults = Faults()
    anchors.judge(faults, furthest, stored)
    assert sum(faults.count.values()) >= len(faults.shown)
    return [(fault.seq, fault.manipulation, fault.reason) for fault in faults.shown]


@given(st.data())
def test_what_is_true_is_met_in_pages_of_any_size(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
    start = data.draw(st.integers(0, min(sizes)))
    head = Head(ACME, start, HASHES[start - 1]) if start else BEGINNING
    anchors = Anchors(head, [anchor(size) for size in sizes], Frontier().added(HASHES[:start]))
    done = start
    while done < 40:
        step = data.draw(st.integers(1, 40 - done))
        if data.draw(st.booleans()):
            anchors.pass_by(done, HASHES[done : done + step])
        else:
            for place in range(done + 1, done + step + 1):
                anchors.meet(place, HASHES[place - 1], {HASHES[place - 1]})
        done += step
    assert [one.head.size for one in anchors.compared] == sorted(sizes)
    assert judged(anchors, 40, Head(ACME, 40, HASHES[39])) == []


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_another_hash_or_another_tree_is_told_at_its_size(size: int, place: int, page: int) -> None:
    other = [*HASHES[: place - 1], bytes(32), *HASHES[place:]]
    anchors = Anchors(BEGINNING, [anchor(size)])
    for start in range(0, 40, page):
        anchors.pass_by(start, other[start : start + page])
    found = [(seq, manipulation) for seq, manipulation, _ in judged(anchors, 40)]
    expected = Manipulation.REPLACED if place == size else Manipulation.MISSTATED
    assert found == ([(size, expected)] if place <= size else [])


def test_a_tree_is_only_called_false_where_nothing_else_is_wrong() -> None:
    anchors = Anchors(BEGINNING, [anchor(5, root=bytes(32))])
    anchors.pass_by(0, HASHES)
    faults = Faults()
    faults.add(3, Manipulation.EDITED, "it was")
    anchors.judge(faults, 40, None)
    assert faults.count == {Manipulation.EDITED: 1}
    assert judged(anchors, 40) == [
        (
            5,
            Manipulation.MISSTATED,
            "it is the entry of a witness, where another tree is signed than that of the entries",
        )
    ]


def test_what_several_say_alike_is_told_once() -> None:
    anchors = Anchors(BEGINNING, [anchor(5, name, digest=bytes(32)) for name in ("one", "two")])
    anchors.pass_by(0, HASHES)
    reason = "its hash is not that of one and two: it, or one before it, was replaced with all behind it"
    assert judged(anchors, 40) == [(5, Manipulation.REPLACED, reason)]


def test_a_hash_that_may_be_wrong_meets_by_what_it_may_be() -> None:
    anchors = Anchors(BEGINNING, [anchor(2, root=None)])
    anchors.meet(1, HASHES[0], {HASHES[0]})
    anchors.meet(2, bytes(32), {HASHES[1]})
    assert judged(anchors, 2) == []
    anchors.meet(2, bytes(32), {bytes(32)})
    assert judged(anchors, 2) == []


@pytest.mark.parametrize(("furthest", "stored", "expected"), [(3, None, 4), (3, 3, 4), (3, 4, 4), (4, 2, 5)])
def test_a_chain_that_ends_before_the_furthest_that_is_known_was_rolled_back(
    furthest: int, stored: int | None, expected: int
) -> None:
    anchors = Anchors(BEGINNING, [anchor(5, "one"), anchor(7, "two"), anchor(7, "three")])
    anchors.pass_by(0, HASHES[:furthest])
    faults = Faults()
    anchors.judge(faults, furthest, None if stored is None else Head(ACME, stored, HASHES[0]))
    assert faults.count == {Manipulation.ROLLED_BACK: 7 - furthest}
    (fault,) = faults.shown
    assert (fault.seq, fault.reason) == (expected, "the chain ends before it, and had 7 entries by two and three")


def test_what_the_stored_head_still_counts_is_told_elsewhere() -> None:
    anchors = Anchors(BEGINNING, [anchor(5)])
    anchors.pass_by(0, HASHES[:3])
    assert judged(anchors, 3, Head(ACME, 5, HASHES[4])) == []


START = Head(ACME, 5, HASHES[4])


@pytest.mark.parametrize(
    ("furthest", "stored", "found"),
    [
        (5, Head(ACME, 2, HASHES[1]), {Manipulation.ROLLED_BACK: 3}),
        (5, Head(ACME, 5, HASHES[4]), {Manipulation.CUT: 1}),
        (5, Head(ACME, 8, HASHES[7]), {Manipulation.CUT: 4}),
        (5, None, {Manipulation.ROLLED_BACK: 1}),
        (6, Head(ACME, 6, HASHES[5]), {Manipulation.DELETED: 1}),
    ],
    ids=range(5),
)
def test_a_beginning_that_is_missing_is_told(
    furthest: int, stored: Head | None, found: dict[Manipulation, int]
) -> None:
    anchors = Anchors(START, [anchor(5)], Frontier().added(HASHES[:5]))
    assert not anchors.ends_before_start(5)
    anchors.begin(None)
    assert anchors.ends_before_start(furthest) is (furthest == 5)
    anchors.pass_by(5, HASHES[5:furthest])
    faults = Faults()
    anchors.judge(faults, furthest, stored)
    assert faults.count == found


def test_peaks_are_those_that_were_signed_or_none() -> None:
    entries = written(count=6)
    statement, edge = said(entries), frontier(entries)
    assert signed_frontier(statement, edge.peaks) == edge
    with pytest.raises(InvalidValueError, match=r"^the peaks that are stored beside it are not those of its tree$"):
        signed_frontier(statement, edge.peaks[::-1])
    with pytest.raises(InvalidValueError, match="not the peaks of a tree of 6 leaves"):
        signed_frontier(statement, edge.peaks[1:])
