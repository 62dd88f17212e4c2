"""The engine: looks at what is due, and does one step after the other until nothing is.

One worker acts on a secret at a time: it holds a lease of the tenant's store for longer than one step may take, and
what it writes is stored only where nobody else wrote. A worker that dies leaves its lease to run out and its errand
where it is; whoever comes next goes on from what is written.

Source: contracts 8; architecture, "State, and many workers".
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, final

from apikeychain import agenda
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError
from apikeychain.frames import frames_of
from apikeychain.ledger.turn import lease
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId
from apikeychain.rotation import asking, deeds
from apikeychain.rotation.page import Workshop
from apikeychain.rotation.scene import Scene, scene_of
from apikeychain.rotation.sharing import in_turn
from apikeychain.rules import rotation as rules
from apikeychain.telemetry import reach, rotations_due

TOPIC = "rotation"
# Longer than a provider is waited for and what is written before and after that.
LEASE_SECONDS = 120.0
_ROUND_SECONDS = 1.0
# Where so much is due that to read it takes long, that takes a twentieth of the time.
_PAUSE_SHARE = 20
# After somebody else, or something that does not answer, was found in the way.
_PATIENCE = timedelta(seconds=5)
_DEEDS: Mapping[rules.Deed, Callable[[Workshop, Scene, Any], Awaitable[None]]] = {
    "create": asking.create,
    "verify": asking.verify,
    "revoke": asking.revoke,
    "switch": deeds.switch,
    "drop": deeds.drop,
    "retire": deeds.retire,
    "end": deeds.end,
    "settle": deeds.settle,
    "begin": deeds.begin,
    "remind": deeds.remind,
}
_log = logging.getLogger("apikeychain.rotation")


def subject_of(project: ProjectId, secret: str) -> str:
    """As the errands of this topic name a secret."""
    return f"{project}/{secret}"


@final
class Engine:
    """Runs the rotations of a keychain, in one worker of several.

    Args:
        workshop: what it works with.
    """

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._working: dict[tuple[str, str, str], asyncio.Task[None]] = {}
        self._later: dict[tuple[str, ...], datetime] = {}
        self._told = 0
        # A lease does not tell two of one store apart.
        self._busy: set[tuple[str, ...]] = set()

    async def run(self) -> None:
        """Look every second at what is due, until cancelled; a step that is under way then is taken up by the next."""
        loop, pause = asyncio.get_running_loop(), _ROUND_SECONDS
        try:
            while True:
                await asyncio.sleep(pause)
                began = loop.time()
                await self._try()
                pause = max(_ROUND_SECONDS, _PAUSE_SHARE * (loop.time() - began))
        finally:
            self._tell(0)
            for task in self._working.values():
                task.cancel()
            if self._working:
                await asyncio.wait(self._working.values())

    async def _try(self) -> None:
        try:
            due = await reach("store", agenda.due(self._workshop.store, TOPIC, self._workshop.now()))
        except BackendUnavailableError:
            return
        except Exception as error:  # noqa: BLE001 - it is tried again, and must not end the background work
            _log.error("what is due could not be read\n%s", frames_of(error))
            return
        self._tell(len(due))
        now = self._workshop.now()
        self._later = {key: until for key, until in self._later.items() if until > now}
        waiting = [errand for errand in due if errand.key not in self._working and errand.key not in self._later]
        for errand in in_turn(waiting, Counter(tenant for _, tenant, _ in self._working)):
            self._working[errand.key] = asyncio.get_running_loop().create_task(self._look(errand))

    def _tell(self, due: int) -> None:
        rotations_due(due - self._told)
        self._told = due

    async def _look(self, errand: Errand) -> None:
        try:
            await self.attend(errand)
        except BackendUnavailableError:
            self._wait(errand)
        except Exception as error:  # noqa: BLE001 - likewise
            _log.error("the rotation of %s could not go on\n%s", errand.subject, frames_of(error))
            self._wait(errand)
        finally:
            self._working.pop(errand.key, None)

    def _wait(self, errand: Errand) -> None:
        self._later[errand.key] = self._workshop.now() + _PATIENCE

    async def attend(self, errand: Errand) -> None:
        """Do all that is due of what an errand is about, unless somebody else does.

        Raises:
            BackendUnavailableError: the store or the key service does not answer.
        """
        if errand.key in self._busy:
            return
        self._busy.add(errand.key)
        try:
            await self._follow(errand)
        finally:
            self._busy.discard(errand.key)

    async def _follow(self, errand: Errand) -> None:
        """Do all that is due, and have it looked at again when the next is."""
        if not await self._do_all(errand):
            self._wait(errand)
            return
        scene = await self._scene(errand)
        following = None if scene is None else rules.next_step(scene.rotation, scene.keys, scene.sealed)
        await agenda.settle(self._workshop.store, errand, None if following is None else following.at)

    async def _do_all(self, errand: Errand) -> bool:
        """Whether nothing is due any more; where somebody else is at it, that is not known."""
        found, name = await self._due(errand), f"{TOPIC}-{errand.subject.replace('/', '-')}"
        if found is None:
            return True
        if not await lease(self._workshop.store, name, LEASE_SECONDS, errand.tenant):
            return False
        try:
            return await self._do(errand, name, found)
        finally:
            await lease(self._workshop.store, name, 0, errand.tenant)

    async def _do(self, errand: Errand, name: str, found: tuple[rules.Next, Scene]) -> bool:
        while True:
            step, scene = found
            try:
                await _DEEDS[step.deed](self._workshop, scene, step.key)
            except (ConflictError, AlreadyExistsError) as conflict:
                _log.info("the rotation of %s is left to others for now: %s", errand.subject, conflict)
                return False
            following = await self._due(errand)
            if following is None:
                return True
            if not await lease(self._workshop.store, name, LEASE_SECONDS, errand.tenant):
                return False
            found = following

    async def _due(self, errand: Errand) -> tuple[rules.Next, Scene] | None:
        scene = await self._scene(errand)
        step = None if scene is None else rules.next_step(scene.rotation, scene.keys, scene.sealed)
        is_due = step is not None and step.at <= self._workshop.now()
        return (step, scene) if is_due and step is not None and scene is not None else None

    async def _scene(self, errand: Errand) -> Scene | None:
        project, _, secret = errand.subject.partition("/")
        async with self._workshop.store.reading(errand.tenant) as reader:
            return await scene_of(reader, ProjectId(project), secret)
