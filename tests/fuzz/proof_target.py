"""Proofs of a ledger: what is taken has one reading, in ours and in a reader that was written from the page alone.

An input is a text as an auditor is given it: a public key, a statement, the line of an entry, or what is signed of a
note or a key list. Those are signed here, so that an input reaches behind the signatures, which no change of bytes ever
guesses.
"""

import json
import re
from collections.abc import Callable
from typing import Any

import independent_lists
import independent_verifier
from apikeychain.proof.checkpoint import Statement, verify_checkpoint
from apikeychain.proof.entry import EntryProof, read_checkpoint, verify_entry
from apikeychain.proof.key_list import verify_key_list
from apikeychain.proof.note import VerifierKey, verify_note
from apikeychain.proof.reading import ProofError, read_object
from signed_ledgers import KEYS, ORIGIN, SigningKeys
from vectors import make_ledger_v1 as other

Takes = Callable[[str], bool]
TOKENS = (
    *(b"{", b"}", b'"', b":", b",", b"[", b"]", b"+", b"/", b"=", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\\u0061"),
    *(b'"v":1', b'"v":2', b'"size":0', b'"seq":', b"true", b"null", b"1.0", b"-1", b"9" * 16, b"0", b"00", b"0" * 64),
    *(b"A" * 64, b"\xff", b"\xe2\x80\x94 ", b"keys\n", b"at ", b"\nkeys\n", ORIGIN.encode(), b"AA==", b"AB=="),
)
_VECTORS: dict[str, Any] = json.loads(other.FILE.read_text())
_TEXT = _VECTORS["keys"]
_CHECKPOINT = json.loads(_VECTORS["proofs"]["accepted"][0])["checkpoint"]
_STATEMENT = verify_checkpoint(
    read_checkpoint(_CHECKPOINT, "the vectors"), [VerifierKey.parse(key) for key in _TEXT.splitlines()]
)
_TRUSTED = "".join(f"{key}\n" for key in KEYS.public)
_LINES = "".join(SigningKeys(ed25519_seed=b"e" * 32, mldsa65_seed=b"m" * 32).lines(""))
_LENGTHS = {b"\x01": 33, b"\xffapikeychain/v1/ml-dsa-65": 1952 + 25}


def one_input(data: bytes, takes: Takes | None = None) -> None:
    """`data` as one of those texts."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    assert (takes or ours)(text) is theirs(text)


def ours(text: str) -> bool:
    """Whether our reader takes it."""
    try:
        if text.startswith("{"):
            _read_json(text)
        elif not text.startswith(f"{ORIGIN}\n"):
            assert str(VerifierKey.parse(text)) == text
        elif "\nkeys\n" in text:
            verify_key_list(_signed(text), None)
        else:
            verify_note(_signed(text), KEYS.public)
    except ProofError:
        return False
    return True


def _read_json(text: str) -> None:
    if '"payload"' in text:
        verify_entry(EntryProof.read(read_object(text, "the line", canonical=False), "the line"), _STATEMENT)
    else:
        assert Statement.parse(text).text == text


def theirs(text: str) -> bool:
    """Whether the other reader takes it."""
    try:
        if text.startswith("{"):
            _read_json_otherwise(text)
        elif not text.startswith(f"{ORIGIN}\n"):
            _read_key(text)
        elif "\nkeys\n" in text:
            independent_lists.follow_lists([_signed(text)])
        else:
            *_, root = independent_verifier.verify_note(_signed(text), _TRUSTED)
            assert len(root) == len(_STATEMENT.root)
    except Exception:  # noqa: BLE001  # it says so: whatever it raises is its no
        return False
    return True


def _read_json_otherwise(text: str) -> None:
    value = independent_verifier.read(text, canonical='"payload"' not in text)
    if '"payload"' in text:
        proof = {"format": "apikeychain/proof/v1", "entry": value, "checkpoint": _CHECKPOINT}
        independent_verifier.verify_proof(json.dumps(proof), _TEXT)
    else:
        independent_verifier.read_statement(text)


def _read_key(text: str) -> None:
    name, key_id, encoded = text.split("+", 2)
    raw = independent_verifier.unbase64(encoded)
    assert re.fullmatch(independent_lists.ORIGIN, name)
    assert independent_verifier.sha256(name.encode() + b"\n", raw).hex()[:8] == key_id
    assert any(raw.startswith(kind) and len(raw) == length for kind, length in _LENGTHS.items())


def _signed(text: str) -> str:
    """The note of a text, signed where either reader would have its form: signing takes long."""
    form = independent_lists.LIST if "\nkeys\n" in text else independent_verifier.NOTE
    formed = form.fullmatch(f"{text}\n{_LINES}")
    return f"{text}\n{''.join(KEYS.lines(text))}" if formed or text.count("\n") in {4, 5} else f"{text}\n{_LINES}"
