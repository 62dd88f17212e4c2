"""Which keys sign checkpoints, and how others come in their place.

A key list is a note like that of a moment, with keys in place of a tree::

    <origin>
    keys
    <the Ed25519 key>
    <the ML-DSA-65 key>
    at <the moment>

    — <origin> <base64 of key id and signature>
    ...

The first list is signed by its own keys, every other by its own and by those of the list before. So who trusts any
pair follows the lists from there to the newest one, and what the first one says has to be learned from somebody.

Source: contracts 6 (keys rotated with an overlap); C2SP signed-note.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apikeychain.proof.note import ED25519, KEY, LINES, MLDSA65, ORIGIN, VerifierKey, require_signed
from apikeychain.proof.reading import TIMESTAMP, ProofError, require

_LIST = re.compile(rf"(({ORIGIN})\nkeys\n({KEY}\n{KEY}\n)at ({TIMESTAMP})\n)\n({LINES})")


@dataclass(frozen=True, slots=True)
class KeyList:
    """A pair of keys, as the origin announces it.

    Attributes:
        origin: whose keys they are.
        keys: of each algorithm one, Ed25519 first.
        at: RFC 3339 in UTC, with three decimals.
    """

    origin: str
    keys: tuple[VerifierKey, VerifierKey]
    at: str

    @property
    def text(self) -> str:
        """The text of the note, without signatures."""
        return f"{self.origin}\nkeys\n{self.keys[0]}\n{self.keys[1]}\nat {self.at}\n"

    def note(self, lines: Iterable[str]) -> str:
        """The note with these lines of signatures, as `VerifierKey.line` makes them."""
        return f"{self.text}\n{''.join(lines)}"


def verify_key_list(note: str, before: Iterable[VerifierKey] | None) -> KeyList:
    """The list that a note announces.

    Args:
        note: the text, an empty line, and the lines of the signatures.
        before: the keys of the list before, or others of its origin that are trusted; None for the first list, which
            vouches for itself.

    Raises:
        ProofError: it has not the form of a key list, or is not signed by its own keys and by those before.
    """
    found = _LIST.fullmatch(note)
    if not found:
        msg = "the note does not have the form of a key list"
        raise ProofError(msg)
    text, origin, keys, at, lines = found.groups()
    classical, quantum_safe = (VerifierKey.parse(line) for line in keys.splitlines())
    listed = KeyList(origin, (classical, quantum_safe), at)
    algorithms = (classical.algorithm, quantum_safe.algorithm)
    require(algorithms == (ED25519, MLDSA65), f"a key list names one {ED25519} key and one {MLDSA65} key")
    require({key.name for key in listed.keys} == {origin}, "the key list names keys of another origin")
    require_signed(text, origin, lines, listed.keys)
    if before is not None:
        require_signed(text, origin, lines, before)
    return listed


def follow(notes: Sequence[str], trusted: Iterable[VerifierKey] | None) -> list[VerifierKey]:
    """Every key that is to be trusted, from a list of lists.

    Args:
        notes: the key lists of an origin, in their order.
        trusted: keys that were learned elsewhere; None to believe the first list, because of where `notes` come from.

    Raises:
        ProofError: a list does not follow from the one before, or none from `trusted`.
    """
    lists = [verify_key_list(note, None) for note in notes]
    for earlier, note, later in zip(lists, notes[1:], lists[1:], strict=False):
        verify_key_list(note, earlier.keys)
        require(earlier.at <= later.at, "a key list is of an earlier moment than the one before")
    if trusted is None:
        return [key for listed in lists for key in listed.keys]
    known = list(trusted)
    first = next((place for place, listed in enumerate(lists) if set(listed.keys) <= set(known)), None)
    if first is None:
        require(not lists, "none of the key lists is that of keys that were given")
        return known
    return [*known, *(key for listed in lists[first + 1 :] for key in listed.keys)]
