"""The worker that removes signing keys whose time is over.

The gate refuses such a key by the clock of each call, whatever is stored: this only tidies up and tells the ledger. It
goes by the agenda, so it reads no project that has no such key; who dies after the note and before the change leaves
an errand that is looked at for nothing.

Source: contracts 3 ("Keys overlap because two key ids are valid at once"); architecture, "State, and many workers".
"""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import final

from apikeychain import agenda
from apikeychain.errors import BackendUnavailableError, ConflictError, DoesNotExistError
from apikeychain.frames import frames_of
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.telemetry import reach
from apikeychain.tenants import signing_keys
from apikeychain.tenants.change import Office, project_change

TOPIC = "signing-keys"
LOOK_SECONDS = 10.0
_ACTOR = "gate"
_log = logging.getLogger("apikeychain")


async def announce(office: Office, tenant: TenantId, project: ProjectId, grace: timedelta) -> None:
    """Have it looked at when the grace is over: before the transaction that replaces a key."""
    await agenda.note(office.store, TOPIC, tenant, project, office.now() + grace)


@final
class OldSigningKeys:
    """Removes the signing keys that have ended, of all tenants of one store.

    Args:
        office: of the open keychain.
    """

    def __init__(self, office: Office) -> None:
        self._office = office

    async def run(self) -> None:
        """Look every 10 s, until cancelled. Raises nothing.

        It begins after that: who opens a keychain for a moment, as a command does, leaves it to those who serve.
        """
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Remove what has ended by now. Raises nothing: what fails is done when it is looked at the next time."""
        for errand in await self._due():
            try:
                await reach("store", self._attend(errand))
            except (BackendUnavailableError, ConflictError):
                continue
            except Exception as error:  # noqa: BLE001 - one project must not keep the others waiting
                _log.error("the old signing keys of %s could not be removed\n%s", errand.subject, frames_of(error))

    async def _due(self) -> list[Errand]:
        try:
            return [*await reach("store", agenda.due(self._office.store, TOPIC, self._office.now()))]
        except BackendUnavailableError:
            return []
        except Exception as error:  # noqa: BLE001 - it is tried again, and must not end the background work
            _log.error("it could not be read which signing keys have ended\n%s", frames_of(error))
            return []

    async def _attend(self, errand: Errand) -> None:
        following = await self._end(errand.tenant, ProjectId(errand.subject))
        await agenda.settle(self._office.store, errand, following)

    async def _end(self, tenant: TenantId, project: ProjectId) -> datetime | None:
        try:
            async with project_change(self._office, tenant, project, _ACTOR) as change:
                return await signing_keys.end_old(change)
        except DoesNotExistError:
            return None
