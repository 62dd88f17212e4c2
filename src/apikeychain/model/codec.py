"""A record as text and back: JSON in which every dataclass carries its name.

Names, because several of our unions hold dataclasses with the same fields (a path and a query parameter), which
nothing else tells apart. A mapping is its pairs, so that no key of one is taken for that name; a set is a sorted list.
Loading builds nothing but the classes that records are made of, judges every field by its
type and runs the class's own judgement.
"""

import base64
import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast, get_args, get_type_hints

from pydantic import TypeAdapter

from apikeychain.errors import DamagedDataError
from apikeychain.model.records import KINDS, Record

R = TypeVar("R", bound=Record)
_CLASS = "is"
_BYTES = "base64"
_PAIRS = "pairs"


def dump(record: Record) -> str:
    """The record as JSON."""
    return json.dumps(record, default=_plain, separators=(",", ":"))


def load(kind: type[R], text: str) -> R:
    """The record that `text` was made of.

    Raises:
        DamagedDataError: it is not the text of a record of that kind.
    """
    try:
        record: object = json.loads(text, object_hook=_revive)
    except (ValueError, TypeError, KeyError, RecursionError):
        record = None
    if not isinstance(record, kind):
        msg = f"a stored {kind.kind}"
        raise DamagedDataError(msg)
    return record


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return {_BYTES: base64.b64encode(value).decode()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _paired(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {_CLASS: type(value).__name__, **fields}
    if isinstance(value, set):
        return sorted(cast("set[int]", value))
    msg = f"a record cannot hold a {type(value).__name__}"
    raise TypeError(msg)


def _paired(value: object) -> object:
    return {_PAIRS: list(cast("dict[str, object]", value).items())} if isinstance(value, dict) else value


def _revive(value: dict[str, object]) -> object:
    if _BYTES in value:
        return base64.b64decode(cast("str", value[_BYTES]), validate=True)
    if _PAIRS in value:
        return dict(cast("list[tuple[str, object]]", value[_PAIRS]))
    name = cast("str", value.pop(_CLASS))
    cls = _classes()[name]
    unknown = value.keys() - {field.name for field in dataclasses.fields(cls)}
    if unknown:
        msg = f"{cls.__name__} has no {', '.join(sorted(unknown))}"
        raise ValueError(msg)
    return _adapter(name).validate_python(value)


@cache
def _adapter(name: str) -> TypeAdapter[object]:
    return TypeAdapter(_classes()[name])


@cache
def _classes() -> dict[str, type[Any]]:
    """Every dataclass that a record can hold, by its name."""
    return {cls.__name__: cls for kind in KINDS.values() for cls in _within(kind)}


def _within(hint: object) -> Iterator[type[Any]]:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        yield hint
        for inner in get_type_hints(hint).values():
            yield from _within(inner)
    for inner in get_args(hint):
        yield from _within(inner)
