"""A project's secrets: put, never read back.

Source: contracts 5; spec 3, 9.1.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apikeychain.errors import ConflictError, SecretUnavailableError
from apikeychain.listing import every
from apikeychain.model.ids import ProjectId, TenantId, parse_name
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret
from apikeychain.rules import injection
from apikeychain.secret import Secret
from apikeychain.tenants.change import Office, ProjectChange, require_tenant, soon
from apikeychain.tenants.key_errands import appoint, appoint_secret
from apikeychain.tenants.rotations import forget, reckon, require_unused
from apikeychain.vault.uses import count_uses

_log = logging.getLogger("apikeychain")


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """All that is told of a secret.

    Attributes:
        version: how often it was put.
        fingerprint: 16 hex digits, equal for equal secrets of the project.
        created: when the name was first put; `changed`: when this version was.
    """

    name: str
    provider: str
    version: int
    fingerprint: str
    created: datetime
    changed: datetime

    @classmethod
    def of(cls, sealed: SealedSecret) -> "SecretInfo":
        """What may be told of a record."""
        return cls(sealed.name, sealed.provider, sealed.version, sealed.fingerprint, sealed.created, sealed.changed)


async def put(change: ProjectChange, name: str, secret: Secret, provider: str, first_key: ProjectKey | None) -> None:
    """Put a secret; the one that is stored already changes nothing.

    Args:
        change: the transaction.
        name: of the secret, in the project.
        secret: the plaintext in its coat.
        provider: the only one that it is injected for.
        first_key: a key for the project, should it have none yet.

    Raises:
        DoesNotExistError: the provider is not registered.
        ConflictError: it is a key that its rotation had the provider end.
        InvalidValueError: not a name, or not the form in which calls to the provider are signed.
        BackendUnavailableError: the keys are not open, and the key service does not answer.
    """
    parse_name(name, "secret")
    if secret.is_short:
        _log.warning("the secret %r has fewer than 16 characters: what equals it by chance is overwritten too", name)
    registered = await change.require(RegisteredProvider, provider)
    injection.require_form(registered.provider, secret)
    key = await sealing_key(change, first_key)
    stored = await change.find(SealedSecret, name)
    if stored is not None and await _holds(change, stored, registered, secret):
        return
    version = stored.version + 1 if stored else 1
    async with soon():
        vault = change.office.vault
        sealed, fingerprint = await vault.seal_secret(change.tenant, key, registered.provider, name, version, secret)
    await count_uses(change.store, key)
    if stored is None:
        record = SealedSecret(
            project=change.project.id,
            name=name,
            provider=provider,
            version=version,
            fingerprint=fingerprint,
            sealed=sealed,
            created=change.moment,
            changed=change.moment,
        )
        await change.store.insert(record)
    else:
        fields = {"provider": provider, "version": version, "fingerprint": fingerprint}
        await change.store_changed(stored, sealed=sealed, changed=change.moment, **fields)
        await reckon(change, stored, await change.require(SealedSecret, name))
    change.note("secret.put", secret=name, provider=provider, version=version, fingerprint=fingerprint)


async def remove(change: ProjectChange, name: str) -> None:
    """Remove a secret; routes that inject it answer 503 from then on.

    Raises:
        DoesNotExistError: there is none.
        StillInUseError: a rotation needs it.
    """
    stored = await change.require(SealedSecret, name)
    await require_unused(change, secret=name)
    await forget(change, name)
    await change.remove(stored)
    change.note("secret.removed", secret=name)


async def first_key(office: Office, tenant: TenantId, project: ProjectId, values: int = 1) -> ProjectKey | None:
    """A fresh key for a project that has none, else None; what keys it has are open by then, and looked at when due.

    For before a transaction: all who write wait for one, and neither a derivation nor a key service is quick.

    Args:
        office: of the open keychain.
        tenant: whose project it is.
        project: its id.
        values: how many the transaction seals.

    Raises:
        DoesNotExistError: there is no such tenant.
    """
    async with office.store.reading(tenant) as store:
        owner = await require_tenant(store, tenant)
        keys = await every(store, ProjectKey, project)
    fresh = None if keys else await office.vault.new_project_key(owner, project, 1, office.now())
    await office.vault.open_keys(owner, keys if fresh is None else [fresh])
    await appoint(office, tenant, fresh or _newest(keys), values)
    if fresh is not None:
        await appoint_secret(office, tenant)
    return fresh


async def sealing_key(change: ProjectChange, first_key: ProjectKey | None) -> ProjectKey:
    """The newest key of the project, which is `first_key` where it had none; who seals with it counts that.

    Raises:
        ConflictError: `first_key` was derived from a tenant secret that is not the newest any more.
    """
    keys = await every(change.store, ProjectKey, change.project.id)
    if keys:
        return _newest(keys)
    if first_key is None:
        raise SecretUnavailableError
    if first_key.secret_number != change.tenant.secret_number:
        msg = f"the secret of the tenant {change.tenant.id!r} turned meanwhile: do it again"
        raise ConflictError(msg)
    await change.store.insert(first_key)
    change.note("key.created", version=first_key.version, number=first_key.number, kdf=first_key.kdf)
    return first_key


def _newest(keys: Sequence[ProjectKey]) -> ProjectKey:
    return max(keys, key=lambda key: key.number)


async def _holds(change: ProjectChange, stored: SealedSecret, registered: RegisteredProvider, secret: Secret) -> bool:
    """Whether the stored secret is this one, for this provider at the address that it has now."""
    keys = {key.version: key for key in await every(change.store, ProjectKey, change.project.id)}
    if stored.provider != registered.provider.name:
        return False
    try:
        async with soon():
            opened = await change.office.vault.open_secret(change.tenant, keys, stored, registered.provider)
    except SecretUnavailableError:
        return False
    return opened.matches(secret)
