r"""Tokens of asset URLs, which expire: ``v1.<expiry>.<MAC>``.

::

    MAC = base64url(HMAC-SHA256(key, "v1\n<project>\n<path>\n<expiry>")), 43 characters
    expiry: seconds since 1970, decimal, 1 to 11 digits without a leading zero

A token is of one path of one project and says nothing of what is served there: it outlives a new version. The moment of
its expiry itself is refused.

Source: contracts 9; RFC 2104; RFC 4648, section 5.
"""

import hmac
import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from apikeychain.errors import InvalidValueError, TokenRefusedError
from apikeychain.model.ids import ProjectId, base64url

MAX_TTL = timedelta(hours=24)
_LEAST_TTL = timedelta(seconds=1)
# By which the clock of whoever made it may be ahead, as in signatures.
_AHEAD = timedelta(seconds=30)
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1)}
_TTL = re.compile("([0-9]{1,5})([smh])")
_TOKEN = re.compile(rb"v1\.([1-9][0-9]{0,10})\.([A-Za-z0-9_-]{43})")


def make_token(key: bytes, project: ProjectId, path: str, expiry: int) -> str:
    """A token.

    Args:
        key: 32 bytes, the project's for this use.
        project: its id.
        path: of the asset, ``js/<name>`` or ``css/<name>``, or ``assets.json``.
        expiry: seconds since 1970.
    """
    return f"v1.{expiry}.{_mac(key, project, path, str(expiry)).decode()}"


def parse_ttl(given: timedelta | str) -> timedelta:
    """How long a token is good.

    Args:
        given: a time, or a whole number of seconds, minutes or hours such as ``90s``, ``30m`` and ``4h``.

    Raises:
        InvalidValueError: it is none, or not a second to 24 hours.
    """
    ttl = given if isinstance(given, timedelta) else _read_ttl(given)
    if not _LEAST_TTL <= ttl <= MAX_TTL:
        msg = f"a token is good for a second to 24 hours, not for {ttl.total_seconds():g} s"
        raise InvalidValueError(msg)
    return ttl


def require_token(keys: Iterable[bytes], project: ProjectId, path: str, token: bytes, moment: datetime) -> int:
    """How many whole seconds a token is good for, from `moment` on: nothing may be kept for longer than it is.

    Args:
        keys: the current one and those before it that still count; each is tried, in the same time.
        project: whose asset is asked for.
        path: of that asset.
        token: as it came.
        moment: now.

    Raises:
        TokenRefusedError: it is none, of something else, expired, or longer lived than any that is made, by clocks that
            may be 30 s apart.
    """
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise TokenRefusedError
    expiry, mac = found.groups()
    good = [hmac.compare_digest(_mac(key, project, path, expiry.decode()), mac) for key in keys]
    left = int(expiry) - moment.timestamp()
    if not any(good) or not 0 < left <= (MAX_TTL + _AHEAD).total_seconds():
        raise TokenRefusedError
    return int(left)


def _read_ttl(text: str) -> timedelta:
    found = _TTL.fullmatch(text)
    if found is None:
        msg = f"not a time: {text!r} (say 90s, 30m or 4h)"
        raise InvalidValueError(msg)
    return int(found[1]) * _UNITS[found[2]]


def _mac(key: bytes, project: ProjectId, path: str, expiry: str) -> bytes:
    return base64url(hmac.digest(key, f"v1\n{project}\n{path}\n{expiry}".encode(), "sha256")).encode()
