"""JSON objects: read in the one way that every parser agrees on, judged by their members, never rewritten.

Source: contracts 4 ("A JSON body under a schema"); RFC 8259, sections 4, 6 and 8; RFC 7493, section 2 (I-JSON).
"""

import json
import math
import re
from itertools import accumulate
from typing import NoReturn, cast

from apikeychain.errors import InvalidValueError, ParameterRefusedError
from apikeychain.model.route import JSONBody, JSONField
from apikeychain.rules.parameters import LONGEST_NAME, Declarations, folded, undeclared_name

MAX_JSON_DEPTH = 64
SPELLED = "\ud800"
_MAYBE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LONGEST_INTEGER = 19
_STEPS = dict(zip(b"[{]}", (1, 1, -1, -1), strict=True))
_NO_BRACKETS = bytes(set(range(256)) - _STEPS.keys())


class JSONRule:
    """The top-level members of a JSON object."""

    __slots__ = ("_declarations", "_folded", "_forward", "_keys")

    def __init__(self, body: JSONBody, owner: str) -> None:
        for member in body.fields:
            _require_caller_sent(member, owner)
        self._declarations = Declarations(body.fields, owner)
        self._keys = {d.name: d.key for d in self._declarations.declared}
        self._folded = frozenset(folded(name) for name in self._keys)
        self._forward = body.undeclared == "forward"

    def judge(self, raw: bytes) -> dict[str, object]:
        """The members of `raw`, which is an object with the declared ones.

        Where others are forwarded, no two names of the object may be the same to a reader that reads them in any case,
        as `folded` says.

        Raises:
            ParameterRefusedError: it is not.
        """
        value = read_json(raw)
        if not isinstance(value, dict):
            _refuse()
        members = cast("dict[str, object]", value)
        others = members.keys() - self._keys.keys()
        if others:
            self._admit_others(others)
        self._declarations.judge({self._keys[name]: one for name, one in members.items() if name in self._keys})
        return members

    def _admit_others(self, names: set[str]) -> None:
        if not self._forward:
            raise undeclared_name(min(names))
        if any(len(name) > LONGEST_NAME for name in names):
            _refuse()
        distinct = {folded(name) for name in names}
        if len(distinct) < len(names) or distinct & self._folded:
            _refuse()

    def judge_absence(self) -> None:
        """Raise ParameterRefusedError if a member is required."""
        self._declarations.judge({})


def read_json(raw: bytes) -> object:
    """One JSON text, in the one reading that every parser agrees on.

    Raises:
        ParameterRefusedError: not JSON; a duplicate name, NaN, an infinity, a lone surrogate, a byte order mark, bytes
            that are not UTF-8, or more than 64 levels.
    """
    return _read(raw, _DECODER)


def read_spelled(raw: bytes) -> object:
    """As `read_json`, but each number is a text: `SPELLED` and the number as it is spelled.

    No other text in it begins so, since a lone surrogate is refused.
    """
    return _read(raw, _SPELLING_DECODER)


def _read(raw: bytes, decoder: json.JSONDecoder) -> object:
    try:
        text = raw.decode()
        value: object = decoder.decode(text)
        if _MAYBE_SURROGATE.search(text):
            plain: object = value if decoder is _DECODER else _DECODER.decode(text)
            json.dumps(plain, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        _refuse()
    if raw.count(b"[") + raw.count(b"{") > MAX_JSON_DEPTH and _depth(raw) > MAX_JSON_DEPTH:
        _refuse()
    return value


def _depth(raw: bytes) -> int:
    """The levels of a text that is JSON."""
    brackets = _STRING.sub(b"", raw).translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError
    return value


def _integer(text: str) -> int | float:
    """A long integer becomes a float: no declared integer is as long, and `int` takes quadratic time."""
    return int(text) if len(text) <= _LONGEST_INTEGER else _finite(text)


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def _spelled(text: str) -> str:
    _finite(text)
    return SPELLED + text


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_finite,
    parse_int=_integer,
    parse_constant=_no_constant,
)
_SPELLING_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique,
    parse_float=_spelled,
    parse_int=_spelled,
    parse_constant=_no_constant,
)


def _refuse() -> NoReturn:
    hint = "the body as a whole cannot be taken"
    raise ParameterRefusedError(hint=hint) from None


def _require_caller_sent(member: JSONField, owner: str) -> None:
    if member.default is not None or member.fixed is not None or member.many:
        msg = (
            f"{owner}: {member.name!r} cannot be default, fixed or many, since a JSON body goes out unchanged: "
            "write choices=('value',), required=True, or type='array'"
        )
        raise InvalidValueError(msg)
