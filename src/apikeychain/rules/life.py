"""Values that end by themselves: when the next one is fetched, and how long it may be waited for.

Source: contracts 8.
"""

from datetime import datetime, timedelta
from typing import Final

LEAST_LIFE: Final = timedelta(seconds=60)
# Of the life of a value, when the next one is fetched; the rest is for attempts that fail.
_OF_LIFE = 0.7
_LEAST_WAIT = timedelta(seconds=30)
_OF_REST = 10
_LEAST_PAUSE = timedelta(seconds=60)
_MOST_AFTER_END = timedelta(hours=1)


def is_too_short(expires: datetime | None, now: datetime) -> bool:
    """Whether a value ends so soon that it would be fetched again and again."""
    return expires is not None and expires - now < LEAST_LIFE


def renewal(now: datetime, expires: datetime, share: float) -> datetime:
    """When the next value is fetched; `share`, in [0, 1), draws 7 to 8 tenths of its life."""
    return now + max((expires - now) * (_OF_LIFE + share / 10), _LEAST_WAIT)


def capped(pause: timedelta, now: datetime, ends: datetime | None) -> timedelta:
    """A pause after an attempt failed, such that the value that serves does not run out because of it.

    Args:
        pause: as it would be.
        now: the moment.
        ends: when the value ends, or None.

    Returns:
        At most a tenth of what is left of it, or 60 s where that is more.
    """
    return pause if ends is None else min(pause, max((ends - now) / _OF_REST, _LEAST_PAUSE))


def capped_refusal(pause: timedelta, now: datetime, ends: datetime | None) -> timedelta:
    """Likewise after a refusal; once the value has ended nothing is to be saved, and it is an hour at most."""
    if ends is None or ends > now:
        return capped(pause, now, ends)
    return min(pause, _MOST_AFTER_END)
