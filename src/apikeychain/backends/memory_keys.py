"""A key service that lives as long as the process: for a host's tests."""

from datetime import UTC, datetime

from apikeychain.backends.platform_keys import PlatformKeys
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.keys import KeyContext


class MemoryKeyService:
    """Holds the platform key in memory: what it wrapped is lost with it. See KeyService.

    Attributes:
        reachable: set it to False to see what your application does while its key service is down.
    """

    def __init__(self) -> None:
        self.reachable = True
        self._held = PlatformKeys.generate()

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """See KeyService.wrap."""
        return self._keys.wrap(key, context)

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.unwrap."""
        return self._keys.unwrap(wrapped, context)

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.rewrap."""
        return self._keys.wrap(self._keys.unwrap(wrapped, context), context)

    async def rotate(self) -> int:
        """See KeyService.rotate."""
        self._held = self._keys.rotated()
        return self._held.newest.number

    async def retire(self, version: int) -> datetime:
        """See KeyService.retire. It is gone at once."""
        self._held = self._keys.without(version)
        return datetime.now(UTC)

    @property
    def _keys(self) -> PlatformKeys:
        if not self.reachable:
            raise BackendUnavailableError
        return self._held
