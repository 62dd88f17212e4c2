"""Texts of which a part can be taken for an escape: each byte stands as itself or as an escape, freely mixed.

All beginnings are followed at once: a state is the set of lengths that have been matched so far, one bit each, and a
byte of the buffer is looked at once on the way forward and once on the way back. So a secret that holds ``%41`` is
found in each of its readings, and no buffer makes it slower than another. It looks only around escapes: what holds
none is for a plain search.

Source: contracts 4 ("Redaction"); Baeza-Yates and Gonnet 1992 (Shift-And).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from apikeychain.rules.escapes import LONGEST, Escapes, Reading, begun, ends, pieces
from apikeychain.rules.fixed_forms import Span

_LEADS = re.compile(rb"[%\\&]")


@dataclass(frozen=True, slots=True)
class _Walk:
    """What the way forward met: where a text ends, and by place the lengths that the next bytes may complete."""

    ends: list[int]
    unfinished: Mapping[int, int]


class MixedText:
    """One text to look for.

    Bit `i` of the mask of a byte says that the text has it at `i`. The masks are made when they are first needed:
    most answers have no escape of a byte of a secret.
    """

    __slots__ = ("_core", "_masks", "_text")

    def __init__(self, text: bytes) -> None:
        self._text = text
        self._core = core(text)
        self._masks: list[int] = []

    def finds(self, reading: Reading) -> tuple[list[Span], int]:
        """Where it stands with an escape in it, those that overlap as one, and where an unfinished one begins."""
        buffer = reading.buffer
        least = 0 if self._core in reading.said else max(0, len(buffer) - len(self._text) * LONGEST)
        escapes = reading.escapes(frozenset(self._text), least)
        walk = self._forward(buffer, escapes, reading.begun)
        if not (walk.ends or walk.unfinished):
            return [], len(buffer)
        last_byte = {end: (start, byte) for start, (end, byte) in escapes.items()}
        whole = 1 << len(self._text)
        spans = [
            (self._back(buffer, last_byte, dict.fromkeys(run, whole)), run[-1])
            for run in _runs(walk.ends, len(self._text))
        ]
        return spans, self._back(buffer, last_byte, walk.unfinished)

    def _forward(self, buffer: bytes, escapes: Escapes, last: int) -> _Walk:
        masks, whole, size = self._made_masks(), 1 << len(self._text), len(buffer)
        found: list[int] = []
        unfinished: dict[int, int] = {}
        at = 0
        for lead in self._leads(buffer, escapes, last):
            if lead < at:
                continue
            at = self._prefix(buffer, lead, at)
            states, ahead = 1, dict[int, int]()
            while at <= lead or states > 1 or ahead:
                states |= ahead.pop(at, 0)
                if states & whole:
                    found.append(at)
                if at == size:
                    break
                escape = escapes.get(at)
                if escape and (moved := (states & masks[escape[1]]) << 1):
                    if not masks[buffer[at]] and self._text[0] not in buffer[at + 1 : escape[0]]:
                        at, states = escape[0], moved | 1
                        continue
                    ahead[escape[0]] = moved
                if at == last:
                    unfinished[at] = states & ~whole
                states = (states & masks[buffer[at]]) << 1 | 1
                at += 1
            if at == size and states & ~whole > 1:
                unfinished[size] = states & ~whole & ~1
        return _Walk(found, unfinished)

    def _leads(self, buffer: bytes, escapes: Escapes, last: int) -> Iterator[int]:
        """Where a text may be under way: an escape of its first byte, or of one that follows what stands before."""
        first, pairs = self._text[0], set(zip(self._text, self._text[1:], strict=False))
        for lead, (_, byte) in escapes.items():
            if byte == first or (lead and (buffer[lead - 1], byte) in pairs):
                yield lead
        if last < len(buffer):
            yield last

    def _prefix(self, buffer: bytes, lead: int, least: int) -> int:
        """Where the bytes before `lead` begin that may all be the text's own, not before `least`."""
        masks, least = self._masks, max(least, lead - len(self._text) + 1)
        while lead > least and masks[buffer[lead - 1]]:
            lead -= 1
        return lead

    def _back(self, buffer: bytes, last_byte: Escapes, goals: Mapping[int, int]) -> int:
        """The first place from which one of `goals` is reached: at a place, one of the lengths; or the length."""
        masks, first = self._masks, len(buffer)
        at, least = max(goals, default=0), min(goals, default=0)
        states, ahead = 0, dict[int, int]()
        while at >= least or states or ahead:
            states |= ahead.pop(at, 0) | goals.get(at, 0)
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

    def _made_masks(self) -> list[int]:
        if not self._masks:
            self._masks = [0] * 256
            for place, byte in enumerate(self._text):
                self._masks[byte] |= 1 << place
        return self._masks


def core(text: bytes) -> bytes:
    """The longest part of `text` that a buffer which holds `text` says, however it is read."""
    sure = text[max(ends(text), default=0) : begun(text)]
    return max((part for piece in pieces(sure)[::2] for part in _LEADS.split(piece)), key=len)


def _runs(ends: list[int], length: int) -> Iterator[list[int]]:
    """`ends` in groups: nearer to the one before than a text of `length` bytes is long, so that they overlap."""
    run: list[int] = []
    for end in ends:
        if run and end - run[-1] >= length:
            yield run
            run = []
        run.append(end)
    if run:
        yield run
