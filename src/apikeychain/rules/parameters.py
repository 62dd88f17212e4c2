"""Declared parameters: judged on their text first, then by one pydantic model, and sent as they were accepted.

Source: contracts 4 ("Parameters are declared per route"); RFC 8259, section 6 (numbers).
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from apikeychain.errors import InvalidValueError, ParameterRefusedError
from apikeychain.model.route import Parameter
from apikeychain.rules.paths import anchored, compile_pattern

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# Of an undeclared name, in characters: each is compared in all its readings.
LONGEST_NAME = 256
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.$\[\]-]{1,64}").fullmatch
# What is folded at a time where marks stand in disorder: putting them in order is quadratic.
_MARKED = re.compile(r"[^\x00-\x7f]{1,256}")
_BOOLEAN = {"true": True, "false": False}
_LARGEST = 10**18 - 1
_NUMERIC = frozenset({"integer", "number"})
Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Declared:
    """A parameter and what judges it.

    Attributes:
        name: as declared.
        key: its field in the model.
        choices: the values that exist, or empty for any.
    """

    parameter: Parameter
    name: str
    key: str
    choices: frozenset[Value]


class Declarations:
    """The parameters of one route, or of one body, as one pydantic model.

    Args:
        parameters: in any order; equal names may occur in different places only.
        owner: what declares them, for error texts.

    Raises:
        InvalidValueError: one of them cannot be.
    """

    __slots__ = ("_validate", "declared")

    def __init__(self, parameters: Iterable[Parameter], owner: str) -> None:
        self.declared = tuple(_declare(p, f"p{i}", owner) for i, p in enumerate(parameters))
        fields: dict[str, Any] = {d.key: _field(d.parameter) for d in self.declared}
        config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)
        model: type[BaseModel] = create_model("Declarations", __config__=config, **fields)
        self._validate = model.__pydantic_validator__.validate_python
        self._require_defaults(owner)

    def judge_texts(self, texts: Mapping[str, Sequence[str]]) -> None:
        """Raise ParameterRefusedError unless these texts, by key, are what was declared."""
        if not self.declared:
            return
        self.judge({d.key: _read(d.parameter, texts[d.key]) for d in self.declared if d.key in texts})

    def judge(self, values: Mapping[str, object]) -> None:
        """Raise ParameterRefusedError unless these values, by key, are what was declared."""
        for declared in self.declared:
            if declared.choices and declared.key in values:
                _require_choice(declared, values[declared.key])
        try:
            self._validate(values)
        except ValidationError as error:
            key = error.errors()[0]["loc"][0]
            name = next(d.name for d in self.declared if d.key == key)
            raise ParameterRefusedError(name) from None

    def _require_defaults(self, owner: str) -> None:
        for declared in self.declared:
            parameter = declared.parameter
            for text in (parameter.default, parameter.fixed):
                if text is not None:
                    require_sent(declared, text, owner)


def require_sent(declared: Declared, text: str, owner: str) -> None:
    """Raise InvalidValueError unless a parameter may have this text, which `owner` sends by itself."""
    alone = create_model("Default", value=_field(declared.parameter))
    try:
        value = _read(declared.parameter, [text])
        _require_choice(declared, value) if declared.choices else None
        alone.model_validate({"value": value})
    except (ParameterRefusedError, ValidationError):
        msg = f"{owner}: the value that the parameter {declared.name!r} sends by itself is not one it may have"
        raise InvalidValueError(msg) from None


def _declare(parameter: Parameter, key: str, owner: str) -> Declared:
    noun = f"{owner}: the parameter {parameter.name!r}"
    if parameter.pattern is not None and parameter.type != "string":
        _refuse(f"{noun} has a pattern, which is for strings")
    if parameter.type not in _NUMERIC and (parameter.minimum is not None or parameter.maximum is not None):
        _refuse(f"{noun} has bounds, which are for integers and numbers")
    if parameter.choices and parameter.type not in {"string", "integer", "number"}:
        _refuse(f"{noun} has choices, which are for strings, integers and numbers")
    if parameter.pattern is not None:
        compile_pattern(parameter.pattern, noun)
    try:
        choices = frozenset(_convert(parameter, text) for text in parameter.choices)
    except ParameterRefusedError:
        _refuse(f"{noun} has a choice that is no {parameter.type}")
    return Declared(parameter, parameter.name, key, choices)


def _refuse(msg: str) -> NoReturn:
    raise InvalidValueError(msg)


def _field(parameter: Parameter) -> tuple[Any, Any]:
    """Type and default of the model's field; a missing value is None and never judged."""
    single = _TYPES[parameter.type](parameter)
    whole = list[single] if parameter.many else single  # type: ignore[valid-type]  # a type made at run time
    return (whole, ...) if parameter.required else (whole, None)


