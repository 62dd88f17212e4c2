"""What a verifier reads with: everything has one spelling, or it is refused.

Source: contracts 6; RFC 8785; RFC 4648, section 3.5.
"""

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

HASH_BYTES = 32
# RFC 3339 in UTC with three decimals.
TIMESTAMP = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z"

json_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
_HEX_HASH = re.compile(f"[0-9a-f]{{{2 * HASH_BYTES}}}")


class ProofError(ValueError):
    """What was given proves nothing. The text says what does not hold."""


def require(holds: object, sentence: str) -> None:
    """Raise ProofError with `sentence` unless something holds."""
    if not holds:
        raise ProofError(sentence)


def canonical_json(value: object) -> bytes:
    """RFC 8785 for values without floats, with integers below 2^53 and keys in the Basic Multilingual Plane."""
    return json_text(value).encode()


def read_object(text: str, what: str, *, canonical: bool) -> dict[str, Any]:
    """The members of a JSON object that every parser reads alike.

    Args:
        text: the JSON of an object.
        what: it is, for the text of the error.
        canonical: whether `text` has to be the canonical JSON of its value.

    Raises:
        ProofError: it is not; or a name comes twice, a number is no integer, a text has a lone surrogate.
    """
    try:
        value: Any = json.loads(text, object_pairs_hook=_unique, parse_float=_refuse, parse_constant=_refuse)
        spelled = canonical_json(value)
    except (ValueError, RecursionError):
        msg = f"{what} is not JSON with one reading"
        raise ProofError(msg) from None
    require(not canonical or spelled == text.encode(), f"{what} is not canonical JSON")
    require(isinstance(value, dict), f"{what} is no JSON object")
    return dict(value)


def require_members(found: Mapping[str, object], names: Mapping[str, type], what: str) -> None:
    """Require that an object has these members and no others, each of its type. Raises ProofError."""
    fits = found.keys() == names.keys() and all(type(found[name]) is kind for name, kind in names.items())
    require(fits, f"{what} has other members than {', '.join(names)}")


def read_hash(text: object, what: str) -> bytes:
    """The 32 bytes of a hash in lower-case hex. Raises ProofError."""
    require(
        isinstance(text, str) and _HEX_HASH.fullmatch(text), f"{what} has a hash that is not 64 lower-case hex digits"
    )
    return bytes.fromhex(str(text))


def read_path(steps: Iterable[object], what: str) -> tuple[bytes, ...]:
    """The hashes of a path. Raises ProofError."""
    return tuple(read_hash(step, what) for step in steps)


def read_base64(text: str, what: str) -> bytes:
    """The bytes of a base64 text in its one spelling. Raises ProofError."""
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        value = b""
    require(value and b64encode(value).decode() == text, f"{what} has base64 that is broken or has another spelling")
    return value


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _refuse(_: str) -> NoReturn:
    raise ValueError
