"""When somebody has to look at a project's key: noted before what is stored says that it is due.

Source: contracts 5, "Rotation"; architecture, "State, and many workers".
"""

from dataclasses import replace
from datetime import datetime

from apikeychain import agenda
from apikeychain.model.errand import Errand
from apikeychain.model.ids import TenantId
from apikeychain.model.records import ProjectKey
from apikeychain.rules.chain import PLATFORM
from apikeychain.rules.key_age import turns_at
from apikeychain.tenants.change import Office

TOPIC = "keys"


def due_of(office: Office, key: ProjectKey) -> datetime | None:
    """The moment from which on a key is due by the settings, or None where it never is."""
    settings = office.settings
    return turns_at(key, max_uses=settings.key_max_uses, max_age_days=settings.key_max_age_days)


async def appoint(office: Office, tenant: TenantId, key: ProjectKey, values: int = 0) -> None:
    """Have a project's key looked at when it is due.

    Args:
        office: of the open keychain.
        tenant: whose project it is.
        key: the newest version, which is about to be stored, or is.
        values: how many more are about to be sealed under it.
    """
    due = due_of(office, replace(key, uses=key.uses + values))
    if due is None:
        return
    async with office.store.reading(PLATFORM) as platform:
        stored = await platform.get(Errand, (TOPIC, tenant, key.project))
    if stored is None or due < stored.due:
        await agenda.note(office.store, TOPIC, tenant, key.project, due)
