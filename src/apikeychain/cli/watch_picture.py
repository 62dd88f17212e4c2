"""A picture of what a replay saw: signals, what was expected of them, findings, and what would have been suspended.

It is SVG, which every browser shows, put together here: no package is needed for it. It holds no script and loads
nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from apikeychain.cli.watch_axes import time_label, times, value_label, values
from apikeychain.cli.watch_signal import Column, Signal

_WIDTH, _LEFT, _RIGHT = 1_200, 96, 64
_HEAD, _PANEL, _BETWEEN, _TIMES, _LINE, _FOOT = 118, 170, 56, 70, 23, 26
_PLOT = _WIDTH - _LEFT - _RIGHT
_INK, _PALE, _GRID = "#1b2733", "#5b6773", "#e3e7eb"
_SEEN, _BAND, _FOUND, _SUSPENDED = "#1f4e8c", "#bcdcf5", "#c0261c", "#f7b267"
_FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"
# A line as long as fits beside the numbers, in the size of notes.
_MOST_CHARACTERS = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A finding in a panel.

    Attributes:
        number: by which the notes speak of it.
        begin, end: from its first window to behind its last one.
        at: when it was most; `seen` what was seen then.
    """

    number: int
    begin: datetime
    end: datetime
    at: datetime
    seen: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """One signal with its axes.

    Attributes:
        title: with the unit of its values.
        signal: that is drawn.
        marks: findings about it.
    """

    title: str
    signal: Signal
    marks: Sequence[Mark] = ()

    @property
    def highest(self) -> float:
        """Of all that is drawn."""
        return max([self.signal.highest, *(mark.seen for mark in self.marks)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All of it.

    Attributes:
        title, subtitle: above it.
        begin, end: of the time that it shows.
        panels: one below the other, at least one.
        spans: from when to when something would have been suspended.
        notes: a line for each numbered finding, below it.
    """

    title: str
    subtitle: str
    begin: datetime
    end: datetime
    panels: Sequence[Panel]
    spans: Sequence[tuple[datetime, datetime]] = ()
    notes: Sequence[tuple[int, str]] = ()

    @property
    def svg(self) -> str:
        """It as a file."""
        height = _floor(self) + _TIMES + len(self.notes) * _LINE + _FOOT
        frame = {"viewBox": f"0 0 {_WIDTH} {height}", "width": _WIDTH, "height": height, "font-family": _FONT}
        paper = _tag("rect", width=_WIDTH, height=height, fill="#ffffff")
        parts = [_tag("title", escape(self.title)), paper, *_head(self), *_body(self), *_notes(self)]
        return _tag("svg", "\n".join(parts), xmlns="http://www.w3.org/2000/svg", role="img", **frame) + "\n"


def _head(picture: Picture) -> Iterator[str]:
    yield _text(_LEFT, 34, picture.title, size=21, weight="bold")
    yield _text(_LEFT, 58, picture.subtitle, fill=_PALE)
    y = 84
    yield _tag("line", x1=_LEFT, x2=_LEFT + 28, y1=y - 5, y2=y - 5, stroke=_SEEN, **{"stroke-width": 2})
    yield _text(_LEFT + 36, y, "seen")
    yield _box(_LEFT + 90, y - 12, 28, 14, _BAND)
    yield _text(_LEFT + 126, y, "expected at most")
    yield _dot(_LEFT + 270, y - 5, "1")
    yield _text(_LEFT + 286, y, "finding, told below; the bar is how long it lasted")
    yield _box(_LEFT + 610, y - 12, 28, 14, _SUSPENDED, opacity=0.45)
    yield _text(_LEFT + 646, y, "something would have been suspended")


def _floor(picture: Picture) -> int:
    """Of the last panel."""
    return _HEAD + len(picture.panels) * (_PANEL + _BETWEEN) - _BETWEEN


def _body(picture: Picture) -> Iterator[str]:
    across = _scale(picture.begin.timestamp(), picture.end.timestamp(), _LEFT, _LEFT + _PLOT)
    for number, panel in enumerate(picture.panels):
        yield from _panel(picture, panel, _HEAD + number * (_PANEL + _BETWEEN), across)
    yield from _times(picture, _floor(picture), across)


def _panel(picture: Picture, panel: Panel, top: int, across: Callable[[float], float]) -> Iterator[str]:
    marks = values(panel.highest)
    up = _scale(0, marks[-1], top + _PANEL, top)
    yield _text(_LEFT, top - 10, panel.title, weight="bold")
    for begin, end in picture.spans:
        left, right = across(begin.timestamp()), across(min(end, picture.end).timestamp())
        yield _box(left, top, max(right - left, 1.5), _PANEL, _SUSPENDED, opacity=0.45)
    for mark in marks:
        yield _tag("line", x1=_LEFT, x2=_LEFT + _PLOT, y1=f"{up(mark):.1f}", y2=f"{up(mark):.1f}", stroke=_GRID)
        yield _text(_LEFT - 10, up(mark) + 4.5, value_label(mark), anchor="end", fill=_PALE)
    yield from _curves(panel.signal, across, up)
    for found in panel.marks:
        yield from _mark(found, top + _PANEL, across, up)


def _curves(signal: Signal, across: Callable[[float], float], up: Callable[[float], float]) -> Iterator[str]:
    """The band, and the line over it."""
    edges = [across((signal.begin + place * signal.width).timestamp()) for place in range(len(signal.columns) + 1)]
    for first, columns in _expected(signal.columns):
        corners = _stairs(edges[first:], [up(column.expected or 0.0) for column in columns])
        right, floor = edges[first + len(columns)], up(0)
        path = f"M{edges[first]:.1f} {floor:.1f}L{corners}L{right:.1f} {floor:.1f}Z"
        yield _tag("path", d=path, fill=_BAND)
    line = f"M{_stairs(edges, [up(column.seen) for column in signal.columns])}"
    stroke = {"stroke-width": 1.6, "stroke-linejoin": "round"}
    yield _tag("path", d=line, fill="none", stroke=_SEEN, **stroke)


def _expected(columns: Sequence[Column]) -> Iterator[tuple[int, Sequence[Column]]]:
    """The columns of which something was expected, those in a row together, each row with its place."""
    first = 0
    for place, column in enumerate([*columns, Column()]):
        if column.expected is None:
            if place > first:
                yield first, columns[first:place]
            first = place + 1


def _stairs(edges: Sequence[float], heights: Sequence[float]) -> str:
    return "L".join(
        f"{edges[place]:.1f} {height:.1f}L{edges[place + 1]:.1f} {height:.1f}" for place, height in enumerate(heights)
    )


def _mark(mark: Mark, floor: int, across: Callable[[float], float], up: Callable[[float], float]) -> Iterator[str]:
    left, right = across(mark.begin.timestamp()), across(mark.end.timestamp())
    yield _box(left, floor - 5, max(right - left, 3.0), 5, _FOUND)
    yield _dot(across(mark.at.timestamp()), up(mark.seen), str(mark.number))


def _times(picture: Picture, floor: int, across: Callable[[float], float]) -> Iterator[str]:
    yield _tag("line", x1=_LEFT, x2=_LEFT + _PLOT, y1=floor, y2=floor, stroke=_PALE)
    before = None
    for moment in times(picture.begin, picture.end):
        x = across(moment.timestamp())
        hour, day = time_label(moment, before)
        yield _tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=floor, y2=floor + 6, stroke=_PALE)
        yield _text(x, floor + 21, hour, anchor="middle", fill=_PALE)
        if day:
            yield _text(x, floor + 38, day, anchor="middle", fill=_PALE)
        before = moment
    yield _text(_LEFT + _PLOT / 2, floor + 60, "time, UTC", anchor="middle", fill=_PALE)


def _notes(picture: Picture) -> Iterator[str]:
    top = _floor(picture) + _TIMES + 16
    for place, (number, note) in enumerate(picture.notes):
        y = top + place * _LINE
        yield _dot(_LEFT - 18, y - 5, str(number))
        yield _text(_LEFT, y, note if len(note) <= _MOST_CHARACTERS else f"{note[: _MOST_CHARACTERS - 3]}...")


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    """From `low` and `high` to `first` and `last`."""
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _dot(x: float, y: float, text: str) -> str:
    circle = _tag("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=9, fill=_FOUND, stroke="#ffffff")
    return circle + _text(x, y + 4, text, size=11, fill="#ffffff", anchor="middle", weight="bold")


def _box(x: float, y: float, width: float, height: float, fill: str, *, opacity: float = 1) -> str:
    at = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{width:.1f}", "height": f"{height:.1f}"}
    return _tag("rect", fill=fill, **at, **({"fill-opacity": opacity} if opacity < 1 else {}))


def _text(
    x: float, y: float, text: str, *, size: int = 14, fill: str = _INK, anchor: str = "start", weight: str = "normal"
) -> str:
    style = {"font-size": size, "text-anchor": anchor, "font-weight": weight}
    return _tag("text", escape(text), x=f"{x:.1f}", y=f"{y:.1f}", fill=fill, **style)


def _tag(name: str, content: str = "", /, **attributes: object) -> str:
    given = "".join(f' {key}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{given}>{content}</{name}>" if content else f"<{name}{given}/>"
