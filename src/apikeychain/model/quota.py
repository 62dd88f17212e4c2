"""How many calls in how long.

Source: contracts 7; the notation is that of the `limits` package.
"""

import re
from dataclasses import dataclass
from typing import Self

from apikeychain.errors import InvalidValueError

_QUOTA = re.compile(r"([1-9][0-9]{0,8})/(?:([1-9][0-9]{0,4}) ?)?(second|minute|hour|day)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Quota:
    """`amount` calls in `window_seconds`, sliding."""

    amount: int
    window_seconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A quota from its notation: ``"600/minute"``, ``"10/5 minutes"``.

        Raises:
            InvalidValueError: not that notation.
        """
        match = _QUOTA.fullmatch(text)
        if not match:
            msg = f'not a quota: {text!r} (write "600/minute" or "10/5 minutes")'
            raise InvalidValueError(msg)
        return cls(int(match[1]), int(match[2] or 1) * _SECONDS[match[3]])


@dataclass(frozen=True, slots=True)
class Spend:
    """One call that counts against one bucket.

    Attributes:
        bucket: the bucket's key, printable ASCII.
        name: what the bucket counts, for the RateLimit headers: "address", "project".
    """

    bucket: str
    name: str
    quota: Quota


@dataclass(frozen=True, slots=True)
class Balance:
    """What a bucket holds after a spend that was admitted, or why one was not.

    Attributes:
        admitted: whether this bucket had room. A spend of several is admitted only if all had.
        remaining: calls left in the window, at least 0.
        reset_seconds: until there is room again (refused) or the window has passed (admitted); at least 1.
    """

    spend: Spend
    admitted: bool
    remaining: int
    reset_seconds: int
