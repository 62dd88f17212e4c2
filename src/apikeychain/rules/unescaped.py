r"""Texts without any of ``%\\&``: nearly all secrets are such.

Where one stands in a buffer, freely mixed with escapes, the buffer says it when its escapes are read; so a plain
search finds it. But for one thing: it may begin inside of an escape, with what that ends in.

Source: contracts 4 ("Redaction").
"""

from collections.abc import Iterator

from apikeychain.rules.escapes import LEADS, Reading, ends
from apikeychain.rules.fixed_forms import FixedForm, Span

# ``u00XX``: what is longer is of an entity, and what is left of the text may then be too short to be looked for.
_LONGEST_END = 5


class UnescapedText:
    """One text to look for."""

    __slots__ = ("_rests", "_whole")

    def __init__(self, text: bytes) -> None:
        self._whole = FixedForm(text)
        self._rests = [(text[:size], FixedForm(text[size:])) for size in ends(text)]

    def finds(self, reading: Reading) -> Iterator[Span]:
        """Where it stands with an escape in it."""
        place = reading.place
        for start, stop in self._whole.finds(reading.said):
            yield place(start), place(stop)
        for end, rest in self._rests:
            for at in rest.starts(reading.said):
                if reading.escape_before(at).endswith(end):
                    yield place(at) - len(end), place(at + len(rest.text))


def is_unescaped(text: bytes) -> bool:
    """Whether `text` is one that an UnescapedText finds."""
    return not any(lead in text for lead in LEADS) and all(size <= _LONGEST_END for size in ends(text))
