"""The signed note: both signatures hold, or it signs nothing."""

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.proof.note import ED25519, MLDSA65, Moment, VerifierKey, parse_keys, verify_note
from apikeychain.proof.reading import ProofError
from signed_ledgers import KEYS, ORIGIN, TRUSTED, SigningKeys

MOMENT = Moment(ORIGIN, 3, hashlib.sha256(b"a root").digest(), "2026-01-02T12:00:00.000Z")
NOTE = KEYS.note(MOMENT)
TEXT = MOMENT.text
FIRST, SECOND = KEYS.lines(TEXT)
FORM = "the note does not have the form of a checkpoint with 1 to 16 signatures"
STRANGER = SigningKeys(ed25519_seed=b"e" * 32, mldsa65_seed=b"m" * 32)


def refused(note: str, keys: list[VerifierKey] | None = None) -> str:
    with pytest.raises(ProofError) as error:
        verify_note(note, TRUSTED if keys is None else keys)
    return str(error.value)


def test_a_note_that_both_keys_signed_gives_its_moment() -> None:
    assert verify_note(NOTE, TRUSTED) == MOMENT
    assert verify_note(NOTE, reversed(TRUSTED)) == MOMENT


def test_a_note_is_the_text_that_the_reference_shows() -> None:
    root = base64.b64encode(MOMENT.root).decode()
    assert f"gate.example.com/ledger\n3\n{root}\nat 2026-01-02T12:00:00.000Z\n" == TEXT
    assert NOTE.startswith(f"{TEXT}\n\N{EM DASH} gate.example.com/ledger ")
    assert NOTE.count("\n") == 7
    assert NOTE.endswith("\n")


@pytest.mark.parametrize(("line", "algorithm"), [(FIRST, MLDSA65), (SECOND, ED25519)], ids=[ED25519, MLDSA65])
def test_one_signature_alone_is_not_enough(line: str, algorithm: str) -> None:
    assert refused(MOMENT.note([line])) == f"the note has no {algorithm} signature by a key of {ORIGIN} that was given"


@pytest.mark.parametrize("kept", [0, 1], ids=[ED25519, MLDSA65])
def test_one_key_alone_is_not_enough(kept: int) -> None:
    assert refused(NOTE, [TRUSTED[kept]]) == (
        f"the note has no {[MLDSA65, ED25519][kept]} signature by a key of {ORIGIN} that was given"
    )


@pytest.mark.parametrize("wrong", [0, 1], ids=[ED25519, MLDSA65])
def test_a_signature_of_another_text_does_not_hold(wrong: int) -> None:
    lines, others = KEYS.lines(TEXT), KEYS.lines(replace(MOMENT, size=4).text)
    lines[wrong] = others[wrong]
    assert refused(MOMENT.note(lines)) == f"the {TRUSTED[wrong].algorithm} signature of {ORIGIN} does not hold"


def test_a_key_that_nobody_trusts_signs_nothing() -> None:
    assert "has no Ed25519 signature" in refused(STRANGER.note(MOMENT))
    assert refused(NOTE, SigningKeys(origin="other.example.com").public) == (
        f"the note is of {ORIGIN}, and none of the keys is"
    )
    assert refused(NOTE, []) == f"the note is of {ORIGIN}, and none of the keys is"


def test_a_key_signs_under_its_own_name_only() -> None:
    renamed = [line.replace(ORIGIN, "other.example.com", 1) for line in KEYS.lines(TEXT)]
    assert "has no Ed25519 signature" in refused(MOMENT.note(renamed))


def test_lines_of_others_are_left_alone() -> None:
    witness = VerifierKey("witness.example/w1", ED25519, TRUSTED[0].public).line(bytes(72))
    lines = [witness, *STRANGER.lines(TEXT), *KEYS.lines(TEXT), "\N{EM DASH} näme AAAAAAAA\n"]
    assert verify_note(MOMENT.note(lines), TRUSTED) == MOMENT
    filled = [witness] * 14
    assert verify_note(MOMENT.note([*filled, FIRST, SECOND]), TRUSTED) == MOMENT
    assert refused(MOMENT.note([*filled, witness, FIRST, SECOND])) == FORM


def test_old_and_new_keys_can_be_trusted_at_once() -> None:
    both = [*STRANGER.public, *TRUSTED]
    assert verify_note(NOTE, both) == MOMENT
    assert verify_note(STRANGER.note(MOMENT), both) == MOMENT
    assert verify_note(MOMENT.note([STRANGER.lines(TEXT)[0], SECOND]), both) == MOMENT


def test_a_known_key_signs_once() -> None:
    assert refused(MOMENT.note([FIRST, SECOND, FIRST])) == f"the note has two signatures by one Ed25519 key of {ORIGIN}"


