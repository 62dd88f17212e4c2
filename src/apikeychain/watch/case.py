"""What the watch reads of a project before it looks at it, and what it needs to look.

Source: contracts 7.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import Project
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import CountedWindow, TightenedQuota, WatchMemory, WatchPolicy
from apikeychain.ports.detector import Detector
from apikeychain.ports.store import Store, TenantReader
from apikeychain.rules.judgement import Ready, gathered

# What is later than that was written by a clock that was wrong; a clock that is less behind forgets nothing.
AHEAD: Final = timedelta(days=1)


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
        stored: the memory as it is stored, without what lies ahead, or None.
        ready: what was counted and is not looked at yet, in order; `late` what came too late for that, or lies ahead.
        suspended: what the watch suspended.
    """

    tenant: TenantId
    project: Project
    policy: WatchPolicy
    stored: WatchMemory | None
    ready: Sequence[Ready]
    late: Sequence[CountedWindow]
    tightened: Sequence[TightenedQuota]
    suspended: Sequence[Suspension]

    @property
    def memory(self) -> WatchMemory:
        """What is remembered; of a project that was never looked at, nothing."""
        return self.stored or WatchMemory(project=self.project.id)


async def case_of(reader: TenantReader, tenant: TenantId, project: ProjectId, now: datetime) -> Case | None:
    """The project, or None where it is gone.

    Raises:
        DamagedDataError: something of it cannot be read.
    """
    found = await reader.get(Project, (project,))
    if found is None:
        return None
    read = await reader.get(WatchMemory, (project,))
    stored = None if read is None else _until(now + AHEAD, read)
    # What many routes have counted takes longer than calls can wait for the loop.
    windows = await asyncio.to_thread(gathered, await _counted(reader, project))
    last = None if stored is None else stored.last
    ready = [one for one in windows if (not last or one.window.begin > last) and one.window.begin <= now + AHEAD]
    return Case(
        tenant=tenant,
        project=found,
        policy=await policy_of(reader, project),
        stored=stored,
        ready=ready,
        late=[counted for one in windows if one not in ready for counted in one.counted],
        tightened=await every(reader, TightenedQuota, project),
        suspended=await _suspended(reader, project, read),
    )


def _until(limit: datetime, memory: WatchMemory) -> WatchMemory:
    """The memory without what lies ahead. What was learned of a window there was learned of none that there was."""
    deeds = tuple([deed for deed in memory.deeds if deed.at <= limit])
    failed = tuple([deed for deed in memory.failed if deed.at <= limit])
    if memory.last is None or memory.last <= limit:
        return replace(memory, deeds=deeds, failed=failed)
    return replace(memory, deeds=deeds, failed=failed, last=None, states={})


async def _suspended(reader: TenantReader, project: ProjectId, memory: WatchMemory | None) -> list[Suspension]:
    """What is suspended as the watch has done it: what somebody suspended by hand is his."""
    deeds = () if memory is None else memory.deeds
    own = {(one.scope, one.value, one.until) for one in deeds if one.answer == "suspend" and not one.observed}
    return [one for one in await every(reader, Suspension, project) if (one.scope, one.value, one.until) in own]


async def _counted(reader: TenantReader, project: ProjectId) -> list[CountedWindow]:
    """What was counted, read one by one: each holds the loop for as long as its text is long."""
    found: list[CountedWindow] = []
    after: tuple[str, ...] = (project,)
    while page := await reader.list(CountedWindow, after, 1):
        if page[0].project != project:
            break
        found += page
        after = page[0].key
    return found


async def policy_of(reader: TenantReader, project: ProjectId) -> WatchPolicy:
    """What a project wants of the watch; the policy of whoever says nothing."""
    return await reader.get(WatchPolicy, (project,)) or WatchPolicy(project=project)
