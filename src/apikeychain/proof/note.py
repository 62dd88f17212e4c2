"""The signed note of a moment, and the keys that sign it.

A note is a text, an empty line, and a line for each signature of the text::

    <origin>
    <how many statements there are>
    <base64 of the root of their tree>
    at <the moment>

    — <origin> <base64 of key id and Ed25519 signature>
    — <origin> <base64 of key id and ML-DSA-65 signature>

Both signatures have to hold: a forger would have to break both algorithms. Lines of keys that nobody gave us are left
alone, so that a witness can add its own. The ML-DSA signature is the pure one, with an empty context; its type of a
key has no byte of its own in the specification, so it is 0xff and a name::

    key id = the first 4 bytes of SHA-256(name || 0x0a || type || public key)
    type   = 0x01 for Ed25519, 0xff || "apikeychain/v1/ml-dsa-65" for ML-DSA-65

Source: contracts 6; C2SP signed-note and tlog-checkpoint; RFC 8032; FIPS 204.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PublicKey

from apikeychain.proof.reading import TIMESTAMP, ProofError, read_base64, require

ED25519 = "Ed25519"
MLDSA65 = "ML-DSA-65"

# The name of a log and of its keys, as a pattern.
ORIGIN = r"[!-*,-~]{1,200}"

_ID_BYTES = 4
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
# The text form of a key, as a pattern.
KEY = rf"{ORIGIN}\+[0-9a-f]{{8}}\+{_BASE64}"
# The lines of signatures, as a pattern. At most 16: as many as every reader of notes takes.
LINES = rf"(?:— [^\s+\x00-\x1f]+ {_BASE64}\n){{1,16}}"
_NOTE = re.compile(rf"(({ORIGIN})\n([1-9][0-9]{{0,14}})\n({_BASE64})\nat ({TIMESTAMP})\n)\n({LINES})")


@dataclass(frozen=True, slots=True)
class _Algorithm:
    type: bytes
    public_bytes: int
    load: Callable[[bytes], Ed25519PublicKey | MLDSA65PublicKey]


_ALGORITHMS = {
    ED25519: _Algorithm(b"\x01", 32, Ed25519PublicKey.from_public_bytes),
    MLDSA65: _Algorithm(b"\xffapikeychain/v1/ml-dsa-65", 1952, MLDSA65PublicKey.from_public_bytes),
}


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key, under the name by which notes say who signed them.

    Attributes:
        name: the origin whose key it is: 1 to 200 printable ASCII characters, no space and no ``+``.
        algorithm: `ED25519` or `MLDSA65`.
        public: the public key as RFC 8032 or FIPS 204 encodes it.

    Raises:
        ProofError: a name or a length that no such key has.
    """

    name: str
    algorithm: str
    public: bytes

    def __post_init__(self) -> None:
        require(re.fullmatch(ORIGIN, self.name), f"not a name of a key: {self.name!r}")
        fits = len(self.public) == _ALGORITHMS[self.algorithm].public_bytes
        require(fits, f"the {self.algorithm} key of {self.name} has another length")

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """The key in the text ``<name>+<key id in hex>+<base64 of type and public key>``.

        Raises:
            ProofError: it is not the one spelling of a key.
        """
        name, _, rest = text.partition("+")
        encoded = read_base64(rest.partition("+")[2], "a key")
        kinds = [kind for kind, algorithm in _ALGORITHMS.items() if encoded.startswith(algorithm.type)]
        require(kinds, f"a key of {name!r} is neither {ED25519} nor {MLDSA65}")
        key = cls(name, kinds[0], encoded.removeprefix(_ALGORITHMS[kinds[0]].type))
        require(str(key) == text, f"the id of a key of {name!r} is not that of its public key")
        return key

    @property
    def id(self) -> bytes:
        """The 4 bytes that stand for it in a note."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._encoded).digest()[:_ID_BYTES]

    @property
    def _encoded(self) -> bytes:
        return _ALGORITHMS[self.algorithm].type + self.public

    def __str__(self) -> str:
        """The text that `parse` takes."""
        return f"{self.name}+{self.id.hex()}+{b64encode(self._encoded).decode()}"

    def line(self, signature: bytes) -> str:
        """The line of a note that carries `signature` of this key."""
        return f"— {self.name} {b64encode(self.id + signature).decode()}\n"

    def verify(self, signature: bytes, message: bytes) -> None:
        """Require that this key signed `message`.

        Raises:
            ProofError: it did not.
        """
        try:
            _ALGORITHMS[self.algorithm].load(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            msg = f"the {self.algorithm} signature of {self.name} does not hold"
            raise ProofError(msg) from None


@dataclass(frozen=True, slots=True)
class Moment:
    """What is signed: the tree over the statements of one moment.

    Attributes:
        size: how many statements there are, at least 1.
        root: of their tree.
        at: RFC 3339 in UTC, with three decimals.
    """

    origin: str
    size: int
    root: bytes
    at: str

    @property
    def text(self) -> str:
        """The text of the note, without signatures."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\nat {self.at}\n"

    def note(self, lines: Iterable[str]) -> str:
        """The note with these lines of signatures, as `VerifierKey.line` makes them."""
        return f"{self.text}\n{''.join(lines)}"


def parse_keys(text: str) -> list[VerifierKey]:
    """The keys in a text that has one on each line.

    Raises:
        ProofError: a line is no key, or there is none.
    """
    require(text, "there is no key")
    return [VerifierKey.parse(line) for line in text.removesuffix("\n").split("\n")]


def verify_note(note: str, keys: Iterable[VerifierKey]) -> Moment:
    """The moment that a note signs, with a key of each algorithm.

    Args:
        note: the text, an empty line, and the lines of the signatures.
        keys: the public keys that are trusted; of each algorithm there may be several, old and new.

    Raises:
        ProofError: it is not in the form of a note; an algorithm has no signature of a key that is trusted; one that is
            there does not hold.
    """
    found = _NOTE.fullmatch(note)
    if not found:
        msg = "the note does not have the form of a checkpoint with 1 to 16 signatures"
        raise ProofError(msg)
    text, origin, size, root, at, lines = found.groups()
    require_signed(text, origin, lines, keys)
    moment = Moment(origin, int(size), read_base64(root, "the note"), at)
    require(len(moment.root) == hashlib.sha256().digest_size, "the root in the note does not have 32 bytes")
    return moment


def require_signed(text: str, origin: str, lines: str, keys: Iterable[VerifierKey]) -> None:
    """Require that a key of each algorithm signed the text of a note.

    Args:
        text: that is signed.
        origin: whose keys sign it.
        lines: of the signatures.
        keys: that are trusted.

    Raises:
        ProofError: as `verify_note`.
    """
    trusted = {key.id: key for key in keys if key.name == origin}
    require(trusted, f"the note is of {origin}, and none of the keys is")
    signed: list[VerifierKey] = []
    for line in lines.splitlines():
        _, name, encoded = line.split(" ")
        signature = read_base64(encoded, "a signature")
        key = trusted.get(signature[:_ID_BYTES])
        if key and name == origin:
            require(key not in signed, f"the note has two signatures by one {key.algorithm} key of {origin}")
            key.verify(signature[_ID_BYTES:], text.encode())
            signed.append(key)
    for algorithm in _ALGORITHMS:
        holds = algorithm in {key.algorithm for key in signed}
        require(holds, f"the note has no {algorithm} signature by a key of {origin} that was given")
