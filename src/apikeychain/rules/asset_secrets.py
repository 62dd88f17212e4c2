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
    """The name of the first secret that `body` holds, or None; 5 to 500 ms for each MiB, so for a thread.

    Args:
        body: all of it.
        secrets: each by what it is called.
    """
    texts = tuple(sorted({text for _, needles in secrets for text in needles.texts}))
    if not texts or _is_clean(body, Needles(texts)):
        return None
    return next((name for name, needles in secrets if not _is_clean(body, needles)), None)


def _is_clean(body: bytes, needles: Needles) -> bool:
    bare = _IN_STRINGS.sub(rb"\1", body)
    readings = {body, bare, *(_OF_SCRIPTS.sub(rb"%\1\2", one) for one in (body, bare))}
    return all(needles.scrub(one) == one for one in readings)
