"""The worker that looks at what all workers counted: every five seconds, at the projects that are due.

One does it for all, by a lease. That no window is learned or answered twice hangs on no clock: see `acting`. A worker
that dies leaves its lease to run out and its errands where they are.

Source: architecture, "State, and many workers"; contracts 7; decision 33.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import final

from apikeychain import agenda
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError, DoesNotExistError
from apikeychain.frames import frames_of
from apikeychain.ledger.turn import lease
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId
from apikeychain.model.suspension import Suspension
from apikeychain.model.watch import CountedWindow, TightenedQuota
from apikeychain.rules.judgement import Judged, Ready, judged
from apikeychain.rules.watch_policy import Planned, decide, mode_of
from apikeychain.watch import acting, deeds
from apikeychain.watch.case import Case, Post, case_of
from apikeychain.watch.handover import TOPIC
from apikeychain.watch.suspension import owner_of, raise_generation

LOOK_SECONDS = 5.0
LEASE_SECONDS = 60.0
_RENEW_SECONDS = 20.0
# From the beginning of a window: as late as that a worker may hand it over.
_STALE = timedelta(minutes=6)
_LATE = "what was over for minutes is told and not answered; it is always so where this clock is ahead of the others"
# By as much clocks of workers differ.
_SKEW = timedelta(minutes=1)
_log = logging.getLogger("apikeychain.watch")


@final
class Watchman:
    """Looks at the projects of one store.

    Args:
        post: what it needs.
        clock: seconds that only grow.
    """

    def __init__(self, post: Post, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._post, self._clock, self._renew = post, clock, 0.0
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Look every five seconds, until cancelled. Raises nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except BackendUnavailableError:
                self._tell("", "the store does not answer")
            except Exception as error:  # noqa: BLE001 - a bug in one look must not end the watch
                self._tell("", f"there is a fault\n{frames_of(error)}")
            else:
                self._tell("", "")

    async def look(self) -> None:
        """Look at every project that is due, unless another worker does.

        Raises:
            BackendUnavailableError: the store does not answer.
        """
        self._renew = 0.0
        for errand in await agenda.due(self._post.store, TOPIC, self._post.now()):
            if not await self._is_ours():
                return
            await self._try(errand)

    async def attend(self, errand: Errand) -> None:
        """Do all that is due of one project.

        Raises:
            ConflictError: somebody else wrote at the same time; what was not done is done at the next look.
            AlreadyExistsError: likewise.
            BackendUnavailableError: the store does not answer.
        """
        due: datetime | None = None
        try:
            due = await self._attend(errand)
        except DoesNotExistError:
            _log.info("the project %s went while it was looked at", errand.subject)
        await agenda.settle(self._post.store, errand, due)

    async def _try(self, errand: Errand) -> None:
        try:
            await self.attend(errand)
        except (ConflictError, AlreadyExistsError) as conflict:
            _log.info("the project %s is looked at again: %s", errand.subject, conflict)
        except BackendUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - what breaks with one project must not keep the others from it
            self._tell(errand.subject, f"there is a fault\n{frames_of(error)}")
        else:
            self._tell(errand.subject, "")

    async def _is_ours(self) -> bool:
        if self._clock() < self._renew:
            return True
        self._renew = self._clock() + _RENEW_SECONDS
        return await lease(self._post.store, TOPIC, LEASE_SECONDS)

    async def _attend(self, errand: Errand) -> datetime | None:
        """When something is due next."""
        async with self._post.store.reading(errand.tenant) as reader:
            case = await case_of(reader, errand.tenant, ProjectId(errand.subject), self._post.now())
        if case is None:
            return None
        now = self._post.now()
        case = await self._tidy(case, now)
        held: list[TightenedQuota | Suspension] = [*case.tightened, *case.suspended]
        waiting: list[datetime] = [one.until for one in held if one.until is not None and one.until > now]
        for ready in case.ready:
            if ready.due > now:
                waiting.append(ready.due)
            elif await self._is_ours():
                case = await self._judge(case, ready)
            else:
                waiting.append(now)
        return min(waiting, default=None)

    async def _tidy(self, case: Case, now: datetime) -> Case:
        """End what the watch did for long enough, and drop what came too late to be looked at."""
        quotas = [quota for quota in case.tightened if _is_over(quota, now)]
        suspended = [one for one in case.suspended if _is_over(one, now)]
        if not quotas and not suspended and not case.late:
            return case
        memory = replace(case.memory, late=case.memory.late + len(case.late))
        async with self._post.store.tenant(case.tenant) as records:
            for quota in quotas:
                await deeds.relax(records, quota, now)
            for one in suspended:
                await deeds.release(records, one, now)
            for counted in case.late:
                await records.remove(CountedWindow, counted.key, counted.generation)
            memory = await acting.keep(records, case, memory)
            if quotas or suspended:
                await raise_generation(records, await owner_of(records, case.project.id))
        if quotas or suspended:
            await self._post.announce(case.project.id)
        return replace(case, stored=memory)

    async def _judge(self, case: Case, ready: Ready) -> Case:
        mode = mode_of(case.policy, case.project.created, self._post.now())
        detectors = () if mode == "off" else self._post.detectors(case.policy)
        # A detector may take longer than calls can wait for the loop.
        seen = await asyncio.to_thread(judged, ready.window, case.memory.states, detectors)
        for name, fault in seen.faults.items():
            self._tell(f"{case.project.id}, detector {name}", f"there is a fault\n{frames_of(fault)}")
        memory = await acting.carry_out(self._post, case, ready, seen, self._plans(case, seen))
        return replace(case, stored=memory)

    def _plans(self, case: Case, seen: Judged) -> Sequence[Planned]:
        """What is to be done; about what nobody looked at for minutes, nothing but to tell it."""
        now = self._post.now()
        memory = case.memory
        plans = decide(case.policy, seen.findings, memory.deeds, case.project.created, now, failed=memory.failed)
        is_late = now - seen.sums.begin > _STALE
        told = [planned for planned in plans if planned.deed.answer == "alert"] if is_late else plans
        self._tell(f"{case.project.id}, answers", _LATE if len(told) < len(plans) else "")
        return told

    def _tell(self, what: str, why: str) -> None:
        if why and self._told.get(what) != why:
            _log.error("the watch%s is delayed: %s", f" of {what}" if what else "", why)
        if why:
            self._told[what] = why
        else:
            self._told.pop(what, None)


def _is_over(one: TightenedQuota | Suspension, now: datetime) -> bool:
    """Whether it is over, or was made by a clock that was ahead, and would hold for longer than anything may."""
    return (one.until is not None and one.until <= now) or one.created > now + _SKEW
