"""Something of a project that is refused for a while.

Source: contracts 7.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from apikeychain.model.ids import ProjectId

Scope = Literal["caller", "origin", "route", "project"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """Something of a project that is refused for a while.

    Attributes:
        scope: what `value` names; for a whole project `value` is "".
        value: a route's name, an origin, or a caller: its address as it is counted, or its pseudonym.
        until: when it ends by itself, or None.
        cut: whether calls under way end too; else they run out.
    """

    kind: ClassVar[str] = "suspension"
    project: ProjectId
    scope: Scope
    value: str
    reason: str
    created: datetime
    until: datetime | None = None
    generation: int = 1
    cut: bool = False

    @property
    def key(self) -> tuple[str, ...]:
        """Project, scope and value."""
        return (self.project, self.scope, self.value)
