"""`apikeychain ledger verify-proof`: one file and public keys, and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from signed_ledgers import KEYS, ORIGIN, TRUSTED, SigningKeys, a_proof, written
from terminal import Terminal

PROOF = a_proof(7)
ENTRY = written()[6]


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    file = tmp_path / "entry-7.proof"
    file.write_text(PROOF.text, "utf-8")
    return file


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "gate.keys"
    file.write_text("".join(f"{key}\n" for key in TRUSTED))
    return file


def test_a_proof_that_holds_is_told_with_what_it_proves(terminal: Terminal, proof: Path, keys: Path) -> None:
    assert terminal.told("ledger", "verify-proof", proof, "--key", keys) == (
        f"entry 7 of acme stands in the ledger of {ORIGIN}, which had 10 entries at 2026-01-02T12:00:00.000Z; it is\n"
        f"{PROOF.payload}\n"
    )
    assert terminal.read("ledger", "verify-proof", proof, "--key", keys) == {
        "holds": True,
        "tenant": "acme",
        "entry": 7,
        "hash": ENTRY.hash.hex(),
        "payload": ENTRY.payload.decode(),
        "origin": ORIGIN,
        "entries": 10,
        "at": "2026-01-02T12:00:00.000Z",
    }


def test_it_needs_and_makes_no_data_directory(terminal: Terminal, proof: Path, keys: Path) -> None:
    terminal.told("ledger", "verify-proof", proof, "--key", keys)
    assert not terminal.data.exists()


def test_the_keys_can_stand_in_a_file_each(terminal: Terminal, proof: Path, tmp_path: Path) -> None:
    files = []
    for key in TRUSTED:
        files += ["--key", tmp_path / key.algorithm]
        (tmp_path / key.algorithm).write_text(str(key))
    assert "stands in the ledger" in terminal.told("ledger", "verify-proof", proof, *files)
    told = terminal.refused("ledger", "verify-proof", proof, *files[:2])
    assert told == f"the note has no ML-DSA-65 signature by a key of {ORIGIN} that was given"


def test_without_a_key_the_command_line_is_wrong(terminal: Terminal, proof: Path) -> None:
    assert "--key" in terminal.refused("ledger", "verify-proof", proof, code=2)


def test_a_proof_that_does_not_hold_is_told_with_what_does_not(terminal: Terminal, proof: Path, keys: Path) -> None:
    proof.write_text(replace(PROOF, payload=PROOF.payload.replace("gate", "hate")).text)
    reason = "the path through the tree of the chain leads to another root"
    assert terminal.refused("ledger", "verify-proof", proof, "--key", keys) == reason
    code, out, err = terminal.run("ledger", "verify-proof", proof, "--key", keys, "--json")
    assert (code, json.loads(out), err) == (1, {"holds": False, "reason": reason}, f"apikeychain: {reason}\n")


def test_the_keys_of_another_prove_nothing(terminal: Terminal, proof: Path, tmp_path: Path) -> None:
    keys = tmp_path / "other.keys"
    others = SigningKeys(ed25519_seed=b"e" * 32, mldsa65_seed=b"m" * 32)
    keys.write_text("\n".join(map(str, others.public)))
    told = terminal.refused("ledger", "verify-proof", proof, "--key", keys)
    assert told == f"the note has no Ed25519 signature by a key of {ORIGIN} that was given"
    keys.write_text(str(KEYS.ed25519_seed.hex()))
    assert "a key has base64" in terminal.refused("ledger", "verify-proof", proof, "--key", keys)


def test_a_file_that_cannot_be_read_is_named(terminal: Terminal, proof: Path, keys: Path, tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    told = terminal.refused("ledger", "verify-proof", missing, "--key", keys)
    assert told == f"the file {str(missing)!r} cannot be read: No such file or directory"
    assert "cannot be read" in terminal.refused("ledger", "verify-proof", proof, "--key", missing)
    proof.write_bytes(b"\xff")
    told = terminal.refused("ledger", "verify-proof", proof, "--key", keys)
    assert told == f"the file {str(proof)!r} is not text in UTF-8"
    proof.write_bytes(bytes((1 << 24) + 1))
    told = terminal.refused("ledger", "verify-proof", proof, "--key", keys)
    assert told == f"the file {str(proof)!r} is larger than 16 MiB"


def test_what_a_proof_says_cannot_steer_a_terminal(terminal: Terminal, proof: Path, keys: Path) -> None:
    proof.write_text(replace(PROOF, payload=PROOF.payload.replace('"tenant"', '"\\u001b[2J"')).text)
    assert terminal.refused("ledger", "verify-proof", proof, "--key", keys).isprintable()
    keys.write_text("\x1b[2J+")
    assert terminal.refused("ledger", "verify-proof", proof, "--key", keys).isprintable()
