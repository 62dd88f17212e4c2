r"""A text in parts, and what a buffer with the text in it may say for each of them.

A buffer says most of a text as it stands, however that is spelled. But what looks like an escape in the text is read
where the buffer has it plainly: one with ``a%41`` in it may say ``aA``. A backslash is said twice where it is spelled
``\\``. The first bytes are not said where they are what an escape of another byte ends in, nor are the last ones where
one begins with them.

Source: contracts 4 ("Redaction").
"""

import re
from dataclasses import dataclass

from apikeychain.rules.escapes import ESCAPE, LONGEST, read

# What an escape may end in, and what one may begin with, and not less than that.
_END = re.compile(rb'u?0{0,2}[2-7]?[0-9A-Fa-f]|["/]|[#0-9A-Za-z]*;')
_BEGINNING = rb"(?:%%[2-7]?|\\(?:u0{0,2}[2-7]?)?|&[#0-9A-Za-z]{0,%d})\Z" % (LONGEST - 2)
_SPECIAL = re.compile(rb"(?P<escape>%b)|(?P<beginning>%b)|\\" % (ESCAPE, _BEGINNING))


@dataclass(frozen=True, slots=True, repr=False)
class Way:
    """One way in which a buffer has a part.

    Attributes:
        said: what it says for it.
        plain: what it must have there for the first `width` bytes of that.
        before: what it must have before all that is said.
        after: likewise behind.
    """

    said: bytes
    plain: bytes = b""
    width: int = 0
    before: bytes = b""
    after: bytes = b""


def parts(text: bytes) -> list[list[Way]]:
    """For each part of `text` the ways in which a buffer may have it.

    What is not special, which may be empty, and what is, in turns.
    """
    found: list[list[Way]] = []
    at = 0
    for special in _SPECIAL.finditer(text):
        found += [Way(text[at : special.start()])], _ways(special[0], special.lastgroup)
        at = special.end()
    found.append([Way(text[at:])])
    first = found[0][0].said
    found[0] += [Way(first[size:], before=first[:size]) for size in _ends(text)]
    return found


def _ends(text: bytes) -> list[int]:
    """How many bytes of `text`, from its first, may be what an escape ends in."""
    return [size for size in range(1, min(len(text), LONGEST)) if _END.fullmatch(text[:size])]


def _ways(special: bytes, kind: str | None) -> list[Way]:
    ways = [Way(special)]
    if kind == "escape":
        ways.append(Way(read(special), special, 1))
    elif kind == "beginning":
        ways.append(Way(b"", after=special))
    if special.startswith(b"\\"):
        twice = [Way(b"\\" + way.said, b"\\" + way.plain, way.width + 1, after=way.after) for way in ways[1:]]
        ways += [Way(b"\\" + special, b"\\\\", 2), *twice]
    return ways
