"""The platform key of a key service turns: a new version, everything wrapped anew, the end of an old one.

Each deed leaves an entry in the ledger's chain of the platform.

Source: contracts 5, "Rotation", 6 (the chain `platform`).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from apikeychain.errors import ConflictError, DamagedDataError, DoesNotExistError, SealedValueError
from apikeychain.ledger.checkpoint_keys import rewrap_pairs
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import timestamp
from apikeychain.model.records import DEFAULT_KEY_SERVICE, Tenant
from apikeychain.rules import chain
from apikeychain.tenants.change import Office, note_platform
from apikeychain.tenants.cryptoperiods import known, remember
from apikeychain.tenants.tenant import TenantAdmin

Progress = Callable[[TenantId, int], None]
_PAGE = 100
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


async def retire(office: Office, key_service: str, version: int, actor: str) -> datetime:
    """The end of an old version, and when it is gone for good.

    Raises:
        InvalidValueError: there is no such key service, or this version cannot be retired.
        BackendUnavailableError: it does not answer, or does not allow it.
    """
    gone = await office.key_services.named(key_service).retire(version)
    await note_platform(office, "key.retired", actor, key_service=key_service, version=version, gone=timestamp(gone))
    return gone


async def rewrap(office: Office, key_service: str, actor: str, *, after: str, progress: Progress | None) -> Rewrapped:
    """Wrap every key of every tenant of a key service under its newest version; doing it again does no harm.

    The default key service also wraps the keys that sign checkpoints.

    Args:
        office: of the open keychain.
        key_service: its name.
        actor: the label for the ledger.
        after: the tenant with which an earlier run ended, or "".
        progress: told after each tenant: its id, and how many it were.

    Raises:
        InvalidValueError: there is no such key service.
        BackendUnavailableError: it does not answer. What was wrapped anew until then stays so.
    """
    office.key_services.named(key_service)
    newest = (await known(office, key_service)).version
    done, failed, last = 0, list[TenantId](), after
    while page := await office.store.tenants(last, _PAGE):
        for tenant in page:
            try:
                if not await _rewrapped(office, tenant, key_service, actor):
                    continue
            except (ConflictError, DamagedDataError, DoesNotExistError, SealedValueError) as error:
                _log.error("the keys of the tenant %s are not wrapped anew: %s", tenant, type(error).__name__)
                failed.append(tenant)
                continue
            done += 1
            if progress is not None:
                progress(tenant, done)
        last = page[-1]
    if key_service == DEFAULT_KEY_SERVICE and not await _rewrapped_checkpoint_keys(office):
        failed.append(chain.PLATFORM)
    if not (failed or after):
        await remember(office, key_service, lambda old: replace(old, rewrapped=newest))
    await note_platform(office, "key.rewrapped", actor, key_service=key_service, tenants=done, failed=len(failed))
    return Rewrapped(tenants=done, failed=tuple(failed))


async def _rewrapped(office: Office, tenant: TenantId, key_service: str, actor: str) -> bool:
    """Whether the tenant is of that key service and has keys, which are wrapped anew then."""
    async with office.store.reading(tenant) as store:
        stored = await store.get(Tenant, ())
    if stored is None or stored.erased is not None or stored.key_service != key_service:
        return False
    await TenantAdmin(office, tenant, actor).rewrap_keys()
    return True


async def _rewrapped_checkpoint_keys(office: Office) -> bool:
    """Whether the keys that sign checkpoints, which the default key service wraps, are wrapped anew."""
    try:
        await rewrap_pairs(office.store, office.key_services.named(DEFAULT_KEY_SERVICE))
    except (ConflictError, DamagedDataError, SealedValueError) as error:
        _log.error("the keys that sign checkpoints are not wrapped anew: %s", type(error).__name__)
        return False
    return True
