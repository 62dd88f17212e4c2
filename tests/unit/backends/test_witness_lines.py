"""A line of the usual kind is read by a pattern, which takes nothing that the parser does not take."""

import json
from collections.abc import Callable

import pytest

from apikeychain.backends import witness_lines
from apikeychain.backends.witness_lines import Line, key_lists_line, moment_line, parse_line, read_line, read_part
from apikeychain.model.ids import TenantId
from apikeychain.proof.reading import ProofError, canonical_json
from apikeychain.testing.checkpoints import ACME, KEYS, OTHER, key_list, said, signed, written

TENANTS = (ACME, OTHER, TenantId("B_3-x"))
START = 77
MOMENT = signed(*(said(written(tenant, count)) for count, tenant in enumerate(TENANTS, 1)))
LINE = moment_line(MOMENT[0].note, MOMENT)[:-1]


def parsed(raw: bytes) -> Line | None:
    """What the parser finds, None where it refuses."""
    try:
        return parse_line(raw, START)
    except ProofError:
        return None


def cut(raw: bytes, start: int, size: int) -> bytes:
    return raw[start - START : start - START + size]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_was_published_is_read_without_the_parser(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    moment = signed(*(said(written(tenant, 4)) for tenant in TENANTS[:count]))
    raw = moment_line(moment[0].note, moment)[:-1]
    expected = parsed(raw)
    monkeypatch.delattr(witness_lines, "parse_line")
    found = read_line(raw, START)
    assert found == expected
    for checkpoint, (tenant, place) in zip(moment, found.places, strict=True):
        assert json.loads(checkpoint.statement)["tenant"] == tenant
        assert read_part(cut(raw, place.start, place.size), cut(raw, *place.note)) == checkpoint


# At every byte where a mark of the structure stands or a value begins, and at some within.
PLACES = sorted({at for at, byte in enumerate(LINE) if byte in b'{}[]":,\\'} | {*range(0, len(LINE), 37)})


@pytest.mark.parametrize(
    "damage",
    [
        lambda at: LINE[:at] + b"x" + LINE[at + 1 :],
        lambda at: LINE[:at] + b"0" + LINE[at + 1 :],
        lambda at: LINE[:at] + b'"' + LINE[at + 1 :],
        lambda at: LINE[:at] + b"\xff" + LINE[at + 1 :],
        lambda at: LINE[:at] + b"\x00" + LINE[at + 1 :],
        lambda at: LINE[:at] + LINE[at + 1 :],
        lambda at: LINE[:at] + b" " + LINE[at:],
        lambda at: LINE[:at],
        lambda at: LINE[:at] + LINE,
    ],
    ids=["a letter", "a digit", "a quote", "no text", "a zero", "one missing", "a space", "an end", "twice"],
)
def test_no_damage_is_read_that_the_parser_does_not_read_alike(damage: Callable[[int], bytes]) -> None:
    read = 0
    for at in PLACES:
        raw = damage(at)
        places = witness_lines._usual_places(raw, START)
        expected = parsed(raw) if places is not None else None
        assert places == (expected and expected.places), raw
        read += places is not None
    assert read < len(PLACES) / 2


@pytest.mark.parametrize(
    "raw",
    [
        key_lists_line([key_list(KEYS)])[:-1],
        canonical_json({"checkpoints": [], "note": "n", "v": 1}),
        LINE.replace(b"gate", "gâte".encode()),
        LINE.replace(b'"note":"', rb'"note":"\"'),
    ],
    ids=["key lists", "no checkpoint", "an accent", "an escape"],
)
def test_what_is_not_usual_is_read_by_the_parser(raw: bytes) -> None:
    assert witness_lines._usual_places(raw, START) is None
    assert read_line(raw, START) == parse_line(raw, START)
