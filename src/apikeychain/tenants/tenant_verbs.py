"""The management verbs of a keychain: those that find or make a tenant."""

from abc import ABC, abstractmethod

from apikeychain.model.ids import TenantId
from apikeychain.tenants import registry
from apikeychain.tenants.change import Office
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin

HOST = "host"


class TenantVerbs(ABC):
    """How a host gets at its tenants. See `APIKeyChain`, of which this is a part."""

    @property
    @abstractmethod
    def _office(self) -> Office:
        """That of the open keychain, or NotOpenError."""

    async def create_tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """A new tenant.

        Args:
            tenant: the host's own id of it.
            actor: the label that stands in the ledger.

        Raises:
            AlreadyExistsError: there is one of that id.
            InvalidValueError: not an id, or not a label.
        """
        return await registry.create_tenant(self._office, tenant, actor)

    async def ensure_tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """The tenant of that id, new where there was none. Raises InvalidValueError."""
        return await registry.ensure_tenant(self._office, tenant, actor)

    async def tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """The tenant of that id. Raises DoesNotExistError, InvalidValueError."""
        return await registry.find_tenant(self._office, tenant, actor)

    async def project(self, project: str, *, actor: str = HOST) -> ProjectAdmin:
        """The project of that public id, whosever it is. Raises DoesNotExistError, InvalidValueError."""
        return await registry.find_project(self._office, project, actor)

    async def list_tenants(self) -> list[TenantId]:
        """The ids of all tenants, in order."""
        return await registry.list_tenants(self._office)
