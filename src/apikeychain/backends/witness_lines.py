"""The lines of a witness file, each of canonical JSON and with a line feed behind it.

::

    {"checkpoints":[{"index":0,"path":[...],"statement":"..."}, ...],"note":"...","v":1}   what came of one moment
    {"key_lists":["...", ...],"v":1}                                                       further key lists

A line has one spelling, so that the place of each part in it is known from what was read. A file of some years has
millions of lines, of which only the last ones of each chain are ever asked for: a line of the usual kind is matched
with a pattern, ten times as fast as it could be parsed. The pattern takes nothing that the parser would not take, and
finds what the parser would find. What it does not take goes to the parser, which decides and says what is wrong.

Source: contracts 6; RFC 8785.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from apikeychain.proof.checkpoint import Checkpoint, Statement
from apikeychain.proof.extension import read_witnessed
from apikeychain.proof.reading import TIMESTAMP, ProofError, canonical_json, read_object, require, require_members

_LINE = "a line"
_MOMENT = {"checkpoints": list, "note": str, "v": int}
_KEY_LISTS = {"key_lists": list, "v": int}
_BEFORE, _BETWEEN, _NOTE = b'{"checkpoints":[', b",", b'],"note":'
_NUMBER, _HASH, _ASCII = "[1-9][0-9]{0,14}", "[0-9a-f]{64}", r"[ !#-\[\]-~]"
_STATEMENT = (
    rf'\{{"at":"{TIMESTAMP}","head":"{_HASH}","origin":"{_ASCII}*","root":"{_HASH}","salt":"{_HASH}",'
    rf'"size":({_NUMBER}),"tenant":"([A-Za-z0-9_-]+)","v":1\}}'
).replace('"', r"\\" + '"')
_PATH = rf'\[(?:"{_HASH}"(?:,"{_HASH}")*)?\]'
_USUAL = re.compile(rf'\{{"index":(?:0|{_NUMBER}),"path":{_PATH},"statement":"{_STATEMENT}"\}}'.encode())
# Beside ASCII a note has line feeds, and the dash before each signature.
_USUAL_NOTE = re.compile(rf'\],"note":("(?:{_ASCII}++|\\n|—)*+"),"v":1\}}'.encode())


class Span(NamedTuple):
    """Where something stands in the file.

    Attributes:
        start: its first byte, counted from 0.
        size: of it, in bytes.
    """

    start: int
    size: int


class Place(NamedTuple):
    """Where a checkpoint stands.

    Attributes:
        entries: how many its chain has.
        start: of what it has alone, its first byte in the file.
        size: of that, in bytes.
        note: what it has in common with others.
    """

    entries: int
    start: int
    size: int
    note: Span


@dataclass(frozen=True, slots=True)
class Line:
    """What a line holds.

    Attributes:
        places: of its checkpoints, with the tenant of each.
        key_lists: of a line that has them.
    """

    places: Sequence[tuple[str, Place]] = ()
    key_lists: Sequence[str] = ()


def moment_line(note: str, checkpoints: Iterable[Checkpoint]) -> bytes:
    """The line of what came of one moment."""
    return canonical_json({"checkpoints": [each.members for each in checkpoints], "note": note, "v": 1}) + b"\n"


def key_lists_line(key_lists: Sequence[str]) -> bytes:
    """The line of further key lists."""
    return canonical_json({"key_lists": [*key_lists], "v": 1}) + b"\n"


def read_line(line: bytes, start: int) -> Line:
    """What a line holds.

    Args:
        line: without its line feed.
        start: its first byte in the file.

    Raises:
        ProofError: it is no line of a witness.
    """
    usual = _usual_places(line, start)
    return parse_line(line, start) if usual is None else Line(places=usual)


def parse_line(line: bytes, start: int) -> Line:
    """See `read_line`, of which this is the strict and slow half."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        msg = f"{_LINE} is no text"
        raise ProofError(msg) from None
    found = read_object(text, _LINE, canonical=True)
    require(found.get("v") == 1, f"the version of {_LINE} is unknown")
    if "key_lists" in found:
        require_members(found, _KEY_LISTS, _LINE)
        require(all(isinstance(each, str) for each in found["key_lists"]), "a key list is no text")
        return Line(key_lists=found["key_lists"])
    require_members(found, _MOMENT, _LINE)
    return Line(places=_places(found["checkpoints"], found["note"], start))


def read_part(checkpoint: bytes, note: bytes) -> Checkpoint:
    """The checkpoint that stands at a place.

    Args:
        checkpoint: what stands at its own span.
        note: what stands at that of its note.

    Raises:
        ProofError: it is none.
    """
    try:
        said = json.loads(note)
        found = read_object(checkpoint.decode(), _LINE, canonical=True)
    except ValueError:
        msg = "what stands there is another text now"
        raise ProofError(msg) from None
    require(isinstance(said, str), "the note is no text")
    return read_witnessed(found, said)


def _places(checkpoints: Sequence[object], note: str, start: int) -> list[tuple[str, Place]]:
    sizes = [len(canonical_json(each)) for each in checkpoints]
    at = start + len(_BEFORE)
    behind = at + sum(sizes) + len(_BETWEEN) * (len(sizes) - 1) + len(_NOTE)
    noted = Span(behind, len(canonical_json(note)))
    places: list[tuple[str, Place]] = []
    for each, size in zip(checkpoints, sizes, strict=True):
        statement = Statement.parse(read_witnessed(each, note).statement)
        places.append((statement.tenant, Place(statement.size, at, size, noted)))
        at += size + len(_BETWEEN)
    return places


def _usual_places(line: bytes, start: int) -> list[tuple[str, Place]] | None:
    """What `_places` would find; None where the line is not of the usual kind."""
    at, found = len(_BEFORE), list[tuple[str, int, int, int]]()
    while usual := _USUAL.match(line, at):
        size, tenant = usual.groups()
        found.append((tenant.decode(), int(size), start + at, usual.end() - at))
        at = usual.end() + len(_BETWEEN)
        if line[usual.end() : at] != _BETWEEN:
            break
    note = _USUAL_NOTE.fullmatch(line, at - len(_BETWEEN))
    if not found or note is None or not line.startswith(_BEFORE):
        return None
    noted = Span(start + note.start(1), len(note[1]))
    return [(tenant, Place(entries, begin, size, noted)) for tenant, entries, begin, size in found]
