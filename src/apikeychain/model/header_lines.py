"""Header lines that a provider or a route may set or pass.

Source: contracts 4 ("Request headers forwarded"); RFC 9110, 5.1, 5.5.
"""

import re

from apikeychain.errors import InvalidValueError

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\x20-\x7e]{0,1024}")
_OURS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "cookie",
        "origin",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "expect",
    },
)


def require_header_name(name: str) -> None:
    """Raise InvalidValueError unless `name` is a header that a provider or route may set or pass."""
    if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
        msg = f"not a header that can be set here: {name!r}"
        raise InvalidValueError(msg)


def require_header_value(value: str) -> None:
    """Raise InvalidValueError unless `value` is printable ASCII of at most 1,024 characters."""
    if not _VALUE.fullmatch(value):
        msg = "a header value is printable ASCII, without line breaks"
        raise InvalidValueError(msg)
