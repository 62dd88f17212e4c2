r"""Escapes of printable ASCII, as a text may hold them in any place: what stands for which byte.

    %XX   \uXXXX   \"  \\  \/   &#N;   &#xH;   &name;

The hex digits are in either case, an entity's number has at most 16 zeros in front, its name is one of HTML's own.

Source: contracts 4 ("Redaction"); RFC 3986 2.1; RFC 8259 7; HTML, "Named character references".
"""

import html.entities
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

# by where it begins: where it ends, and the byte that it stands for
Escapes = Mapping[int, tuple[int, int]]

_ZEROS = 16
_LONGEST = len("&#") + _ZEROS + len("126;")
_NUMBER = rb"#(?:[xX]0{0,%d}[2-7][0-9A-Fa-f]|0{0,%d}(?:3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6]))" % (_ZEROS, _ZEROS)
_BEGUN_NUMBER = re.compile(rb"&#(?:[xX](?:0{0,%d}[2-7]?[0-9A-Fa-f]?)|0{0,%d}[0-9]{0,3})" % (_ZEROS, _ZEROS))


def _spelled(byte: int) -> Iterator[bytes]:
    """The escapes of `byte` that have one length."""
    for digits in {f"{byte:02x}", f"{byte:02X}", f"{byte:x}".swapcase()}:
        yield f"%{digits}".encode()
        yield f"\\u00{digits}".encode()


def _table() -> Iterator[tuple[bytes, int]]:
    for byte in range(0x20, 0x80):
        for spelled in _spelled(byte):
            yield spelled, byte
    for name, text in html.entities.html5.items():
        if name.endswith(";") and len(text) == 1 and " " < text <= "~":
            yield f"&{name}".encode(), ord(text)
    for short in b'"\\/':
        yield b"\\%c" % short, short


_BYTES = dict(_table())
_BEGUN = frozenset(spelled[:length] for spelled in _BYTES for length in range(1, len(spelled)))
_NAMES = b"|".join(sorted(spelled[1:-1] for spelled in _BYTES if spelled.startswith(b"&")))
# The second of two backslashes may begin an escape of its own, so that it is looked at and not taken.
_BYTES[b"\\"] = ord("\\")
# One for each lead: a pattern that begins with a literal is searched for ten times as fast as one with a choice.
_PATTERNS = MappingProxyType(
    {
        b"%": re.compile(rb"(%[2-7][0-9A-Fa-f])"),
        b"\\": re.compile(rb'(\\(?:u00[2-7][0-9A-Fa-f]|["/]|(?=\\)))'),
        b"&": re.compile(rb"(&(?:%b|%b);)" % (_NUMBER, _NAMES)),
    }
)


def escapes(buffer: bytes, wanted: frozenset[int]) -> Escapes:
    """The escapes in `buffer` of the bytes `wanted`, in order."""
    found: dict[int, tuple[int, int]] = {}
    leads = [lead for lead in _PATTERNS if lead in buffer]
    for lead in leads:
        _read(_PATTERNS[lead].split(buffer), wanted, found)
    return found if len(leads) < 2 else dict(sorted(found.items()))  # noqa: PLR2004 - one kind is in order as it is


def _read(pieces: list[bytes], wanted: frozenset[int], found: dict[int, tuple[int, int]]) -> None:
    """Put into `found` what stands in every other one of `pieces`."""
    at = 0
    for plain, escape in zip(pieces[::2], pieces[1::2], strict=False):
        at += len(plain)
        byte = _BYTES[escape] if escape in _BYTES else _number(escape)
        if byte in wanted:
            found[at] = (at + max(2, len(escape)), byte)
        at += len(escape)


def begun(buffer: bytes) -> int:
    """Where an escape begins that the next bytes may complete, or the length."""
    lead = max(buffer.rfind(lead, max(0, len(buffer) - _LONGEST)) for lead in _PATTERNS)
    text = buffer[lead:]
    return lead if lead >= 0 and (text in _BEGUN or _BEGUN_NUMBER.fullmatch(text)) else len(buffer)


def _number(text: bytes) -> int:
    digits = text[2:-1]
    return int(digits[1:], 16) if digits[:1] in b"xX" else int(digits)
