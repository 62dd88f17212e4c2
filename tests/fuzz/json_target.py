"""JSON texts: what is taken has one reading, in Python's parser and in the one behind pydantic."""

import json
from collections.abc import Callable
from typing import Any, cast

from pydantic_core import from_json

from apikeychain.errors import ParameterRefusedError
from apikeychain.rules.json_objects import MAX_JSON_DEPTH, read_json

Read = Callable[[bytes], object]
TOKENS = (
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b"'", b"/*", b'{"a":', b'"a":1', b',"a":2', b"[" * 64, b"]" * 64),
    *(b"\\", b"\\u", b"\\ud83d\\ude00", b"\\ud800", b"\\u0061", b"\x00", b"\n", b"\t", b" ", "\u00e9".encode()),
    *(b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"0.1", b"1E+2", b"01"),
    *(b"9" * 20, b"9" * 400, b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\xc2\xa0", b"\xe2\x80\xa8"),
)
_LONGEST_INTEGER = 19


def one_input(data: bytes, read: Read = read_json) -> None:
    """`data` as the body of a call."""
    readings = _readings(data)
    try:
        value = read(data)
    except ParameterRefusedError:
        assert not readings
        return
    assert readings
    assert all(_same(value, reading) for reading in readings)


def _readings(data: bytes) -> tuple[object, ...]:
    """What the two parsers read, both; nothing where one of them, or our own limits, would not have it."""
    try:
        text = data.decode()
        ours = json.loads(text, parse_int=_integer, object_pairs_hook=_unique)
        json.dumps(ours, ensure_ascii=False, allow_nan=False).encode()
        other = _short(from_json(data, allow_inf_nan=False))
    except (ValueError, RecursionError):
        return ()
    return (ours, other) if _depth(ours) <= MAX_JSON_DEPTH else ()


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= _LONGEST_INTEGER else float(text)


def _short(value: Any) -> Any:  # whatever JSON holds
    """`value` with the integers that are too long for us as floats."""
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_short(one) for one in value]
    return _integer(str(value)) if type(value) is int else value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError
    return dict(pairs)


def _same(one: object, other: object) -> bool:
    """Equal, and of the same types: 1 is not true, and not 1.0."""
    return json.dumps(one) == json.dumps(other)


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, cast("dict[str, object]", value).values()), default=0)
    return 1 + max(map(_depth, cast("list[object]", value)), default=0) if isinstance(value, list) else 0
