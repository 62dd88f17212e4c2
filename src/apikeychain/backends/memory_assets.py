"""An asset store of one process: for hosts' own tests."""

from collections import defaultdict
from collections.abc import Sequence

from apikeychain.backends.asset_objects import require_body, require_object, require_place
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError, DoesNotExistError
from apikeychain.model.asset import AssetPrefix


class MemoryAssets:
    """See AssetStore. Gone with the process, and open to it alone.

    Attributes:
        reachable: whether it answers: a test that wants a store that is down says False.
    """

    def __init__(self) -> None:
        self.reachable = True
        self._objects: defaultdict[AssetPrefix, dict[str, bytes]] = defaultdict(dict)

    async def put(self, prefix: AssetPrefix, name: str, body: bytes) -> None:
        """See AssetStore.put."""
        require_body(prefix, name, body)
        kept = self._under(prefix)
        if name in kept:
            msg = f"there is an object {name}"
            raise AlreadyExistsError(msg)
        kept[name] = bytes(body)

    async def open(self, prefix: AssetPrefix, name: str) -> bytes:
        """See AssetStore.open."""
        require_object(prefix, name)
        kept = self._under(prefix)
        if name not in kept:
            msg = f"there is no object {name}"
            raise DoesNotExistError(msg)
        return kept[name]

    async def delete(self, prefix: AssetPrefix, name: str) -> None:
        """See AssetStore.delete."""
        require_object(prefix, name)
        self._under(prefix).pop(name, None)

    async def list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        """See AssetStore.list."""
        require_place(prefix, after)
        return sorted(name for name in self._under(prefix) if name > after)[:limit]

    def _under(self, prefix: AssetPrefix) -> dict[str, bytes]:
        if not self.reachable:
            raise BackendUnavailableError
        return self._objects[prefix]
