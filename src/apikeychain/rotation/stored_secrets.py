"""The secrets of one project as a rotator opens them: from the store, through the vault.

Source: contracts 5, 8.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import final

from apikeychain.errors import SealedValueError, SecretUnavailableError
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.network import Network
from apikeychain.model.provider import Provider
from apikeychain.model.records import ProjectKey, RegisteredProvider, SealedSecret, Tenant
from apikeychain.ports.rotator import Rotator
from apikeychain.ports.store import Store, TenantReader
from apikeychain.ports.upstream import Upstream
from apikeychain.primitives import key_version_of
from apikeychain.rotation.access import Access, Held
from apikeychain.rotation.rotators import rotator_of
from apikeychain.rotation.scene import Scene
from apikeychain.vault.vault import Vault


@final
class StoredSecrets:
    """See Secrets."""

    def __init__(self, store: Store, vault: Vault, tenant: TenantId, project: ProjectId) -> None:
        self._store, self._vault, self._tenant, self._project = store, vault, tenant, project

    async def open(self, name: str) -> Held:
        """See Secrets.open."""
        async with self._store.reading(self._tenant) as reader:
            sealed, provider = await self._row(reader, name)
            tenant = await reader.get(Tenant, ())
            key = await reader.get(ProjectKey, (self._project, _version(sealed)))
        if tenant is None or key is None:
            raise SecretUnavailableError
        # Sealed for the address that is returned with it: read apart, a secret could go to one that it was not put for.
        return Held(provider, await self._vault.open_secret(tenant, {key.version: key}, sealed, provider))

    async def _row(self, reader: TenantReader, name: str) -> tuple[SealedSecret, Provider]:
        sealed = await reader.get(SealedSecret, (self._project, name))
        if sealed is None:
            raise SecretUnavailableError
        registered = await reader.get(RegisteredProvider, (self._project, sealed.provider))
        if registered is None:
            raise SecretUnavailableError
        return sealed, registered.provider


def rotator_for(
    scene: Scene,
    *,
    store: Store,
    vault: Vault,
    upstream: Upstream,
    networks: Mapping[str, Network],
    now: Callable[[], datetime],
) -> Rotator:
    """The rotator of a rotation that is stored.

    Args:
        scene: the rotation, with the provider of its secret.
        store: in which it is.
        vault: opens its secrets.
        upstream: by which providers are reached.
        networks: the exceptions that host code made, by base URL.
        now: the wall clock, UTC.

    Raises:
        InvalidValueError: nothing of ours makes such keys.
        RotationRefusedError: `networks` lets one of its providers not be dialled, as a command's may not.
    """
    tenant, rotation = scene.tenant.id, scene.rotation
    access = Access(
        upstream=upstream,
        tenant=tenant,
        networks=networks,
        secret=rotation.secret,
        provider=scene.registered.provider,
        secrets=StoredSecrets(store, vault, tenant, rotation.project),
        now=now,
    )
    for registered in filter(None, (scene.registered, scene.key_api)):
        access.network(registered.provider)
    return rotator_of(rotation.how, access)


def _version(sealed: SealedSecret) -> str:
    try:
        return key_version_of(sealed.sealed).hex()
    except SealedValueError:
        raise SecretUnavailableError from None
