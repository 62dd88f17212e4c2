r"""Whether a script or a style holds a secret: it would be published.

It is looked for in every form in which an answer is searched for it, and besides as scripts write a character:
``\xHH`` and ``\u{HH}``; and all that once more in what a script is where it stands in a string, as source maps hold
the scripts that they are of. Whoever cuts a secret into pieces and joins them at run time is not found: this is for
mistakes.

Source: spec 7.1 (no secret in an asset); contracts 4 ("Redaction"); ECMA-262, "String Literals"; ECMA-426,
"sourcesContent"; RFC 8259, section 7.
"""

import re
from collections.abc import Sequence

from apikeychain.rules.scrubbing import Needles

_OF_SCRIPTS = re.compile(rb"\\(?:x([2-7][0-9A-Fa-f])|u\{0*([2-7][0-9A-Fa-f])\})")
_IN_STRINGS = re.compile(rb"""\\([\\"'/])""")


def secret_in(body: bytes, secrets: Sequence[tuple[str, Needles]]) -> str | None:
    """The name of the first secret that `body` holds, or None; for a thread.

    It takes 5 to 500 ms for each MiB; where there is one, as often as the number of secrets can be halved.

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
    """What a body says as it stands, and as a string that holds a script; each also with the script's escapes read."""
    bare = _IN_STRINGS.sub(rb"\1", body)
    return frozenset({body, bare, *(_OF_SCRIPTS.sub(rb"%\1\2", one) for one in (body, bare))})


def _are_held(secrets: Sequence[tuple[str, Needles]], readings: frozenset[bytes]) -> bool:
    """Whether one of the secrets stands in one of the readings."""
    needles = Needles(tuple(sorted({text for _, one in secrets for text in one.texts})))
    return any(needles.scrub(one) != one for one in readings)
