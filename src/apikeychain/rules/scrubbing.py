"""Overwrites needles in a stream of bytes, in bounded memory.

What is held back must not depend on what stands in it: who can make a provider say something, and sees that it is
held back because it may begin a secret, finds the secret letter by letter. So the longest tail is held back in which
any form of any needle of that length would have room: it goes back to the last byte that no form holds, and not
further than 22 bytes, an entity with its zeros, for each byte of the longest needle.

Source: contracts 4 ("Redaction"); spec 4.2.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, field

from apikeychain.rules.escapes import LONGEST, Reading, may_escape
from apikeychain.rules.fixed_forms import FixedForm, Span, fixed_forms
from apikeychain.rules.said import SaidText

MARK = b"[redacted]"
# No form holds any other byte.
_PRINTABLE = bytes(range(0x20, 0x7F))
# What is held back is looked at again when it has grown by such a part: else a stream that comes byte by byte would
# be quadratic.
_PART = 8
# A longer chunk is searched in pieces: what is noted of it is many times its length where it is full of escapes.
PIECE = 64 * 1024

# start, stop, and how far into the mark it is at its start
Find = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Needles:
    """What must not come back.

    Attributes:
        texts: the secrets and the whole credentials, each once; of printable ASCII, none empty.
        longest: how many bytes a form has at most.
        lowered: the texts in lower case, as a header's name would hold them.
    """

    texts: tuple[bytes, ...] = field(repr=False)
    longest: int = field(init=False, repr=False, compare=False)
    lowered: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _fixed: tuple[FixedForm, ...] = field(init=False, repr=False, compare=False)
    _said: tuple[SaidText, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "longest", LONGEST * max(map(len, self.texts)))
        object.__setattr__(self, "lowered", tuple(text.lower() for text in self.texts))
        object.__setattr__(self, "_fixed", tuple(form for text in self.texts for form in fixed_forms(text)))
        object.__setattr__(self, "_said", tuple(map(SaidText, self.texts)))

    def beside(self, text: bytes) -> "Needles":
        """These and one more; what was made of these is not made again."""
        one, both = Needles((text,)), copy(self)
        for name in ("texts", "lowered", "_fixed", "_said"):
            object.__setattr__(both, name, getattr(self, name) + getattr(one, name))
        object.__setattr__(both, "longest", max(self.longest, one.longest))
        return both

    def is_clean(self, value: bytes, names: bytes = b"") -> bool:
        """Whether `value`, which is whole, holds none of them, nor `names`, all in lower case, one in lower case."""
        for text in self.lowered:
            if text in names:
                return False
        if self._stands_in(value):
            return False
        said = may_escape(value) and (reading := Reading(value)) and any(any(t.finds(reading)) for t in self._said)
        return not said

    def _stands_in(self, value: bytes) -> bool:
        """Whether a plain search finds one."""
        lowered = value.lower()
        for form in self._fixed:  # noqa: SIM110 - a generator would cost a call for each form
            if form.text in (lowered if form.folded else value):
                return True
        return False

    def scrub(self, value: bytes) -> bytes:
        """`value`, which is whole, without them; of the same length."""
        if len(value) <= PIECE and self.is_clean(value):
            return value
        scrubber = Scrubber(self)
        return scrubber.feed(value[:-PIECE]) + scrubber.flush(value[-PIECE:])

    def finds(self, buffer: bytes) -> list[Span]:
        """In order, overlapping ones too."""
        found: list[Span] = []
        if self._stands_in(buffer):
            lowered = buffer.lower()
            found = [span for form in self._fixed for span in form.finds(lowered if form.folded else buffer)]
        if may_escape(buffer) and (reading := Reading(buffer)):
            found.extend(span for text in self._said for span in text.finds(reading))
        return sorted(found)


class Scrubber:
    """The output has the length of the input and does not depend on the chunks.

    Overlapping finds are one find. `_covered` says how much of the front of `_held` belongs to a find whose beginning
    has left already, `_offset` how far into its mark that is.
    """

    __slots__ = ("_covered", "_held", "_needles", "_offset")

    def __init__(self, needles: Needles) -> None:
        self._needles = needles
        self._held = b""
        self._covered = self._offset = 0

    def feed(self, chunk: bytes) -> bytes:
        """What can leave after `chunk`; may be empty."""
        return b"".join(self._feed(chunk[at : at + PIECE]) for at in range(0, len(chunk), PIECE))

    def _feed(self, piece: bytes) -> bytes:
        buffer, longest = self._held + piece, self._needles.longest
        tail = piece[-longest:]
        broken = len(tail.rstrip(_PRINTABLE))
        end = len(buffer) - (len(tail) - broken if broken else longest)
        if not broken and end * _PART < longest:
            self._held = buffer
            return b""
        return self._release(buffer, end)

    def flush(self, chunk: bytes = b"") -> bytes:
        """The rest, at the end of the stream, of which `chunk` is the last."""
        buffer = self._held + chunk
        return self._release(buffer, len(buffer)) if buffer else b""

    def _release(self, buffer: bytes, end: int) -> bytes:
        """Overwrite and let go of `buffer[:end]`: every find that begins in it is whole in `buffer`."""
        self._held, finds = buffer[end:], self._needles.finds(buffer)
        if not (finds or self._covered):
            return buffer[:end]
        carried = (0, self._covered, self._offset) if self._covered else None
        merged = list(_merged(carried, (find for find in finds if find[0] < end)))
        self._covered = self._offset = 0
        out = bytearray(buffer[:end])
        for start, stop, offset in merged:
            inside = min(stop, end) - start
            out[start : start + inside] = _mark(offset, inside)
            if stop > end:
                self._covered, self._offset = stop - end, offset + inside
        return bytes(out)


def _mark(offset: int, length: int) -> bytes:
    return (MARK[offset:] + b"*" * length)[:length]


def _merged(carried: Find | None, finds: Iterator[Span]) -> Iterator[Find]:
    """Finds in order, those that overlap as one."""
    current = carried
    for start, stop in finds:
        if current is not None and start < current[1]:
            current = (current[0], max(stop, current[1]), current[2])
            continue
        if current is not None:
            yield current
        current = (start, stop, 0)
    if current is not None:
        yield current
