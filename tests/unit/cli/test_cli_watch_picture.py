"""A picture is SVG that explains itself: axes, units, a legend, and a line for each finding."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from apikeychain.cli.watch_picture import Mark, Panel, Picture
from apikeychain.cli.watch_signal import Signal

_BEGIN = datetime(2026, 11, 23, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_SVG = "{http://www.w3.org/2000/svg}"


def drawn(seen: Sequence[float], expected: Sequence[float | None]) -> Signal:
    signal = Signal(_BEGIN, _HOUR)
    for place, (one, other) in enumerate(zip(seen, expected, strict=True)):
        signal.put(_BEGIN + place * _HOUR, one, other)
    return signal


_MARK = Mark(number=1, begin=_BEGIN + 2 * _HOUR, end=_BEGIN + 3 * _HOUR, at=_BEGIN + 2 * _HOUR, seen=50)
_PICTURE = Picture(
    title="acme/shop",
    subtitle="one day",
    begin=_BEGIN,
    end=_BEGIN + 24 * _HOUR,
    panels=[Panel(title="Calls a minute", signal=drawn([5, 5, 50, 5], [None, 9, 9, None]), marks=[_MARK])],
    spans=[(_BEGIN + 2 * _HOUR, _BEGIN + 3 * _HOUR)],
    notes=[(1, "the rate was 50, expected 9 at most")],
)


def parts(picture: Picture, tag: str) -> list[ET.Element]:
    return list(ET.fromstring(picture.svg).iter(_SVG + tag))  # noqa: S314 - it was made a line above


def texts(picture: Picture) -> list[str]:
    return [part.text or "" for part in parts(picture, "text")]


def filled(picture: Picture, tag: str, colour: str) -> list[ET.Element]:
    return [part for part in parts(picture, tag) if part.get("fill") == colour]


def test_a_picture_explains_itself() -> None:
    said = texts(_PICTURE)
    for wanted in ("acme/shop", "one day", "seen", "expected at most", "Calls a minute", "time, UTC", "Mon 23 Nov"):
        assert wanted in said
    assert {"0", "20", "50"} <= set(said)
    assert {"03:00", "21:00"} <= set(said)
    assert "the rate was 50, expected 9 at most" in said


def test_what_was_expected_is_a_band_where_something_was() -> None:
    [band] = [path for path in parts(_PICTURE, "path") if path.get("fill") == "#bcdcf5"]
    twice = replace(_PICTURE, panels=[Panel(title="x", signal=drawn([1, 1, 1], [2, None, 2]))])
    assert len([path for path in parts(twice, "path") if path.get("fill") == "#bcdcf5"]) == 2
    assert band.get("d", "").endswith("Z")


def test_a_finding_has_its_number_in_the_panel_and_below() -> None:
    dots = filled(_PICTURE, "circle", "#c0261c")
    assert len(dots) == 3  # the legend, the panel, the line below
    assert texts(_PICTURE).count("1") == 3
    [bar] = filled(_PICTURE, "rect", "#c0261c")
    [line] = [path for path in parts(_PICTURE, "path") if path.get("fill") == "none"]
    assert f"L{bar.get('x')} " in line.get("d", "")


def test_a_suspension_shades_its_time_in_every_panel_and_not_beyond_the_end() -> None:
    panels = [*_PICTURE.panels, Panel(title="Failed calls a minute", signal=drawn([0], [None]))]
    late = replace(_PICTURE, panels=panels, spans=[(_BEGIN + 23 * _HOUR, _BEGIN + 30 * _HOUR)])
    _, *shades = filled(late, "rect", "#f7b267")
    assert len(shades) == 2
    ends = [float(shade.get("x", "")) + float(shade.get("width", "")) for shade in shades]
    assert ends == pytest.approx([1136, 1136])


def test_everything_is_inside_the_frame() -> None:
    root = ET.fromstring(_PICTURE.svg)  # noqa: S314 - it was made a line above
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    places = [(float(part.get("x", "")), float(part.get("y", ""))) for part in root.iter(_SVG + "text")]
    assert all(0 < x < width and 0 < y < height for x, y in places)


def test_what_a_ledger_holds_is_text_in_a_picture_and_nothing_else() -> None:
    hostile = '"><script>alert(1)</script>&'
    svg = replace(_PICTURE, title=hostile, notes=[(1, hostile)]).svg
    assert "<script" not in svg
    assert texts(replace(_PICTURE, notes=[(1, hostile)]))[-1] == hostile


def test_a_long_line_is_cut_so_that_it_fits() -> None:
    cut = texts(replace(_PICTURE, notes=[(1, "x" * 400)]))[-1]
    assert len(cut) == 150
    assert cut.endswith("...")


def test_a_picture_loads_nothing() -> None:
    assert not {"script", "image", "foreignObject", "use", "a", "style"} & {
        part.tag.removeprefix(_SVG)
        for part in ET.fromstring(_PICTURE.svg).iter()  # noqa: S314 - it was made above
    }
