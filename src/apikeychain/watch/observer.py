"""Counts every call of a worker at its end, in the window in which it ends, and gives the windows away that are over.

What it holds is bounded: one count for each route of a project that is stored, so many of them at most, and each of
these is bounded too, whatever callers send. Projects that nobody has are not counted. What fails in it is told in the
log once a minute, and the call is served.

Source: contracts 7; spec 8.2.
"""

import logging
import time
from collections.abc import Callable
from typing import final

from apikeychain.frames import frames_of
from apikeychain.ledger.passage import Passage
from apikeychain.model.finding import WINDOW_SECONDS
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.rules import observation
from apikeychain.rules.caller import bucket_address
from apikeychain.rules.chain import pseudonym
from apikeychain.rules.snapshot import Snapshot
from apikeychain.rules.tallies import Counting

# All routes of all projects of one window. A tenant has at most as many of them as it leaves to all others: beyond
# that none of its further routes is counted until the window is over.
MOST_COUNTS = 16_384
# That could not be given away yet.
MOST_WINDOWS = 3
_TELL_SECONDS = 60.0
_log = logging.getLogger("apikeychain.watch")


@final
class Observer:
    """Told of each passage at its end, it counts it.

    Args:
        seconds: the wall clock, since 1970.
        clock: seconds that only grow.
    """

    def __init__(
        self, *, seconds: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._clock, self._told = seconds, clock, -_TELL_SECONDS
        self._begin = _begin(seconds())
        self._projects: dict[ProjectId, Counted] = {}
        self._left, self._used = MOST_COUNTS, dict[TenantId, int]()
        self._over: dict[int, dict[ProjectId, Counted]] = {}

    def __call__(self, passage: Passage, status: int, bytes_out: int) -> None:
        """Count a call that is over. Raises nothing."""
        try:
            if passage.project is not None and (passage.refusal is not None or passage.slot is not None):
                self._count(passage, passage.project, status, bytes_out)
        except Exception as error:  # noqa: BLE001 - no call is refused for what the watch cannot count
            self._tell(f"a call could not be counted\n{frames_of(error)}")

    def take(self, *, is_last: bool = False) -> "dict[int, dict[ProjectId, Counted]]":
        """The windows that are over, by their beginnings in seconds since 1970; they are held no more.

        Args:
            is_last: whether the one that is not over is given away as it is.
        """
        now = self._seconds()
        if is_last:
            self._close()
        elif self._is_elsewhere():
            self._turn()
        over, self._over = self._over, {}
        # A clock that was ahead for a moment began one that nobody is to wait for.
        return {begin: projects for begin, projects in over.items() if begin <= now + WINDOW_SECONDS}

    def _count(self, passage: Passage, project: Snapshot, status: int, bytes_out: int) -> None:
        if self._is_elsewhere():
            self._turn()
        route, refusal = passage.route, passage.refusal
        counted = self._of(passage, project)
        counting = self._in(counted, "" if route is None else route.route.name)
        if counting is None:
            return
        if not observation.is_admitted(refusal, recorded=passage.slot is not None, routed=route is not None):
            counting.add_unadmitted(observation.unadmitted_of(refusal or ""))
            return
        failure = observation.failure_of(status, refusal, by_provider=passage.answered == "provider")
        counting.add(failure, bytes_out, counted.caller_of(passage), passage.country, passage.page or "")
        for name, value in passage.values:
            counting.add_value(name, value, observation.value_hash(counted.value_key, name, value))

    def _of(self, passage: Passage, project: Snapshot) -> "Counted":
        counted = self._projects.get(project.project.id)
        if counted is None:
            counted = Counted(project.tenant.id)
            if self._has_room(counted.tenant):
                self._projects[project.project.id] = counted
        if passage.key and not counted.key:
            counted.key, counted.value_key = passage.key, observation.value_key(passage.key)
        return counted

    def _in(self, counted: "Counted", route: str) -> Counting | None:
        counting = counted.routes.get(route)
        if counting is None and self._has_room(counted.tenant):
            self._take_room(counted.tenant, 1)
            counting = counted.routes[route] = Counting()
        elif counting is None:
            told = f"{self._used.get(counted.tenant, 0)} of its routes are called in this minute"
            self._tell(f"of further ones of the tenant {counted.tenant} nothing is counted: {told}")
        return counting

    def _has_room(self, tenant: TenantId) -> bool:
        """Whether more of a tenant may be counted: none has more than what is left for all others."""
        return self._used.get(tenant, 0) < self._left

    def _take_room(self, tenant: TenantId, routes: int) -> None:
        self._used[tenant] = self._used.get(tenant, 0) + routes
        self._left -= routes

    def _is_elsewhere(self) -> bool:
        """Whether the window is over, or was begun by a clock that was wrong; a small step back is not that."""
        return not -WINDOW_SECONDS <= self._seconds() - self._begin < WINDOW_SECONDS

    def _turn(self) -> None:
        """Begin the next window, or go on with one that was begun before and is not given away yet."""
        self._close()
        self._begin = _begin(self._seconds())
        self._projects = self._over.pop(self._begin, {})
        for counted in self._projects.values():
            self._take_room(counted.tenant, len(counted.routes))
        while len(self._over) > MOST_WINDOWS:
            del self._over[min(self._over)]

    def _close(self) -> None:
        """End the window: what is counted next has all the room."""
        if self._projects:
            self._over[self._begin] = self._projects
        self._projects, self._left, self._used = {}, MOST_COUNTS, {}

    def _tell(self, what: str) -> None:
        if self._clock() - self._told >= _TELL_SECONDS:
            self._told = self._clock()
            _log.error("%s", what)


@final
class Counted:
    """What was counted of a project, by the names of routes; the keys of its tenant go with the window."""

    __slots__ = ("key", "routes", "tenant", "value_key")

    def __init__(self, tenant: TenantId) -> None:
        self.tenant = tenant
        self.routes: dict[str, Counting] = {}
        self.key = self.value_key = b""

    def caller_of(self, passage: Passage) -> str | None:
        """The pseudonym of a caller who was admitted; of one over a quota it is made here."""
        if passage.pseudonym is None and self.key:
            return pseudonym(self.key, bucket_address(passage.caller.address))
        return passage.pseudonym


def _begin(seconds: float) -> int:
    return int(seconds // WINDOW_SECONDS) * WINDOW_SECONDS
