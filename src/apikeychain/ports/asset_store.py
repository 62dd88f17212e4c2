"""Where the bodies of assets are kept, sealed."""

from collections.abc import Sequence
from typing import Protocol

from apikeychain.model.asset import AssetPrefix


class AssetStore(Protocol):
    """Keeps sealed objects, each under the prefix of one project.

    What it gets is sealed: it holds nothing that anybody could read or change unnoticed. An object is made once under
    a name that is drawn at random (32 lower-case hex digits), and deleted once. One that is an async context manager is
    entered with the keychain, and asks nobody then.

    Contract (tested by `apikeychain.testing.AssetStoreContract`):
        A1: `open` returns what was put under that prefix and name, byte for byte, up to 16 MiB; of what was not put
            there, or was deleted, it raises DoesNotExistError.
        A2: `put` of a name that is there raises AlreadyExistsError and leaves what is there.
        A3: an object is whole or absent: also for those who ask while it is put, and after whoever put it was killed.
        A4: `delete` of what is not there is no error.
        A5: `list` returns the names under the prefix after `after`, in order, at most `limit`.
        A6: no verb sees or changes anything under another prefix, also not under one that begins alike.
        A7: a name or a prefix that is none raises InvalidValueError, and nothing is asked.
        A8: what was put is there when the store is opened again, and in another process.
        A9: a store that cannot be reached raises BackendUnavailableError.
    """

    async def put(self, prefix: AssetPrefix, name: str, body: bytes) -> None:
        """Keep an object. Once this returns it is on disk, or the server has compared its SHA-256.

        Raises:
            AlreadyExistsError: there is one of that name.
        """
        ...

    async def open(self, prefix: AssetPrefix, name: str) -> bytes:
        """The object of that name.

        Raises:
            DoesNotExistError: there is none.
        """
        ...

    async def delete(self, prefix: AssetPrefix, name: str) -> None:
        """Delete an object, if it is there."""
        ...

    async def list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        """At most `limit` names under the prefix that come after `after` (all from ""), in order."""
        ...
