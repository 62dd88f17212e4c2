"""Whether a stored project key is what its parts derive.

Source: contracts 5 (`doctor --deep`).
"""

import asyncio

from apikeychain.errors import SealedValueError
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.ports.key_service import KeyService
from apikeychain.primitives import equal
from apikeychain.vault import contexts
from apikeychain.vault.derivation import derived_key
from apikeychain.vault.wrapping import unwrap_derived_key, unwrap_key


async def rederive(keys: KeyService, tenant: Tenant, key: ProjectKey) -> None:
    """Derive the key again from the tenant secret and the master key, and compare; about 0.2 s of a thread.

    Raises:
        SealedValueError: it differs, a column was changed, or something does not unwrap.
        BackendUnavailableError: the key service does not answer.
    """
    stored = await unwrap_derived_key(keys, tenant.id, key)
    secret = await unwrap_key(keys, tenant.wrapped_secret, contexts.of_tenant_secret(tenant.id))
    context = contexts.of_master_key(tenant.id, key.project, key.version)
    master = await unwrap_key(keys, key.wrapped_master, context)
    derived = await asyncio.to_thread(
        derived_key, key.kdf, tenant_secret=secret, master_key=master, version=bytes.fromhex(key.version), salt=key.salt
    )
    if not equal(derived, stored):
        raise SealedValueError
