"""What the watch never does, whatever a detector found and a policy says: the last look before a deed.

- What anybody can cause who was not admitted changes no quota, no origin, no route, no project and no secret. At most
  one caller is refused for a while, by a pseudonym that only a caller who was admitted has.
- In a day the watch suspends at most three times what is not one caller, for an hour each, and rotates once.

`rules/watch_policy` decides; this holds should it be wrong.

Source: contracts 7.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from apikeychain.model.watch import Deed
from apikeychain.rules.watch_policy import Planned

DAY: Final = timedelta(hours=24)
LONGEST: Final = timedelta(hours=1)
WIDE_A_DAY: Final = 3


def is_within(planned: Planned, deeds: Sequence[Deed], now: datetime) -> bool:
    """Whether it may be done, after all that was done before.

    Args:
        planned: what is to be done.
        deeds: of at least the last day.
        now: the moment.
    """
    deed, finding = planned.deed, planned.finding
    if deed.answer == "alert" or deed.observed:
        return True
    lately = [one for one in deeds if not one.observed and now - one.at < DAY]
    if deed.answer == "rotate":
        return finding.admitted and not any(one.answer == "rotate" for one in lately)
    if deed.answer == "tighten":
        return finding.admitted and deed.scope != "caller" and deed.until is not None
    if deed.until is None or deed.until > now + LONGEST:
        return False
    if deed.scope == "caller":
        return (finding.scope, finding.value) == ("caller", deed.value) and bool(deed.value)
    done = [one for one in lately if one.answer == "suspend" and one.scope != "caller"]
    return finding.admitted and len(done) < WIDE_A_DAY
