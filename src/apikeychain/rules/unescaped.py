"""Texts in which nothing can be taken for an escape: most secrets are such.

Where one stands in a buffer, freely mixed with escapes, the buffer says it when its escapes are read; so a plain
search finds it. But for one thing: it may begin inside of an escape, with what that ends in.

Source: contracts 4 ("Redaction").
"""

from apikeychain.rules.escapes import Reading, begun, ends, pieces
from apikeychain.rules.fixed_forms import FixedForm, Span

# ``u00XX``: what is longer is of an entity, and what is left of the text may then be too short to be looked for.
_LONGEST_END = 5


class UnescapedText:
    """One text to look for."""

    __slots__ = ("_rests", "_whole")

    def __init__(self, text: bytes) -> None:
        self._whole = FixedForm(text)
        self._rests = [(text[:size], FixedForm(text[size:])) for size in ends(text)]

    def finds(self, reading: Reading) -> tuple[list[Span], int]:
        """Where it stands with an escape in it, and where an unfinished one begins."""
        place, said = reading.place, reading.said
        spans = [(place(start), place(stop)) for start, stop in self._whole.finds(said)]
        beginnings = [place(self._whole.beginning(said))]
        for end, rest in self._rests:
            found = (at for at in rest.starts(said) if _stands_before(end, reading, at))
            spans.extend((place(at) - len(end), place(at + len(rest.text))) for at in found)
            begun = (at for at in rest.tails(said) if _stands_before(end, reading, at))
            beginnings.extend(place(at) - len(end) for at in begun)
        return spans, min(beginnings)


def is_unescaped(text: bytes) -> bool:
    """Whether `text` is one that an UnescapedText finds: no part of it may be taken for an escape."""
    whole = len(pieces(text)) == 1 and begun(text) == len(text) and b"\\" not in text
    return whole and max(ends(text), default=0) <= _LONGEST_END


def _stands_before(end: bytes, reading: Reading, at: int) -> bool:
    escape = reading.escape_before(at)
    return len(escape) > len(end) and escape.endswith(end)
