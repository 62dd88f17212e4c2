"""The calls that were sent and have not ended: those that a suspension cuts end with it, and the others run out.

Source: contracts 7 ("streams under way run out unless `cut=True`"), 10 (a change takes effect within 1 s with Signals,
30 s without).
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import final

from apikeychain.errors import APIKeyChainError
from apikeychain.ledger.passage import Passage
from apikeychain.rules import suspension
from apikeychain.rules.snapshot import Snapshot

# What changed is heard at once, and the project read anew; where nothing is heard it is as old as 30 s.
LOOK_SECONDS = 0.25
_log = logging.getLogger("apikeychain.gate")


@final
class UnderWay:
    """The calls under way, by project.

    Args:
        observe: told of each passage at its end, with the status and the bytes of its answer; it raises nothing.
        load: a project as it is now.
        now: the wall clock, UTC.
    """

    def __init__(
        self,
        observe: Callable[[Passage, int, int], None],
        load: Callable[[str], Awaitable[Snapshot]],
        now: Callable[[], datetime],
    ) -> None:
        self._observe, self._load, self._now = observe, load, now
        self._passages: dict[str, dict[int, Passage]] = {}

    def begin(self, passage: Passage) -> None:
        """A call is sent now: until it ends it can be cut."""
        passage.sent = passage.clock()
        self._passages.setdefault(passage.call.project, {})[id(passage)] = passage

    def end(self, passage: Passage, status: int, bytes_out: int) -> None:
        """Told of each passage at its end. See `observe`."""
        others = self._passages.get(passage.call.project)
        if others is not None:
            others.pop(id(passage), None)
            if not others:
                del self._passages[passage.call.project]
        self._observe(passage, status, bytes_out)

    async def run(self) -> None:
        """Cut what is suspended so, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            for project in [*self._passages]:
                # One that is off, gone or not to be read now suspends nobody.
                with contextlib.suppress(APIKeyChainError):
                    self._cut(await self._load(project))

    def _cut(self, project: Snapshot) -> None:
        passages = self._passages.get(project.project.id, {}).values() if project.suspensions else ()
        cut = [one for one in passages if not one.is_cut and self._is_cut(project, one)]
        for passage in cut:
            passage.cut()
        if cut:
            _log.warning("project %s: %d calls under way were cut", project.project.id, len(cut))

    def _is_cut(self, project: Snapshot, call: Passage) -> bool:
        return call.route is not None and suspension.is_cut(
            project, call.route, call.page, call.caller, self._now(), pseudonym=call.pseudonym
        )
