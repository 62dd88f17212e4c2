"""A project's signing keys: added and shown once, replaced, retired, and made into session keys for its users.

Source: contracts 3; spec 6.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apikeychain.errors import DoesNotExistError, InvalidValueError, StillInUseError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId, base64url, new_signing_key_id
from apikeychain.model.ledger import timestamp
from apikeychain.model.records import ProjectKey, SigningKey
from apikeychain.model.session_key import SessionKey, parse_user
from apikeychain.primitives import KEY_BYTES, random_bytes
from apikeychain.secret import Secret
from apikeychain.tenants import secrets
from apikeychain.tenants.change import Office, ProjectChange, require_tenant, soon
from apikeychain.vault.session_keys import session_key
from apikeychain.vault.uses import count_uses

MAX_KEYS = 2
MAX_SESSION = timedelta(hours=1)
GRACE = timedelta(hours=1)
_LEAST_GRACE, _MOST_GRACE = timedelta(seconds=1), timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SigningKeyInfo:
    """All that is told of a signing key once it was shown.

    Attributes:
        until: when it ends, since another one has taken over; None for one that has no end.
    """

    id: str
    created: datetime
    until: datetime | None = None


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
    _require_room(change, await _good_keys(change))
    shown = await _make(change, first_key)
    change.note("signing-key.added", key=shown.id)
    return shown


async def rotate(change: ProjectChange, first_key: ProjectKey | None, grace: timedelta) -> ShownKey:
    """A new key in the place of the one that there is, which ends when `grace` is over.

    Raises:
        DoesNotExistError: there is none.
        StillInUseError: two are valid already.
    """
    keys = await _good_keys(change)
    if not keys:
        msg = f"the project {change.project.name!r} has no signing key to replace: add one"
        raise DoesNotExistError(msg)
    _require_room(change, keys)
    old, until = keys[0], change.moment + grace
    if old.until is not None:
        until = min(until, old.until)
    await change.store_changed(old, until=until)
    shown = await _make(change, first_key)
    change.note("signing-key.replaced", key=shown.id, replaced=old.id, until=timestamp(until))
    return shown


def require_grace(grace: timedelta) -> None:
    """Raise InvalidValueError unless it is a second to 30 days."""
    if not _LEAST_GRACE <= grace <= _MOST_GRACE:
        given = f"{grace.total_seconds():g} s"
        msg = f"the old signing key stays good for a second to 30 days, not for {given}: retire one that ends at once"
        raise InvalidValueError(msg)


async def end_old(change: ProjectChange) -> datetime | None:
    """Remove every key that has ended. Returns when the next one ends, or None."""
    keys = await every(change.store, SigningKey, change.project.id)
    for key in keys:
        if not key.is_good(change.moment):
            await retire(change, key.id)
    return min((key.until for key in keys if key.until is not None and key.is_good(change.moment)), default=None)


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
        keys = {key.version: key for key in await every(store, ProjectKey, project)}
        owner = await require_tenant(store, tenant)
        good = [key for key in await every(store, SigningKey, project) if key.is_good(office.now())]
    stored = max(good, key=lambda key: (key.created, key.id), default=None)
    if stored is None:
        msg = "the project has no signing key to make a session key of: add one with add_signing_key()"
        raise DoesNotExistError(msg)
    key_id = SessionKey(stored.id, int((office.now() + ttl).timestamp()), parse_user(user)).id
    text = await office.vault.open_signing_key(owner, keys, stored)
    return ShownKey(key_id, session_key(text, key_id, origin))


async def _good_keys(change: ProjectChange) -> list[SigningKey]:
    keys = await every(change.store, SigningKey, change.project.id)
    return [key for key in keys if key.is_good(change.moment)]


def _require_room(change: ProjectChange, keys: Sequence[SigningKey]) -> None:
    """Raise StillInUseError where two are valid already."""
    if len(keys) < MAX_KEYS:
        return
    ends = min((key.until for key in keys if key.until is not None), default=None)
    wait = f", or wait until {timestamp(ends)}, when the old one ends" if ends else ""
    msg = f"the project {change.project.name!r} has two signing keys: retire one, then add the next{wait}"
    raise StillInUseError(msg)


async def _make(change: ProjectChange, first_key: ProjectKey | None) -> ShownKey:
    shown = ShownKey(new_signing_key_id(), Secret("aks_" + base64url(random_bytes(KEY_BYTES))))
    key = await secrets.sealing_key(change, first_key)
    async with soon():
        sealed = await change.office.vault.seal_signing_key(change.tenant, key, shown.id, shown.key)
    await count_uses(change.store, key)
    record = SigningKey(project=change.project.id, id=shown.id, created=change.moment, sealed=sealed)
    await change.store.insert(record)
    return shown
