"""A store in which something was changed behind its back."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from apikeychain.backends.memory_store import MemoryStore, MemoryTenantReader, MemoryTenantStore
from apikeychain.errors import DamagedDataError
from apikeychain.model.ids import TenantId


class DamagedStore(MemoryStore):
    """What is stored of the tenants in `damaged` cannot be read."""

    def __init__(self) -> None:
        super().__init__()
        self.damaged: set[TenantId] = set()

    @asynccontextmanager
    async def tenant(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantStore, None]:
        self._require_sound(tenant)
        async with super().tenant(tenant) as rows:
            yield rows

    @asynccontextmanager
    async def reading(self, tenant: TenantId) -> AsyncGenerator[MemoryTenantReader, None]:
        self._require_sound(tenant)
        async with super().reading(tenant) as rows:
            yield rows

    def _require_sound(self, tenant: TenantId) -> None:
        if tenant in self.damaged:
            what = "a stored record"
            raise DamagedDataError(what, tenant)
