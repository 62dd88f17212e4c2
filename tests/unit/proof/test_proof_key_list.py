"""Key lists: which keys may sign, and how trust goes from one pair to the next."""

from dataclasses import replace

import pytest

from apikeychain.proof.key_list import KeyList, follow, verify_key_list
from apikeychain.proof.note import VerifierKey, verify_note
from apikeychain.proof.reading import ProofError
from signed_ledgers import KEYS, ORIGIN, SigningKeys

SECOND = SigningKeys(ed25519_seed=bytes([2]) * 32, mldsa65_seed=bytes([3]) * 32)
THIRD = SigningKeys(ed25519_seed=bytes([4]) * 32, mldsa65_seed=bytes([5]) * 32)
STRANGER = SigningKeys(ed25519_seed=bytes([6]) * 32, mldsa65_seed=bytes([7]) * 32)
AT = "2026-01-0{}T12:00:00.000Z"


def listed(of: SigningKeys, *by: SigningKeys, day: int = 1, keys: list[VerifierKey] | None = None) -> str:
    classical, quantum_safe = keys or of.public
    made = KeyList(ORIGIN, (classical, quantum_safe), AT.format(day))
    return made.note(line for signer in (of, *by) for line in signer.lines(made.text))


FIRST = listed(KEYS)
NOTES = [FIRST, listed(SECOND, KEYS, day=2), listed(THIRD, SECOND, day=3)]


def test_a_first_list_vouches_for_itself() -> None:
    assert list(verify_key_list(FIRST, None).keys) == KEYS.public


@pytest.mark.parametrize(
    ("trusted", "found"),
    [
        (None, [*KEYS.public, *SECOND.public, *THIRD.public]),
        (KEYS.public, [*KEYS.public, *SECOND.public, *THIRD.public]),
        (SECOND.public, [*SECOND.public, *THIRD.public]),
        (THIRD.public, THIRD.public),
    ],
    ids=["the first", "a first pair", "a middle pair", "the newest pair"],
)
def test_trust_goes_on_from_any_pair(trusted: list[VerifierKey] | None, found: list[VerifierKey]) -> None:
    assert follow(NOTES, trusted) == found


def test_without_lists_only_what_was_given_is_trusted() -> None:
    assert follow([], KEYS.public) == KEYS.public
    assert follow([], None) == []


@pytest.mark.parametrize(
    ("notes", "trusted", "reason"),
    [
        (NOTES, STRANGER.public, "none of the key lists is that of keys that were given"),
        ([FIRST, listed(STRANGER, day=2)], None, "no Ed25519 signature by a key of"),
        ([FIRST, listed(THIRD, SECOND, day=2)], None, "no Ed25519 signature by a key of"),
        ([NOTES[1], listed(THIRD, SECOND, day=1)], None, "an earlier moment than the one before"),
        (["keys\n"], None, "does not have the form of a key list"),
        ([listed(KEYS, keys=KEYS.public[::-1])], None, "names one Ed25519 key and one ML-DSA-65 key"),
        ([listed(SECOND, KEYS).replace("at 2026-01-01", "at 2026-01-02")], None, "does not hold"),
    ],
    ids=["strangers", "not vouched for", "left one out", "back in time", "no list", "the other order", "edited"],
)
def test_what_is_not_vouched_for_is_refused(notes: list[str], trusted: list[VerifierKey] | None, reason: str) -> None:
    with pytest.raises(ProofError, match=reason):
        follow(notes, trusted)


def test_a_list_names_keys_of_its_own_origin() -> None:
    others = replace(SECOND, origin="other.example.com")
    note = listed(KEYS, keys=others.public)
    with pytest.raises(ProofError, match="keys of another origin"):
        verify_key_list(note, None)


def test_a_moment_is_no_key_list_and_a_key_list_no_moment() -> None:
    with pytest.raises(ProofError, match="form of a checkpoint"):
        verify_note(FIRST, KEYS.public)
