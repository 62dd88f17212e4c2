"""The forms of a text that a plain search finds: as it stands, in hex, in base64.

Source: contracts 4 ("Redaction"); RFC 4648 4, 5, 8.
"""

import base64
import string
from collections.abc import Iterator
from dataclasses import dataclass, field

Span = tuple[int, int]
_ALPHABET = string.ascii_uppercase.encode() + string.ascii_lowercase.encode() + string.digits.encode() + b"+/"
_TO_URL = bytes.maketrans(b"+/", b"-_")


@dataclass(frozen=True, slots=True)
class FixedForm:
    """A literal, and what goes with it.

    Attributes:
        text: the literal, not empty.
        folded: it is looked for in the text in lower case.
        before: bytes of which one goes with it where it stands before it.
        after: likewise behind it.
    """

    text: bytes = field(repr=False)
    folded: bool = False
    before: bytes = field(default=b"", repr=False)
    after: bytes = field(default=b"", repr=False)

    def finds(self, buffer: bytes) -> Iterator[Span]:
        """Where it stands in `buffer`, in order, with what goes with it."""
        for start in self.starts(buffer):
            stop = start + len(self.text)
            before = start > 0 and buffer[start - 1] in self.before
            after = stop < len(buffer) and buffer[stop] in self.after
            yield start - before, stop + after

    def starts(self, buffer: bytes) -> Iterator[int]:
        """Where it begins in `buffer`, in order.

        A text that overlaps itself is followed by its period: a search for each place would be quadratic.
        """
        at = buffer.find(self.text)
        while at >= 0:
            yield at
            following = buffer.find(self.text, at + 1)
            if 0 <= following < at + len(self.text):
                period = following - at
                again = self.text[-period:]
                while buffer.startswith(again, at + len(self.text)):
                    at += period
                    yield at
                following = buffer.find(self.text, at + 1)
            at = following


def fixed_forms(text: bytes) -> Iterator[FixedForm]:
    """Each once."""
    yield FixedForm(text)
    yield FixedForm(text.hex().encode(), folded=True)
    for alignment in range(3):
        standard = _base64(text, alignment)
        yield standard
        parts = (standard.text, standard.before, standard.after)
        url, before, after = (part.translate(_TO_URL) for part in parts)
        if (url, before, after) != parts:
            yield FixedForm(url, before=before, after=after)


def _base64(text: bytes, alignment: int) -> FixedForm:
    """The characters that `text` alone determines, `alignment` bytes behind the beginning of a group of three.

    A character beside them that holds bits of `text` and bits of what stands there is one of a few, which go with it.
    """
    begin, end = alignment * 8, (alignment + len(text)) * 8
    first, last = -(-begin // 6), end // 6
    front, back = first * 6 - begin, end - last * 6
    tail = (text[-1] << 6 - back) % 64
    return FixedForm(
        base64.b64encode(bytes(alignment) + text)[first:last],
        before=_ALPHABET[text[0] >> 8 - front :: 1 << front] if front else b"",
        after=_ALPHABET[tail : tail + (64 >> back)] if back else b"",
    )
