"""How many calls in how long.

Source: contracts 7; the notation is that of the `limits` package, with the name of its exact strategy behind it.
"""

import re
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self

from apikeychain.errors import InvalidValueError

# An exact quota remembers the moment of each call in its window: 80 kB a bucket at the most.
MAX_EXACT_AMOUNT = 10_000
_EXACT = "moving-window"
_QUOTA = re.compile(rf"([1-9][0-9]{{0,8}})/(?:([1-9][0-9]{{0,4}}) ?)?(second|minute|hour|day)s?( {_EXACT})?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True, slots=True)
class Quota:
    """`amount` calls in `window_seconds`, sliding.

    Attributes:
        exact: whether no span of `window_seconds` may hold more than `amount` calls, wherever it begins. Without it
            two bursts can come close to twice the amount, and a bucket takes two numbers however large the amount is.
    """

    amount: int
    window_seconds: int
    exact: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """A quota from its notation: ``"600/minute"``, ``"10/5 minutes"``, ``"600/minute moving-window"``.

        Raises:
            InvalidValueError: not that notation, or an exact quota of more than 10,000 calls.
        """
        match = _QUOTA.fullmatch(text)
        if not match:
            msg = f'not a quota: {text!r} (write "600/minute", "10/5 minutes" or "600/minute {_EXACT}")'
            raise InvalidValueError(msg)
        amount, exact = int(match[1]), match[4] is not None
        if exact and amount > MAX_EXACT_AMOUNT:
            msg = f"a quota with {_EXACT} is of at most {MAX_EXACT_AMOUNT} calls: {text!r}"
            raise InvalidValueError(msg)
        return cls(amount, int(match[2] or 1) * _SECONDS[match[3]], exact)


class Spend(NamedTuple):
    """One call that counts against one bucket.

    Attributes:
        bucket: the bucket's key, printable ASCII.
        name: what the bucket counts, for the RateLimit headers: "address", "project".
        cost: 1, or 0 to ask only whether there is room for one.
    """

    bucket: str
    name: str
    quota: Quota
    cost: Literal[0, 1] = 1


class Balance(NamedTuple):
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
