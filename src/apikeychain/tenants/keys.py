"""A tenant's keys after the platform key turned, or for another key service: the same keys, wrapped anew.

The key service works between two transactions: in one it would keep all waiting who write.

Source: contracts 5, "Rotation".
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from apikeychain.errors import ConflictError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON
from apikeychain.model.records import Project, ProjectKey, Tenant
from apikeychain.ports.store import TenantStore
from apikeychain.rules import chain
from apikeychain.tenants.change import Office, project_change, require_tenant
from apikeychain.tenants.cryptoperiods import versions_of
from apikeychain.vault.turn import Handover, Proof, rewrap_project_key, rewrap_tenant
from apikeychain.vault.uses import without_uses


async def rewrap_keys(office: Office, tenant: TenantId, actor: str, got_on: Callable[[], None] | None = None) -> int:
    """Wrap every key of a tenant anew, and return how many there are.

    Args:
        office: of the open keychain.
        tenant: whose keys they are.
        actor: the label for the ledger.
        got_on: told after each project.

    Raises:
        DoesNotExistError: there is no such tenant, or a project was removed meanwhile.
        SealedValueError: a key does not unwrap; what was wrapped anew before it stays so.
        ConflictError: they changed meanwhile; likewise.
        BackendUnavailableError: the key service does not answer; likewise.
    """
    await rewrap_tenant_keys(office, tenant, actor)
    async with office.store.reading(tenant) as store:
        projects = await every(store, Project)
    count = 1
    for project in projects:
        count += await rewrap_keys_of(office, tenant, project.id, actor)
        if got_on is not None:
            got_on()
    return count


async def rewrap_tenant_keys(office: Office, tenant: TenantId, actor: str) -> None:
    """Wrap the tenant's own two keys anew.

    Raises:
        DoesNotExistError: there is no such tenant.
        ConflictError: they changed meanwhile.
    """
    async with office.store.reading(tenant) as store:
        stored = await require_tenant(store, tenant)
    wrapped = await rewrap_tenant(office.key_services.of(stored), stored)
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
        keys, owner = await every(store, ProjectKey, project), await require_tenant(store, tenant)
    service = office.key_services.of(owner)
    wrapped = [await rewrap_project_key(service, tenant, key) for key in keys]
    async with project_change(office, tenant, project, actor) as change:
        now = await every(change.store, ProjectKey, project)
        if change.tenant.key_service != owner.key_service or not _same(now, keys):
            msg = f"the keys of the project {project!r} changed while they were wrapped anew: do it again"
            raise ConflictError(msg)
        for old, new in zip(now, wrapped, strict=True):
            await _put_in_place(change.store, old, new)
            change.note("key.rewrapped", version=new.version, number=new.number)
    return len(keys)


async def move_keys(office: Office, tenant: TenantId, to: str, actor: str) -> int:
    """Wrap every key of a tenant with another key service, and return how many there are.

    Raises:
        InvalidValueError: there is no such key service.
        DoesNotExistError: there is no such tenant.
        SealedValueError: a key does not unwrap; nothing is changed then.
        ConflictError: its keys, or the platform key of the new key service, changed meanwhile; likewise.
        BackendUnavailableError: a key service does not answer; likewise.
    """
    new = office.key_services.named(to)
    async with office.store.reading(tenant) as store:
        owner, keys = await require_tenant(store, tenant), await every(store, ProjectKey)
    if owner.key_service == to:
        return 0
    versions, handover = await versions_of(office, to), Handover(office.key_services.of(owner), new)
    moved = replace(await rewrap_tenant(handover, owner), key_service=to)
    wrapped = [await rewrap_project_key(handover, tenant, key) for key in keys]
    await _require_same(office, to, versions)
    await _require_open(office, to, moved, wrapped)
    await _require_same(office, to, versions)
    async with office.store.tenant(tenant) as store:
        now = await every(store, ProjectKey)
        if await require_tenant(store, tenant) != owner or not _same(now, keys):
            msg = f"the keys of the tenant {tenant!r} changed while they were moved: do it again"
            raise ConflictError(msg)
        await store.replace(moved, owner.generation)
        for old, key in zip(now, wrapped, strict=True):
            await _put_in_place(store, old, key)
        projects = await every(store, Project)
        for project in projects:
            await store.replace(replace(project, generation=project.generation + 1), project.generation)
        data: dict[str, JSON] = {"key_service": to, "before": owner.key_service, "keys": 1 + len(keys)}
        await store.append([chain.admin("tenant.changed", at=office.now(), actor=actor, data=data)])
    for project in projects:
        await office.announce(project.id)
    return 1 + len(keys)


async def _require_open(office: Office, to: str, moved: Tenant, wrapped: Sequence[ProjectKey]) -> None:
    """Whoever turned the platform key past this keychain may have destroyed the version that wrapped them.

    Raises:
        SealedValueError: one does not open.
    """
    proof = Proof(office.key_services.named(to))
    await rewrap_tenant(proof, moved)
    for key in wrapped:
        await rewrap_project_key(proof, moved.id, key)


async def _require_same(office: Office, to: str, versions: tuple[int, int]) -> None:
    """Whoever wrapped everything anew passed this tenant by: a version that wrapped its keys may go at any moment.

    Raises:
        ConflictError: the platform key turned, or everything was wrapped under it anew, since the move began.
    """
    if await versions_of(office, to) != versions:
        msg = f"the platform key of {to!r} turned while keys were moved there: do it again"
        raise ConflictError(msg)


def _same(now: Sequence[ProjectKey], before: Sequence[ProjectKey]) -> bool:
    """Whether these are the same keys; what they sealed meanwhile keeps nobody from wrapping them anew."""
    return [*map(without_uses, now)] == [*map(without_uses, before)]


async def _put_in_place(store: TenantStore, old: ProjectKey, new: ProjectKey) -> None:
    await store.replace(replace(new, uses=old.uses, generation=old.generation + 1), old.generation)
