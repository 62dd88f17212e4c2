"""The management verbs of a keychain: those that find or make a tenant."""

from abc import ABC, abstractmethod
from datetime import datetime

from apikeychain.model.ids import TenantId
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.tenants import platform_key, registry
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

    async def create_tenant(
        self, tenant: str, *, key_service: str = DEFAULT_KEY_SERVICE, actor: str = HOST
    ) -> TenantAdmin:
        """A new tenant.

        Args:
            tenant: the host's own id of it.
            key_service: the name of the key service that wraps its keys.
            actor: the label that stands in the ledger.

        Raises:
            AlreadyExistsError: there is one of that id.
            InvalidValueError: not an id, or not a label; or there is no such key service.
        """
        return await registry.create_tenant(self._office, tenant, actor, key_service)

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

    async def rotate_platform_key(self, *, key_service: str = DEFAULT_KEY_SERVICE, actor: str = HOST) -> int:
        """A new version of the platform key, and its number. Raises InvalidValueError, BackendUnavailableError."""
        return await platform_key.rotate(self._office, key_service, actor)

    async def rewrap_keys(
        self,
        *,
        key_service: str = DEFAULT_KEY_SERVICE,
        after: str = "",
        progress: platform_key.Progress | None = None,
        actor: str = HOST,
    ) -> platform_key.Rewrapped:
        """Wrap every key of every tenant under the newest version; doing it again does no harm.

        Args:
            key_service: its name; the tenants of others are left as they are.
            after: the tenant with which an earlier run ended.
            progress: told after each tenant: its id, and how many it were.
            actor: the label that stands in the ledger.

        Raises:
            InvalidValueError: there is no such key service.
            BackendUnavailableError: it does not answer. What was wrapped anew until then stays so.
        """
        return await platform_key.rewrap(self._office, key_service, actor, after=after, progress=progress)

    async def retire_platform_key(
        self, version: int, *, key_service: str = DEFAULT_KEY_SERVICE, actor: str = HOST
    ) -> datetime:
        """Destroy an old version of the platform key, and say when it is gone for good.

        Only after `rewrap_keys` failed for nobody: what is wrapped under it opens no more.

        Raises:
            InvalidValueError: there is no such key service, or this version cannot be retired.
            BackendUnavailableError: it does not answer, or does not allow it.
        """
        return await platform_key.retire(self._office, key_service, version, actor)
