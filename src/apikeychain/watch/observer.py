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
from apikeychain.model.tally import Tally
from apikeychain.rules import observation
from apikeychain.rules.caller import bucket_address
from apikeychain.rules.chain import pseudonym
from apikeychain.rules.snapshot import Snapshot
from apikeychain.rules.tallies import Counting

# All routes of all projects of one window; beyond them none is counted until the window is over.
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
        self._end = self._begin + WINDOW_SECONDS
        self._projects: dict[ProjectId, Counted] = {}
        self._room = MOST_COUNTS
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
        if is_last or self._seconds() >= self._end:
            self._turn()
        over, self._over = self._over, {}
        return over

    def _count(self, passage: Passage, project: Snapshot, status: int, bytes_out: int) -> None:
        if self._seconds() >= self._end:
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
            if self._room > 0:
                self._projects[project.project.id] = counted
        if passage.key and not counted.key:
            counted.key, counted.value_key = passage.key, observation.value_key(passage.key)
        return counted

    def _in(self, counted: "Counted", route: str) -> Counting | None:
        counting = counted.routes.get(route)
        if counting is None and self._room > 0:
            self._room -= 1
            counting = counted.routes[route] = Counting()
        elif counting is None:
            self._tell(f"more than {MOST_COUNTS} routes are called in this minute: of further ones nothing is counted")
        return counting

    def _turn(self) -> None:
        """Begin the next window."""
        if self._projects:
            self._over[self._begin] = self._projects
        while len(self._over) > MOST_WINDOWS:
            del self._over[min(self._over)]
        self._projects, self._room = {}, MOST_COUNTS
        self._begin = _begin(self._seconds())
        self._end = self._begin + WINDOW_SECONDS

    def _tell(self, what: str) -> None:
        if self._clock() - self._told >= _TELL_SECONDS:
            self._told = self._clock()
            _log.error("%s", what)


@final
class Counted:
    """What was counted of a project; the keys of its tenant go with the window."""

    __slots__ = ("key", "routes", "tenant", "value_key")

    def __init__(self, tenant: TenantId) -> None:
        self.tenant = tenant
        self.routes: dict[str, Counting] = {}
        self.key = self.value_key = b""

    def tallies(self) -> dict[str, Tally]:
        """By the names of routes."""
        return {name: counting.tally for name, counting in self.routes.items()}

    def caller_of(self, passage: Passage) -> str | None:
        """The pseudonym of a caller who was admitted; of one over a quota it is made here."""
        if passage.pseudonym is None and self.key:
            return pseudonym(self.key, bucket_address(passage.caller.address))
        return passage.pseudonym


def _begin(seconds: float) -> int:
    return int(seconds // WINDOW_SECONDS) * WINDOW_SECONDS
