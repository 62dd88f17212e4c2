"""Whom each wrapped key and sealed value serves, said from trusted records.

Source: contracts 5, "Context".
"""

from apikeychain.model.asset import AssetTokenKey, AssetVersion
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.keys import KeyContext, SealContext
from apikeychain.model.provider import Provider


def of_probe() -> KeyContext:
    """A key that is thrown away: whether a key service answers at all."""
    return KeyContext(tenant="apikeychain", purpose="ready")


def of_tenant_secret(tenant: TenantId, number: int = 1) -> KeyContext:
    """A tenant secret that derived keys need; the first one bears no number."""
    return KeyContext(tenant=tenant, purpose="tenant-secret", version=str(number) if number > 1 else "")


def of_pseudonym_key(tenant: TenantId) -> KeyContext:
    """The key of the pseudonyms in a tenant's ledger."""
    return KeyContext(tenant=tenant, purpose="pseudonym")


def of_master_key(tenant: TenantId, project: ProjectId, version: str) -> KeyContext:
    """The random key behind a derived key."""
    return KeyContext(tenant=tenant, project=project, purpose="master", version=version)


def of_derived_key(tenant: TenantId, project: ProjectId, version: str) -> KeyContext:
    """The key that seals a project's values."""
    return KeyContext(tenant=tenant, project=project, purpose="derived", version=version)


def of_metadata(tenant: TenantId, project: ProjectId, version: str) -> KeyContext:
    """What a project key says of itself."""
    return KeyContext(tenant=tenant, project=project, purpose="metadata", version=version)


def of_secret(tenant: TenantId, project: ProjectId, provider: Provider, name: str, version: int) -> SealContext:
    """A provider's secret: where the provider's address is another, it does not open."""
    address = provider.address
    return SealContext(
        tenant=tenant,
        project=project,
        purpose="secret",
        name=name,
        version=version,
        scheme=address.scheme,
        host=address.host,
        port=address.port,
    )


def of_signing_key(tenant: TenantId, project: ProjectId, key_id: str) -> SealContext:
    """A key with which an application signs its calls."""
    return SealContext(tenant=tenant, project=project, purpose="signing-key", name=key_id)


def of_fingerprint_key(tenant: TenantId, project: ProjectId) -> SealContext:
    """The key of a project's fingerprints: no name and no version, so that equal secrets look alike."""
    return SealContext(tenant=tenant, project=project, purpose="fingerprint")


def of_asset_key(tenant: TenantId, version: AssetVersion) -> SealContext:
    """The key of the object that holds one version of an asset."""
    return SealContext(
        tenant=tenant, project=version.project, purpose="asset-key", name=version.path, version=version.number
    )


def of_asset(tenant: TenantId, version: AssetVersion) -> SealContext:
    """That object: moved to another path, number, project or tenant it does not open."""
    return SealContext(
        tenant=tenant, project=version.project, purpose="asset", name=version.path, version=version.number
    )


def of_asset_token_key(tenant: TenantId, project: ProjectId) -> SealContext:
    """The key of a project's asset tokens."""
    return SealContext(tenant=tenant, project=project, purpose="asset-token")


def of_old_asset_token_key(tenant: TenantId, old: AssetTokenKey) -> SealContext:
    """One that came from a version of the project's key that is gone."""
    return SealContext(tenant=tenant, project=old.project, purpose="asset-token-key", name=old.version)


def of_checkpoint_key(pair: str) -> KeyContext:
    """A seed of the pair of keys with that id, which signs checkpoints of all chains."""
    return KeyContext(tenant="platform", purpose="checkpoint", version=pair)
