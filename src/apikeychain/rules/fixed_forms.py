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
        """Where it stands in `buffer`, in order, with what goes with it; those of a run as one."""
        for places in self.runs(buffer):
            start, stop = places[0], places[-1] + len(self.text)
            before = start > 0 and buffer[start - 1] in self.before
            after = stop < len(buffer) and buffer[stop] in self.after
            yield start - before, stop + after

    def runs(self, buffer: bytes) -> Iterator[range]:
        """Where it begins in `buffer`, in order.

        A text that overlaps itself is followed by its period: a search for each place would be quadratic.
        """
        at = buffer.find(self.text)
        while at >= 0:
            last, stop = at, at + len(self.text)
            following = buffer.find(self.text, at + 1)
            period = following - at
            if 0 < period < len(self.text):
                last += _repeated(buffer, stop, period)
                following = buffer.find(self.text, last + 1)
            else:
                period = 1
            yield range(at, last + 1, period)
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


def _repeated(buffer: bytes, at: int, period: int) -> int:
    """How many bytes from `at` on say again what stands a period before them, in whole periods."""
    first, size = at, period
    while buffer[at : at + size] == buffer[at - period : at - period + size]:
        size *= 2
    while size > period:
        size //= 2
        if buffer[at : at + size] == buffer[at - period : at - period + size]:
            at += size
    return at - first


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
