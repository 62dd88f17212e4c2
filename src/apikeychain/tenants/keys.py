"""A tenant's keys after the platform key turned: the same keys, wrapped anew.

Source: contracts 5, "Rotation".
"""

from apikeychain.errors import DoesNotExistError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.rules import chain
from apikeychain.snapshots import children
from apikeychain.tenants.change import Office, project_change
from apikeychain.vault.turn import rewrap_project_key, rewrap_tenant


async def rewrap_tenant_keys(office: Office, tenant: TenantId, actor: str) -> None:
    """Wrap the tenant's own two keys anew.

    Raises:
        DoesNotExistError: there is no such tenant.
    """
    async with office.store.tenant(tenant) as store:
        stored = await store.get(Tenant, ())
        if stored is None:
            msg = f"there is no tenant {tenant!r}"
            raise DoesNotExistError(msg)
        await store.replace(await rewrap_tenant(office.key_service, stored), stored.generation)
        await store.append([chain.admin("key.rewrapped", at=office.now(), actor=actor)])


async def rewrap_keys_of(office: Office, tenant: TenantId, project: ProjectId, actor: str) -> int:
    """Wrap every version of a project's key anew, and return how many there are."""
    async with project_change(office, tenant, project, actor) as change:
        keys = await children(change.store, ProjectKey, project)
        for key in keys:
            await change.store.replace(await rewrap_project_key(office.key_service, tenant, key), key.generation)
            change.note("key.rewrapped", version=key.version, number=key.number)
    return len(keys)
