"""Whether the platform key is the one that this data needs: looked at when a keychain opens."""

import logging

from apikeychain.errors import DamagedDataError, KeyFileError, SealedValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.records import DEFAULT_KEY_SERVICE, Tenant
from apikeychain.ports.store import Store
from apikeychain.vault.vault import Vault

# Of how many tenants a key may fail to open what is stored before it is taken for a foreign one.
_TRIALS = 10
# Of as many tenants one is looked for whose keys the default wraps.
_LOOKS = 1000
_log = logging.getLogger("apikeychain")


async def require_own_key(store: Store, vault: Vault) -> None:
    """Refuse a default that opens nothing of what the store holds of its tenants: one alone may be damaged."""
    foreign, looked, after = 0, 0, ""
    while foreign < _TRIALS and looked < _LOOKS:
        tenants = await store.tenants(after, _TRIALS)
        for tenant in tenants:
            try:
                if await _has_opened(store, vault, tenant):
                    return
            except DamagedDataError as damaged:
                _log.error("%s", damaged)
            except SealedValueError:
                foreign += 1
        if len(tenants) < _TRIALS:
            break
        looked, after = looked + len(tenants), tenants[-1]
    if foreign:
        msg = "this platform key does not open what is stored: restore the one that belongs to this data"
        raise KeyFileError(msg)


async def _has_opened(store: Store, vault: Vault, tenant: TenantId) -> bool:
    async with store.reading(tenant) as records:
        stored = await records.get(Tenant, ())
    if stored is None or stored.erased is not None or stored.key_service != DEFAULT_KEY_SERVICE:
        return False
    await vault.pseudonym_key(stored)
    return True
