"""What is said of each chain that moved, and what is signed for all of them at once."""

from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError, LedgerBrokenError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head
from apikeychain.proof.checkpoint import Statement, verify_checkpoint
from apikeychain.proof.note import Moment
from apikeychain.rules.checkpoints import checkpoints, has_moved, moment, require_signed, state
from apikeychain.rules.merkle import Frontier
from signed_ledgers import ACME, KEYS, NOON, ORIGIN, OTHER, SALT, TRUSTED, frontier, said, signed, written

ENTRIES = written(ACME, 10)
ITS = said(ENTRIES)


def broken(head: Head, tree: Frontier, statement: Statement) -> LedgerBrokenError:
    with pytest.raises(LedgerBrokenError) as error:
        require_signed(head, tree, statement)
    return error.value


def test_a_statement_says_where_the_chain_ends_and_what_is_in_it() -> None:
    tree = frontier(ENTRIES)
    at = NOON + timedelta(microseconds=7_999)
    assert state(ORIGIN, ENTRIES[-1].head, tree, at, SALT) == Statement(
        ORIGIN, "acme", 10, ENTRIES[-1].hash, tree.root, "2026-01-02T12:00:00.007Z", SALT
    )


def test_who_guesses_a_statement_without_its_salt_guesses_another_leaf() -> None:
    guessed = state(ORIGIN, ENTRIES[-1].head, frontier(ENTRIES), NOON, bytes(32))
    assert replace(guessed, salt=ITS.salt) == ITS
    assert moment([guessed, said(written(OTHER))]).root != moment([ITS, said(written(OTHER))]).root


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_salt_is_as_long_as_a_hash(length: int) -> None:
    with pytest.raises(InvalidValueError, match=f"32 bytes, not {length}"):
        state(ORIGIN, ENTRIES[-1].head, frontier(ENTRIES), NOON, bytes(length))


def test_there_is_no_statement_on_nothing_or_with_the_tree_of_another_size() -> None:
    empty, head, tree = Head.empty(ACME), ENTRIES[-1].head, frontier(ENTRIES)
    for arguments in (
        (empty, Frontier(), NOON),
        (head, frontier(ENTRIES[:9]), NOON),
        (head, tree, NOON.replace(tzinfo=None)),
    ):
        with pytest.raises(InvalidValueError, match="no statement on"):
            state(ORIGIN, *arguments, SALT)


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\n3", "g\u00e4te", "g" * 201], ids=range(6))
def test_a_statement_names_an_origin_that_a_note_can_name(origin: str) -> None:
    with pytest.raises(InvalidValueError, match="not the origin of a ledger"):
        state(origin, ENTRIES[-1].head, frontier(ENTRIES), NOON, SALT)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.randoms())
def test_all_chains_of_a_moment_are_signed_at_once_in_the_order_of_their_tenants(
    sizes: list[int], order: Random
) -> None:
    statements = [said(written(TenantId(f"t{n}"), size)) for n, size in enumerate(sizes)]
    shuffled = list(statements)
    order.shuffle(shuffled)
    assert moment(shuffled) == moment(statements)
    found = checkpoints(shuffled, KEYS.note(moment(statements)))
    by_tenant = sorted(statements, key=lambda statement: statement.tenant)
    assert [verify_checkpoint(checkpoint, TRUSTED) for checkpoint in found] == by_tenant
    assert [checkpoint.index for checkpoint in found] == list(range(len(sizes)))
    assert len({checkpoint.note for checkpoint in found}) == 1


def test_a_moment_is_signed_with_its_number_of_statements() -> None:
    other = said(written(OTHER, 2))
    leaves = [ITS.text.encode(), other.text.encode()]
    assert moment([other, ITS]) == Moment(ORIGIN, 2, Frontier().added(leaves).root, "2026-01-02T12:00:00.000Z")


@pytest.mark.parametrize(
    "statements",
    [
        [],
        [ITS, ITS],
        [ITS, said(ENTRIES[:9])],
        [ITS, said(written(OTHER), NOON + timedelta(seconds=1))],
        [ITS, said(written(OTHER), origin="other.example.com")],
    ],
    ids=["none", "one twice", "one tenant", "two moments", "two origins"],
)
def test_what_does_not_belong_together_is_not_signed_together(statements: list[Statement]) -> None:
    with pytest.raises(InvalidValueError, match="of one origin and moment, one for each tenant"):
        moment(statements)
    with pytest.raises(InvalidValueError, match="of one origin and moment, one for each tenant"):
        checkpoints(statements, "")


def test_a_chain_has_moved_once_it_has_more_entries_than_were_signed() -> None:
    assert not has_moved(Head.empty(ACME), None)
    assert has_moved(ENTRIES[0].head, None)
    assert has_moved(ENTRIES[9].head, said(ENTRIES[:9]))
    assert not has_moved(ENTRIES[9].head, ITS)


def test_a_chain_that_is_shorter_than_what_was_signed_is_broken() -> None:
    for size in (0, 1, 9):
        head = ENTRIES[size - 1].head if size else Head.empty(ACME)
        with pytest.raises(LedgerBrokenError) as error:
            has_moved(head, ITS)
        assert error.value.seq == size + 1
        assert error.value.reason == "it is missing, and a checkpoint of 2026-01-02T12:00:00.000Z signed 10 entries"


def test_a_chain_that_ends_otherwise_at_the_same_size_is_broken() -> None:
    with pytest.raises(LedgerBrokenError) as error:
        has_moved(written(ACME, 10, say="gap")[-1].head, ITS)
    assert error.value.seq == 10
    assert error.value.reason == "a checkpoint of 2026-01-02T12:00:00.000Z signed another entry in its place"


def test_a_chain_is_held_against_what_was_signed() -> None:
    require_signed(ENTRIES[-1].head, frontier(ENTRIES), ITS)
    anew = written(ACME, 10, say="gap")
    assert broken(anew[-1].head, frontier(anew), ITS).reason.endswith("signed another entry in its place")
    assert broken(ENTRIES[8].head, frontier(ENTRIES[:9]), ITS).seq == 9
    tenant = broken(written(OTHER)[-1].head, frontier(ENTRIES), ITS)
    assert (tenant.tenant, tenant.seq) == ("other", 10)
    for tree in (frontier(anew), frontier(ENTRIES[:9])):
        fault = broken(ENTRIES[-1].head, tree, ITS)
        assert (fault.tenant, fault.seq) == ("acme", 10)
        assert fault.reason == "a checkpoint of 2026-01-02T12:00:00.000Z signed other entries before it"
    assert broken(ENTRIES[-1].head, frontier(ENTRIES), replace(ITS, size=11)).seq == 10


def test_each_checkpoint_holds_the_one_note() -> None:
    first, second = signed(ITS, said(written(OTHER, 2)))
    assert first.note == second.note
    assert (first.path, second.path) != ((), ())
