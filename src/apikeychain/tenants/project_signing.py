"""The verbs of a project's signing keys."""

from datetime import timedelta

from apikeychain.model.origin import parse_origin
from apikeychain.model.records import SigningKey
from apikeychain.tenants import old_signing_keys, signing_keys
from apikeychain.tenants.project_handle import ProjectHandle
from apikeychain.tenants.signing_keys import GRACE, MAX_SESSION, ShownKey, SigningKeyInfo


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

    async def rotate_signing_key(self, *, grace: timedelta = GRACE) -> ShownKey:
        """A new signing key in the place of the one that there is, shown here and never again.

        Both are good until the grace is over. Then the old one and the session keys made of it are refused, and it is
        removed.

        Args:
            grace: how long the old key stays good: a second to 30 days.

        Raises:
            DoesNotExistError: the project has no signing key.
            StillInUseError: there are two already.
            InvalidValueError: not such a time.
        """
        signing_keys.require_grace(grace)
        key = await self._first_key()
        await old_signing_keys.announce(self._office, self._tenant, self.id, grace)
        async with self._change() as change:
            return await signing_keys.rotate(change, key, grace)

    async def retire_signing_key(self, key_id: str) -> None:
        """End a signing key, and the session keys that were made of it. Raises DoesNotExistError."""
        async with self._change() as change:
            await signing_keys.retire(change, key_id)

    async def list_signing_keys(self) -> list[SigningKeyInfo]:
        """Id and dates of each valid signing key, the oldest first; never its text."""
        now = self._office.now()
        good = [key for key in await self._list(SigningKey) if key.is_good(now)]
        told = [SigningKeyInfo(key.id, key.created, key.until) for key in good]
        return sorted(told, key=lambda key: (key.created, key.id))

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
