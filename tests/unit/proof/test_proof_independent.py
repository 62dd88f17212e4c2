"""Our verifier and one that was written from the reference alone say the same of every proof and every log."""

import copy
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import independent_verifier
from apikeychain.errors import LedgerBrokenError
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerEntry, link
from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.entry import parse_proof, verify_proof
from apikeychain.proof.note import Moment, parse_keys
from apikeychain.proof.reading import ProofError
from apikeychain.rules import chain
from apikeychain.rules.checkpoints import require_signed
from apikeychain.rules.merkle import Frontier
from command import ROOT
from signed_ledgers import ACME, KEYS, OTHER, TRUSTED, SigningKeys, a_proof, frontier, proof_of, said, signed, written

PUBLIC = "".join(f"{key}\n" for key in TRUSTED)
STRANGERS = "".join(f"{key}\n" for key in SigningKeys(ed25519_seed=b"e" * 32, mldsa65_seed=b"m" * 32).public)
GOOD: dict[str, Any] = json.loads(a_proof(7).text)
DONORS: list[dict[str, Any]] = [json.loads(a_proof(seq, count).text) for seq, count in ((7, 8), (8, 10), (10, 10))]
DONORS.append(json.loads(proof_of(written(OTHER, 4), 2, signed(said(written(ACME)), said(written(OTHER, 4)))[1]).text))
LIKELY = '"\\{}[],:0123456789abcdef \n+/=-.'
PLACES = [
    *(("entry", name) for name in ("payload", "previous", "path")),
    *(("checkpoint", name) for name in ("statement", "index", "path", "note")),
]


def both_say(text: str, keys: str = PUBLIC) -> bool:
    ours = ours_holds(text, keys)
    assert ours is others_holds(independent_verifier.verify_proof, text, keys)
    return ours


def ours_holds(text: str, keys: str) -> bool:
    try:
        verify_proof(parse_proof(text), parse_keys(keys))
    except ProofError:
        return False
    return True


def others_holds(verify: Any, *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except Exception:  # noqa: BLE001  # it says so: whatever it raises is its no
        return False
    return True


def test_the_other_verifier_is_short_and_knows_nothing_of_the_package() -> None:
    text = (ROOT / "tests" / "independent_verifier.py").read_text()
    assert len([line for line in text.splitlines() if line.strip()]) < 100
    assert not re.search(r"^\s*(import|from) apikeychain", text, re.MULTILINE)


@given(st.data())
def test_both_take_every_proof_of_an_entry(data: st.DataObject) -> None:
    count, others = data.draw(st.integers(1, 40)), data.draw(st.integers(0, 3))
    entries = written(ACME, count)
    checkpoint = signed(said(entries), *(said(written(TenantId(f"t{n}"), n + 1)) for n in range(others)))[0]
    assert both_say(proof_of(entries, data.draw(st.integers(1, count)), checkpoint).text)


def test_both_refuse_what_others_signed() -> None:
    text = a_proof(7).text
    assert both_say(text)
    assert both_say(text, STRANGERS + PUBLIC)
    assert not both_say(text, STRANGERS)
    for key in TRUSTED:
        assert not both_say(text, f"{key}\n")


@pytest.mark.parametrize("place", PLACES, ids=".".join)
@pytest.mark.parametrize("donor", range(len(DONORS)))
def test_both_refuse_a_proof_with_a_part_of_another(place: tuple[str, str], donor: int) -> None:
    document = copy.deepcopy(GOOD)
    part, own = DONORS[donor][place[0]][place[1]], document[place[0]][place[1]]
    document[place[0]][place[1]] = part
    # Two notes on one moment differ in the ML-DSA signature, and both of them hold.
    is_same = _signed_text(part) == _signed_text(own) if place[1] == "note" else part == own
    assert both_say(json.dumps(document)) is is_same


def _signed_text(note: str) -> str:
    return note.rpartition("\n\n")[0]


@given(st.data())
def test_both_say_the_same_of_a_proof_with_a_changed_character(data: st.DataObject) -> None:
    text = json.dumps(GOOD)
    signatures = text.index("at 2026", text.index('"note"'))
    place = data.draw(st.one_of(st.integers(0, signatures), st.integers(0, len(text) - 1)))
    put = data.draw(st.one_of(st.sampled_from([*LIKELY, ""]), st.characters()))
    gone = data.draw(st.integers(0, 2))
    both_say(text[:place] + put + text[place + gone :])


@given(st.data())
def test_both_say_the_same_of_a_proof_with_another_value(data: st.DataObject) -> None:
    document = copy.deepcopy(GOOD)
    first, second = data.draw(st.sampled_from(PLACES))
    digits = st.sampled_from(["0" * 64, "A" * 64, document["entry"]["previous"]])
    values = st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-2, 12),
        st.floats(),
        digits,
        st.lists(digits, max_size=5),
        st.text(max_size=3),
    )
    document[first][second] = data.draw(values)
    both_say(json.dumps(document))


