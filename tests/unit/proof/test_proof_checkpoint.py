"""Checkpoints: a statement follows from a signed note, and one checkpoint extends another."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.ledger import JSON, canonical_json
from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint, verify_extension
from apikeychain.proof.reading import ProofError
from apikeychain.rules.checkpoints import moment
from apikeychain.rules.merkle import consistency_path
from signed_ledgers import ACME, KEYS, NOON, OTHER, PLATFORM, SALT, TRUSTED, said, signed, written

STATEMENTS = [said(written(ACME)), said(written(OTHER, 4)), said(written(PLATFORM, 1))]
CHECKPOINTS = signed(*STATEMENTS)
GOOD, ITS = CHECKPOINTS[0], STATEMENTS[0]
DOCUMENT: dict[str, JSON] = {
    "v": 1,
    "origin": ITS.origin,
    "tenant": "acme",
    "size": 10,
    "head": ITS.head.hex(),
    "root": ITS.root.hex(),
    "at": "2026-01-02T12:00:00.000Z",
    "salt": SALT.hex(),
}


def refused(checkpoint: Checkpoint) -> str:
    with pytest.raises(ProofError) as error:
        verify_checkpoint(checkpoint, TRUSTED)
    return str(error.value)


def test_each_chain_of_a_moment_has_its_statement() -> None:
    assert [verify_checkpoint(checkpoint, TRUSTED) for checkpoint in CHECKPOINTS] == STATEMENTS


def test_a_moment_with_one_chain_is_signed_too() -> None:
    (checkpoint,) = signed(ITS)
    assert checkpoint.path == ()
    assert verify_checkpoint(checkpoint, TRUSTED) == ITS


def test_a_statement_is_canonical_json() -> None:
    assert ITS.text.encode() == canonical_json(DOCUMENT)
    assert Statement.parse(ITS.text) == ITS


def test_a_statement_is_good_with_its_own_path_index_and_note_only() -> None:
    other = CHECKPOINTS[1]
    assert refused(replace(GOOD, statement=other.statement)).endswith("leads to another root")
    assert refused(replace(GOOD, path=other.path)).endswith("leads to another root")
    assert refused(replace(GOOD, index=1)).endswith("leads to another root")
    assert refused(replace(GOOD, index=3)) == "the tree of the moment has 3 leaves, so none at 3"
    assert refused(replace(GOOD, index=-1)) == "the tree of the moment has 3 leaves, so none at -1"
    assert refused(replace(GOOD, path=GOOD.path[:-1])).endswith("is too short")
    assert refused(replace(GOOD, note=signed(STATEMENTS[1])[0].note)).endswith("is too long")


def test_the_signatures_are_judged_first() -> None:
    assert "does not hold" in refused(Checkpoint("nonsense", 9, (), GOOD.note.replace("\n3\n", "\n4\n")))


def test_statement_and_note_are_of_one_origin_and_moment() -> None:
    later = replace(ITS, at="2026-01-02T12:01:00.000Z")
    (checkpoint,) = signed(later)
    moved = replace(checkpoint, note=checkpoint.note.replace("at 2026-01-02T12:01", "at 2026-01-02T12:02"))
    assert "does not hold" in refused(moved)
    other = KEYS.note(moment([replace(later, at=ITS.at)]))
    assert refused(Checkpoint(later.text, 0, (), other)) == "the statement is of another moment than the note"
    foreign = replace(ITS, origin="other.example.com")
    assert refused(Checkpoint(foreign.text, 0, (), other)) == "the statement is of another origin than the note"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"v": 2}, "the version of the statement is unknown"),
        ({"v": True}, "the statement has other members than v, origin, tenant, size, head, root, at, salt"),
        ({"size": 0}, "the statement is on a chain without entries"),
        ({"size": -1}, "the statement is on a chain without entries"),
        ({"size": "10"}, "the statement has other members"),
        ({"more": 1}, "the statement has other members"),
        ({"tenant": None}, "the statement has other members"),
        ({"at": "2026-01-02T12:00:00Z"}, "the moment of the statement is not RFC 3339 with three decimals"),
        ({"at": "2026-01-02T12:00:00.000Z\n"}, "the moment of the statement"),
        ({"head": "0" * 63}, "the statement has a hash that is not 64 lower-case hex digits"),
        ({"root": ITS.root.hex().upper()}, "the statement has a hash"),
        ({"salt": SALT.hex()[:32]}, "the statement has a hash"),
        ({"salt": None}, "the statement has other members"),
    ],
    ids=range(13),
)
def test_a_statement_has_one_form(changes: dict[str, JSON], fault: str) -> None:
    with pytest.raises(ProofError) as error:
        Statement.parse(canonical_json({**DOCUMENT, **changes}).decode())
    assert str(error.value).startswith(fault)


@pytest.mark.parametrize(
    "text",
    ["", "[]x", "{", '{"v":1,"v":1}', '{"v":1.0}', '{"v":NaN}', '{"v":"\\ud800"}', "[" * 100_000, '{"v":1', "﻿{}"],
    ids=range(10),
)
def test_a_text_that_is_not_json_with_one_reading_is_no_statement(text: str) -> None:
    with pytest.raises(ProofError, match="the statement is not JSON with one reading"):
        Statement.parse(text)


def test_json_that_is_not_canonical_or_no_object_is_no_statement() -> None:
    for text in (ITS.text + " ", ITS.text.replace(":", ": "), ITS.text.replace("acme", "\\u0061cme")):
        with pytest.raises(ProofError, match="the statement is not canonical JSON"):
            Statement.parse(text)
    with pytest.raises(ProofError, match="the statement is no JSON object"):
        Statement.parse("[]")


def extends(earlier: Statement, later: Statement, path: list[bytes]) -> str:
    try:
        verify_extension(earlier, later, path)
    except ProofError as error:
        return str(error)
    return ""


@given(st.integers(1, 60), st.integers(0, 60))
def test_a_chain_that_went_on_extends_every_checkpoint_before(size: int, more: int) -> None:
    entries = written(ACME, size + more)
    earlier, later = said(entries[:size]), said(entries, NOON + timedelta(minutes=1))
    path = consistency_path([entry.hash for entry in entries], size, size + more)
    assert extends(earlier, later, path) == ""
    assert extends(later, earlier, path)
    assert extends(earlier, later, [*path, later.root])


def test_a_chain_that_was_cut_or_written_anew_extends_nothing() -> None:
    entries, anew = written(ACME, 10), written(ACME, 12, say="gap")
    before, minute = said(entries), timedelta(minutes=1)
    cut = extends(before, said(entries[:9], NOON + minute), [])
    assert cut == "the tree of acme cannot have grown from 10 leaves to 9"
    path = consistency_path([entry.hash for entry in anew], 10, 12)
    assert (
        extends(before, said(anew, NOON + minute), path) == "the later tree of acme is no extension of the earlier one"
    )
    same_size = said(anew[:10], NOON + minute)
    assert extends(before, same_size, []) == "the later tree of acme is no extension of the earlier one"
    other_head = replace(before, head=bytes(32))
    assert extends(before, other_head, []) == "two checkpoints of one size have another last entry"
    assert extends(before, before, []) == ""


def test_an_extension_is_of_the_same_chain_and_no_earlier() -> None:
    entries = written(ACME, 10)
    before = said(entries, NOON)
    for other in (replace(before, tenant="other"), replace(before, origin="other.example.com")):
        assert extends(before, other, []) == "the later checkpoint is of another chain"
    earlier = said(entries, NOON - timedelta(milliseconds=1))
    assert extends(before, earlier, []) == "the later checkpoint is of an earlier moment"
