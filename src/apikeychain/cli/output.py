"""What the command says: tables and sentences for people, one JSON document for programs, errors on one line.

Whatever comes out of the store is written as plain text, without control characters and without markup.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

Document = Mapping[str, object]


def complain(text: str) -> None:
    """An error, on one line of stderr."""
    sys.stderr.write(f"apikeychain: {_clean(' '.join(text.split()))}\n")


def say(text: str) -> None:
    """A sentence a line, however long."""
    for line in text.split("\n"):
        Console().print(Text(_clean(line)), soft_wrap=True)


def document(value: object) -> None:
    """One JSON document."""
    Console().print(Text(json.dumps(value, default=plain, indent=2)), soft_wrap=True)


def table(rows: Sequence[Document], columns: Sequence[str]) -> None:
    """Rows under headings; a column that gets too narrow folds, and nothing is cut off."""
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column.replace("_", " "), overflow="fold", no_wrap=column in _UNBROKEN)
    for row in rows:
        grid.add_row(*(Text(cell(row.get(column))) for column in columns))
    Console().print(grid)


def fields(one: Document) -> None:
    """One thing, a line for each field."""
    grid = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in one.items():
        grid.add_row(name.replace("_", " "), Text(cell(value)))
    Console().print(grid)


def cell(value: object) -> str:
    """A value as people read it; of a list, an item a line."""
    if isinstance(value, list):
        return "\n".join(map(cell, cast("list[object]", value))) or "-"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return ", ".join(f"{name}={_word(inner)}" for name, inner in pairs) or "-"
    return _word(value)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    for kind, form in _FORMS:
        if isinstance(value, kind):
            return format(value, form)
    if isinstance(value, list):
        return f"[{', '.join(map(_word, cast('list[object]', value)))}]"
    if isinstance(value, Mapping):
        return f"({cell(cast('object', value))})"
    return "-" if value is None or value == "" else _clean(str(value))


_FORMS: tuple[tuple[type, str], ...] = ((float, "g"), (datetime, "%Y-%m-%d %H:%M:%SZ"))
# A project's id is copied out of tables: it stays in one piece.
_UNBROKEN = frozenset({"id", "project", "at", "seq", "changed", "created"})


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def plain(value: object) -> object:
    """What JSON has no form for, as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)
