"""What a route's transforms do to the JSON of an answer: fields are kept, dropped and renamed, the rest stays.

What cannot be read in the one way that every parser agrees on is refused and does not pass: whoever keeps fields says
that nothing else ever leaves. Numbers keep their spelling.

Source: contracts 4; amendment 9; RFC 8259.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NoReturn, cast

from apikeychain.errors import ParameterRefusedError, UpstreamRefusedError
from apikeychain.model.answer_transforms import AnswerTransform, KeepFields, RenameField
from apikeychain.model.call import ByteStream
from apikeychain.model.route import MIB
from apikeychain.rules.bodies import gathered
from apikeychain.rules.json_objects import SPELLED, read_spelled

# What is shaped is held whole, and read and written in one go while every other call waits. Measured for a MiB: 90 ms
# of records, 350 ms of small objects, 600 ms of nothing but brackets.
MAX_SHAPED_BYTES = 2 * MIB
_NUMBER = re.compile(f'"{SPELLED}([^"]*)"')

Members = dict[str, object]
# A name with what is meant below it, or None for all of it.
Tree = dict[str, "Tree | None"]


class AnswerShape:
    """The transforms of a route, ready."""

    __slots__ = ("_steps",)

    def __init__(self, transforms: Iterable[AnswerTransform]) -> None:
        self._steps = tuple(_step(transform) for transform in transforms)

    def shape(self, raw: bytes) -> bytes:
        """The answer `raw`, shaped.

        Raises:
            UpstreamRefusedError: it is no JSON object or array that every parser reads alike, or a field stands in it
                that has the new name of another.
        """
        try:
            value = read_spelled(raw)
        except ParameterRefusedError:
            _refuse("it is not JSON that every parser reads alike")
        if not _is_branch(value):
            _refuse("it is JSON without fields")
        for step in self._steps:
            value = step(value)
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return _NUMBER.sub(r"\1", text).encode()


async def read(body: bytes | ByteStream) -> bytes:
    """All of an answer that is shaped.

    Raises:
        UpstreamRefusedError: it is larger than 2 MiB.
    """
    whole = body if isinstance(body, bytes) else await gathered(body, MAX_SHAPED_BYTES)
    if whole is None:
        _refuse(f"it has more than {MAX_SHAPED_BYTES} bytes")
    return whole


def _step(transform: AnswerTransform) -> Callable[[object], object]:
    if isinstance(transform, RenameField):
        return partial(_renamed, transform.name.split("."), transform.to)
    tree: Tree = {}
    for path in transform.fields:
        *above, name = path.split(".")
        branch = tree
        for part in above:
            # No field lies within another: what is on the way is a branch.
            branch = cast("Tree", branch.setdefault(part, {}))
        branch[name] = None
    return partial(_kept if isinstance(transform, KeepFields) else _dropped, tree)


def _is_branch(value: object) -> bool:
    return isinstance(value, (dict, list))


def _kept(tree: Tree, value: object) -> object:
    """Of an object or array what the tree names. A value where the tree goes deeper is not named, so it is left out."""
    if isinstance(value, list):
        return [_kept(tree, one) for one in cast("list[object]", value) if _is_branch(one)]
    kept: Members = {}
    for name, inner in cast("Members", value).items():
        below = tree.get(name)
        if below is not None and _is_branch(inner):
            kept[name] = _kept(below, inner)
        elif below is None and name in tree:
            kept[name] = inner
    return kept


def _dropped(tree: Tree, value: object) -> object:
    def drop(members: Members) -> Members:
        left = {name: inner for name, inner in members.items() if name not in tree or tree[name] is not None}
        return left | {name: _dropped(below, left[name]) for name, below in tree.items() if below and name in left}

    return _each(value, drop)


def _renamed(path: Sequence[str], to: str, value: object) -> object:
    name, *below = path

    def rename(members: Members) -> Members:
        if name not in members:
            return members
        if below:
            return members | {name: _renamed(below, to, members[name])}
        if to in members:
            _refuse("it has a field of the name that another one gets")
        return {to if one == name else one: inner for one, inner in members.items()}

    return _each(value, rename)


def _each(value: object, act: Callable[[Members], Members]) -> object:
    """`value` with every object in it acted upon, down to the first one on each way."""
    if isinstance(value, list):
        return [_each(one, act) if _is_branch(one) else one for one in cast("list[object]", value)]
    return act(cast("Members", value)) if isinstance(value, dict) else value


def _refuse(reason: str) -> NoReturn:
    hint = f"the route shapes the provider's answer, and {reason}"
    raise UpstreamRefusedError(hint) from None
