"""Hands over what this worker counted, window after window, to whoever adds up what all workers counted.

A worker that dies takes the current window with it, and one that cannot reach the store for some minutes what is older
than that: the watch sees less then, and no call waits for it.

Source: architecture, "State, and many workers"; decision 33.
"""

import asyncio
import logging
import random
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import final

from apikeychain import agenda
from apikeychain.errors import APIKeyChainError, BackendUnavailableError
from apikeychain.frames import frames_of
from apikeychain.model.finding import WINDOW_SECONDS
from apikeychain.model.ids import ProjectId
from apikeychain.model.watch import CountedWindow
from apikeychain.ports.store import Store
from apikeychain.rules.judgement import GRACE
from apikeychain.watch.observer import MOST_WINDOWS, Counted, Observer

TOPIC = "watch"
LOOK_SECONDS = 1.0
# Projects at a time: all of them have to be there before the window is looked at.
_AT_ONCE = 8
# Of all windows together.
MOST_PARTS = 16
# Of one record: it is read and written in one piece, while calls wait.
MOST_ROUTES = 32
# Workers hand over one after the other: they note the same errands.
SPREAD_SECONDS = 3.0
_log = logging.getLogger("apikeychain.watch")


@final
class Handover:
    """Stores what an observer counted.

    Args:
        store: that all workers share.
        observer: of this one.
        share: draws from [0, 1).
    """

    def __init__(self, store: Store, observer: Observer, *, share: Callable[[], float] = random.random) -> None:
        self._store, self._observer, self._share = store, observer, share
        # A worker that begins anew within a window is another one.
        self._worker = secrets.token_hex(8)
        # By the beginning of the window, and which part of it: a clock that jumps makes more than one of a window.
        self._waiting: dict[tuple[int, int], dict[ProjectId, Counted]] = {}
        self._parts = 0
        self._is_told = False

    async def run(self) -> None:
        """Store each window once it is over, until cancelled. Raises nothing."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._take()
            if self._waiting:
                await asyncio.sleep(SPREAD_SECONDS * self._share())
                await self.store()

    async def close(self) -> None:
        """Store what is left, also of the window that is not over. Raises nothing."""
        self._take(is_last=True)
        await self.store()

    def _take(self, *, is_last: bool = False) -> None:
        for begin, projects in self._observer.take(is_last=is_last).items():
            self._parts += 1
            self._waiting[begin, self._parts] = projects

    async def store(self) -> None:
        """Store what waits; what cannot be stored now waits on, the oldest of too many no more. Raises nothing."""
        begins = sorted({begin for begin, _ in self._waiting})[-MOST_WINDOWS:]
        kept = [part for part in sorted(self._waiting) if part[0] in begins][-MOST_PARTS:]
        self._waiting = {part: self._waiting[part] for part in kept}
        try:
            for part in kept:
                await self._store_part(part, self._waiting[part])
                del self._waiting[part]
        except BackendUnavailableError:
            self._tell("the store does not answer")
        except Exception as error:  # noqa: BLE001 - it is tried again, and must not end the background work
            self._tell(f"there is a fault\n{frames_of(error)}")
        else:
            self._is_told = False

    async def _store_part(self, part: tuple[int, int], projects: dict[ProjectId, Counted]) -> None:
        names = [*projects]
        for first in range(0, len(names), _AT_ONCE):
            some = [self._try(part, name, projects) for name in names[first : first + _AT_ONCE]]
            for fault in await asyncio.gather(*some, return_exceptions=True):
                if isinstance(fault, BaseException):
                    raise fault

    async def _try(self, part: tuple[int, int], project: ProjectId, projects: dict[ProjectId, Counted]) -> None:
        """Store what was counted of one project; one that was removed meanwhile has nothing to be watched."""
        try:
            await self._store_project(part, project, projects[project])
        except BackendUnavailableError:
            raise
        except APIKeyChainError as error:
            _log.info("what was counted of %s is left out: %s", project, type(error).__name__)
        del projects[project]

    async def _store_project(self, part: tuple[int, int], project: ProjectId, counted: Counted) -> None:
        moment = datetime.fromtimestamp(part[0], UTC)
        due, names = moment + timedelta(seconds=WINDOW_SECONDS) + GRACE, [*counted.routes]
        await agenda.note(self._store, TOPIC, counted.tenant, project, due)
        async with self._store.tenant(counted.tenant) as records:
            for first in range(0, len(names), MOST_ROUTES):
                window = CountedWindow(
                    project=project,
                    begin=f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                    worker=f"{self._worker}-{part[1]}-{first}",
                    routes={name: counted.routes[name].tally for name in names[first : first + MOST_ROUTES]},
                )
                if await records.get(CountedWindow, window.key) is None:
                    await records.insert(window)

    def _tell(self, why: str) -> None:
        if not self._is_told:
            _log.error("what was counted of calls is kept for now: %s", why)
        self._is_told = True
