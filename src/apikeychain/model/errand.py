"""That something of a tenant has to be looked at, so that nobody has to look through all tenants for it.

It is only a hint: what is really due stands in the tenant's own records. It is noted before these say so, and goes
after: at every moment it is due at least as early as they are.

Whoever noted it may still be storing when it is looked at, and nothing is found then. So it is looked at again after a
second, two, four and so on, and goes ten minutes after the last moment for which it was noted.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

from apikeychain.model.ids import TenantId

# Longer than anybody takes from the note of an errand to the end of the transaction that it is about.
STORING = timedelta(minutes=10)
_STEP = timedelta(seconds=1)
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One hint; stored with the platform.

    Attributes:
        topic: who looks at it.
        tenant: whose records it is about.
        subject: what in them, as the topic writes it; "" for all.
        due: when it is looked at.
        since: when it was to be looked at first since it was noted.
        last: the latest moment for which it was noted.
    """

    kind: ClassVar[str] = "errand"
    topic: str
    tenant: TenantId
    subject: str
    due: datetime
    since: datetime = _NEVER
    last: datetime = _NEVER
    generation: int = 1

    @property
    def key(self) -> tuple[str, str, str]:
        """Topic, tenant and subject."""
        return (self.topic, self.tenant, self.subject)

    def noted(self, due: datetime) -> Self:
        """Itself, noted once more for a moment."""
        sooner = min(due, self.due)
        return replace(self, due=sooner, since=sooner, last=max(due, self.last), generation=self.generation + 1)

    def looked_at(self, due: datetime | None) -> Self | None:
        """Itself, once somebody looked at it; None where it goes.

        Args:
            due: when something is due next by what was found; None where nothing is.
        """
        if self.due - self.last >= STORING:
            return replace(self, due=due, generation=self.generation + 1) if due else None
        again = self.due + max(self.due - self.since, _STEP)
        changed = replace(self, due=again, generation=self.generation + 1)
        if self.due < self.last <= again:
            changed = replace(changed, due=self.last, since=self.last)
        return replace(changed, due=min(due, changed.due)) if due else changed
