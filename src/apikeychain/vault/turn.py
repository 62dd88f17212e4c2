"""Keys turn: everything is wrapped anew, a tenant gets its next secret, and keys are proved to be what they should be.

Whoever calls these stores what they return in place of the record that was given. The old platform key version may
be retired when every record of every tenant was stored anew; from then on no copy of the old rows opens. How the
values of a project come under its next key stands in `resealing`.

Source: contracts 5, "Rotation"; spec 3.3.
"""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Protocol, final

from apikeychain.model.ids import TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.ports.key_service import KeyService
from apikeychain.primitives import KEY_BYTES, equal, random_bytes
from apikeychain.vault import contexts
from apikeychain.vault.derivation import derived_key
from apikeychain.vault.wrapping import unwrap_derived_key, unwrap_key, unwrap_tenant_secret


class Rewraps(Protocol):
    """What wraps a key anew: a key service, or two of which one hands over to the other."""

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """See KeyService.rewrap."""
        ...


@final
class Handover:
    """Wraps anew with another key service.

    Args:
        old: who wrapped it.
        new: who wraps it from now on.
    """

    def __init__(self, old: KeyService, new: KeyService) -> None:
        self._old, self._new = old, new

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """The same key under the newest version of the new service; it passes through this process."""
        return await self._new.wrap(await self._old.unwrap(wrapped, context), context)


@final
class Proof:
    """Wraps nothing anew: shows that what is wrapped opens.

    Args:
        key_service: that has to open it.
    """

    def __init__(self, key_service: KeyService) -> None:
        self._key_service = key_service

    async def rewrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        """The same, which unwraps at this moment."""
        await self._key_service.unwrap(wrapped, context)
        return wrapped


async def rewrap_tenant(key_service: Rewraps, tenant: Tenant) -> Tenant:
    """The next generation of a tenant's record, its keys wrapped under the newest platform key.

    Raises:
        SealedValueError: a key does not unwrap.
        BackendUnavailableError: the key service does not answer.
    """
    rewrap, number, old = key_service.rewrap, tenant.secret_number, tenant.wrapped_old_secret
    return replace(
        tenant,
        wrapped_secret=await rewrap(tenant.wrapped_secret, contexts.of_tenant_secret(tenant.id, number)),
        wrapped_old_secret=await rewrap(old, contexts.of_tenant_secret(tenant.id, number - 1)) if old else b"",
        wrapped_pseudonym_key=await rewrap(tenant.wrapped_pseudonym_key, contexts.of_pseudonym_key(tenant.id)),
        generation=tenant.generation + 1,
    )


async def rewrap_project_key(key_service: Rewraps, tenant: TenantId, key: ProjectKey) -> ProjectKey:
    """The next generation of a project key's record, everything in it wrapped under the newest platform key.

    Raises:
        SealedValueError: something in it does not unwrap.
        BackendUnavailableError: the key service does not answer.
    """
    rewrap, project, version = key_service.rewrap, key.project, key.version
    return replace(
        key,
        wrapped_master=await rewrap(key.wrapped_master, contexts.of_master_key(tenant, project, version)),
        wrapped_derived=await rewrap(key.wrapped_derived, contexts.of_derived_key(tenant, project, version)),
        wrapped_metadata=await rewrap(key.wrapped_metadata, contexts.of_metadata(tenant, project, version)),
        generation=key.generation + 1,
    )


async def next_secret(key_service: KeyService, tenant: Tenant, created: datetime) -> Tenant:
    """The next generation of a tenant's record, with a fresh secret, and the one before kept beside it.

    Args:
        key_service: of the tenant.
        tenant: as it is stored.
        created: now.

    Raises:
        BackendUnavailableError: the key service does not answer.
    """
    number = tenant.secret_number + 1
    return replace(
        tenant,
        wrapped_secret=await key_service.wrap(random_bytes(KEY_BYTES), contexts.of_tenant_secret(tenant.id, number)),
        wrapped_old_secret=tenant.wrapped_secret,
        secret_number=number,
        secret_created=created,
        generation=tenant.generation + 1,
    )


async def rederive(key_service: KeyService, tenant: Tenant, key: ProjectKey) -> bool:
    """Whether tenant secret, master key and salt still give the derived key that is in use.

    Raises:
        SealedValueError: something does not unwrap, or a column is not what the wrapped metadata say.
        BackendUnavailableError: the key service does not answer.
    """
    master_context = contexts.of_master_key(tenant.id, key.project, key.version)
    kept = await unwrap_derived_key(key_service, tenant.id, key)
    derived = await asyncio.to_thread(
        derived_key,
        key.kdf,
        tenant_secret=await unwrap_tenant_secret(key_service, tenant, key.secret_number),
        master_key=await unwrap_key(key_service, key.wrapped_master, master_context),
        version=bytes.fromhex(key.version),
        salt=key.salt,
    )
    return equal(derived, kept)
