"""What the watch reads of a project before it looks at it, and what it needs to look.

Source: contracts 7.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import Project
from apikeychain.model.watch import CountedWindow, TightenedQuota, WatchMemory, WatchPolicy
from apikeychain.ports.detector import Detector
from apikeychain.ports.store import Store, TenantReader
from apikeychain.rules.judgement import Ready, gathered


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What the watch needs of an open keychain.

    Attributes:
        announce: tells every worker of a project that changed.
        now: the wall clock, UTC.
        detectors: that look at every project, with the rules of its tenant.
    """

    store: Store
    announce: Callable[[ProjectId], Awaitable[None]]
    now: Callable[[], datetime]
    detectors: Callable[[WatchPolicy], Sequence[Detector]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A project as the watch finds it.

    Attributes:
        stored: the memory as it is stored, or None.
        ready: what was counted and is not looked at yet, in order; `late` what came too late for that.
    """

    tenant: TenantId
    project: Project
    policy: WatchPolicy
    stored: WatchMemory | None
    ready: Sequence[Ready]
    late: Sequence[CountedWindow]
    tightened: Sequence[TightenedQuota]

    @property
    def memory(self) -> WatchMemory:
        """What is remembered; of a project that was never looked at, nothing."""
        return self.stored or WatchMemory(project=self.project.id)


async def case_of(reader: TenantReader, tenant: TenantId, project: ProjectId) -> Case | None:
    """The project, or None where it is gone.

    Raises:
        DamagedDataError: something of it cannot be read.
    """
    found = await reader.get(Project, (project,))
    if found is None:
        return None
    stored = await reader.get(WatchMemory, (project,))
    windows = gathered(await every(reader, CountedWindow, project))
    last = None if stored is None else stored.last
    late = [one for ready in windows if last and ready.window.begin <= last for one in ready.counted]
    return Case(
        tenant=tenant,
        project=found,
        policy=await policy_of(reader, project),
        stored=stored,
        ready=[ready for ready in windows if not last or ready.window.begin > last],
        late=late,
        tightened=await every(reader, TightenedQuota, project),
    )


async def policy_of(reader: TenantReader, project: ProjectId) -> WatchPolicy:
    """What a project wants of the watch; the policy of whoever says nothing."""
    return await reader.get(WatchPolicy, (project,)) or WatchPolicy(project=project)
