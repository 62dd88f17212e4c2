"""The export with proofs: many entries of one chain, each of which follows from one checkpoint.

It is JSON, a line each. The first says what it is and holds the checkpoint, every other an entry::

    {"format": "apikeychain/export/v1", "checkpoint": {"statement": "...", "index": 0, "path": [...], "note": "..."}}
    {"payload": "...", "previous": "...", "path": ["...", ...]}

So each line, with the checkpoint of the first, is what a proof file says. The entries stand in the order of their
numbers, so as many lines as the chain had entries are all of them. It is read a line at a time.

Source: contracts 6; RFC 6962, section 2.1.1; RFC 8785.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_checkpoint
from apikeychain.proof.entry import EntryProof, read_checkpoint, verify_entry
from apikeychain.proof.note import VerifierKey
from apikeychain.proof.reading import ProofError, read_object, require, require_members

FORMAT = "apikeychain/export/v1"
MAX_LINE_BYTES = 1 << 24

_FIRST = "the first line of the export"
_FIRST_MEMBERS = {"format": str, "checkpoint": dict}


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export proves.

    Attributes:
        statement: on the chain in which all its entries stand.
        entries: how many they are.
    """

    statement: Statement
    entries: int

    @property
    def is_whole(self) -> bool:
        """Whether it holds every entry that the chain had at the moment of the statement."""
        return self.entries == self.statement.size


def export_header(checkpoint: Checkpoint) -> str:
    """The first line of an export, without the line feed."""
    return json.dumps({"format": FORMAT, "checkpoint": checkpoint.document}, ensure_ascii=False)


def export_line(entry: EntryProof) -> str:
    """The line of an entry, without the line feed."""
    return json.dumps(entry.document, ensure_ascii=False)


def is_export(line: str) -> bool:
    """Whether a file that begins with this line is an export with proofs, of whatever version."""
    try:
        said = read_object(line, _FIRST, canonical=False).get("format")
    except ProofError:
        return False
    return isinstance(said, str) and said.startswith(FORMAT.removesuffix("v1"))


def parse_header(line: str) -> Checkpoint:
    """The checkpoint in the first line of an export.

    Raises:
        ProofError: it is not that of an export of version 1.
    """
    document = read_object(line, _FIRST, canonical=False)
    require(document.get("format") == FORMAT, f"{_FIRST} does not say {FORMAT!r}")
    require_members(document, _FIRST_MEMBERS, _FIRST)
    return read_checkpoint(document["checkpoint"], _FIRST)


def read_lines(file: BinaryIO) -> Iterator[str]:
    """The lines of a file, without their line feeds, one at a time.

    Raises:
        ProofError: one is longer than `MAX_LINE_BYTES`, is not UTF-8, or does not end.
    """
    number = 0
    while line := file.readline(MAX_LINE_BYTES):
        number += 1
        require(line.endswith(b"\n"), f"line {number} does not end: the file was cut, or the line is too long")
        try:
            yield line[:-1].decode()
        except UnicodeDecodeError:
            msg = f"line {number} is not text in UTF-8"
            raise ProofError(msg) from None


def verify_export(
    lines: Iterable[str], keys: Iterable[VerifierKey], progress: Callable[[int], None] | None = None
) -> Exported:
    """What an export proves.

    Args:
        lines: of the file, without their line feeds.
        keys: the public keys that are trusted.
        progress: told after each entry how many there were.

    Raises:
        ProofError: the checkpoint does not hold, see `verify_checkpoint`; or a line does not, with its number.
    """
    rest = iter(lines)
    statement = verify_checkpoint(parse_header(next(rest, "")), keys)
    count = last = 0
    for count, line in enumerate(rest, 1):
        try:
            found = EntryProof.read(read_object(line, "the line", canonical=False), "the line")
            seq = verify_entry(found, statement).seq
            require(seq > last, f"entry {seq} stands behind entry {last}")
        except ProofError as error:
            msg = f"line {count + 1} does not hold: {error}"
            raise ProofError(msg) from None
        last = seq
        if progress:
            progress(count)
    return Exported(statement, count)
