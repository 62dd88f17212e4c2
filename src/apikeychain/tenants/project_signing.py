"""The verbs of a project's signing keys."""

from datetime import timedelta

from apikeychain.model.origin import parse_origin
from apikeychain.model.records import SigningKey
from apikeychain.tenants import signing_keys
from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.tenants.signing_keys import MAX_SESSION, ShownKey, SigningKeyInfo


class SigningVerbs(ProjectHandle):
    """How an application of the tenant gets to sign its calls. See `ProjectAdmin`, of which this is a part."""

    async def add_signing_key(self) -> ShownKey:
        """A new signing key, shown here and never again; two are valid at once, so that one can take over.

        Raises:
            StillInUseError: there are two already.
        """
        key = await self._first_key()
        async with self._change() as change:
            return await signing_keys.add(change, key)

    async def retire_signing_key(self, key_id: str) -> None:
        """End a signing key, and the session keys that were made of it. Raises DoesNotExistError."""
        async with self._change() as change:
            await signing_keys.retire(change, key_id)

    async def list_signing_keys(self) -> list[SigningKeyInfo]:
        """Id and date of each valid signing key, the oldest first; never its text."""
        stored = [SigningKeyInfo(key.id, key.created) for key in await self._list(SigningKey)]
        return sorted(stored, key=lambda key: (key.created, key.id))

    async def session_key(self, *, user: str, origin: str | None = None, ttl: timedelta = MAX_SESSION) -> ShownKey:
        """A key that signs the calls of one user for a while, made of the newest signing key and stored nowhere.

        Args:
            user: a label of the host's own for the user: what the calls carry as ``X-Iso-User``.
            origin: of the page that gets it, or None for an app, which sends no Origin.
            ttl: how long it is good, at most an hour.

        Raises:
            DoesNotExistError: the project has no signing key.
            InvalidValueError: not a label (1 to 128 printable ASCII characters), not an origin, or not such a time.
        """
        page = "" if origin is None else parse_origin(origin, development=self._office.settings.development)
        return await signing_keys.make_session_key(self._office, self._tenant, self.id, user=user, origin=page, ttl=ttl)
