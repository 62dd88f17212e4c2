"""The proof file: what it proves, and that nothing in it can be another."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.ledger import canonical_json
from apikeychain.proof.entry import Proof, Proven, parse_proof, verify_proof
from apikeychain.proof.reading import ProofError
from signed_ledgers import ACME, ORIGIN, OTHER, TRUSTED, a_proof, proof_of, said, signed, written

GOOD = a_proof()
DOCUMENT: dict[str, Any] = json.loads(GOOD.text)


def refused(proof: Proof) -> str:
    with pytest.raises(ProofError) as error:
        verify_proof(proof, TRUSTED)
    return str(error.value)


def unread(document: object) -> str:
    with pytest.raises(ProofError) as error:
        parse_proof(document if isinstance(document, str) else json.dumps(document))
    return str(error.value)


@given(st.data())
def test_every_entry_is_proven_by_a_checkpoint_over_its_chain(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 50))
    seq = data.draw(st.integers(1, count))
    entries = written(ACME, count)
    mine, _ = signed(said(entries), said(written(OTHER, 2)))
    proof = parse_proof(proof_of(entries, seq, mine).text)
    assert verify_proof(proof, TRUSTED) == Proven(seq, entries[seq - 1].hash, said(entries))


def test_a_proof_file_is_read_as_it_was_written() -> None:
    assert parse_proof(GOOD.text) == GOOD
    assert parse_proof(json.dumps(DOCUMENT)) == GOOD
    assert parse_proof(canonical_json(DOCUMENT).decode()) == GOOD


@pytest.mark.parametrize("seq", range(1, 11))
def test_an_entry_stands_at_the_place_that_its_payload_says(seq: int) -> None:
    proof = a_proof(seq)
    proven = verify_proof(proof, TRUSTED)
    assert (proven.seq, proven.statement.tenant, proven.statement.origin) == (seq, "acme", ORIGIN)
    for other in range(1, 11):
        if other != seq:
            moved = replace(proof, path=a_proof(other).path)
            assert "through the tree of the chain" in refused(moved)


def test_a_changed_payload_or_hash_before_it_is_found() -> None:
    changed = GOOD.payload.replace('"gate"', '"hate"')
    assert refused(replace(GOOD, payload=changed)) == "the path through the tree of the chain leads to another root"
    assert refused(replace(GOOD, previous=bytes(32))).endswith("leads to another root")
    assert refused(replace(GOOD, path=GOOD.path[1:])) == "the path through the tree of the chain is too short"
    assert refused(replace(GOOD, path=(*GOOD.path, bytes(32)))) == "the path through the tree of the chain is too long"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"v":1', '"v":2', "the version of the entry is unknown"),
        ('"v":1', '"v":true', "the version of the entry is unknown"),
        ('"tenant":"acme"', '"tenant":"other"', "the entry is of another tenant than the statement"),
        ('"seq":7', '"seq":"7"', "the payload does not say which entry of the chain it is"),
        ('"seq":7', '"seq":true', "the payload does not say which entry of the chain it is"),
        ('"seq":7', '"seq":0', "the tree of the chain has 10 leaves, so none at -1"),
        ('"seq":7', '"seq":11', "the tree of the chain has 10 leaves, so none at 10"),
        ('"seq":7', '"seq":8', "the path through the tree of the chain leads to another root"),
        ('"seq":7', '"seq": 7', "the payload is not canonical JSON"),
        ('"seq":7', '"seq":7,"seq":7', "the payload is not JSON with one reading"),
        ('"seq":7', '"seq":7.0', "the payload is not JSON with one reading"),
    ],
    ids=range(11),
)
def test_a_payload_says_which_entry_it_is(old: str, new: str, fault: str) -> None:
    assert old in GOOD.payload
    assert refused(replace(GOOD, payload=GOOD.payload.replace(old, new))) == fault


def test_what_is_no_payload_proves_nothing() -> None:
    assert refused(replace(GOOD, payload="7")) == "the payload is no JSON object"
    assert refused(replace(GOOD, payload="{}")) == "the version of the entry is unknown"


def test_a_statement_names_the_last_entry_of_its_chain() -> None:
    entries = written(ACME, 3)
    lying = replace(said(entries), head=bytes(32))
    (checkpoint,) = signed(lying)
    assert refused(proof_of(entries, 3, checkpoint)) == "the last entry is not the one that the statement names"
    assert verify_proof(proof_of(entries, 2, checkpoint), TRUSTED).seq == 2


def _without(*path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(GOOD.text)
    part = document
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return document


def _with(value: object, *path: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(GOOD.text)
    part = document
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return document


PLACES = [
    ("format",),
    ("entry",),
    ("checkpoint",),
    *(("entry", name) for name in ("payload", "previous", "path")),
    *(("checkpoint", name) for name in ("statement", "index", "path", "note")),
]


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_a_proof_file_has_these_members_and_no_others(place: tuple[str, ...]) -> None:
    for document in (_without(*place), _with(None, *place), _with(True, *place), _with(1.5, *place)):
        assert "proof file" in unread(document)
    beside = (*place[:-1], "more")
    assert "has other members than" in unread(_with(1, *beside))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("0" * 63, ("entry", "previous")),
        ("0" * 65, ("entry", "previous")),
        ("A" * 64, ("entry", "previous")),
        ("٣" * 64, ("entry", "previous")),
        ([7], ("entry", "path")),
        ([None], ("entry", "path")),
        (["0" * 64 + "\n"], ("checkpoint", "path")),
    ],
    ids=range(7),
)
def test_a_hash_is_64_lower_case_digits(value: object, place: tuple[str, ...]) -> None:
    assert unread(_with(value, *place)) == "the proof file has a hash that is not 64 lower-case hex digits"


def test_a_file_that_is_no_proof_is_refused() -> None:
    assert unread("") == "the proof file is not JSON with one reading"
    assert unread("[]") == "the proof file is no JSON object"
    assert unread("{}") == "the proof file does not say 'apikeychain/proof/v1'"
    assert unread(_with("apikeychain/proof/v2", "format")) == "the proof file does not say 'apikeychain/proof/v1'"
    assert unread(GOOD.text.replace('"index"', '"index": 0, "index"')) == "the proof file is not JSON with one reading"
    assert unread(_with("\ud800", "entry", "payload")) == "the proof file is not JSON with one reading"


LEAVES: list[Callable[[dict[str, Any]], tuple[dict[str, Any] | list[Any], str | int]]] = [
    lambda d: (d["entry"], "payload"),
    lambda d: (d["entry"], "previous"),
    lambda d: (d["entry"]["path"], 0),
    lambda d: (d["entry"]["path"], -1),
    lambda d: (d["checkpoint"], "statement"),
    lambda d: (d["checkpoint"]["path"], 0),
    lambda d: (d["checkpoint"], "note"),
]


@given(st.data())
def test_no_character_of_a_proof_can_be_another(data: st.DataObject) -> None:
    document = json.loads(GOOD.text)
    holder, name = data.draw(st.sampled_from(LEAVES))(document)
    text: str = holder[name]
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[place]))
    holder[name] = text[:place] + other + text[place + 1 :]
    with pytest.raises(ProofError):
        verify_proof(parse_proof(json.dumps(document)), TRUSTED)


@given(st.integers(-5, 20))
def test_no_index_can_be_another(index: int) -> None:
    if index != GOOD.checkpoint.index:
        refused(replace(GOOD, checkpoint=replace(GOOD.checkpoint, index=index)))


def test_a_proof_is_good_with_the_checkpoint_of_any_later_moment() -> None:
    entries = written(ACME, 30)
    for size in range(7, 31):
        (checkpoint,) = signed(said(entries[:size]))
        assert verify_proof(proof_of(entries[:size], 7, checkpoint), TRUSTED).statement.size == size
