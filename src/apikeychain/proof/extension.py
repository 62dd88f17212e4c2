"""What a witness decides: whether it keeps what it is given, because it goes on from what it has.

::

    nothing is kept of a chain    any checkpoint is its first one, on whatever many entries: since 0, an empty path
    the same statement            is kept already
    anything else                 goes on from the last one: same origin and chain, no earlier moment, no fewer
                                  entries, and a path from that size; at the same size the same root and head

It needs no key. Who signed a checkpoint is for whoever reads it.

Source: contracts 6 (checkpoints, to the witnesses); RFC 9162, section 2.1.4.2.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from apikeychain.proof.checkpoint import Checkpoint, Statement, verify_extension
from apikeychain.proof.key_list import follow
from apikeychain.proof.reading import read_path, require, require_members

_MEMBERS = {"index": int, "path": list, "statement": str}
_CHECKPOINT = "the checkpoint"


def is_news(kept: Checkpoint | None, later: Checkpoint, *, since: int, path: Sequence[bytes]) -> bool:
    """Whether a checkpoint is to be kept behind the last one; False where it is the last one.

    Args:
        kept: the last one of the chain, None where there is none.
        later: the one that is given.
        since: the size from which `path` goes on, 0 where `kept` is None.
        path: between the two sizes of the tree.

    Raises:
        ProofError: it does not go on from there, or is not a checkpoint.
    """
    statement = Statement.parse(later.statement)
    if kept is None:
        require(not since and not path, f"it goes on from {since} entries, and none are witnessed of this chain")
        return True
    if kept.statement == later.statement:
        return False
    earlier = Statement.parse(kept.statement)
    # Of a chain that is shorter the next line says so, whatever else is said of it.
    goes_on = statement.size < earlier.size or since == earlier.size
    require(goes_on, f"it goes on from {since} entries, and {earlier.size} are witnessed of this chain")
    verify_extension(earlier, statement, path)
    return True


def new_key_lists(kept: Sequence[str], given: Sequence[str]) -> Sequence[str]:
    """Those that are to be kept behind the ones that are there.

    Args:
        kept: what is there.
        given: all that there are, from the first; or the first ones of what is there.

    Raises:
        ProofError: they begin with others, or one does not follow from the one before.
    """
    both = min(len(kept), len(given))
    require([*kept[:both]] == [*given[:both]], "the key lists are not those that are witnessed")
    if len(given) > len(kept):
        follow(given, None)
    return given[both:]


def read_witnessed(found: object, note: str) -> Checkpoint:
    """The checkpoint of which JSON holds the `members`, with this note.

    Raises:
        ProofError: they are others, or no statement is among them.
    """
    read = read_members(found, _MEMBERS, _CHECKPOINT)
    Statement.parse(read["statement"])
    return Checkpoint(read["statement"], read["index"], read_path(read["path"], _CHECKPOINT), note)


def read_members(found: object, names: Mapping[str, type], what: str) -> dict[str, Any]:
    """The members of an object that has these and no others, each of its type. Raises ProofError."""
    require(isinstance(found, dict), f"{what} is no JSON object")
    members: dict[str, Any] = dict(cast("dict[str, Any]", found))
    require_members(members, names, what)
    return members
