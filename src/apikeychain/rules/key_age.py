"""When a project's key turns: after a time, and after a number of values that it sealed.

Each value has a message key of its own, so that no number of them weakens the key: what both bound is how much a key
that leaked once opens.

Source: contracts 5, "Rotation"; spec 3.3; NIST SP 800-57 part 1, 5.3.6 (cryptoperiods).
"""

from datetime import datetime, timedelta

from apikeychain.model.records import ProjectKey

# A project that has more values than its key may have uses has used up the next one at once: it turns once a day.
_LEAST = timedelta(days=1)


def turns_at(key: ProjectKey, *, max_uses: int, max_age_days: int) -> datetime | None:
    """The moment from which on a key is due, or None where it never is.

    Args:
        key: the newest version of a project.
        max_uses: after as many values it is due.
        max_age_days: after as many days it is; 0 for never.
    """
    moments = [key.created + timedelta(days=max_age_days)] if max_age_days else []
    if key.uses >= max_uses:
        moments.append(key.created + _LEAST)
    return min(moments, default=None)
