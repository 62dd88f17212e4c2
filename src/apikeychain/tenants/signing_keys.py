"""A project's signing keys: added and shown once, retired, and made into session keys for its users.

Source: contracts 3; spec 6.3.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apikeychain.errors import DoesNotExistError, InvalidValueError, StillInUseError
from apikeychain.model.ids import ProjectId, TenantId, base64url, new_signing_key_id
from apikeychain.model.records import ProjectKey, SigningKey, Tenant
from apikeychain.model.session_key import SessionKey, parse_user
from apikeychain.primitives import KEY_BYTES, random_bytes
from apikeychain.secret import Secret
from apikeychain.snapshots import children
from apikeychain.tenants import secrets
from apikeychain.tenants.change import Office, ProjectChange
from apikeychain.vault.session_keys import session_key

MAX_KEYS = 2
MAX_SESSION = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SigningKeyInfo:
    """All that is told of a signing key once it was shown."""

    id: str
    created: datetime


@dataclass(frozen=True, slots=True)
class ShownKey:
    """A key with its text, for whoever signs with it: give it on and keep it nowhere.

    Attributes:
        id: what goes into ``x-key-id``.
        key: the text, of which ``key.reveal()`` gives the ASCII bytes.
    """

    id: str
    key: Secret


async def add(change: ProjectChange, first_key: ProjectKey | None) -> ShownKey:
    """A new key.

    Raises:
        StillInUseError: two are valid already.
    """
    if len(await children(change.store, SigningKey, change.project.id)) >= MAX_KEYS:
        msg = f"the project {change.project.name!r} has two signing keys: retire one, then add the next"
        raise StillInUseError(msg)
    shown = ShownKey(new_signing_key_id(), Secret("aks_" + base64url(random_bytes(KEY_BYTES))))
    key = await secrets.sealing_key(change, first_key)
    async with secrets.soon():
        sealed = await change.office.vault.seal_signing_key(change.tenant, key, shown.id, shown.key)
    record = SigningKey(project=change.project.id, id=shown.id, created=change.moment, sealed=sealed)
    await change.store.insert(record)
    change.note("signing-key.added", key=shown.id)
    return shown


async def retire(change: ProjectChange, key_id: str) -> None:
    """End a key, and every session key that was made of it.

    Raises:
        DoesNotExistError: there is none of that id.
    """
    await change.remove(await change.require(SigningKey, key_id))
    change.note("signing-key.retired", key=key_id)


async def make_session_key(
    office: Office, tenant: TenantId, project: ProjectId, *, user: str, origin: str, ttl: timedelta
) -> ShownKey:
    """A session key of the newest signing key.

    Args:
        office: of the open keychain.
        tenant: whose project it is.
        project: its id.
        user: whose calls it signs.
        origin: the only one with which it is good, or "" for an app, which sends none.
        ttl: how long it is good.

    Raises:
        DoesNotExistError: the project has no signing key.
        InvalidValueError: not a user's label, or not a time of a second to an hour.
    """
    if not timedelta(seconds=1) <= ttl <= MAX_SESSION:
        msg = f"a session key is good for a second to an hour, not for {ttl}"
        raise InvalidValueError(msg)
    async with office.store.reading(tenant) as store:
        keys = {key.version: key for key in await children(store, ProjectKey, project)}
        owner = await store.get(Tenant, ())
        stored = max(await children(store, SigningKey, project), key=lambda key: (key.created, key.id), default=None)
    if owner is None or stored is None:
        msg = "the project has no signing key to make a session key of: add one with add_signing_key()"
        raise DoesNotExistError(msg)
    key_id = SessionKey(stored.id, int((office.now() + ttl).timestamp()), parse_user(user)).id
    text = await office.vault.open_signing_key(owner, keys, stored)
    return ShownKey(key_id, session_key(text, key_id, origin))
