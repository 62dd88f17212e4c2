"""Texts that a buffer may say in too many ways: each byte stands as itself or as an escape, freely mixed.

All beginnings are followed at once: a state is the set of lengths that have been matched so far, one bit each, and a
byte of the buffer is looked at once on the way forward and once on the way back. So a secret full of ``%41`` is found
in each of its readings, and no buffer makes it slower than another. It looks only around escapes: what holds none is
for a plain search.

Source: contracts 4 ("Redaction"); Baeza-Yates and Gonnet 1992 (Shift-And).
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from apikeychain.rules.escapes import Escapes, Reading
from apikeychain.rules.fixed_forms import Span


class MixedText:
    """One text to look for. Bit `i` of the mask of a byte says that the text has it at `i`."""

    __slots__ = ("_masks", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._masks = [0] * 256
        for place, byte in enumerate(text):
            self._masks[byte] |= 1 << place

    def finds(self, reading: Reading) -> Iterator[Span]:
        """Where it stands with an escape in it, in the order of the ends: those that end near each other as one."""
        escapes = reading.escapes(frozenset(self._text))
        last_byte = {end: (start, byte) for start, (end, byte) in escapes.items()}
        for run in _runs(self._forward(reading.buffer, escapes), len(self._text)):
            yield self._back(reading.buffer, last_byte, run), run[-1]

    def _forward(self, buffer: bytes, escapes: Escapes) -> Iterator[int]:
        """Where it ends."""
        masks, whole, at = self._masks, 1 << len(self._text), 0
        for lead in self._leads(buffer, escapes):
            if lead < at:
                continue
            at = self._prefix(buffer, lead, at)
            states = 1
            ahead: dict[int, int] = {}
            while at <= lead or states > 1 or ahead:
                states |= ahead.pop(at, 0)
                if states & whole:
                    yield at
                if at == len(buffer):
                    break
                escape = escapes.get(at)
                if escape and (moved := (states & masks[escape[1]]) << 1):
                    if not masks[buffer[at]] and self._text[0] not in buffer[at + 1 : escape[0]]:
                        at, states = escape[0], moved | 1
                        continue
                    ahead[escape[0]] = moved
                states = (states & masks[buffer[at]]) << 1 | 1
                at += 1

    def _leads(self, buffer: bytes, escapes: Escapes) -> Iterator[int]:
        """Where a text may be under way: an escape of its first byte, or of one that follows what stands before."""
        first, pairs = self._text[0], set(pairwise(self._text))
        for lead, (_, byte) in escapes.items():
            if byte == first or (lead and (buffer[lead - 1], byte) in pairs):
                yield lead

    def _prefix(self, buffer: bytes, lead: int, least: int) -> int:
        """Where the bytes before `lead` begin that may all be the text's own, not before `least`."""
        masks, least = self._masks, max(least, lead - len(self._text) + 1)
        while lead > least and masks[buffer[lead - 1]]:
            lead -= 1
        return lead

    def _back(self, buffer: bytes, last_byte: Escapes, run: list[int]) -> int:
        """The first place from which one of the ends `run` is reached."""
        masks, whole, goals = self._masks, 1 << len(self._text), set(run)
        at = first = run[-1]
        states = whole
        ahead: dict[int, int] = {}
        while states or ahead:
            states |= ahead.pop(at, 0) | (whole if at in goals else 0)
            if states & 1:
                first = at
            if not at:
                break
            states >>= 1
            escape = last_byte.get(at)
            if escape and (moved := states & masks[escape[1]]):
                ahead[escape[0]] = moved
            at -= 1
            states &= masks[buffer[at]]
        return first


def _runs(stops: Iterable[int], length: int) -> Iterator[list[int]]:
    """`stops` in groups: nearer to the one before than a text of `length` bytes is long, so that they overlap."""
    run: list[int] = []
    for stop in stops:
        if run and stop - run[-1] >= length:
            yield run
            run = []
        run.append(stop)
    if run:
        yield run
