r"""Whether a script or a style holds a secret: it would be published.

It is looked for in every form in which an answer is searched for it, and besides as scripts and styles write a
character: ``\xHH``, ``\u{HH}``, ``\101`` and ``\HH ``, or with a ``\`` that means nothing, or with one at the end of a
line; and all that once more in what a script is where it stands in a string, as source maps hold the scripts that they
are of. Whoever cuts a secret into pieces and joins them at run time is not found: this is for mistakes.

Source: spec 7.1 (no secret in an asset); contracts 4 ("Redaction"); ECMA-262, "String Literals" and Annex B.1;
CSS Syntax Module 3, section 4.3.7; ECMA-426, "sourcesContent"; RFC 8259, section 7.
"""

import re
from collections.abc import Sequence

from apikeychain.rules.scrubbing import Needles

# A character that stands for itself, or by its number in octal, or in hex in two ways; else the end of a line.
_OF_SCRIPTS = re.compile(
    rb"\\(?:([^0-9bfnrtuvx\r\n])|([0-3]?[0-7]{1,2})|x([2-7][0-9A-Fa-f])|u\{0*([2-7][0-9A-Fa-f])\}|\r\n|[\r\n])"
)
_OF_STYLES = re.compile(rb"\\(?:([^0-9A-Fa-f\r\n\f])|0{0,4}([2-7][0-9A-Fa-f])(?:\r\n|[ \t\r\n\f])?|\r\n|[\r\n\f])")
_IN_STRINGS = re.compile(rb"""\\([\\"'/fnrt])""")
_MEANT = {b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def secret_in(body: bytes, secrets: Sequence[tuple[str, Needles]]) -> str | None:
    """The name of the first secret that `body` holds, or None; for a thread.

    It takes 5 ms for each MiB of a usual script, and a second of one that is nothing but escapes; where there is one,
    as often as the number of secrets can be halved.

    Args:
        body: all of it.
        secrets: each by what it is called.
    """
    left, readings = secrets, _readings(body)
    if not left or not _are_held(left, readings):
        return None
    while len(left) > 1:
        half = len(left) // 2
        left = left[:half] if _are_held(left[:half], readings) else left[half:]
    return left[0][0]


def _readings(body: bytes) -> frozenset[bytes]:
    """What a body says as it stands, and as a string that holds a script; each also with its escapes read."""
    read = {body, _IN_STRINGS.sub(_in_string, body)}
    read |= {_OF_SCRIPTS.sub(_of_script, one) for one in read} | {_OF_STYLES.sub(_of_style, one) for one in read}
    return frozenset(read)


def _in_string(found: re.Match[bytes]) -> bytes:
    return _MEANT.get(found[1], found[1])


def _of_script(found: re.Match[bytes]) -> bytes:
    itself, in_octal, in_hex, braced = found.groups(b"")
    return itself or (bytes((int(in_octal, 8),)) if in_octal else bytes.fromhex((in_hex or braced).decode()))


def _of_style(found: re.Match[bytes]) -> bytes:
    itself, in_hex = found.groups(b"")
    return itself or bytes.fromhex(in_hex.decode())


def _are_held(secrets: Sequence[tuple[str, Needles]], readings: frozenset[bytes]) -> bool:
    """Whether one of the secrets stands in one of the readings."""
    needles = Needles(tuple(sorted({text for _, one in secrets for text in one.texts})))
    return any(needles.scrub(one) != one for one in readings)
