"""How a project is watched, and what the watch has to remember of it.

Source: contracts 7; spec 8.2.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal

from apikeychain.model.finding import Answer, Finding
from apikeychain.model.ids import ProjectId
from apikeychain.model.suspension import Scope
from apikeychain.model.tally import Tally

Mode = Literal["off", "observe", "act"]
ANSWERS: tuple[Answer, ...] = ("alert", "tighten", "suspend", "rotate")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """What a project wants done about findings. A project without one is watched as a fresh one of these says.

    Attributes:
        mode: `observe` finds and tells what it would have done, and does nothing but alert; None for that in the first
            week of a project and `act` from then on.
        answers: that it may give, of ANSWERS, least first.
        rules: of the tenant's own, see `rules/watch_rules`.
        suspend_minutes: how long the first suspension lasts; each further one in a day twice as long, an hour at most.
        suspensions_a_day: of origins, routes and the project together; 3 at most.
    """

    kind: ClassVar[str] = "watch-policy"
    project: ProjectId
    mode: Mode | None = None
    answers: tuple[Answer, ...] = ("alert", "tighten", "suspend")
    rules: tuple[str, ...] = ()
    suspend_minutes: int = 10
    suspensions_a_day: int = 3
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """The project."""
        return (self.project,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that the watch did about a scope of a project.

    Attributes:
        answer: what; `scope` and `value`: to what.
        at: when; `until`: to when it holds, or None.
        feature: that the finding showed which it answers.
        observed: whether it is only what would have been done.
        aside: whether it is no step of what else is found: a quota that is smaller for a rule, or for too many callers.
    """

    answer: Answer
    scope: Scope
    value: str
    at: datetime
    until: datetime | None = None
    feature: str = ""
    observed: bool = False
    aside: bool = False

    @property
    def place(self) -> tuple[str, ...]:
        """What, to which scope."""
        return (self.answer, self.scope, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """A window in a few numbers, all routes and workers together.

    Attributes:
        calls: that were admitted; `failures` of those.
        callers: about how many.
        unadmitted: calls that were not admitted.
    """

    begin: datetime
    calls: int
    failures: int
    callers: int
    bytes_out: int
    unadmitted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchMemory:
    """What the watch knows of a project: one for all workers.

    Attributes:
        states: of each detector, by its name.
        last: the beginning of the last window that was looked at, or None.
        deeds: that were done in the last two days, or observed, the oldest first.
        failed: the last try of each of what could not be done, within a day.
        windows: how many were looked at; `seen`: the last of them, or None.
        late: how often what a worker counted came after its window was looked at, and was left out.
    """

    kind: ClassVar[str] = "watch-memory"
    project: ProjectId
    states: dict[str, str] = field(default_factory=dict[str, str])
    last: datetime | None = None
    deeds: tuple[Deed, ...] = ()
    failed: tuple[Deed, ...] = ()
    windows: int = 0
    seen: Sums | None = None
    late: int = 0
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """The project."""
        return (self.project,)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedWindow:
    """What one worker counted of a project in one window; it goes once it was added to the others.

    Attributes:
        begin: of the window, RFC 3339 to the second, so that they sort.
        worker: who counted.
        routes: see `Window`.
    """

    kind: ClassVar[str] = "counted-window"
    project: ProjectId
    begin: str
    worker: str
    routes: dict[str, Tally]
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project, beginning and worker."""
        return (self.project, self.begin, self.worker)


@dataclass(frozen=True, slots=True, kw_only=True)
class TightenedQuota:
    """A quota that is smaller for a while.

    Attributes:
        scope: `project`, `route` or `origin`; `value` names it.
        divisor: what is left of the quota is one part of so many.
        until: when it ends by itself.
    """

    kind: ClassVar[str] = "tightened-quota"
    project: ProjectId
    scope: Scope
    value: str
    divisor: int
    created: datetime
    until: datetime
    generation: int = 1

    @property
    def key(self) -> tuple[str, ...]:
        """Project, scope and value."""
        return (self.project, self.scope, self.value)


WatchRecord = WatchPolicy | WatchMemory | CountedWindow | TightenedQuota | Finding
WATCH_RECORDS: tuple[type[WatchRecord], ...] = (WatchPolicy, WatchMemory, CountedWindow, TightenedQuota, Finding)
