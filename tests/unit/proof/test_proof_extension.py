"""What a witness keeps: pure, and never anything but a ProofError for what it does not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.ports.witness import Extension
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.extension import is_news, new_key_lists, read_members, read_witnessed
from apikeychain.proof.reading import ProofError, canonical_json, read_path
from apikeychain.testing.checkpoints import KEYS, NEXT_KEYS, OTHER, extension, key_list, said, signed, written

CHAIN = written(count=40)
KEPT = extension(CHAIN[:8], 0, 1).checkpoint
FIRST = key_list(KEYS)
SECOND = key_list(NEXT_KEYS, KEYS, minutes=1)


def moved(size: int, since: int, minutes: float = 2) -> bool:
    later = extension(CHAIN[:size], since, minutes)
    return is_news(KEPT, later.checkpoint, since=since, path=later.path)


@given(size=st.integers(1, 40), since=st.integers(1, 40))
def test_every_larger_size_goes_on_and_no_smaller_one(size: int, since: int) -> None:
    if since <= size:
        later = extension(CHAIN[:size], since, 2)
        earlier = extension(CHAIN[:since]).checkpoint
        assert is_news(earlier, later.checkpoint, since=since, path=later.path)
    else:
        later = extension(CHAIN[:size], 0, 2)
        with pytest.raises(ProofError, match=f"cannot have grown from {since} leaves to {size}"):
            is_news(extension(CHAIN[:since]).checkpoint, later.checkpoint, since=0, path=later.path)


def test_the_first_one_may_have_any_size() -> None:
    first = extension(CHAIN)
    assert is_news(None, first.checkpoint, since=0, path=())
    for since, path in ((8, ()), (0, (bytes(32),))):
        with pytest.raises(ProofError, match="none are witnessed of this chain"):
            is_news(None, first.checkpoint, since=since, path=path)


def test_the_same_statement_is_kept_already_whatever_is_said_of_it() -> None:
    assert not is_news(KEPT, KEPT, since=0, path=())
    assert not is_news(KEPT, replace(KEPT, note="signed again"), since=3, path=(b"",))


def test_the_same_size_at_a_later_moment_is_news() -> None:
    assert moved(8, 8)


@pytest.mark.parametrize(
    ("later", "since", "path", "why"),
    [
        (extension(CHAIN[:12], 4, 2), 4, None, "it goes on from 4 entries, and 8 are witnessed of this chain"),
        (extension(CHAIN[:12], 8, 0), 8, None, "of an earlier moment"),
        (extension(CHAIN[:12], 8, 2), 8, (), "too short"),
        (extension(CHAIN[:12], 8, 2), 8, (bytes(31),), "does not have 32 bytes"),
        (extension(written(count=12, say="refusals"), 8, 2), 8, None, "no extension of the earlier one"),
    ],
    ids=["another since", "earlier", "no path", "a short hash", "anew"],
)
def test_what_does_not_go_on_is_told(later: Extension, since: int, path: tuple[bytes, ...] | None, why: str) -> None:
    with pytest.raises(ProofError, match=why):
        is_news(KEPT, later.checkpoint, since=since, path=later.path if path is None else path)


@given(st.text())
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(ProofError):
        is_news(KEPT, Checkpoint(text, 0, (), ""), since=8, path=())


_PART = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers() | st.text())


@given(_PART | st.dictionaries(st.sampled_from(["index", "path", "statement", "note"]), _PART))
def test_no_json_is_read_as_a_checkpoint_by_chance(found: object) -> None:
    with pytest.raises(ProofError):
        read_witnessed(found, "")


def test_members_come_back_as_the_checkpoint() -> None:
    for checkpoint in signed(said(CHAIN), said(written(OTHER, 3))):
        assert read_witnessed(checkpoint.members, checkpoint.note) == checkpoint
        assert canonical_json(checkpoint.members)
    with pytest.raises(ProofError, match="has a hash that is not 64"):
        read_path(["0"], "the checkpoint")
    with pytest.raises(ProofError, match="no JSON object"):
        read_members([], {}, "it")


def test_key_lists_are_added_behind_those_that_are_there() -> None:
    assert new_key_lists([], [FIRST, SECOND]) == [FIRST, SECOND]
    assert new_key_lists([FIRST], [FIRST, SECOND]) == [SECOND]
    assert new_key_lists([FIRST, SECOND], [FIRST]) == []
    assert new_key_lists([FIRST], []) == []


@pytest.mark.parametrize(
    ("given_", "why"),
    [
        ([SECOND], "are not those that are witnessed"),
        ([SECOND, FIRST], "are not those that are witnessed"),
        ([FIRST, key_list(NEXT_KEYS, minutes=1)], "no Ed25519 signature"),
        ([FIRST, SECOND, "x"], "the form of a key list"),
    ],
    ids=["another", "another order", "not vouched for", "no list"],
)
def test_other_key_lists_are_refused(given_: list[str], why: str) -> None:
    with pytest.raises(ProofError, match=why):
        new_key_lists([FIRST], given_)


def test_a_statement_that_is_no_longer_one_does_not_pass() -> None:
    statement = Statement.parse(KEPT.statement)
    with pytest.raises(ProofError):
        is_news(None, replace(KEPT, statement=replace(statement, size=0).text), since=0, path=())
