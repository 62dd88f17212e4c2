"""The verbs of a project's own encryption key."""

from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.tenants.turning import TurnedKey, turn_project_key


class KeyVerbs(ProjectHandle):
    """How a project's key turns. See `ProjectAdmin`, of which this is a part."""

    async def turn_key(self) -> TurnedKey | None:
        """Give the project a new encryption key, seal every value under it, and destroy the older ones.

        Calls are served meanwhile. It is all or nothing. An old copy of the database opens until the version of the
        platform key that wrapped the old keys is retired: see `APIKeyChain.retire_platform_key`.

        Returns:
            What came of it; None where the project has no key yet.

        Raises:
            DoesNotExistError: the project is gone.
            SealedValueError: a key or a value does not open, and the log says which; nothing is changed then. A value
                whose provider has another address by now is put again, or removed, before.
            ConflictError: the project was changed again and again meanwhile; likewise.
            BackendUnavailableError: the key service does not answer; likewise.
        """
        return await turn_project_key(self._office, self._tenant, self.id, self.actor)
