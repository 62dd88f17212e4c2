"""Header lines as they came, in order, names in lower case."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import final

Line = tuple[bytes, bytes]


@final
class Headers:
    """Immutable header lines with look-ups by name.

    Args:
        lines: ``(name, value)`` as bytes; names are lower-cased here.

    Attributes:
        first: the first value of each name.
        get: the first value of a name (lower case), or None.
        are_unique: whether no name came twice.
    """

    __slots__ = ("are_unique", "first", "get", "lines")

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.lines: tuple[Line, ...] = tuple([(name.lower(), value) for name, value in lines])
        first = dict(reversed(self.lines))
        self.first: Mapping[bytes, bytes] = first
        self.get: Callable[[bytes], bytes | None] = first.get
        self.are_unique = len(first) == len(self.lines)

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """Every value of `name` (lower case), in order."""
        if name not in self.first:
            return ()
        if self.are_unique:
            return (self.first[name],)
        return tuple([value for other, value in self.lines if other == name])

    def __contains__(self, name: object) -> bool:
        return name in self.first

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.lines == other.lines

    def __hash__(self) -> int:
        return hash(self.lines)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name.decode('latin-1') for name, _ in self.lines)})"
