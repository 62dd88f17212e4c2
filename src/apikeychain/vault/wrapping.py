"""What comes back from a key service is looked at before it is used.

Source: contracts 5; spec 3.2 (key hierarchy).
"""

from apikeychain.errors import SealedValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.ports.key_service import KeyService
from apikeychain.primitives import KEY_BYTES, equal, random_bytes
from apikeychain.vault import contexts
from apikeychain.vault.derivation import metadata


async def goes_round(keys: KeyService, context: KeyContext) -> bool:
    """Whether a fresh key comes out again as it went in. Nothing of it is kept.

    Raises:
        SealedValueError: it does not unwrap.
        BackendUnavailableError: the key service does not answer.
    """
    key = random_bytes(KEY_BYTES)
    return equal(await keys.unwrap(await keys.wrap(key, context), context), key)


async def unwrap_key(keys: KeyService, wrapped: bytes, context: KeyContext) -> bytes:
    """The 32-byte key.

    Raises:
        SealedValueError: it does not unwrap, or has another length.
        BackendUnavailableError: the key service does not answer.
    """
    key = await keys.unwrap(wrapped, context)
    if len(key) != KEY_BYTES:
        raise SealedValueError
    return key


async def unwrap_tenant_secret(keys: KeyService, tenant: Tenant, number: int) -> bytes:
    """The tenant secret of that number: the one of today, or the one before while it is kept.

    Raises:
        SealedValueError: it does not unwrap, or is not kept.
        BackendUnavailableError: the key service does not answer.
    """
    kept = {tenant.secret_number: tenant.wrapped_secret, tenant.secret_number - 1: tenant.wrapped_old_secret}
    wrapped = kept.get(number)
    if not wrapped:
        raise SealedValueError
    return await unwrap_key(keys, wrapped, contexts.of_tenant_secret(tenant.id, number))


async def unwrap_derived_key(keys: KeyService, tenant: TenantId, key: ProjectKey) -> bytes:
    """The derived key of a version whose columns are what its wrapped metadata say.

    Raises:
        SealedValueError: a column was changed, or something does not unwrap.
        BackendUnavailableError: the key service does not answer.
    """
    told = await keys.unwrap(key.wrapped_metadata, contexts.of_metadata(tenant, key.project, key.version))
    if not equal(told, metadata(key)):
        raise SealedValueError
    return await unwrap_key(keys, key.wrapped_derived, contexts.of_derived_key(tenant, key.project, key.version))
