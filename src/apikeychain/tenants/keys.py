"""A tenant's keys after the platform key turned: the same keys, wrapped anew.

The key service works between two transactions: in one it would keep all waiting who write.

Source: contracts 5, "Rotation".
"""

from apikeychain.errors import ConflictError, DoesNotExistError
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
        ConflictError: they changed meanwhile.
    """
    async with office.store.reading(tenant) as store:
        stored = await store.get(Tenant, ())
    if stored is None:
        msg = f"there is no tenant {tenant!r}"
        raise DoesNotExistError(msg)
    wrapped = await rewrap_tenant(office.key_service, stored)
    async with office.store.tenant(tenant) as store:
        await store.replace(wrapped, stored.generation)
        await store.append([chain.admin("key.rewrapped", at=office.now(), actor=actor)])


async def rewrap_keys_of(office: Office, tenant: TenantId, project: ProjectId, actor: str) -> int:
    """Wrap every version of a project's key anew, and return how many there are.

    Raises:
        DoesNotExistError: there is no such project.
        ConflictError: its keys changed meanwhile.
    """
    async with office.store.reading(tenant) as store:
        keys = await children(store, ProjectKey, project)
    wrapped = [await rewrap_project_key(office.key_service, tenant, key) for key in keys]
    async with project_change(office, tenant, project, actor) as change:
        if await children(change.store, ProjectKey, project) != keys:
            msg = f"the keys of the project {project!r} changed while they were wrapped anew: do it again"
            raise ConflictError(msg)
        for old, new in zip(keys, wrapped, strict=True):
            await change.store.replace(new, old.generation)
            change.note("key.rewrapped", version=new.version, number=new.number)
    return len(keys)
