"""What every management verb of a project stands on."""

from contextlib import AbstractAsyncContextManager

from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import ProjectKey
from apikeychain.ports.store import R
from apikeychain.tenants import secrets
from apikeychain.tenants.change import Office, ProjectChange, project_change, require_tenant


class ProjectHandle:
    """One project of one tenant, in the hands of one actor.

    Attributes:
        id: the public id that callers use.
        name: the label, unique in the tenant.
        actor: the label that stands in the ledger.
    """

    def __init__(self, office: Office, tenant: TenantId, project: ProjectId, name: str, actor: str) -> None:
        self._office, self._tenant = office, tenant
        self.id, self.name, self.actor = project, name, actor

    @property
    def tenant(self) -> TenantId:
        """Whose project it is."""
        return self._tenant

    def _change(self, *, dry_run: bool = False) -> AbstractAsyncContextManager[ProjectChange]:
        return project_change(self._office, self._tenant, self.id, self.actor, dry_run=dry_run)

    async def _first_key(self, values: int = 1) -> ProjectKey | None:
        return await secrets.first_key(self._office, self._tenant, self.id, values)

    async def _list(self, kind: type[R]) -> list[R]:
        async with self._office.store.reading(self._tenant) as store:
            await require_tenant(store, self._tenant)
            return await every(store, kind, self.id)
