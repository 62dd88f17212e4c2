"""Who holds the platform key."""

from datetime import datetime
from typing import Protocol

from apikeychain.model.keys import KeyContext


class KeyService(Protocol):
    """Wraps and unwraps 32-byte keys, and metadata of at most 1 KiB, under a platform key that never leaves it.

    Contract (tested by `apikeychain.testing.KeyServiceContract`):
        K1: `unwrap` returns what was wrapped under an equal context.
        K2: under any other context, or when any byte of `wrapped` was changed, `unwrap` raises SealedValueError.
        K3: two wraps of one key differ.
        K4: after `rotate`, `wrap` uses the new version, and what older versions wrapped still unwraps.
        K5: `rewrap` returns the same key wrapped under the newest version, with the same context.
        K6: `retire` names the moment from which on nothing that this version wrapped can be unwrapped; it refuses
            the newest version with InvalidValueError, and then `unwrap` raises SealedValueError.
        K7: a service that cannot be reached raises BackendUnavailableError.
    """

    async def wrap(self, key: bytes, context: KeyContext) -> bytes:
        """`key` wrapped under the newest version."""
        ...

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """The key.

        Raises:
            SealedValueError: tampered with, of another context, or of a version that is gone.
        """
        ...

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """The same key under the newest version."""
        ...

    async def rotate(self) -> int:
        """Make a new version of the platform key and return its number."""
        ...

    async def retire(self, version: int) -> datetime:
        """Destroy a version, and say when it is gone for good."""
        ...
