"""How old each platform key is, and how much it was used: what its schedule goes by.

Every process counts the keys that it has wrapped, and adds them to what is stored once a minute and when it ends: one
that dies loses what it counted in that minute.

Source: contracts 5, "Rotation".
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, ConflictError
from apikeychain.frames import frames_of
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import key_errands
from apikeychain.tenants.change import Office

NOTE_SECONDS = 60.0
LAST_SECONDS = 2.0
_TRIES = 20
_log = logging.getLogger("apikeychain")


async def run(office: Office) -> None:
    """Note what was used once a minute, and at the end, until cancelled. Raises nothing."""
    noting = asyncio.create_task(_noted(office))
    try:
        while True:
            await asyncio.wait([noting])
            await asyncio.sleep(NOTE_SECONDS)
            noting = asyncio.create_task(_noted(office))
    finally:
        await _end(office, noting)


async def note_uses(office: Office) -> None:
    """Add what this process has wrapped to what is stored, and have each platform key looked at when it is due.

    Raises:
        BackendUnavailableError: the store does not answer.
        ConflictError: others wrote the same record again and again.
    """
    for name, wrapped in office.key_services.wrapped().items():
        stored = await remember(office, name, partial(_used, wrapped))
        office.key_services.noted(name, wrapped)
        await key_errands.note(office, PLATFORM, name, key_errands.due_of_platform(office.settings, stored))


async def versions_of(office: Office, key_service: str) -> tuple[int, int]:
    """The newest version of a platform key, and the one under which everything was wrapped anew; 0 for none of ours."""
    async with office.store.reading(PLATFORM) as platform:
        stored = await platform.get(Cryptoperiod, (key_service,))
    return (stored.version, stored.rewrapped) if stored else (0, 0)


async def known(office: Office, key_service: str) -> Cryptoperiod:
    """What is stored of a platform key; of one that nobody looked at, what is stored from now on."""
    return await remember(office, key_service, lambda key: key)


async def remember(office: Office, key_service: str, change: Callable[[Cryptoperiod], Cryptoperiod]) -> Cryptoperiod:
    """Change what is stored of a platform key.

    Args:
        office: of the open keychain.
        key_service: its name.
        change: what is stored into what is to be.

    Raises:
        ConflictError: others changed it 20 times in a row meanwhile.
        AlreadyExistsError: likewise.
    """
    for _ in range(_TRIES - 1):
        try:
            return await _remembered(office, key_service, change)
        except (AlreadyExistsError, ConflictError):
            continue
    return await _remembered(office, key_service, change)


async def _remembered(office: Office, key_service: str, change: Callable[[Cryptoperiod], Cryptoperiod]) -> Cryptoperiod:
    async with office.store.tenant(PLATFORM) as platform:
        stored = await platform.get(Cryptoperiod, (key_service,))
        if stored is None:
            fresh = change(Cryptoperiod(name=key_service, created=office.now()))
            await platform.insert(fresh)
            return fresh
        changed = change(stored)
        if changed == stored:
            return stored
        changed = replace(changed, generation=stored.generation + 1)
        await platform.replace(changed, stored.generation)
        return changed


def _used(times: int, key: Cryptoperiod) -> Cryptoperiod:
    return replace(key, uses=key.uses + times)


async def _end(office: Office, noting: asyncio.Task[None]) -> None:
    """Note once more; a store that hangs, and lets nobody go, keeps nobody longer than that."""
    last = asyncio.create_task(_noted_after(office, noting))
    _, hanging = await asyncio.wait([last], timeout=LAST_SECONDS)
    for task in (*hanging, noting):
        task.cancel()
    if hanging:
        _log.warning("what the key services wrapped since it was noted last is lost: the store does not answer")


async def _noted_after(office: Office, noting: asyncio.Task[None]) -> None:
    # Two at once would count the same keys twice.
    await asyncio.wait([noting])
    await _noted(office)


async def _noted(office: Office) -> None:
    try:
        await note_uses(office)
    except (AlreadyExistsError, BackendUnavailableError, ConflictError):
        _log.warning("what the key services wrapped is noted in a minute: the store does not take it")
    except Exception as error:  # noqa: BLE001 - a bug in one note must not end the counting
        _log.error("what the key services wrapped is noted in a minute\n%s", frames_of(error))
