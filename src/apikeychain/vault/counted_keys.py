"""How many keys a key service wrapped, for whoever turns its platform key after so many.

Source: contracts 5, "Rotation".
"""

from datetime import datetime
from typing import final

from apikeychain.model.keys import KeyContext
from apikeychain.ports.key_service import KeyService


@final
class CountedKeys:
    """A key service, and how much it was used by this process.

    Args:
        service: that does all the work.

    Attributes:
        wrapped: how many keys it wrapped that nobody has noted yet.
    """

    def __init__(self, service: KeyService) -> None:
        self._service = service
        self.wrapped = 0

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """See KeyService."""
        wrapped = await self._service.wrap(key, context)
        self.wrapped += 1
        return wrapped

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService."""
        return await self._service.unwrap(wrapped, context)

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService."""
        anew = await self._service.rewrap(wrapped, context)
        self.wrapped += 1
        return anew

    async def rotate(self) -> int:
        """See KeyService."""
        return await self._service.rotate()

    async def retire(self, version: int) -> datetime:
        """See KeyService."""
        return await self._service.retire(version)
