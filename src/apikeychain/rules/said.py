r"""Texts that a plain search finds in what a buffer says.

Where a text stands in a buffer, freely mixed with escapes, the buffer says it when its escapes are read: each part of
it in one of the ways in which a buffer may have it. Nearly all secrets have one way, or two; of one with ``%41`` or
``\`` in it there are some more, and each is looked for.

Source: contracts 4 ("Redaction").
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from math import prod

from apikeychain.rules.escapes import Reading
from apikeychain.rules.fixed_forms import FixedForm, Span
from apikeychain.rules.mixed import MixedText
from apikeychain.rules.parts import Way, parts

# With more ways than that a text is followed byte by byte.
_MOST = 64


class SaidText:
    """One text to look for."""

    __slots__ = ("_core", "_parts", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._parts = parts(text)
        # It is said in any case.
        self._core = max((part[-1].said for part in self._parts[::2]), key=len)

    def finds(self, reading: Reading) -> Iterator[Span]:
        """Where it stands with an escape in it."""
        if self._core not in reading.said:
            return
        held = cache(reading.buffer.__contains__)
        ways = [
            [way for way in part if held(way.before) and held(way.plain) and held(way.after)] for part in self._parts
        ]
        if prod(map(len, ways)) > _MOST:
            yield from MixedText(self._text).finds(reading)
            return
        for chosen in product(*ways):
            plain = list(map(_is_plain, chosen, self._parts))
            if not all(plain):
                yield from _Whole(chosen, self._text if all(plain[1::2]) else b"").finds(reading)


def _is_plain(way: Way, part: list[Way]) -> bool:
    """Whether the buffer then has the part as it stands."""
    return way.before + way.plain + way.after == part[0].said


class _Whole:
    """A text of which each part is had in one way."""

    __slots__ = ("_after", "_before", "_checks", "_literal", "_said")

    def __init__(self, ways: Sequence[Way], literal: bytes) -> None:
        self._before = ways[0].before
        self._said = b"".join(way.said for way in ways)
        self._after = b"".join(way.after for way in ways)
        # Where the buffer has that, a plain search finds it.
        self._literal = literal
        # What the buffer must have before what is said from there on.
        self._checks = [(0, self._before)] if self._before else []
        at = 0
        for way in ways:
            if way.plain:
                self._checks.append((at + way.width, way.plain))
            at += len(way.said)

    def finds(self, reading: Reading) -> Iterator[Span]:
        """See SaidText.finds."""
        place, size = reading.place, len(self._said)
        for places in FixedForm(self._said).runs(reading.said):
            if not (self._checks or self._after):
                yield place(places[0]), place(places[-1] + size)
                continue
            for at in self._unmet(places, reading.said):
                if self._fits(reading, at):
                    yield place(at) - len(self._before), place(at + size) + len(self._after)

    def _unmet(self, places: range, said: bytes) -> range:
        """Those of a run that are not found with more of the text said: what is said before the last is before most."""
        if self._before and said.endswith(self._before, 0, places[-1]):
            return range(places[0], min(places[0] + len(self._before), places[-1]), places.step)
        return places

    def _fits(self, reading: Reading, at: int) -> bool:
        """Whether the buffer has plainly what it must where `said[at]` begins, and not all of the text."""
        buffer, place = reading.buffer, reading.place
        if self._literal and buffer.startswith(self._literal, place(at) - len(self._before)):
            return False
        for passed, plain in self._checks:
            if not buffer.endswith(plain, 0, place(at + passed)):
                return False
        return buffer.startswith(self._after, place(at + len(self._said)))
