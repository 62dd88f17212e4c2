"""The proof file: one entry, and how it follows from a checkpoint.

It is JSON. Hashes are lower-case hex, the payload and the statement are texts, exactly as they were hashed::

    {
      "format": "apikeychain/proof/v1",
      "entry": {"payload": "...", "previous": "...", "path": ["...", ...]},
      "checkpoint": {"statement": "...", "index": 0, "path": ["...", ...], "note": "..."}
    }

Source: contracts 6; RFC 6962, section 2.1.1; RFC 8785.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint
from apikeychain.proof.note import VerifierKey
from apikeychain.proof.reading import read_hash, read_object, read_path, require, require_members
from apikeychain.proof.tree import entry_hash, verify_inclusion

FORMAT = "apikeychain/proof/v1"

_FILE = "the proof file"
_FILE_MEMBERS = {"format": str, "entry": dict, "checkpoint": dict}
_ENTRY_MEMBERS = {"payload": str, "previous": str, "path": list}
_CHECKPOINT_MEMBERS = {"statement": str, "index": int, "path": list, "note": str}


@dataclass(frozen=True, slots=True)
class EntryProof:
    """An entry, and how it follows from the root of its chain.

    Attributes:
        payload: of the entry, as it was hashed.
        previous: the hash of the entry before it, or the beginning of the chain.
        path: the hashes from the entry to the root of its chain.
    """

    payload: str
    previous: bytes
    path: tuple[bytes, ...]

    @property
    def document(self) -> dict[str, object]:
        """It as JSON."""
        return {"payload": self.payload, "previous": self.previous.hex(), "path": [step.hex() for step in self.path]}

    @classmethod
    def read(cls, entry: Mapping[str, Any], what: str) -> Self:
        """The same out of JSON.

        Args:
            entry: a JSON object.
            what: it stands in, for the text of the error.

        Raises:
            ProofError: it is not one.
        """
        require_members(entry, _ENTRY_MEMBERS, f"the entry in {what}")
        return cls(entry["payload"], read_hash(entry["previous"], what), read_path(entry["path"], what))


@dataclass(frozen=True, slots=True)
class Proof:
    """An entry, and how it follows from a checkpoint.

    Attributes:
        payload, previous, path: as in `EntryProof`.
        checkpoint: of the chain, at its moment or at any later one.
    """

    payload: str
    previous: bytes
    path: tuple[bytes, ...]
    checkpoint: Checkpoint

    @property
    def entry(self) -> EntryProof:
        """It without the checkpoint."""
        return EntryProof(self.payload, self.previous, self.path)

    @property
    def text(self) -> str:
        """The proof file."""
        document = {"format": FORMAT, "entry": self.entry.document, "checkpoint": self.checkpoint.document}
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Proven:
    """What was proven.

    Attributes:
        seq: the number of the entry in its chain, counted from 1.
        hash: of the entry.
        statement: on the chain in which it stands.
    """

    seq: int
    hash: bytes
    statement: Statement


def parse_proof(text: str) -> Proof:
    """The proof in a proof file.

    Raises:
        ProofError: it is not one of version 1.
    """
    document = read_object(text, _FILE, canonical=False)
    require(document.get("format") == FORMAT, f"{_FILE} does not say {FORMAT!r}")
    require_members(document, _FILE_MEMBERS, _FILE)
    checkpoint = read_checkpoint(document["checkpoint"], _FILE)
    entry = EntryProof.read(document["entry"], _FILE)
    return Proof(entry.payload, entry.previous, entry.path, checkpoint)


def read_checkpoint(signed: Mapping[str, Any], what: str) -> Checkpoint:
    """The checkpoint of which JSON holds the `document`.

    Args:
        signed: a JSON object.
        what: it stands in, for the text of the error.

    Raises:
        ProofError: it is not one.
    """
    require_members(signed, _CHECKPOINT_MEMBERS, f"the checkpoint in {what}")
    return Checkpoint(signed["statement"], signed["index"], read_path(signed["path"], what), signed["note"])


def verify_proof(proof: Proof, keys: Iterable[VerifierKey]) -> Proven:
    """What a proof proves.

    Raises:
        ProofError: its checkpoint does not hold, see `verify_checkpoint`; or the chain that was signed does not have
            this entry at the place that its payload says.
    """
    return verify_entry(proof.entry, verify_checkpoint(proof.checkpoint, keys))


def verify_entry(entry: EntryProof, statement: Statement) -> Proven:
    """What is proven of an entry by a statement that was verified.

    Raises:
        ProofError: the chain that was signed does not have this entry at the place that its payload says.
    """
    said = read_object(entry.payload, "the payload", canonical=True)
    require((type(said.get("v")), said.get("v")) == (int, 1), "the version of the entry is unknown")
    require(said.get("tenant") == statement.tenant, "the entry is of another tenant than the statement")
    require(type(said.get("seq")) is int, "the payload does not say which entry of the chain it is")
    seq: int = said["seq"]
    hashed = entry_hash(entry.previous, entry.payload.encode())
    place, tree = seq - 1, "the tree of the chain"
    verify_inclusion(hashed, index=place, size=statement.size, path=entry.path, root=statement.root, tree=tree)
    require(seq != statement.size or hashed == statement.head, "the last entry is not the one that the statement names")
    return Proven(seq, hashed, statement)
