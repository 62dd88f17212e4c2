"""An export with proofs: every line follows from the checkpoint, and nothing else passes."""

import json
from collections.abc import Callable
from io import BytesIO

import pytest

from apikeychain.proof.entry import EntryProof, parse_proof, verify_proof
from apikeychain.proof.export import (
    MAX_LINE_BYTES,
    Exported,
    export_header,
    export_line,
    is_export,
    parse_header,
    read_lines,
    verify_export,
)
from apikeychain.proof.reading import ProofError
from signed_ledgers import OTHER, TRUSTED, SigningKeys, a_proof, proof_of, said, signed, written

ENTRIES = written(count=9)
STATEMENT = said(ENTRIES)
CHECKPOINT = signed(STATEMENT, said(written(OTHER, 2)))[0]
PROOFS = [proof_of(ENTRIES, seq, CHECKPOINT).entry for seq in range(1, 10)]
LINES = [export_header(CHECKPOINT), *map(export_line, PROOFS)]


def test_an_export_proves_all_that_it_holds() -> None:
    told: list[int] = []
    assert verify_export(LINES, TRUSTED, told.append) == Exported(STATEMENT, 9)
    assert told == [*range(1, 10)]
    assert verify_export(LINES, TRUSTED).is_whole
    some = verify_export([LINES[0], LINES[2], LINES[5]], TRUSTED)
    assert (some.entries, some.is_whole) == (2, False)
    assert verify_export(LINES[:1], TRUSTED).entries == 0


def test_a_line_with_the_checkpoint_is_a_proof_file() -> None:
    document = {"format": "apikeychain/proof/v1", "entry": json.loads(LINES[4])}
    document["checkpoint"] = json.loads(LINES[0])["checkpoint"]
    assert verify_proof(parse_proof(json.dumps(document)), TRUSTED).seq == 4


def _without(line: int) -> list[str]:
    return LINES[:line] + LINES[line + 1 :]


def _with(line: int, change: Callable[[str], str]) -> list[str]:
    return [*LINES[:line], change(LINES[line]), *LINES[line + 1 :]]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "the first line of the export is not JSON with one reading"),
        (LINES[1:], "the first line of the export does not say 'apikeychain/export/v1'"),
        (_with(0, lambda line: line.replace("export/v1", "export/v2")), "does not say 'apikeychain/export/v1'"),
        (_with(0, lambda line: line[:-1] + ', "more": 1}'), "the first line of the export has other members than"),
        (_with(0, lambda line: line.replace('"index": 0', '"index": "0"')), "the checkpoint in the first line of"),
        (_with(0, lambda line: line.replace("at 2026", "at 2027")), "signature of"),
        (_with(0, lambda line: line.replace('size\\":9', 'size\\":8')), "leads to another root"),
        (_with(3, lambda line: line.replace("gate", "hate")), "line 4 does not hold: the path through the tree"),
        (_with(3, lambda line: line + "x"), "line 4 does not hold: the line is not JSON with one reading"),
        (_with(3, lambda _: ""), "line 4 does not hold: the line is not JSON"),
        (_with(3, lambda _: "[]"), "line 4 does not hold: the line is no JSON object"),
        (_with(3, lambda _: "{}"), "line 4 does not hold: the entry in the line has other members"),
        ([*LINES, LINES[-1]], "line 11 does not hold: entry 9 stands behind entry 9"),
        ([LINES[0], LINES[3], LINES[2]], "line 3 does not hold: entry 2 stands behind entry 3"),
        ([*LINES[:5], export_line(proof_of(written(OTHER, 9), 5, CHECKPOINT).entry)], "line 6 does not hold: the entr"),
    ],
    ids=range(15),
)
def test_whatever_else_stands_there_does_not_hold(lines: list[str], reason: str) -> None:
    with pytest.raises(ProofError, match=reason):
        verify_export(lines, TRUSTED)


def test_the_keys_of_others_prove_nothing() -> None:
    others = SigningKeys(ed25519_seed=b"e" * 32, mldsa65_seed=b"m" * 32)
    with pytest.raises(ProofError, match="no Ed25519 signature by a key"):
        verify_export(LINES, others.public)


def test_every_byte_of_an_export_counts() -> None:
    """But for blanks, which stand beside what is hashed, and the signatures of notes, which have tests of their own."""
    line = LINES[3]
    for place in range(len(line)):
        changed = line[:place] + chr(ord(line[place]) ^ 1) + line[place + 1 :]
        with pytest.raises(ProofError, match=r"^line 4 does not hold: "):
            verify_export([*LINES[:3], changed], TRUSTED)


def test_an_export_is_told_from_other_files() -> None:
    assert is_export(LINES[0])
    assert is_export('{"format": "apikeychain/export/v2"}')
    for line in ("{", "", "[]", '{"format": 1}', "{}", LINES[1], json.dumps(json.loads(a_proof().text)), "\udcff"):
        assert not is_export(line)


def test_the_checkpoint_of_the_first_line_is_read_as_it_was_written() -> None:
    assert parse_header(LINES[0]) == CHECKPOINT
    assert export_header(parse_header(LINES[0])) == LINES[0]
    read = EntryProof.read(json.loads(LINES[1]), "the line")
    assert read == PROOFS[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{}\n{", "line 2 does not end: the file was cut, or the line is too long"),
        (b"{}\n\xff\n", "line 2 is not text in UTF-8"),
        (b"x" * (MAX_LINE_BYTES + 1) + b"\n", "line 1 does not end"),
    ],
    ids=["cut", "bytes", "long"],
)
def test_a_file_that_is_no_lines_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(ProofError, match=reason):
        [*read_lines(BytesIO(content))]


def test_the_lines_of_a_file_are_read_without_their_ends() -> None:
    content = "".join(f"{line}\n" for line in LINES).encode()
    assert [*read_lines(BytesIO(content))] == LINES
