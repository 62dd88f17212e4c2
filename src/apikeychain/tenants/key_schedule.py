"""Encryption keys turn by themselves: when they are old, and when they were used much.

One worker does it for all, by a lease, and looks at no tenant but those of whom an errand is due. What fails, of
whatever kind that is, or does not get on, is told in the log and tried again an hour later, and keeps no other
waiting; calls go on with the key that there is.

Source: contracts 5, "Rotation"; architecture, "State, and many workers".
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import final

from apikeychain import agenda
from apikeychain.errors import BackendUnavailableError
from apikeychain.frames import frames_of, told_of
from apikeychain.ledger.turn import lease
from apikeychain.model.errand import Errand
from apikeychain.model.records import Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants.change import Office
from apikeychain.tenants.due_keys import attend, described
from apikeychain.tenants.key_errands import TOPIC
from apikeychain.vault import contexts
from apikeychain.vault.wrapping import goes_round

TICK_SECONDS = 60.0
_LEASE_SECONDS = 300.0
_RENEW_SECONDS = 60.0
# Longer than one project takes, with as many values as it may have; of many projects each has as long.
_STEP_SECONDS = 600.0
_ANSWER_SECONDS = 10.0
_AGAIN = timedelta(hours=1)
Later = dict[tuple[str, ...], datetime]
_log = logging.getLogger("apikeychain")


async def run(office: Office) -> None:
    """Look at what is due once a minute, until cancelled. Raises nothing."""
    later = Later()
    while True:
        await asyncio.sleep(TICK_SECONDS)
        try:
            await look(office, later)
        except BackendUnavailableError:
            _log.warning("keys that are due are looked for again in a minute: the store does not answer")
        except Exception as error:  # noqa: BLE001 - a bug in one look must not end the schedule
            _log.error("keys that are due are looked for again in a minute\n%s", frames_of(error))


async def look(office: Office, later: Later) -> None:
    """Turn every key that is due, unless another worker does.

    Args:
        office: of the open keychain.
        later: the errands that failed, and until when they are left; those that fail are added.

    Raises:
        BackendUnavailableError: the store does not answer.
    """
    if not await _is_ours(office):
        return
    now, services = office.now(), _Services(office)
    for key in [key for key, until in later.items() if until <= now]:
        del later[key]
    for errand in await agenda.due(office.store, TOPIC, now):
        if errand.key in later:
            continue
        if not await _is_ours(office):
            return
        try:
            due = await _attended(office, services, errand)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and keeps no other key waiting
            _log.error("%s is due and was not turned: %s", described(errand), told_of(error))
            due = later[errand.key] = office.now() + _AGAIN
        await agenda.settle(office.store, errand, due)


async def _attended(office: Office, services: "_Services", errand: Errand) -> datetime | None:
    """See `attend`.

    Raises:
        BackendUnavailableError: the key service does not answer.
        TimeoutError: it did not get on.
    """
    name, loop = await _service_of(office, errand), asyncio.get_running_loop()
    await services.require(name)
    try:
        async with _renewed(office), asyncio.timeout(_STEP_SECONDS) as limit:
            return await attend(office, errand, lambda: limit.reschedule(loop.time() + _STEP_SECONDS))
    except Exception:
        services.doubt(name)
        raise


async def _service_of(office: Office, errand: Errand) -> str:
    """The name of the key service that an errand needs; "" where nothing of it is left."""
    if errand.tenant == PLATFORM:
        return errand.subject
    async with office.store.reading(errand.tenant) as rows:
        owner = await rows.get(Tenant, ())
    return "" if owner is None else owner.key_service


@final
class _Services:
    """Which key services answer: each is asked before its first errand, and again after one that failed.

    One that hangs would else be waited for with each of its keys, while those of others are due.
    """

    def __init__(self, office: Office) -> None:
        self._office = office
        self._answering: dict[str, bool] = {}

    async def require(self, name: str) -> None:
        """Return where it answers, or fails in a way that the errand will tell.

        Raises:
            BackendUnavailableError: it does not answer.
        """
        if name not in self._answering:
            self._answering[name] = await self._answers(name)
        if not self._answering[name]:
            raise BackendUnavailableError

    def doubt(self, name: str) -> None:
        """Have one asked anew."""
        del self._answering[name]

    async def _answers(self, name: str) -> bool:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await goes_round(self._office.key_services.named(name), contexts.of_probe())
        except (BackendUnavailableError, TimeoutError):
            return False
        except Exception:  # noqa: BLE001 - there is none of that name, or it broke its contract: the errand tells
            return True


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
