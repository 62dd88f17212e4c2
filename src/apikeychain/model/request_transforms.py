"""Request transforms: how a route shapes what was accepted before it goes up, as data.

They run in one order, however they are written: what is dropped, what is renamed, what is set, what is a default.

Source: contracts 4; amendment 9.
"""

from dataclasses import dataclass, field
from typing import Literal

from apikeychain.errors import InvalidValueError
from apikeychain.model.header_lines import require_header_name, require_header_value
from apikeychain.model.ids import parse_parameter_name

TransformPlace = Literal["query", "header", "form"]
"""A JSON body is no place: its bytes go out unchanged."""

_MAX_VALUE = 1024


@dataclass(frozen=True, slots=True)
class SetParameter:
    """The provider gets this value; what the caller sends under the name is judged, and replaced."""

    name: str
    value: str
    place: TransformPlace = field(default="query", kw_only=True)
    kind: Literal["set"] = field(default="set", kw_only=True)

    def __post_init__(self) -> None:
        _require_name(self.name, self.place)
        _require_value(self.name, self.value, self.place)


@dataclass(frozen=True, slots=True)
class RenameParameter:
    """The caller's `name` goes up as `to`, and is judged by what is declared for that one."""

    name: str
    to: str
    place: TransformPlace = field(default="query", kw_only=True)
    kind: Literal["rename"] = field(default="rename", kw_only=True)

    def __post_init__(self) -> None:
        _require_name(self.name, self.place)
        _require_name(self.to, self.place)


@dataclass(frozen=True, slots=True)
class DropParameter:
    """The caller may send `name`, and the provider never gets it."""

    name: str
    place: TransformPlace = field(default="query", kw_only=True)
    kind: Literal["drop"] = field(default="drop", kw_only=True)

    def __post_init__(self) -> None:
        _require_name(self.name, self.place)


@dataclass(frozen=True, slots=True)
class DefaultParameter:
    """The provider gets this value where the caller sends none, neither under `name` nor under one renamed to it."""

    name: str
    value: str
    place: TransformPlace = field(default="query", kw_only=True)
    kind: Literal["default"] = field(default="default", kw_only=True)

    def __post_init__(self) -> None:
        _require_name(self.name, self.place)
        _require_value(self.name, self.value, self.place)


RequestTransform = SetParameter | RenameParameter | DropParameter | DefaultParameter


def _require_name(name: str, place: TransformPlace) -> None:
    parse_parameter_name(name)
    if place == "header":
        require_header_name(name)


def _require_value(name: str, value: str, place: TransformPlace) -> None:
    if place == "header":
        require_header_value(value)
    if len(value) > _MAX_VALUE or any("\ud800" <= character <= "\udfff" for character in value):
        msg = f"the value that {name!r} gets is text of at most {_MAX_VALUE} characters"
        raise InvalidValueError(msg)
