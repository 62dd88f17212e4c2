"""The vault: makes and holds keys, seals and opens secrets.

A value that was rolled back alone does not open, since its version is in its context. What this cannot see is a whole
row put back to an earlier state, value and version together: the audit ledger tells of it. Python cannot wipe memory:
an opened key or secret is dropped after 5 minutes, not erased.

Source: contracts 5; spec 3.1 to 3.3.
"""

import time
from collections.abc import Callable, Mapping

from apikeychain.errors import InvalidValueError, SealedValueError, SecretUnavailableError
from apikeychain.model.ids import ProjectId
from apikeychain.model.keys import SealContext
from apikeychain.model.provider import Provider
from apikeychain.model.records import KDF, ProjectKey, SealedSecret, SigningKey, Tenant
from apikeychain.primitives import (
    key_version_of,
    open_value,
    seal_value,
)
from apikeychain.secret import Secret
from apikeychain.vault import contexts
from apikeychain.vault.cache import Label, OpenedValues, always
from apikeychain.vault.derivation import fingerprint
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.opened_keys import OpenedKeys, key_label


class Vault(OpenedKeys):
    """Envelope encryption for every tenant of a keychain.

    Args:
        key_services: who holds the platform key of each tenant.
        kdf: how new project keys are derived; older ones keep theirs.
        clock: seconds that only grow.
    """

    def __init__(self, key_services: KeyServices, *, kdf: KDF, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(key_services, kdf=kdf, clock=clock)
        self._secrets: OpenedValues[Secret] = OpenedValues(clock)

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
        return await self.seal_text(tenant, key, contexts.of_signing_key(tenant.id, key.project, key_id), text)

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

    async def seal_text(self, tenant: Tenant, key: ProjectKey, context: SealContext, text: Secret) -> bytes:
        """The sealed value of a text of the project's own. See `seal_secret`."""
        derived = await self._derived_key(tenant, key)
        return seal_value(derived, bytes.fromhex(key.version), text.reveal(), context.encoded)

    async def open_text(
        self,
        tenant: Tenant,
        keys: Mapping[str, ProjectKey],
        sealed: bytes,
        context: SealContext,
        *,
        current: Callable[[], bool] = always,
    ) -> Secret:
        """The text that `seal_text` sealed. See `open_secret`."""
        label = (tenant.id, ProjectId(context.project), (tenant.key_service, (context, sealed)))
        return await self._fetch(tenant, label, keys, sealed, context, current)

    def forget(self, project: ProjectId | None) -> None:
        """Drop every opened key and secret of a project whose generation changed, or of all."""
        self._keys.forget(project)
        self._secrets.forget(project)

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
            return self._keys.until(key_label(tenant, keys[key_version_of(sealed).hex()]))

        return await self._secrets.fetch(label, opened, current, ends)


def _label(tenant: Tenant, sealed: SealedSecret, provider: Provider) -> Label:
    # The sealed bytes are part of it: a name that was removed and put again counts its versions from 1 anew.
    row = (sealed.name, sealed.version, sealed.provider, sealed.sealed, provider.name, provider.base_url)
    return (tenant.id, sealed.project, (tenant.key_service, row))


def _signing_label(tenant: Tenant, stored: SigningKey) -> Label:
    return (tenant.id, stored.project, (tenant.key_service, (stored.id, stored.sealed)))
