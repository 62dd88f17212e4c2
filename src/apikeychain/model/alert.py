"""What a tenant or an operator has to hear of.

Source: architecture, "The ports"; contracts 8.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from apikeychain.model.ids import ProjectId, TenantId

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One message. It holds no secret, no address and no user's name.

    Attributes:
        id: the same at every sending, so that whoever has it twice can tell: ``alert_`` and 20 letters and digits.
        at: when it happened.
        tenant: whom it concerns; ``platform`` for all.
        project: likewise, or None.
        topic: ``<noun>.<what happened>``: what a program looks at.
        what: what happened, in one sentence.
        why: why we think so.
        done: what was done about it.
        todo: what is left to do, or "".
    """

    id: str
    at: datetime
    tenant: TenantId
    topic: str
    severity: Severity
    what: str
    why: str
    done: str
    todo: str = ""
    project: ProjectId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingAlert:
    """An alert that not every sink has taken yet; stored with the chain of its tenant.

    Attributes:
        sent: the names of the sinks that took it.
        attempts: how often a sink did not.
        after: no sending before this moment.
    """

    kind: ClassVar[str] = "alert"
    alert: Alert
    after: datetime
    sent: tuple[str, ...] = ()
    attempts: int = 0
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """The alert's id."""
        return (self.alert.id,)
