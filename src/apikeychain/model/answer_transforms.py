"""Answer transforms: how a route shapes the JSON of a provider's answer before it leaves, as data.

They run one behind the other, in the order in which they are written.

Source: contracts 4; amendment 9.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from apikeychain.errors import InvalidValueError

MAX_FIELDS = 256
MAX_PATH = 1024


@dataclass(frozen=True, slots=True)
class KeepFields:
    """Nothing but these fields is left of the answer.

    Attributes:
        fields: dotted paths, e.g. ``items.name``: of each element where there is an array on the way. A field is kept
            with all that is in it.

    Raises:
        InvalidValueError: one of them is no path, or lies within another.
    """

    fields: Sequence[str]
    kind: Literal["keep"] = field(default="keep", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", _paths(self.fields))


@dataclass(frozen=True, slots=True)
class DropFields:
    """These fields are taken out of the answer, with all that is in them.

    Attributes:
        fields: dotted paths, e.g. ``items.email``: of each element where there is an array on the way.

    Raises:
        InvalidValueError: one of them is no path, or lies within another.
    """

    fields: Sequence[str]
    kind: Literal["drop"] = field(default="drop", kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", _paths(self.fields))


@dataclass(frozen=True, slots=True)
class RenameField:
    """A field gets another name, in its place. An answer that has a field of that name beside it is refused.

    Attributes:
        name: a dotted path, e.g. ``items.mail``: of each element where there is an array on the way.
        to: the new name of its last part, e.g. ``email``.

    Raises:
        InvalidValueError: `name` is no path, or `to` no other name.
    """

    name: str
    to: str
    kind: Literal["rename"] = field(default="rename", kw_only=True)

    def __post_init__(self) -> None:
        _require_path(self.name)
        _require_path(self.to)
        if "." in self.to or self.to == self.name.rpartition(".")[2]:
            msg = f"the field {self.name!r} needs another name, one without a dot: not {self.to!r}"
            raise InvalidValueError(msg)


AnswerTransform = KeepFields | DropFields | RenameField


def _paths(given: Sequence[str]) -> tuple[str, ...]:
    fields = (given,) if isinstance(given, str) else tuple(given)
    if not 0 < len(fields) <= MAX_FIELDS:
        msg = f"a transform of the answer names 1 to {MAX_FIELDS} fields"
        raise InvalidValueError(msg)
    for path in fields:
        _require_path(path)
    ordered = sorted(path.split(".") for path in fields)
    for one, other in pairwise(ordered):
        if other[: len(one)] == one:
            msg = f"the field {'.'.join(other)!r} lies within {'.'.join(one)!r}: name one of them"
            raise InvalidValueError(msg)
    return fields


def _require_path(path: str) -> None:
    lone = any("\ud800" <= character <= "\udfff" for character in path)
    if not all(path.split(".")) or len(path) > MAX_PATH or lone:
        msg = f"not the path of a field: {path!r} (write id or items.name)"
        raise InvalidValueError(msg)
