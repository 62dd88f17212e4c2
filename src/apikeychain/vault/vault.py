"""The vault: makes and holds keys, seals and opens secrets.

A value that was rolled back alone does not open, since its version is in its context. What this cannot see is a whole
row put back to an earlier state, value and version together: the audit ledger tells of it. Python cannot wipe memory:
an opened key or secret is dropped after 5 minutes, not erased.

Source: contracts 5; spec 3.1 to 3.3.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from apikeychain.errors import InvalidValueError, SealedValueError, SecretUnavailableError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.keys import SealContext
from apikeychain.model.provider import Provider
from apikeychain.model.records import DEFAULT_KEY_SERVICE, KDF, ProjectKey, SealedSecret, SigningKey, Tenant
from apikeychain.primitives import (
    KEY_BYTES,
    KEY_VERSION_BYTES,
    SALT_BYTES,
    key_version_of,
    open_value,
    random_bytes,
    seal_value,
)
from apikeychain.secret import Secret
from apikeychain.vault import contexts
from apikeychain.vault.cache import MAX_USES, Label, OpenedValues, always
from apikeychain.vault.derivation import derived_key, fingerprint, metadata
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.uses import without_uses
from apikeychain.vault.wrapping import unwrap_derived_key, unwrap_key, unwrap_tenant_secret


class Vault:
    """Envelope encryption for every tenant of a keychain.

    Args:
        key_services: who holds the platform key of each tenant.
        kdf: how new project keys are derived; older ones keep theirs.
        clock: seconds that only grow.
    """

    def __init__(self, key_services: KeyServices, *, kdf: KDF, clock: Callable[[], float] = time.monotonic) -> None:
        self._key_services = key_services
        self._kdf: KDF = kdf
        self._keys: OpenedValues[bytes] = OpenedValues(clock, max_uses=MAX_USES)
        self._secrets: OpenedValues[Secret] = OpenedValues(clock)
        self._derivations: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

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
        async with self._one_at_a_time():
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

    async def seal_secret(  # noqa: PLR0917 - everything that the value is bound to, in the order of the context
        self,
        tenant: Tenant,
        key: ProjectKey,
        provider: Provider,
        name: str,
        version: int,
        secret: Secret,
    ) -> tuple[bytes, str]:
        """The sealed value of a provider's secret, and its fingerprint.

        Args:
            tenant: whose secret it is.
            key: the newest version of the project's key.
            provider: the only one that it will open for, at the address it has now.
            name: of the secret.
            version: counts how often it was put, from 1.
            secret: the plaintext in its coat.

        Raises:
            SealedValueError: the project's key does not open.
            BackendUnavailableError: the key service does not answer.
        """
        derived = await self._derived_key(tenant, key)
        context = contexts.of_secret(tenant.id, key.project, provider, name, version)
        sealed = seal_value(derived, bytes.fromhex(key.version), secret.reveal(), context.encoded)
        return sealed, fingerprint(derived, contexts.of_fingerprint_key(tenant.id, key.project), secret)

    async def fingerprint(self, tenant: Tenant, key: ProjectKey, secret: Secret) -> str:
        """16 hex digits, equal for equal secrets under one version of a project's key.

        Raises:
            SealedValueError: the project's key does not open.
            BackendUnavailableError: the key service does not answer.
        """
        derived = await self._derived_key(tenant, key)
        return fingerprint(derived, contexts.of_fingerprint_key(tenant.id, key.project), secret)

    async def open_keys(self, tenant: Tenant, keys: Iterable[ProjectKey]) -> None:
        """Open a project's keys ahead of a use that has no time; one that does not open is told at that use.

        Raises:
            BackendUnavailableError: the key service does not answer.
        """
        for key in keys:
            with contextlib.suppress(SealedValueError):
                await self._derived_key(tenant, key)

    def opened(self, tenant: Tenant, sealed: SealedSecret, provider: Provider) -> Secret | None:
        """The secret, if `open_secret` opened the same row for the same provider a short while ago."""
        return self._secrets.peek(_label(tenant, sealed, provider))

    async def open_secret(
        self,
        tenant: Tenant,
        keys: Mapping[str, ProjectKey],
        sealed: SealedSecret,
        provider: Provider,
        *,
        current: Callable[[], bool] = always,
    ) -> Secret:
        """The secret of a row.

        Args:
            tenant: whose project it is.
            keys: the versions of the project's key, by version.
            sealed: the row.
            provider: the stored provider that the row names.
            current: whether the project is still as it was read; asked when it is open, and if not, neither the
                secret nor its key is kept.

        Raises:
            SecretUnavailableError: it does not open: tampered with, moved, put for another address, its key gone.
            BackendUnavailableError: the key service does not answer.
        """
        if sealed.provider != provider.name:
            raise SecretUnavailableError
        context = contexts.of_secret(tenant.id, sealed.project, provider, sealed.name, sealed.version)
        label = _label(tenant, sealed, provider)
        return await self._fetch(tenant, label, keys, sealed.sealed, context, current)

    async def seal_signing_key(self, tenant: Tenant, key: ProjectKey, key_id: str, text: Secret) -> bytes:
        """The sealed value of a signing key. See `seal_secret`."""
        derived = await self._derived_key(tenant, key)
        context = contexts.of_signing_key(tenant.id, key.project, key_id)
        return seal_value(derived, bytes.fromhex(key.version), text.reveal(), context.encoded)

    def opened_signing_key(self, tenant: Tenant, stored: SigningKey) -> Secret | None:
        """The text of a signing key, if `open_signing_key` opened the same row a short while ago."""
        return self._secrets.peek(_signing_label(tenant, stored))

    async def open_signing_key(
        self,
        tenant: Tenant,
        keys: Mapping[str, ProjectKey],
        stored: SigningKey,
        *,
        current: Callable[[], bool] = always,
    ) -> Secret:
        """The text of a signing key. See `open_secret`."""
        context = contexts.of_signing_key(tenant.id, stored.project, stored.id)
        return await self._fetch(tenant, _signing_label(tenant, stored), keys, stored.sealed, context, current)

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

    def forget(self, project: ProjectId | None) -> None:
        """Drop every opened key and secret of a project whose generation changed, or of all."""
        self._keys.forget(project)
        self._secrets.forget(project)

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

        return await self._keys.fetch(_key_label(tenant, key), opened, current)

    async def _fetch(  # noqa: PLR0917 - whose, which, with what, what, bound to what, and whether to keep it
        self,
        tenant: Tenant,
        label: Label,
        keys: Mapping[str, ProjectKey],
        sealed: bytes,
        context: SealContext,
        current: Callable[[], bool],
    ) -> Secret:
        async def opened() -> Secret:
            try:
                key = keys.get(key_version_of(sealed).hex())
                if key is None:
                    raise SecretUnavailableError
                derived = await self._derived_key(tenant, key, current)
                # Every byte decodes here, so that what is no secret is refused by Secret, whose error shows nothing.
                return Secret(open_value(derived, sealed, context.encoded).decode("latin-1"))
            except (SealedValueError, InvalidValueError):
                raise SecretUnavailableError from None

        def ends() -> float:
            # A secret does not outlive the key that opened it: 5 minutes after a key service was closed to us, all is.
            return self._keys.until(_key_label(tenant, keys[key_version_of(sealed).hex()]))

        return await self._secrets.fetch(label, opened, current, ends)

    def _one_at_a_time(self) -> asyncio.Lock:
        loop = asyncio.get_running_loop()
        if self._derivations is None or self._derivations[0] is not loop:
            self._derivations = (loop, asyncio.Lock())
        return self._derivations[1]


def _key_label(tenant: Tenant, key: ProjectKey) -> Label:
    # All that a key is is the label: a column that changes is compared with the wrapped metadata again. So is the name
    # of the key service: what another one opened is not what this one would.
    return (tenant.id, key.project, (tenant.key_service, without_uses(key)))


def _label(tenant: Tenant, sealed: SealedSecret, provider: Provider) -> Label:
    # The sealed bytes are part of it: a name that was removed and put again counts its versions from 1 anew.
    row = (sealed.name, sealed.version, sealed.provider, sealed.sealed, provider.name, provider.base_url)
    return (tenant.id, sealed.project, (tenant.key_service, row))


def _signing_label(tenant: Tenant, stored: SigningKey) -> Label:
    return (tenant.id, stored.project, (tenant.key_service, (stored.id, stored.sealed)))
