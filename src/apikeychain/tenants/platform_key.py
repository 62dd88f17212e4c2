"""The platform key of a key service turns: a new version, everything wrapped anew, the end of an old one.

Each deed leaves an entry in the ledger's chain of the platform. Of whom a key was not wrapped anew is kept with the
age of the platform key, so that the schedule tries these alone again, and so that no version goes that they need.

Source: contracts 5, "Rotation", 6 (the chain `platform`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import final

from apikeychain.errors import BackendUnavailableError, ConflictError, DoesNotExistError, StillInUseError
from apikeychain.frames import told_of
from apikeychain.ledger.checkpoint_keys import rewrap_pairs
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import timestamp
from apikeychain.model.records import DEFAULT_KEY_SERVICE, Tenant
from apikeychain.rules import chain
from apikeychain.tenants.change import Office, note_platform
from apikeychain.tenants.cryptoperiods import known, remember, versions_of
from apikeychain.tenants.keys import rewrap_keys
from apikeychain.vault import contexts
from apikeychain.vault.wrapping import goes_round

Progress = Callable[[TenantId, int], None]
_PAGE = 100
_ATTEMPTS = 5
# Of more the first ones stand for all: everything is wrapped anew once more when these are.
_MOST_BEHIND = 100
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapped:
    """What came of wrapping everything anew.

    Attributes:
        tenants: whose keys were wrapped anew.
        failed: those of whom a key was not; the version that wrapped it must not be retired. `platform` stands for the
            keys that sign checkpoints.
    """

    tenants: int
    failed: tuple[TenantId, ...]


async def rotate(office: Office, key_service: str, actor: str) -> int:
    """A new version of the platform key, and its number.

    Raises:
        InvalidValueError: there is no such key service.
        BackendUnavailableError: it does not answer, or does not allow it.
    """
    version = await office.key_services.named(key_service).rotate()
    now = office.now()
    await remember(office, key_service, lambda old: replace(old, version=version, created=now, uses=0))
    await note_platform(office, "key.rotated", actor, key_service=key_service, version=version)
    return version


async def retire(office: Office, key_service: str, version: int, actor: str, *, force: bool = False) -> datetime:
    """The end of an old version, and when it is gone for good.

    Args:
        office: of the open keychain.
        key_service: its name.
        version: its number.
        actor: the label for the ledger.
        force: whether it goes although keys may be wrapped under it, which open no more then.

    Raises:
        InvalidValueError: there is no such key service, or this version cannot be retired.
        StillInUseError: not everything was wrapped anew since this version was replaced.
        BackendUnavailableError: it does not answer, or does not allow it.
    """
    service = office.key_services.named(key_service)
    newest, rewrapped = await versions_of(office, key_service)
    if rewrapped <= version < newest and not force:
        msg = (
            f"keys may be wrapped under version {version} of the platform key still: wrap everything anew first, all "
            "in one run that fails for nobody"
        )
        raise StillInUseError(msg)
    gone = await service.retire(version)
    await note_platform(office, "key.retired", actor, key_service=key_service, version=version, gone=timestamp(gone))
    return gone


async def rewrap(
    office: Office,
    key_service: str,
    actor: str,
    *,
    after: str,
    progress: Progress | None,
    got_on: Callable[[], None] | None = None,
) -> Rewrapped:
    """Wrap every key of every tenant of a key service under its newest version; doing it again does no harm.

    The default key service also wraps the keys that sign checkpoints.

    Args:
        office: of the open keychain.
        key_service: its name.
        actor: the label for the ledger.
        after: the tenant with which an earlier run ended, or "".
        progress: told after each tenant: its id, and how many it were.
        got_on: told after each project, and after each tenant also where it has nothing to wrap.

    Raises:
        InvalidValueError: there is no such key service.
        BackendUnavailableError: it does not answer. What was wrapped anew until then stays so.
    """
    run = _Run(office, key_service, actor, got_on or _silently)
    newest, last = (await known(office, key_service)).version, after
    while page := await office.store.tenants(last, _PAGE):
        for tenant in page:
            if await run.attend(tenant) and progress is not None:
                progress(tenant, run.done)
        last = page[-1]
    if key_service == DEFAULT_KEY_SERVICE:
        await run.attend(chain.PLATFORM)
    if not after:
        await remember(office, key_service, lambda old: _tried(old, newest, run.failed, office.now()))
    await run.note()
    return Rewrapped(tenants=run.done, failed=tuple(run.failed))


async def rewrap_behind(office: Office, key_service: str, actor: str, got_on: Callable[[], None]) -> Cryptoperiod:
    """Wrap the keys of those anew of whom one was not when all were tried; what is stored of the platform key then.

    Args:
        office: of the open keychain.
        key_service: its name.
        actor: the label for the ledger.
        got_on: told after each project.

    Raises:
        BackendUnavailableError: it does not answer.
    """
    run, before = _Run(office, key_service, actor, got_on), await known(office, key_service)
    for tenant in before.behind:
        await run.attend(tenant)
    if run.done:
        await run.note()
    return await remember(office, key_service, lambda old: _tried_behind(old, before, run.failed, office.now()))


def _tried(old: Cryptoperiod, version: int, failed: list[TenantId], now: datetime) -> Cryptoperiod:
    """After all tenants were tried."""
    if not failed:
        return replace(old, rewrapped=version, tried=version, behind=(), again=None)
    return replace(old, tried=version, behind=tuple(failed[:_MOST_BEHIND]), again=_again(old, now))


def _tried_behind(old: Cryptoperiod, before: Cryptoperiod, failed: list[TenantId], now: datetime) -> Cryptoperiod:
    """After those were tried who were behind; where none is left, all are tried again."""
    if (old.version, old.behind) != (before.version, before.behind):
        return old
    if not failed:
        return replace(old, tried=0, behind=(), again=None)
    return replace(old, behind=tuple(failed), again=_again(old, now))


def _again(key: Cryptoperiod, now: datetime) -> datetime:
    """Each hour on the first day, and then each day: what is damaged seldom mends itself."""
    return now + (_HOUR if now - key.created < _DAY else _DAY)


def _silently() -> None:
    """Tell nobody."""


@final
class _Run:
    """Wraps the keys of one tenant after the other anew; what fails for one keeps no other waiting.

    Attributes:
        done: of how many they are.
        failed: of whom a key is not.
    """

    def __init__(self, office: Office, key_service: str, actor: str, got_on: Callable[[], None]) -> None:
        office.key_services.named(key_service)
        self._office, self._key_service, self._actor, self._got_on = office, key_service, actor, got_on
        self.done, self.failed = 0, list[TenantId]()

    async def attend(self, tenant: TenantId) -> bool:
        """Whether the tenant is of that key service and has keys, which are wrapped anew then.

        Raises:
            BackendUnavailableError: the key service does not answer, for whomever.
        """
        try:
            wrapped = await self._retried(tenant)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and keeps no other waiting
            if isinstance(error, BackendUnavailableError):
                # One that closed an old version, or refuses one tenant, answers others.
                await goes_round(self._office.key_services.named(self._key_service), contexts.of_probe())
            whose = "that sign checkpoints" if tenant == chain.PLATFORM else f"of the tenant {tenant}"
            _log.error("the keys %s are not wrapped anew: %s", whose, told_of(error))
            self.failed.append(tenant)
            wrapped = False
        self._got_on()
        self.done += wrapped
        return wrapped

    async def note(self) -> None:
        """Write down what came of it."""
        done, failed = self.done, len(self.failed)
        office, service = self._office, self._key_service
        await note_platform(office, "key.rewrapped", self._actor, key_service=service, tenants=done, failed=failed)

    async def _retried(self, tenant: TenantId) -> bool:
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._rewrapped(tenant)
            except (ConflictError, DoesNotExistError):
                # A key was made, or a project removed, meanwhile.
                continue
        return await self._rewrapped(tenant)

    async def _rewrapped(self, tenant: TenantId) -> bool:
        if tenant == chain.PLATFORM:
            await rewrap_pairs(self._office.store, self._office.key_services.named(DEFAULT_KEY_SERVICE))
            return False
        async with self._office.store.reading(tenant) as store:
            stored = await store.get(Tenant, ())
        if stored is None or stored.erased is not None or stored.key_service != self._key_service:
            return False
        await rewrap_keys(self._office, tenant, self._actor, self._got_on)
        return True
