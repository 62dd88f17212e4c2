r"""Escapes of printable ASCII, as a text may hold them in any place, and what a buffer says with them read.

    %XX   \uXXXX   \"  \/   &#N;   &#xH;   &name;        \\

The hex digits are in either case, an entity's number has at most 16 zeros in front, its name is one of HTML's own.
Only the first byte of an escape is one of ``%\&``, so that no two of them overlap: but for ``\\``, which stands apart.

Source: contracts 4 ("Redaction"); RFC 3986 2.1; RFC 8259 7; HTML, "Named character references".
"""

import html.entities
import re
from binascii import unhexlify
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from types import MappingProxyType

# by where it begins: where it ends, and the byte that it stands for
Escapes = Mapping[int, tuple[int, int]]

_ZEROS = 16
LONGEST = len("&#") + _ZEROS + len("126;")
_NUMBER = rb"#(?:[xX]0{0,%d}[2-7][0-9A-Fa-f]|0{0,%d}(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]))" % (_ZEROS, _ZEROS)
_BACKSLASH = ord("\\")


_NAMED = {
    f"&{name}".encode(): text.encode()
    for name, text in html.entities.html5.items()
    if name.endswith(";") and len(text) == 1 and " " < text <= "~"
}
_HEXED = {
    lead + digits.encode(): bytes([byte])
    for byte in range(0x20, 0x80)
    for digits in (f"{byte:02x}", f"{byte:02X}")
    for lead in (b"%", b"\\u00")
}
_BYTES = _NAMED | _HEXED | {b'\\"': b'"', b"\\/": b"/"}
_NAMES = b"|".join(escape[1:-1] for escape in _NAMED)
_HEX = b"[2-7][0-9A-Fa-f]"
_ENTITY = b"&(?:%b|%b);" % (_NUMBER, _NAMES)
# Escapes of one length that follow each other are read at once.
_RUNS = MappingProxyType(
    {
        b"%": b"%%%b(?:%%%b)*" % (_HEX, _HEX),
        b"\\": rb'\\(?:u00%b(?:\\u00%b)*|["/])' % (_HEX, _HEX),
        b"&": _ENTITY,
    }
)
_SPLIT_ALL = re.compile(b"(%b)" % b"|".join(_RUNS.values())).split
_SPLITS = MappingProxyType({lead: re.compile(b"(%b)" % run).split for lead, run in _RUNS.items()})
# One, as a pattern.
ESCAPE = rb'%%%b|\\u00%b|\\["/]|%b' % (_HEX, _HEX, _ENTITY)


def may_escape(buffer: bytes) -> bool:
    """Whether anything in `buffer` could begin an escape: without that it says what it is."""
    return b"%" in buffer or b"\\" in buffer or b"&" in buffer


class Reading:
    """A buffer, and what it says.

    Attributes:
        buffer: as it came.
        said: the same with its escapes read.
    """

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        self._pieces = pieces(buffer)
        self._read = list(self._pieces)
        self._read[1::2] = [_BYTES.get(piece) or read(piece) for piece in self._pieces[1::2]]
        self.said = b"".join(self._read)

    def __bool__(self) -> bool:
        """Whether it says anything but what it is."""
        return len(self._pieces) > 1 or b"\\\\" in self.buffer

    def place(self, at: int) -> int:
        """Where `said[at]` begins in the buffer; of the one's length, the other's."""
        piece = bisect_right(self._said_from, at) - 1
        inside = at - self._said_from[piece]
        return self._from[piece] + (inside * self._width(piece) if piece % 2 else inside)

    def escapes(self, wanted: frozenset[int]) -> Escapes:
        r"""Those of the bytes `wanted`, in order; among them ``\\``, whose second byte may begin another."""
        found: dict[int, tuple[int, int]] = {}
        for piece in range(1, len(self._pieces), 2):
            at, width = self._from[piece], self._width(piece)
            for byte in self._read[piece]:
                if byte in wanted:
                    found[at] = (at + width, byte)
                at += width
        if _BACKSLASH not in wanted:
            return found
        at = self.buffer.find(b"\\\\")
        while at >= 0:
            found[at] = (at + 2, _BACKSLASH)
            at = self.buffer.find(b"\\\\", at + 1)
        return dict(sorted(found.items()))

    def _width(self, piece: int) -> int:
        """How many bytes of the buffer stand for one, in a piece of escapes."""
        return len(self._pieces[piece]) // len(self._read[piece])

    @cached_property
    def _from(self) -> list[int]:
        return _starts(self._pieces)

    @cached_property
    def _said_from(self) -> list[int]:
        return _starts(self._read)


def _starts(pieces: list[bytes]) -> list[int]:
    return list(accumulate(map(len, pieces[:-1]), initial=0))


def pieces(buffer: bytes) -> list[bytes]:
    """What is no escape and what is one, or several of one length, in turns."""
    leads = [lead for lead in _SPLITS if lead in buffer]
    if not leads:
        return [buffer]
    return _SPLITS[leads[0]](buffer) if len(leads) == 1 else _SPLIT_ALL(buffer)


def read(piece: bytes) -> bytes:
    """What a piece of escapes stands for."""
    if piece in _BYTES:
        return _BYTES[piece]
    if not piece.startswith(b"&"):
        return unhexlify(piece.replace(b"%", b"").replace(b"\\u00", b""))
    digits = piece[2:-1]
    return b"%c" % (int(digits[1:], 16) if digits[:1] in b"xX" else int(digits))
