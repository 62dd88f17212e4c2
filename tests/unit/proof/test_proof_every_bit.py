"""Every bit of what is signed, and of what follows from it: our verifier and an independent one find each that turned.

A log is found by the examination, which names the entry and what was done to it; what was signed, by both verifiers.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache

import pytest

import independent_lists
import independent_verifier
from apikeychain.model.ledger import Head, LedgerEntry
from apikeychain.model.ledger_report import Anchor, Manipulation
from apikeychain.proof.entry import parse_proof, verify_proof
from apikeychain.proof.export import export_header, export_line, verify_export
from apikeychain.proof.key_list import follow
from apikeychain.proof.reading import ProofError
from apikeychain.rules.anchors import Anchors
from apikeychain.rules.examination import Examination
from command import ROOT
from notarized import LISTS
from signed_ledgers import ACME, KEYS, TRUSTED, a_proof, proof_of, said, signed, written

COUNT = 20
# Of each byte one bit turns, another one each time; in the long run, every bit.
EVERY = pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["some", "all"])
MANY = 1000
PUBLIC = "".join(f"{key}\n" for key in TRUSTED)
PROOF = a_proof(7, COUNT)
SIGNED = {
    "statement": PROOF.checkpoint.statement,
    "note": PROOF.checkpoint.note,
    "payload": PROOF.payload,
    "previous": PROOF.previous.hex(),
    "path of the entry": "".join(step.hex() for step in PROOF.path),
    "path of the statement": "".join(step.hex() for step in PROOF.checkpoint.path),
}


def flipped(text: str, *, every: bool) -> Iterator[str]:
    """Of a long text, which has signatures in it, some of the characters are enough for the short run."""
    for place, character in enumerate(text):
        if not every and len(text) > MANY and place > MANY // 4 and place % 61:
            continue
        for bit in range(8) if every else [place % 8]:
            yield text[:place] + chr(ord(character) ^ 1 << bit) + text[place + 1 :]


def holds(verify: object, *arguments: object) -> bool:
    try:
        verify(*arguments)  # type: ignore[operator]  # a function
    except Exception:  # noqa: BLE001  # it says so: whatever it raises is its no
        return False
    return True


def proof_with(name: str, text: str) -> str:
    document = json.loads(PROOF.text)
    if name.startswith("path"):
        steps = [text[start : start + 64] for start in range(0, len(text), 64)]
        document["entry" if name.endswith("entry") else "checkpoint"]["path"] = steps
    else:
        document["entry" if name in document["entry"] else "checkpoint"][name] = text
    return json.dumps(document)


@EVERY
@pytest.mark.parametrize("name", SIGNED)
def test_both_find_every_bit_of_a_proof(name: str, every: bool) -> None:
    assert holds(independent_verifier.verify_proof, proof_with(name, SIGNED[name]), PUBLIC)
    for text in flipped(SIGNED[name], every=every):
        changed = proof_with(name, text)
        with pytest.raises(ProofError):
            verify_proof(parse_proof(changed), TRUSTED)
        assert not holds(independent_verifier.verify_proof, changed, PUBLIC)


def test_both_find_every_bit_of_an_index() -> None:
    for index in (PROOF.checkpoint.index ^ 1 << bit for bit in range(8)):
        changed = replace(PROOF, checkpoint=replace(PROOF.checkpoint, index=index)).text
        with pytest.raises(ProofError):
            verify_proof(parse_proof(changed), TRUSTED)
        assert not holds(independent_verifier.verify_proof, changed, PUBLIC)


@EVERY
@pytest.mark.parametrize("number", [0, 1])
def test_both_find_every_bit_of_a_key_list(number: int, every: bool) -> None:
    assert independent_lists.follow_lists(LISTS).splitlines() == [str(key) for key in follow(LISTS, None)]
    for note in flipped(LISTS[number], every=every):
        changed = [*LISTS]
        changed[number] = note
        with pytest.raises(ProofError):
            follow(changed, KEYS.public)
        assert not holds(independent_lists.follow_lists, changed)


def test_both_refuse_key_lists_that_do_not_follow() -> None:
    for lists in (LISTS[::-1], [LISTS[1], LISTS[1], LISTS[0]], [LISTS[0], LISTS[0].replace("keys", "key")]):
        assert not holds(follow, lists, None)
        assert not holds(independent_lists.follow_lists, lists)


@cache
def export() -> list[str]:
    entries = written(count=5)
    checkpoint = signed(said(entries))[0]
    lines = [export_line(proof_of(entries, seq, checkpoint).entry) for seq in range(1, 6)]
    return [export_header(checkpoint), *lines]


def test_both_take_an_export_and_parts_of_it() -> None:
    for lines in (export(), export()[:1], export()[:3], export()[::2], [export()[0], export()[5]]):
        assert independent_lists.verify_export(lines, PUBLIC) == verify_export(lines, TRUSTED).entries


@pytest.mark.parametrize("line", [1, 3, 5])
def test_both_say_the_same_of_a_line_of_an_export_in_which_a_bit_turned(line: int) -> None:
    for text in flipped(export()[line], every=False):
        changed = [export()[0], text]
        assert holds(verify_export, changed, TRUSTED) is holds(independent_lists.verify_export, changed, PUBLIC)
        # Two spellings of JSON are of one value where a blank turned into another one.
        assert not holds(verify_export, changed, TRUSTED) or json.loads(text) == json.loads(export()[line])


def test_both_refuse_an_export_that_is_out_of_order() -> None:
    first, *rest = export()
    for lines in ([first, *rest, rest[-1]], [first, *rest[::-1]], rest, [first.replace("export/v1", "export/v2")]):
        assert not holds(verify_export, lines, TRUSTED)
        assert not holds(independent_lists.verify_export, lines, PUBLIC)


def test_the_rest_of_the_other_verifier_is_short_and_knows_nothing_of_the_package() -> None:
    text = (ROOT / "tests" / "independent_lists.py").read_text()
    assert len([line for line in text.splitlines() if line.strip()]) < 60
    assert "import apikeychain" not in text
    assert "from apikeychain" not in text


ENTRIES = written(ACME, COUNT, say="gap")
STATEMENT = said(ENTRIES)


def named(entries: list[LedgerEntry]) -> list[tuple[int, Manipulation]]:
    """What the examination says of a log under the signed statement."""
    head = Head(ACME, COUNT, STATEMENT.head)
    anchors = Anchors(Head.empty(ACME), [Anchor("a witness", head, STATEMENT.root, is_elsewhere=True)])
    examination = Examination(ACME, anchors, head)
    examination.read(entries)
    return [(fault.seq, fault.manipulation) for fault in examination.end(head).faults]


def test_the_log_as_it_was_signed_holds_for_both() -> None:
    assert named(ENTRIES) == []
    independent_verifier.verify_log([entry.payload for entry in ENTRIES], STATEMENT.text)


@EVERY
@pytest.mark.parametrize("place", range(COUNT))
def test_both_find_every_bit_of_a_stored_log_that_was_signed(place: int, every: bool) -> None:
    entry, payloads = ENTRIES[place], [one.payload for one in ENTRIES]
    for byte in range(len(entry.payload)):
        for bit in range(8) if every else [byte % 8] if byte % 3 == place % 3 else []:
            payload = bytearray(entry.payload)
            payload[byte] ^= 1 << bit
            changed = replace(entry, payload=bytes(payload))
            found = named([*ENTRIES[:place], changed, *ENTRIES[place + 1 :]])
            assert found == [(place + 1, Manipulation.EDITED)], (byte, bit)
            log = [*payloads[:place], bytes(payload), *payloads[place + 1 :]]
            assert not holds(independent_verifier.verify_log, log, STATEMENT.text), (byte, bit)


@EVERY
@pytest.mark.parametrize("place", range(COUNT))
def test_every_bit_of_a_stored_hash_that_was_signed_is_found(place: int, every: bool) -> None:
    for bit in range(256) if every else range(place % 8, 256, 9):
        digest = bytearray(ENTRIES[place].hash)
        digest[bit // 8] ^= 1 << bit % 8
        changed = replace(ENTRIES[place], hash=bytes(digest))
        found = named([*ENTRIES[:place], changed, *ENTRIES[place + 1 :]])
        assert found == [(place + 1, Manipulation.EDITED)], bit
