"""What is done with a key that may be due, and when it is looked at next.

Source: contracts 5, "Rotation".
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from apikeychain.errors import ConflictError
from apikeychain.listing import every
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.errand import Errand
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.tenants import cryptoperiods, key_errands, platform_key
from apikeychain.tenants.change import Office
from apikeychain.tenants.tenant_secret import turn_tenant_secret
from apikeychain.tenants.turning import turn_project_key

GotOn = Callable[[], None]
ACTOR = "schedule"
# Every server wraps under the new version by then.
_SPREAD = timedelta(minutes=10)


def described(errand: Errand) -> str:
    """Which key an errand is about."""
    if errand.tenant == PLATFORM:
        return f"the platform key of the key service {errand.subject!r}"
    if errand.subject == key_errands.SECRET:
        return f"the secret of the tenant {errand.tenant}"
    return f"the key of the project {errand.tenant}/{errand.subject}"


async def attend(office: Office, errand: Errand, got_on: GotOn) -> datetime | None:
    """Turn a key that is due; when it is looked at next, or None where it never has to be.

    Args:
        office: of the open keychain.
        errand: that is due.
        got_on: told after each project, where it is about many.

    Raises:
        APIKeyChainError: it is due and could not be turned.
    """
    if errand.tenant == PLATFORM:
        return await _attend_platform(office, errand.subject, got_on)
    if errand.subject == key_errands.SECRET:
        return await _attend_secret(office, errand.tenant, got_on)
    return await _attend_project(office, errand.tenant, ProjectId(errand.subject))


async def _attend_project(office: Office, tenant: TenantId, project: ProjectId) -> datetime | None:
    due = await _due_of_project(office, tenant, project)
    if due is not None and due <= office.now():
        await turn_project_key(office, tenant, project, ACTOR)
        return await _due_of_project(office, tenant, project)
    return due


async def _due_of_project(office: Office, tenant: TenantId, project: ProjectId) -> datetime | None:
    async with office.store.reading(tenant) as rows:
        keys = await every(rows, ProjectKey, project)
    newest = max(keys, key=lambda key: key.number, default=None)
    return None if newest is None else key_errands.due_of(office.settings, newest)


async def _attend_secret(office: Office, tenant: TenantId, got_on: GotOn) -> datetime | None:
    due = await _due_of_secret(office, tenant)
    if due is not None and due <= office.now():
        came = await turn_tenant_secret(office, tenant, ACTOR, lambda _: got_on())
        if came.failed:
            msg = f"{len(came.failed)} projects of the tenant {tenant!r} keep a key of its old secret"
            raise ConflictError(msg)
        return await _due_of_secret(office, tenant)
    return due


async def _due_of_secret(office: Office, tenant: TenantId) -> datetime | None:
    async with office.store.reading(tenant) as rows:
        owner, keys = await rows.get(Tenant, ()), await every(rows, ProjectKey)
    if owner is None or owner.erased is not None:
        return None
    return key_errands.due_of_secret(office.settings, owner, keys)


async def _attend_platform(office: Office, key_service: str, got_on: GotOn) -> datetime | None:
    if key_service not in office.key_services.wrapped():
        # It was taken from this keychain.
        return None
    stored = await cryptoperiods.known(office, key_service)
    if max(stored.rewrapped, stored.tried) < stored.version:
        if office.now() < stored.created + _SPREAD:
            return stored.created + _SPREAD
        await platform_key.rewrap(office, key_service, ACTOR, after="", progress=None, got_on=got_on)
        stored = await cryptoperiods.known(office, key_service)
    due = key_errands.due_of_platform(office.settings, stored)
    if due is not None and due <= office.now():
        await platform_key.rotate(office, key_service, ACTOR)
        return office.now() + _SPREAD
    return min(filter(None, (due, await _attend_behind(office, stored, got_on))), default=None)


async def _attend_behind(office: Office, stored: Cryptoperiod, got_on: GotOn) -> datetime | None:
    """Wrap the keys of those anew who are behind, when they are to be tried again; when that is next."""
    if stored.again is None or office.now() < stored.again:
        return stored.again
    left = await platform_key.rewrap_behind(office, stored.name, ACTOR, got_on)
    return left.again or office.now()
