"""When somebody has to look at a key: noted before what is stored says that it is due.

An errand is about the key of a project where its subject is one, and about the secret of a tenant where it has none;
those of the tenant `platform` are about the platform key of a key service.

Source: contracts 5, "Rotation"; architecture, "State, and many workers".
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from apikeychain import agenda
from apikeychain.model.cryptoperiod import Cryptoperiod
from apikeychain.model.errand import Errand
from apikeychain.model.ids import TenantId
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.key_age import LEAST, turns_at
from apikeychain.settings import APIKeyChainSettings
from apikeychain.tenants.change import Office

TOPIC = "keys"
SECRET = ""


def due_of(settings: APIKeyChainSettings, key: ProjectKey) -> datetime | None:
    """The moment from which on a project's key is due, or None where it never is."""
    return turns_at(key.created, key.uses, max_uses=settings.key_max_uses, max_age_days=settings.key_max_age_days)


def due_of_secret(settings: APIKeyChainSettings, owner: Tenant, keys: Sequence[ProjectKey]) -> datetime | None:
    """The moment from which on the secret of a tenant is due, by the keys of its projects; or None."""
    if owner.wrapped_old_secret:
        # A turn was begun that nobody ended.
        return owner.secret_created or owner.created
    return turns_at(
        owner.secret_created or owner.created,
        sum(key.secret_uses for key in keys if key.secret_number == owner.secret_number),
        max_uses=settings.tenant_secret_max_uses,
        max_age_days=settings.tenant_secret_max_age_days,
    )


def due_of_platform(settings: APIKeyChainSettings, key: Cryptoperiod) -> datetime | None:
    """The moment from which on a platform key is due, or None where it never is."""
    max_uses, max_age_days = settings.platform_key_max_uses, settings.platform_key_max_age_days
    return turns_at(key.created, key.uses, max_uses=max_uses, max_age_days=max_age_days)


async def appoint(office: Office, tenant: TenantId, key: ProjectKey, values: int = 0) -> None:
    """Have a project's key looked at when it is due.

    Args:
        office: of the open keychain.
        tenant: whose project it is.
        key: the newest version, which is about to be stored, or is.
        values: how many more are about to be sealed under it.
    """
    await note(office, tenant, key.project, due_of(office.settings, replace(key, uses=key.uses + values)))


async def appoint_secret(office: Office, tenant: TenantId) -> None:
    """Have the secret of a tenant looked at a day after a key was derived from it: it may be due by then."""
    await note(office, tenant, SECRET, office.now() + LEAST)


async def note(office: Office, tenant: TenantId, subject: str, due: datetime | None) -> None:
    """Have something looked at then, unless it is anyway.

    One that is due is noted anew: whoever looks at it at this moment would strike it, and what is about to be stored
    is not found yet.
    """
    if due is None:
        return
    async with office.store.reading(PLATFORM) as platform:
        stored = await platform.get(Errand, (TOPIC, tenant, subject))
    if stored is None or due < stored.due or stored.due <= office.now():
        await agenda.note(office.store, TOPIC, tenant, subject, due)