def _string(parameter: Parameter) -> object:
    pattern = None if parameter.pattern is None else anchored(parameter.pattern)
    return Annotated[str, Field(pattern=pattern, max_length=parameter.max_length)]


def _integer(parameter: Parameter) -> object:
    minimum = -_LARGEST if parameter.minimum is None else max(math.ceil(parameter.minimum), -_LARGEST)
    maximum = _LARGEST if parameter.maximum is None else min(math.floor(parameter.maximum), _LARGEST)
    return Annotated[int, Field(ge=minimum, le=maximum)]


def _number(parameter: Parameter) -> object:
    return Annotated[float, Field(ge=parameter.minimum, le=parameter.maximum, allow_inf_nan=False)]


_TYPES: dict[str, Callable[[Parameter], object]] = {
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": lambda _: bool,
    "object": lambda _: dict[str, Any],
    "array": lambda _: list[Any],
}


def _read(parameter: Parameter, texts: Sequence[str]) -> object:
    if parameter.many:
        return [_convert(parameter, text) for text in texts]
    return _convert(parameter, texts[0])


def _convert(parameter: Parameter, text: str) -> Value:
    """The value of `text`, which must be written in the one grammar of its type."""
    kind = parameter.type
    if kind == "string":
        return text
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number" and len(text) <= parameter.max_length and (number := read_number(text)) is not None:
        return number
    if kind == "boolean" and text in _BOOLEAN:
        return _BOOLEAN[text]
    raise ParameterRefusedError(parameter.name)


def _require_choice(declared: Declared, value: object) -> None:
    values = cast("list[object]", value) if isinstance(value, list) else [value]
    for one in values:
        if not isinstance(one, (str, int, float)) or one not in declared.choices:
            raise ParameterRefusedError(declared.name)


def read_number(text: str) -> float | None:
    """The number that a text is in the grammar of JSON, or None: an infinity where it is too large."""
    return float(text) if _NUMBER.fullmatch(text) else None


def undeclared_name(name: str) -> ParameterRefusedError:
    """The refusal of a parameter that is not declared. Its name is told to whoever sent it, where it is a plain one."""
    told = name if _PLAIN_NAME(name) else ""
    return ParameterRefusedError(told, "the route declares no parameter of this name")


def take(declared: Declared, text: str, texts: dict[str, list[str]]) -> None:
    """Note one occurrence of a declared parameter under its key.

    Raises:
        ParameterRefusedError: it is fixed, or came before and may not be repeated.
    """
    parameter, key = declared.parameter, declared.key
    if parameter.fixed is None and key not in texts:
        texts[key] = [text]
    elif parameter.many:
        texts[key].append(text)
    else:
        raise ParameterRefusedError(declared.name)


def folded(name: str) -> str:
    """What names have in common that some reader takes for the same.

    It covers letters in another case, and those that full width, a ligature, Turkish or old print write in another
    way: Go, .NET and Java match such names. What one framework alone reads as the same name (``name[]``, ``name[0]``,
    ``name.x``, blanks around it) is the provider's own affair: a route to such a provider declares every name.
    """
    if name.isascii():
        return name.lower()
    # Character by character: the library's normal form takes seconds for what grows, and for marks without an end.
    letters = name.translate({ord(one): _letters(one) for one in set(name)})
    if unicodedata.is_normalized("NFD", letters):
        return letters
    return _MARKED.sub(lambda found: unicodedata.normalize("NFD", found[0]), letters)


def _letters(one: str) -> str:
    """The letters and marks of a character.

    Java's equalsIgnoreCase compares in capitals too, where the dotless i is an I, and takes the dotted capital for i.
    """
    return unicodedata.normalize("NFKD", one).upper().casefold().replace("\u0307", "")


def self_sent(parameter: Parameter) -> str | None:
    """What a parameter sends when the caller sends nothing."""
    return parameter.default if parameter.fixed is None else parameter.fixed
