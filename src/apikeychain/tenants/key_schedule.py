"""Encryption keys turn by themselves: when they are old, and when they were used much.

One worker does it for all, by a lease, and looks at no tenant but those of whom an errand is due. What fails is told
in the log and tried again an hour later; calls go on with the key that there is.

Source: contracts 5, "Rotation"; architecture, "State, and many workers".
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from apikeychain import agenda
from apikeychain.errors import APIKeyChainError, BackendUnavailableError
from apikeychain.frames import frames_of
from apikeychain.ledger.turn import lease
from apikeychain.tenants.change import Office
from apikeychain.tenants.due_keys import attend, described
from apikeychain.tenants.key_errands import TOPIC

TICK_SECONDS = 60.0
_LEASE_SECONDS = 300.0
_RENEW_SECONDS = 60.0
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
            async with _renewed(office):
                due = await attend(office, errand)
        except APIKeyChainError as error:
            _log.error("%s is due and was not turned: %s", described(errand), type(error).__name__)
            due = office.now() + _AGAIN
        await agenda.settle(office.store, errand, due)


async def _is_ours(office: Office) -> bool:
    return await lease(office.store, TOPIC, _LEASE_SECONDS)


@asynccontextmanager
async def _renewed(office: Office) -> AsyncGenerator[None, None]:
    """The lease is kept while the keys of many projects turn."""
    task = asyncio.create_task(_renew(office))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _renew(office: Office) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        with suppress(BackendUnavailableError):
            await _is_ours(office)
