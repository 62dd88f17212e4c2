"""The keys of projects turn by themselves: when they are old, and when they sealed many values.

One worker does it for all, by a lease, and looks at no tenant but those of whom an errand is due. What fails is told
in the log and tried again an hour later; calls go on with the key that there is.

Source: contracts 5, "Rotation"; architecture, "State, and many workers".
"""

import asyncio
import logging
from datetime import timedelta

from apikeychain import agenda
from apikeychain.errors import APIKeyChainError, BackendUnavailableError
from apikeychain.frames import frames_of
from apikeychain.ledger.turn import lease
from apikeychain.listing import every
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId
from apikeychain.model.records import ProjectKey
from apikeychain.tenants.change import Office
from apikeychain.tenants.key_errands import TOPIC, due_of
from apikeychain.tenants.turning import turn_project_key

ACTOR = "schedule"
TICK_SECONDS = 60.0
# Longer than a key takes to turn: it is renewed before each.
_LEASE_SECONDS = 300.0
_AGAIN = timedelta(hours=1)
_log = logging.getLogger("apikeychain")


async def run(office: Office) -> None:
    """Look at what is due once a minute, until cancelled. Raises nothing."""
    while True:
        await asyncio.sleep(TICK_SECONDS)
        try:
            await look(office)
        except BackendUnavailableError:
            _log.warning("keys that are due are looked for again in a minute: the store does not answer")
        except Exception as error:  # noqa: BLE001 - a bug in one look must not end the schedule
            _log.error("keys that are due are looked for again in a minute\n%s", frames_of(error))


async def look(office: Office) -> None:
    """Turn every key that is due, unless another worker does.

    Raises:
        BackendUnavailableError: the store does not answer.
    """
    if not await _is_ours(office):
        return
    for errand in await agenda.due(office.store, TOPIC, office.now()):
        if not await _is_ours(office):
            return
        try:
            await _attend(office, errand)
        except APIKeyChainError as error:
            where = f"{errand.tenant}/{errand.subject}"
            _log.error("the key of the project %s is due and was not turned: %s", where, type(error).__name__)
            await agenda.settle(office.store, errand, office.now() + _AGAIN)


async def _is_ours(office: Office) -> bool:
    return await lease(office.store, TOPIC, _LEASE_SECONDS)


async def _attend(office: Office, errand: Errand) -> None:
    key = await _newest(office, errand)
    due = None if key is None else due_of(office, key)
    if due is not None and due <= office.now():
        await turn_project_key(office, errand.tenant, ProjectId(errand.subject), ACTOR)
        key = await _newest(office, errand)
        due = None if key is None else due_of(office, key)
    await agenda.settle(office.store, errand, due)


async def _newest(office: Office, errand: Errand) -> ProjectKey | None:
    async with office.store.reading(errand.tenant) as rows:
        keys = await every(rows, ProjectKey, ProjectId(errand.subject))
    return max(keys, key=lambda key: key.number, default=None)
