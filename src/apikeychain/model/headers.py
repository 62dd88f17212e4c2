"""Header lines as they came, in order, names in lower case."""

from collections.abc import Iterable, Iterator
from typing import final

Line = tuple[bytes, bytes]


@final
class Headers:
    """Immutable header lines with look-ups by name.

    Args:
        lines: ``(name, value)`` as bytes; names are lower-cased here.
    """

    __slots__ = ("_index", "lines")

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self.lines = tuple((name.lower(), value) for name, value in lines)
        index: dict[bytes, list[bytes]] = {}
        for name, value in self.lines:
            index.setdefault(name, []).append(value)
        self._index = index

    def get(self, name: bytes) -> bytes | None:
        """The first value of `name` (lower case), or None."""
        values = self._index.get(name)
        return values[0] if values else None

    def all(self, name: bytes) -> tuple[bytes, ...]:
        """Every value of `name` (lower case), in order."""
        return tuple(self._index.get(name, ()))

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def __iter__(self) -> Iterator[Line]:
        return iter(self.lines)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.lines == other.lines

    def __hash__(self) -> int:
        return hash(self.lines)

    def __repr__(self) -> str:
        return f"Headers({', '.join(name.decode('latin-1') for name, _ in self.lines)})"
