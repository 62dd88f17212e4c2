"""Tables of a TOML file as the dataclasses of the model, every problem told with its place."""

import dataclasses
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from pydantic import TypeAdapter, ValidationError

from apikeychain.cli.files import unreadable
from apikeychain.errors import APIKeyChainError, InvalidValueError

T = TypeVar("T")
Table = dict[str, Any]
BROKEN = object()
"""Stands where something could not be built; its problems are noted."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file, and the list that its problems go to.

    Attributes:
        path: from the outside in: ``tenant acme``, ``project storefront``.
    """

    problems: list[str]
    path: tuple[str, ...] = ()

    def inside(self, *path: str) -> "Place":
        """A place inside this one."""
        return Place(self.problems, (*self.path, *path))

    def note(self, problem: object) -> None:
        """Note what is wrong here."""
        self.problems.append(": ".join((", ".join(self.path), str(problem)) if self.path else (str(problem),)))

    def refuse_unknown(self, table: Table, known: Iterable[str]) -> None:
        """Note every key that nothing here has."""
        names = list(known)
        for key in sorted(table.keys() - set(names)):
            self.note(f"there is no {key!r} here, only {', '.join(names)}")

    def tables(self, value: object, noun: str, by: str = "name") -> list[tuple["Place", Table]]:
        """A list of tables, each with its place, which is called by its name where it has one."""
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in cast("list[object]", value)):
            self.note(f"{noun}s are tables in a list")
            return []
        items = cast("list[Table]", value)
        return [(self.inside(f"{noun} {item.get(by, f'#{n}')}"), item) for n, item in enumerate(items, 1)]

    def build(self, cls: type[T], table: Table, beside: Iterable[str] = ()) -> T | None:
        """A dataclass out of a table, or None after its problems were noted.

        Args:
            cls: the dataclass.
            table: its fields; those that are dataclasses themselves are built already, or BROKEN.
            beside: further keys of the table, which are read by somebody else.
        """
        before, given = len(self.problems), dict[str, object]()
        adapters = _adapters(cls)
        self.refuse_unknown(table, (*adapters, *beside))
        for name, adapter in adapters.items():
            if name not in table:
                self._require_default(cls, name)
            elif not _is_broken(table[name]):
                given[name] = self._value(name, adapter, _frozen(table[name]))
        if len(self.problems) > before or any(map(_is_broken, table.values())):
            return None
        return self.attempt(cls, **given)

    def attempt(self, make: Callable[..., T], *args: object, **kwargs: object) -> T | None:
        """What `make` returns, or None after the error of ours that it raised was noted."""
        try:
            return make(*args, **kwargs)
        except APIKeyChainError as error:
            self.note(error)
            return None

    def _value(self, name: str, adapter: TypeAdapter[object], value: object) -> object:
        try:
            return adapter.validate_python(value, strict=True)
        except ValidationError as error:
            told = dict.fromkeys(one["msg"].removeprefix("Input ") for one in error.errors(include_input=False))
            self.note(f"{name!r} {' or '.join(told)}")
            return None

    def _require_default(self, cls: type[Any], name: str) -> None:
        if name in _required(cls):
            self.note(f"{name!r} is missing")


def as_table(value: object) -> Table | None:
    """The value, if it is a table."""
    return cast("Table", value) if isinstance(value, dict) else None


def read_toml(path: Path) -> Table:
    """The tables of a file.

    Raises:
        InvalidValueError: it cannot be read, or is no TOML; the text names the line.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise unreadable(path, error) from None
    except ValueError as error:
        msg = f"the file {str(path)!r} is no TOML: {error}"
    raise InvalidValueError(msg)


def _is_broken(value: object) -> bool:
    return value is BROKEN or (isinstance(value, list) and BROKEN in value)


def _adapters(cls: type[Any]) -> Mapping[str, TypeAdapter[object]]:
    """What each field takes; `kind` is not given: it chose the class."""
    hints = get_type_hints(cls)
    return {f.name: TypeAdapter(hints[f.name]) for f in dataclasses.fields(cls) if f.name != "kind"}


def default(field: "dataclasses.Field[Any]") -> object:
    """The default of a dataclass's field, or MISSING."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _required(cls: type[Any]) -> set[str]:
    return {field.name for field in dataclasses.fields(cls) if default(field) is dataclasses.MISSING}


def _frozen(value: object) -> object:
    return tuple(map(_frozen, cast("list[object]", value))) if isinstance(value, list) else value
