"""The keys of the vault: made, wrapped, and held open for a while.

Python cannot wipe memory: an opened key is dropped after 5 minutes, not erased.

Source: contracts 5; spec 3.1 to 3.3.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from apikeychain.errors import SealedValueError
from apikeychain.loops import OfLoop
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.keys import SealContext
from apikeychain.model.records import DEFAULT_KEY_SERVICE, KDF, ProjectKey, Tenant
from apikeychain.primitives import KEY_BYTES, KEY_VERSION_BYTES, SALT_BYTES, random_bytes
from apikeychain.vault import contexts
from apikeychain.vault.cache import MAX_USES, Label, OpenedValues, always
from apikeychain.vault.derivation import derived_key, metadata, own_key
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.uses import without_uses
from apikeychain.vault.wrapping import unwrap_derived_key, unwrap_key, unwrap_tenant_secret


class OpenedKeys:
    """The keys of every tenant and project of a keychain. See `Vault`, of which this is a part."""

    def __init__(self, key_services: KeyServices, *, kdf: KDF, clock: Callable[[], float] = time.monotonic) -> None:
        self._key_services = key_services
        self._kdf: KDF = kdf
        self._keys: OpenedValues[bytes] = OpenedValues(clock, max_uses=MAX_USES)
        self._derivations = OfLoop(asyncio.Lock)

    async def new_tenant(self, tenant: TenantId, created: datetime, key_service: str = DEFAULT_KEY_SERVICE) -> Tenant:
        """A tenant with a fresh tenant secret and pseudonym key, both wrapped.

        Raises:
            InvalidValueError: there is no key service of that name.
            BackendUnavailableError: the key service does not answer.
        """
        wrap = self._key_services.named(key_service).wrap
        return Tenant(
            id=tenant,
            created=created,
            wrapped_secret=await wrap(random_bytes(KEY_BYTES), contexts.of_tenant_secret(tenant)),
            wrapped_pseudonym_key=await wrap(random_bytes(KEY_BYTES), contexts.of_pseudonym_key(tenant)),
            key_service=key_service,
        )

    async def new_project_key(self, tenant: Tenant, project: ProjectId, number: int, created: datetime) -> ProjectKey:
        """A fresh version of a project's key; takes about 0.2 s of a thread.

        Args:
            tenant: whose project it is.
            project: whose key it is.
            number: one more than the newest version of the project has, from 1.
            created: now.

        Raises:
            SealedValueError: the tenant secret does not unwrap.
            BackendUnavailableError: the key service does not answer.
        """
        version, master, salt = random_bytes(KEY_VERSION_BYTES), random_bytes(KEY_BYTES), random_bytes(SALT_BYTES)
        service = self._key_services.of(tenant)
        secret = await unwrap_tenant_secret(service, tenant, tenant.secret_number)
        async with self._derivations.here():
            derived = await asyncio.to_thread(
                derived_key,
                self._kdf,
                tenant_secret=secret,
                master_key=master,
                version=version,
                salt=salt,
            )
        bare = ProjectKey(
            project=project,
            version=version.hex(),
            number=number,
            created=created,
            kdf=self._kdf,
            salt=salt,
            wrapped_master=b"",
            wrapped_derived=b"",
            wrapped_metadata=b"",
            secret_number=tenant.secret_number,
        )
        return await self._wrapped(tenant, bare, master, derived)

    async def open_keys(self, tenant: Tenant, keys: Iterable[ProjectKey]) -> None:
        """Open a project's keys ahead of a use that has no time; one that does not open is told at that use.

        Raises:
            BackendUnavailableError: the key service does not answer.
        """
        for key in keys:
            with contextlib.suppress(SealedValueError):
                await self._derived_key(tenant, key)

    async def own_key(
        self, tenant: Tenant, key: ProjectKey, context: SealContext, *, current: Callable[[], bool] = always
    ) -> bytes:
        """The 32-byte key of another use of a version of the project's key than sealing. See `open_secret`.

        Raises:
            SealedValueError: the project's key does not open.
            BackendUnavailableError: the key service does not answer.
        """
        return own_key(await self._derived_key(tenant, key, current), context)

    def opened_own_key(self, tenant: Tenant, key: ProjectKey, context: SealContext) -> bytes | None:
        """The same, where the version of the project's key is open at this moment."""
        derived = self._keys.peek(key_label(tenant, key))
        return None if derived is None else own_key(derived, context)

    async def pseudonym_key(self, tenant: Tenant) -> bytes:
        """The 32-byte key of the pseudonyms in a tenant's ledger.

        Raises:
            SealedValueError: it does not unwrap.
            BackendUnavailableError: the key service does not answer.
        """
        wrapped = tenant.wrapped_pseudonym_key
        label = (tenant.id, None, (tenant.key_service, wrapped))
        held = self._keys.peek(label)
        if held is not None:
            return held
        context = contexts.of_pseudonym_key(tenant.id)
        return await self._keys.fetch(label, lambda: unwrap_key(self._key_services.of(tenant), wrapped, context))

    async def _wrapped(self, owner: Tenant, bare: ProjectKey, master: bytes, derived: bytes) -> ProjectKey:
        wrap, tenant = self._key_services.of(owner).wrap, owner.id
        project, version = bare.project, bare.version
        return replace(
            bare,
            wrapped_master=await wrap(master, contexts.of_master_key(tenant, project, version)),
            wrapped_derived=await wrap(derived, contexts.of_derived_key(tenant, project, version)),
            wrapped_metadata=await wrap(metadata(bare), contexts.of_metadata(tenant, project, version)),
        )

    async def _derived_key(self, tenant: Tenant, key: ProjectKey, current: Callable[[], bool] = always) -> bytes:
        async def opened() -> bytes:
            return await unwrap_derived_key(self._key_services.of(tenant), tenant.id, key)

        return await self._keys.fetch(key_label(tenant, key), opened, current)


def key_label(tenant: Tenant, key: ProjectKey) -> Label:
    """By what the derived key of a version is held open."""
    # All that a key is is the label: a column that changes is compared with the wrapped metadata again. So is the name
    # of the key service: what another one opened is not what this one would.
    return (tenant.id, key.project, (tenant.key_service, without_uses(key)))
