"""A tenant's secret turns: a new one, then a new version of the key of every project, then the end of the old one.

The two overlap: the number in each project's key says from which it was derived, and the old one is kept until no key
is left that needs it. A run that broke, or in which a project failed, is ended by the next.

Source: contracts 5, "Rotation" (a new tenant secret forces new versions of all its projects); spec 3.3.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from apikeychain.errors import ConflictError, DoesNotExistError, SealedValueError
from apikeychain.frames import told_of
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.ledger import JSON
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.ports.store import TenantReader
from apikeychain.rules import chain
from apikeychain.tenants.change import Office, require_tenant
from apikeychain.tenants.turning import TurnedKey, turn_project_key
from apikeychain.vault import contexts
from apikeychain.vault.turn import next_secret
from apikeychain.vault.wrapping import unwrap_key

Told = Callable[[ProjectId], None]
_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedProjects:
    """What came of turning the keys of several projects of a tenant.

    Attributes:
        turned: what came of each that has a new key.
        failed: those that keep the old one.
    """

    turned: tuple[TurnedKey, ...]
    failed: tuple[ProjectId, ...]

    @property
    def values(self) -> int:
        """How many values were sealed anew."""
        return sum(key.values for key in self.turned)


async def turn_tenant_secret(office: Office, tenant: TenantId, actor: str, told: Told | None = None) -> TurnedProjects:
    """Give a tenant a new secret, and all its projects new keys; one that was begun is ended and none is begun.

    Args:
        office: of the open keychain.
        tenant: whose secret it is.
        actor: the label for the ledger.
        told: told of each project that was attended to.

    Returns:
        What came of each project. While one failed, the old secret is kept: the next run ends it.

    Raises:
        DoesNotExistError: there is no such tenant.
        ConflictError: its keys changed meanwhile; what was turned until then stays so.
        BackendUnavailableError: the key service does not answer; no secret was begun then.
    """
    owner = await _begun(office, tenant, actor)
    async with office.store.reading(tenant) as rows:
        behind = await projects_with_keys(rows, before=owner.secret_number)
    came = await turn_projects(office, tenant, behind, actor, told)
    if not came.failed:
        await _end(office, tenant, actor)
    return came


async def turn_projects(
    office: Office, tenant: TenantId, projects: list[ProjectId], actor: str, told: Told | None = None
) -> TurnedProjects:
    """Turn the keys of some projects of a tenant, one after the other; one that fails keeps no other waiting."""
    turned, failed = list[TurnedKey](), list[ProjectId]()
    for project in projects:
        try:
            came = await turn_project_key(office, tenant, project, actor)
        except DoesNotExistError:
            # It was removed meanwhile.
            came = None
        except Exception as fault:  # noqa: BLE001 - what keeps one project from turning keeps no other
            _log.error("the key of the project %s/%s is not turned: %s", tenant, project, told_of(fault))
            failed.append(project)
            came = None
        if came is not None:
            turned.append(came)
        if told is not None:
            told(project)
    return TurnedProjects(turned=tuple(turned), failed=tuple(failed))


async def projects_with_keys(rows: TenantReader, *, before: int | None = None) -> list[ProjectId]:
    """The projects of a tenant that have a key, in order.

    Args:
        rows: of the tenant.
        before: only those with a key that was derived from a secret before the one of that number.
    """
    keys = [key for key in await every(rows, ProjectKey) if before is None or key.secret_number < before]
    return sorted({key.project for key in keys})


async def _begun(office: Office, tenant: TenantId, actor: str) -> Tenant:
    """The tenant with two secrets: as an earlier run left it, or with a new one."""
    async with office.store.reading(tenant) as rows:
        owner = await require_tenant(rows, tenant)
    if await _is_begun(office, owner):
        return owner
    begun = await next_secret(office.key_services.of(owner), owner, office.now())
    data: dict[str, JSON] = {"secret_number": begun.secret_number}
    async with office.store.tenant(tenant) as store:
        await store.replace(begun, owner.generation)
        await store.append([chain.admin("tenant.changed", at=office.now(), actor=actor, data=data)])
    return begun


async def _is_begun(office: Office, owner: Tenant) -> bool:
    """Whether the old secret is the one before: whoever writes the database may put anything there."""
    if not owner.wrapped_old_secret or owner.secret_number == 1:
        return False
    context = contexts.of_tenant_secret(owner.id, owner.secret_number - 1)
    try:
        await unwrap_key(office.key_services.of(owner), owner.wrapped_old_secret, context)
    except SealedValueError:
        return False
    return True


async def _end(office: Office, tenant: TenantId, actor: str) -> None:
    """Destroy the old secret, which no key needs any more."""
    async with office.store.tenant(tenant) as store:
        owner = await require_tenant(store, tenant)
        if not owner.wrapped_old_secret:
            # Another run was faster.
            return
        if await projects_with_keys(store, before=owner.secret_number):
            msg = f"there are keys of the old secret of the tenant {tenant!r}: do it again"
            raise ConflictError(msg)
        ended = replace(owner, wrapped_old_secret=b"", generation=owner.generation + 1)
        await store.replace(ended, owner.generation)
        data: dict[str, JSON] = {"secret_number": owner.secret_number}
        await store.append([chain.admin("tenant-secret.turned", at=office.now(), actor=actor, data=data)])
