"""The faults of a chain are gathered within bounds."""

from apikeychain.model.ledger_report import Fault, Manipulation
from apikeychain.rules.faults import SHOWN, Faults

DELETED, INSERTED, REORDERED = Manipulation.DELETED, Manipulation.INSERTED, Manipulation.REORDERED


def test_what_is_found_again_was_moved() -> None:
    faults = Faults()
    faults.miss(3, 7)
    assert faults.find(5, "there")
    assert not faults.find(5, "there")
    assert not faults.find(8, "there")
    assert faults.count == {DELETED: 4, REORDERED: 1}
    assert list(faults.shown) == [
        Fault(3, DELETED, "the entries 3 to 4 are missing"),
        Fault(5, REORDERED, "it stands there"),
        Fault(6, DELETED, "the entries 6 to 7 are missing"),
    ]
    assert [faults.find(seq, "there") for seq in (3, 4, 6, 7)] == [True] * 4
    assert faults.count == {REORDERED: 5}


def test_one_that_is_missing_is_told_as_one() -> None:
    faults = Faults()
    faults.miss(3, 3)
    assert [fault.reason for fault in faults.shown] == ["it is missing"]


def test_what_stands_outside_the_chain_before_it_is_missed_was_moved() -> None:
    faults = Faults()
    faults.stray(4, "there")
    faults.stray(9, "there")
    faults.miss(4, 5)
    faults.settle()
    assert faults.count == {DELETED: 1, INSERTED: 1, REORDERED: 1}
    assert [fault.seq for fault in faults.shown] == [4, 5, 9]


def test_an_end_that_stands_outside_was_moved_and_not_cut() -> None:
    faults = Faults()
    faults.stray(9, "there")
    faults.cut(10, 12)
    faults.cut(9, 9)
    assert faults.count == {Manipulation.CUT: 3, REORDERED: 1}


def test_what_is_remembered_is_bounded_and_what_is_counted_is_not() -> None:
    faults = Faults()
    for seq in range(1, 3001):
        faults.stray(seq, "there")
    assert faults.count == {INSERTED: 3000}
    faults.miss(1, 3000)
    assert faults.count == {DELETED: 2000, INSERTED: 2000, REORDERED: 1000}
    for seq in range(1, 2001):
        faults.miss(10 * seq, 10 * seq)
    assert faults.count[DELETED] == 4000
    assert len(faults.shown) == SHOWN
    assert faults.many
