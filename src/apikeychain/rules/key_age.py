"""When a key turns: after a time, and after a number of uses.

Each value has a message key of its own, so that no number of them weakens a key: what both bound is how much a key
that leaked once opens.

Source: contracts 5, "Rotation"; spec 3.3; NIST SP 800-57 part 1, 5.3.6 (cryptoperiods).
"""

from datetime import datetime, timedelta

# What uses up the next one at once, as a project with more values than its key may have uses, turns once a day.
LEAST = timedelta(days=1)


def turns_at(created: datetime, uses: int, *, max_uses: int, max_age_days: int) -> datetime | None:
    """The moment from which on a key is due, or None where it never is.

    Args:
        created: when it was made.
        uses: how often it was used since.
        max_uses: after as many it is due; 0 for never.
        max_age_days: after as many days it is; 0 for never.
    """
    ages = [timedelta(days=max_age_days)] if max_age_days else []
    if max_uses and uses >= max_uses:
        ages.append(LEAST)
    try:
        return created + min(ages) if ages else None
    except OverflowError:
        # No moment is after the year 9999, which only a damaged row says.
        return None
