"""The checkpoint of a chain: a statement on it, and how that follows from a signed note.

A statement is the canonical JSON of ``{"v":1,"origin","tenant","size","head","root","at","salt"}``. All
statements of one moment are the leaves of one tree, and its root is what the note signs.

Source: contracts 6; RFC 6962, section 2.1; RFC 8785.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apikeychain.proof.note import VerifierKey, verify_note
from apikeychain.proof.reading import TIMESTAMP, canonical_json, read_hash, read_object, require, require_members
from apikeychain.proof.tree import verify_consistency, verify_inclusion

_MEMBERS = {"v": int, "origin": str, "tenant": str, "size": int, "head": str, "root": str, "at": str, "salt": str}
_STATEMENT = "the statement"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is said of one chain at one moment.

    Attributes:
        origin: who says it.
        size: how many entries the chain has, at least 1.
        head: the hash of the last one.
        root: of the tree over the hashes of all of them.
        at: RFC 3339 in UTC, with three decimals.
        salt: 32 random bytes, by which nobody who is given the hash of a statement can tell what it says.
    """

    origin: str
    tenant: str
    size: int
    head: bytes
    root: bytes
    at: str
    salt: bytes

    @property
    def text(self) -> str:
        """Its canonical JSON: the leaf in the tree of its moment."""
        said = {"v": 1, "origin": self.origin, "tenant": self.tenant, "size": self.size, "at": self.at}
        hashes = {"head": self.head.hex(), "root": self.root.hex(), "salt": self.salt.hex()}
        return canonical_json(said | hashes).decode()

    @classmethod
    def parse(cls, text: str) -> "Statement":
        """The statement with this text.

        Raises:
            ProofError: it is not canonical, or not one of version 1.
        """
        said = read_object(text, _STATEMENT, canonical=True)
        require_members(said, _MEMBERS, _STATEMENT)
        require(said["v"] == 1, "the version of the statement is unknown")
        require(said["size"] > 0, "the statement is on a chain without entries")
        require(re.fullmatch(TIMESTAMP, said["at"]), "the moment of the statement is not RFC 3339 with three decimals")
        head, root, salt = (read_hash(said[name], _STATEMENT) for name in ("head", "root", "salt"))
        return cls(said["origin"], said["tenant"], said["size"], head, root, said["at"], salt)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement on a chain, and how it follows from a signed note.

    Attributes:
        statement: its text.
        index: its place among the statements of the moment, counted from 0.
        path: the hashes from it to the root of the moment.
        note: the signed note of the moment.
    """

    statement: str
    index: int
    path: tuple[bytes, ...]
    note: str

    @property
    def members(self) -> dict[str, object]:
        """What JSON holds of it beside the note, which it has in common with others of its moment."""
        return {"statement": self.statement, "index": self.index, "path": [step.hex() for step in self.path]}

    @property
    def document(self) -> dict[str, object]:
        """The same with the note."""
        return {**self.members, "note": self.note}


def verify_checkpoint(checkpoint: Checkpoint, keys: Iterable[VerifierKey]) -> Statement:
    """The statement of a checkpoint that was signed.

    Raises:
        ProofError: it was not signed by `keys`, see `verify_note`; or what was signed does not hold it.
    """
    moment = verify_note(checkpoint.note, keys)
    statement = Statement.parse(checkpoint.statement)
    require(statement.origin == moment.origin, "the statement is of another origin than the note")
    require(statement.at == moment.at, "the statement is of another moment than the note")
    leaf, index, path = checkpoint.statement.encode(), checkpoint.index, checkpoint.path
    tree = "the tree of the moment"
    verify_inclusion(leaf, index=index, size=moment.size, path=path, root=moment.root, tree=tree)
    return statement


def verify_extension(earlier: Statement, later: Statement, path: Sequence[bytes]) -> None:
    """Require that the later statement is on the same chain, with nothing changed in what was there before.

    Args:
        earlier: one that was verified before.
        later: one that was verified too.
        path: between the two sizes of the tree, empty where they are the same.

    Raises:
        ProofError: it is of another chain or of an earlier moment, or the chain was cut or written anew.
    """
    require(
        (earlier.origin, earlier.tenant) == (later.origin, later.tenant), "the later checkpoint is of another chain"
    )
    require(earlier.at <= later.at, "the later checkpoint is of an earlier moment")
    verify_consistency(
        size=earlier.size,
        root=earlier.root,
        later_size=later.size,
        later_root=later.root,
        path=path,
        tree=f"the tree of {later.tenant}",
    )
    same = earlier.size != later.size or earlier.head == later.head
    require(same, "two checkpoints of one size have another last entry")