def _spelled(line: str) -> str:
    """Another base64 of the same bytes: the last bits before the padding are not looked at by a lenient reader."""
    digits = line.rstrip("=\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return line.replace(digits, digits[:-1] + alphabet[alphabet.index(digits[-1]) + 1])


@pytest.mark.parametrize(
    "note",
    [
        "",
        TEXT,
        TEXT + "\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("\n", "\r\n"),
        NOTE.replace("\n\n", "\n"),
        NOTE.replace("\n\n", "\n\n\n"),
        NOTE.replace("\n\n", "\nan extension\n\n"),
        NOTE.replace("\N{EM DASH} ", "- "),
        NOTE.replace("\n3\n", "\n03\n"),
        NOTE.replace("\n3\n", "\n0\n"),
        NOTE.replace("\n3\n", "\n-3\n"),
        NOTE.replace("\n3\n", "\n٣\n"),
        NOTE.replace("\n3\n", "\n3 \n"),
        NOTE.replace("at 2026", "2026"),
        NOTE.replace(".000Z", "Z"),
        NOTE.replace(".000Z", ".000+00:00"),
        NOTE.replace(ORIGIN + "\n", "gate example\n"),
        NOTE.replace(ORIGIN + "\n", "gate+example\n"),
        NOTE.replace(ORIGIN + "\n", "g\x00te\n"),
        NOTE.replace(ORIGIN + "\n", "gäte\n"),
        NOTE.replace(ORIGIN + "\n", "g" * 201 + "\n"),
        "\ufeff" + NOTE,
        MOMENT.note([FIRST.replace(" ", "  "), SECOND]),
        MOMENT.note([FIRST, SECOND.replace("\n", " \n")]),
        MOMENT.note([FIRST.replace(ORIGIN, "a\x01b"), SECOND]),
    ],
    ids=range(27),
)
def test_a_note_has_one_form(note: str) -> None:
    assert refused(note) == FORM


def test_base64_has_one_spelling() -> None:
    assert refused(MOMENT.note([_spelled(FIRST), SECOND])).startswith("a signature has base64 that is broken")
    assert refused(MOMENT.note([FIRST.replace("=", ""), SECOND])).startswith("a signature has base64 that is broken")


@pytest.mark.parametrize("root", [bytes(31), bytes(33)], ids=len)
def test_a_root_has_32_bytes(root: bytes) -> None:
    assert refused(KEYS.note(replace(MOMENT, root=root))) == "the root in the note does not have 32 bytes"


def test_a_root_in_another_spelling_is_refused_though_it_was_signed() -> None:
    text = _spelled(TEXT.splitlines(keepends=True)[2])
    other = TEXT.replace(TEXT.splitlines(keepends=True)[2], text)
    assert "has base64 that is broken" in refused(f"{other}\n{''.join(KEYS.lines(other))}")


@given(st.integers(0, len(NOTE) - 1), st.characters())
def test_no_character_of_a_note_can_be_another(place: int, character: str) -> None:
    changed = NOTE[:place] + character + NOTE[place + 1 :]
    if changed != NOTE:
        refused(changed)


def test_a_key_has_one_text() -> None:
    for key in TRUSTED:
        assert VerifierKey.parse(str(key)) == key
        assert len(key.id) == 4
    assert parse_keys("".join(f"{key}\n" for key in TRUSTED)) == TRUSTED
    assert parse_keys("\n".join(map(str, TRUSTED))) == TRUSTED


def test_the_id_of_a_key_is_that_of_the_signed_note_specification() -> None:
    # The example of C2SP's tlog-cosignature: 0x01 and 32 bytes behind the name and a newline.
    classical, quantum_safe = TRUSTED
    name = ORIGIN.encode() + b"\n"
    assert classical.id == hashlib.sha256(name + b"\x01" + classical.public).digest()[:4]
    kind = b"\xffapikeychain/v1/ml-dsa-65"
    assert quantum_safe.id == hashlib.sha256(name + kind + quantum_safe.public).digest()[:4]


def _key(name: str, encoded: bytes) -> str:
    identifier = hashlib.sha256(name.encode() + b"\n" + encoded).digest()[:4].hex()
    return f"{name}+{identifier}+{base64.b64encode(encoded).decode()}"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there is no key"),
        ("\n", "a key has base64 that is broken"),
        (f"{TRUSTED[0]}\n\n", "a key has base64"),
        (f"{TRUSTED[0]} ", "a key has base64"),
        ("a name", "a key has base64"),
        (_key("a b", b"\x01" + bytes(32)), "not a name of a key: 'a b'"),
        (_key("", b"\x01" + bytes(32)), "not a name of a key: ''"),
        (_key("a", b"\x01" + bytes(31)), "the Ed25519 key of a has another length"),
        (_key("a", b"\xffapikeychain/v1/ml-dsa-65" + bytes(32)), "the ML-DSA-65 key of a has another length"),
        (_key("a", b"\x06" + bytes(1312)), "a key of 'a' is neither Ed25519 nor ML-DSA-65"),
        (str(TRUSTED[0]).replace("+", "+0", 1), "the id of a key of"),
        (str(TRUSTED[0]).replace(TRUSTED[0].id.hex(), "00000000"), "the id of a key of"),
        (str(TRUSTED[0]).replace(TRUSTED[0].id.hex(), TRUSTED[0].id.hex().upper()), "the id of a key of"),
        (str(TRUSTED[0]).replace("gate", "date"), "the id of a key of"),
    ],
    ids=range(14),
)
def test_a_text_that_is_no_key_is_refused(text: str, fault: str) -> None:
    with pytest.raises(ProofError) as error:
        parse_keys(text)
    assert str(error.value).startswith(fault)