@given(st.data())
def test_both_say_the_same_of_a_note_with_lines_moved(data: st.DataObject) -> None:
    document = copy.deepcopy(GOOD)
    stranger = SigningKeys(ed25519_seed=b"e" * 32, mldsa65_seed=b"m" * 32)
    text, _, lines = document["checkpoint"]["note"].rpartition("\n\n")
    all_lines = [*lines.splitlines(keepends=True), *stranger.lines(f"{text}\n"), *KEYS.lines(f"{text}\nmore")]
    chosen = data.draw(st.lists(st.sampled_from(all_lines), max_size=17))
    document["checkpoint"]["note"] = f"{text}\n\n{''.join(chosen)}"
    both_say(json.dumps(document))


@given(st.sampled_from([*LIKELY, ""]), st.data())
def test_both_say_the_same_of_a_statement_that_was_signed_though_it_is_wrong(put: str, data: st.DataObject) -> None:
    """The signature is good here: only the rules on the statement stand between it and a yes."""
    entries = written(ACME, 3)
    text = said(entries).text
    place = data.draw(st.integers(0, len(text) - 1))
    wrong = text[:place] + put + text[place + data.draw(st.integers(0, 1)) :]
    both_say(_proof_with(wrong))


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"v": 2},
            {"v": True},
            {"size": 0},
            {"size": 2},
            {"size": 4},
            {"tenant": "other"},
            {"tenant": 7},
            {"more": 1},
        ),
        *({"origin": "other"}, {"at": "2026-01-02T12:00:00.001Z"}, {"head": "0" * 64}, {"root": "0" * 64}),
        *({"root": None}, {"size": "3"}, {"at": "2026-01-02T12:00:00Z"}, {"salt": None}, {"salt": "0" * 32}),
    ],
    ids=str,
)
def test_both_refuse_a_statement_that_was_signed_though_it_is_wrong(changes: dict[str, Any]) -> None:
    text = json.dumps(json.loads(said(written(ACME, 3)).text) | changes, sort_keys=True, separators=(",", ":"))
    assert both_say(_proof_with(said(written(ACME, 3)).text))
    assert not both_say(_proof_with(text))


def _proof_with(statement: str) -> str:
    """A proof of the third of three entries, whose note signs just this text."""
    entries = written(ACME, 3)
    root = Frontier().added([statement.encode()]).root
    note = KEYS.note(Moment(KEYS.origin, 1, root, "2026-01-02T12:00:00.000Z"))
    return proof_of(entries, 3, Checkpoint(statement, 0, (), note)).text


def log_holds(entries: list[LedgerEntry], statement: Statement) -> bool:
    try:
        require_signed(chain.verify(Head.empty(ACME), entries), frontier(entries), statement)
        ours = True
    except LedgerBrokenError:
        ours = False
    payloads = [entry.payload for entry in entries]
    assert ours is others_holds(independent_verifier.verify_log, payloads, statement.text)
    return ours


def _relinked(entries: list[LedgerEntry]) -> list[LedgerEntry]:
    """As somebody with the database would write it: numbers and hashes are made to fit."""
    head, found = Head.empty(ACME), []
    for entry in entries:
        seq = head.size + 1
        payload = re.sub(rb'"seq":[0-9]+', b'"seq":%d' % seq, entry.payload)
        head = Head(ACME, seq, link(head.hash, payload))
        found.append(replace(entry, seq=seq, payload=payload, hash=head.hash))
    return found


@given(st.data())
def test_both_find_every_manipulation_of_a_log_that_was_signed(data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 20))
    entries = written(ACME, count, say="gap")
    statement = said(entries)
    assert log_holds(entries, statement)
    place = data.draw(st.integers(0, count - 1))
    other = replace(entries[place], payload=entries[place].payload.replace(b'"gate"', b'"hate"'), actor="hate")
    manipulated = {
        "cut": entries[:place],
        "left out": entries[:place] + entries[place + 1 :],
        "put in": [*entries[:place], entries[place], *entries[place:]],
        "changed": [*entries[:place], other, *entries[place + 1 :]],
        "turned": entries[::-1],
        "another's": written(OTHER, count, say="gap"),
        "anew": written(ACME, count, say="retained"),
        "went on": written(ACME, count + 1, say="gap"),
    }
    for how, log in manipulated.items():
        assert not log_holds(log, statement), how
        if how not in {"another's", "cut", "went on"}:
            assert not log_holds(_relinked(log), statement), f"{how}, and made to fit"
