"""The keys of many projects turn, tenant by tenant; one that fails keeps no other waiting.

Source: contracts 5, "Rotation".
"""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from apikeychain.errors import InvalidValueError
from apikeychain.frames import told_of
from apikeychain.model.ids import ProjectId, TenantId, parse_tenant_id
from apikeychain.model.records import DEFAULT_KEY_SERVICE, Tenant
from apikeychain.ports.store import TenantReader
from apikeychain.tenants.change import Office, require_tenant
from apikeychain.tenants.registry import find_project
from apikeychain.tenants.tenant_secret import (
    Told,
    TurnedProjects,
    projects_with_keys,
    turn_projects,
    turn_tenant_secret,
)
from apikeychain.tenants.turning import TurnedKey, sealed_of

Progress = Callable[[TenantId, int], None]
_PAGE = 100
_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Which keys turn.

    Attributes:
        key_service: of the tenants whose keys turn.
        tenant: the only one, or "" for all.
        project: the id of the only one, or "" for all.
        secrets: whether tenant secrets turn too.
        after: the tenant with which an earlier run ended, or "".
        dry_run: whether it is only told what would turn.
    """

    key_service: str = DEFAULT_KEY_SERVICE
    tenant: str = ""
    project: str = ""
    secrets: bool = False
    after: str = ""
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnedKeys:
    """What came of turning the keys of many projects.

    Attributes:
        tenants: how many have new keys, or would.
        projects: likewise.
        values: how many were sealed anew, or would be.
        failed: what was not turned: ``TENANT/PROJECT``, or ``TENANT`` where all of it is meant.
    """

    tenants: int = 0
    projects: int = 0
    values: int = 0
    failed: tuple[str, ...] = ()

    def and_of(self, tenant: TenantId, came: TurnedProjects) -> "TurnedKeys":
        """These, and what came of one tenant more."""
        return TurnedKeys(
            tenants=self.tenants + bool(came.turned),
            projects=self.projects + len(came.turned),
            values=self.values + came.values,
            failed=(*self.failed, *(f"{tenant}/{project}" for project in came.failed)),
        )


class _Told:
    """Counts projects, for whoever wants to hear of each."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress, self._projects = progress, 0

    def of(self, tenant: TenantId) -> Told:
        """What is told of each project of a tenant."""

        def told(_: ProjectId) -> None:
            self._projects += 1
            if self._progress is not None:
                self._progress(tenant, self._projects)

        return told


async def turn_keys(office: Office, which: Which, actor: str, progress: Progress | None = None) -> TurnedKeys:
    """Turn the key of every project of every tenant of a key service.

    Args:
        office: of the open keychain.
        which: keys turn.
        actor: the label for the ledger.
        progress: told after each project: its tenant, and how many projects it were.

    Raises:
        InvalidValueError: there is no such key service, or the tenant has another.
        DoesNotExistError: there is no such tenant.
        BackendUnavailableError: the store does not answer. What was turned until then stays so.
    """
    office.key_services.named(which.key_service)
    came, told = TurnedKeys(), _Told(progress)
    async with aclosing(_tenants(office, which)) as tenants:
        async for tenant in tenants:
            try:
                if await _is_of(office, tenant, which.key_service):
                    came = came.and_of(tenant, await _turned(office, which, tenant, actor, told.of(tenant)))
            except Exception as fault:  # noqa: BLE001 - what keeps one tenant's keys from turning keeps no other's
                _log.error("the keys of the tenant %s are not turned: %s", tenant, told_of(fault))
                came = replace(came, failed=(*came.failed, tenant))
    return came


async def _tenants(office: Office, which: Which) -> AsyncGenerator[TenantId, None]:
    if which.tenant or which.project:
        yield await _only(office, which)
        return
    last = which.after
    while page := await office.store.tenants(last, _PAGE):
        for tenant in page:
            yield tenant
        last = page[-1]


async def _only(office: Office, which: Which) -> TenantId:
    owner = (await find_project(office, which.project, "")).tenant if which.project else which.tenant
    tenant = parse_tenant_id(owner)
    async with office.store.reading(tenant) as rows:
        stored = await require_tenant(rows, tenant)
    if stored.key_service != which.key_service:
        msg = f"the tenant {tenant!r} has the key service {stored.key_service!r}, not {which.key_service!r}"
        raise InvalidValueError(msg)
    return tenant


async def _is_of(office: Office, tenant: TenantId, key_service: str) -> bool:
    """Whether the tenant has keys, wrapped by that key service."""
    async with office.store.reading(tenant) as rows:
        stored = await rows.get(Tenant, ())
    return stored is not None and stored.erased is None and stored.key_service == key_service


async def _turned(office: Office, which: Which, tenant: TenantId, actor: str, told: Told) -> TurnedProjects:
    if which.dry_run:
        return await _would_turn(office, which, tenant)
    if which.secrets:
        return await turn_tenant_secret(office, tenant, actor, told)
    async with office.store.reading(tenant) as rows:
        projects = await _projects(rows, which)
    return await turn_projects(office, tenant, projects, actor, told)


async def _would_turn(office: Office, which: Which, tenant: TenantId) -> TurnedProjects:
    would: list[TurnedKey] = []
    async with office.store.reading(tenant) as rows:
        for project in await _projects(rows, which):
            sealed = await sealed_of(rows, tenant, project)
            would.append(TurnedKey(project=project, number=0, values=sealed.values))
    return TurnedProjects(turned=tuple(would), failed=())


async def _projects(rows: TenantReader, which: Which) -> list[ProjectId]:
    """Those that have a key, of those that are meant."""
    return [project for project in await projects_with_keys(rows) if which.project in {"", project}]
