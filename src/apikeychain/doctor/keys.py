"""Looks at the key service: whether a key goes in and out, and whether stored keys are what they should be."""

from collections.abc import Iterable, Sequence

from apikeychain.doctor.finding import Finding
from apikeychain.errors import SealedValueError
from apikeychain.model.keys import KeyContext
from apikeychain.model.records import ProjectKey, Tenant
from apikeychain.ports.key_service import KeyService
from apikeychain.vault import contexts
from apikeychain.vault.turn import rederive
from apikeychain.vault.wrapping import goes_round, unwrap_key

_CHECK = "key service"
_CONTEXT = KeyContext(tenant="apikeychain", purpose="doctor")


async def look_at_keys(keys: KeyService) -> Sequence[Finding]:
    """Wrap a key and unwrap it. Nothing is stored.

    Raises:
        BackendUnavailableError: it does not answer.
    """
    if await goes_round(keys, _CONTEXT):
        return [Finding(_CHECK, "ok", "a key goes in and comes out again")]
    return [Finding(_CHECK, "failure", "what it unwraps is not what was wrapped", "keep it from serving")]


async def opens(keys: KeyService, tenant: Tenant) -> bool:
    """Whether the platform key is the one that belongs to what is stored.

    Raises:
        BackendUnavailableError: the key service does not answer.
    """
    try:
        await unwrap_key(keys, tenant.wrapped_pseudonym_key, contexts.of_pseudonym_key(tenant.id))
    except SealedValueError:
        return False
    return True


async def look_deeper(keys: KeyService, tenant: Tenant, stored: Iterable[ProjectKey]) -> list[Finding]:
    """Derive each key of a tenant's projects again, and compare; about 0.2 s each.

    Raises:
        BackendUnavailableError: the key service does not answer.
    """
    found: list[Finding] = []
    for key in stored:
        name = f"version {key.number} of the key of {tenant.id}/{key.project}"
        try:
            derives = await rederive(keys, tenant, key)
        except SealedValueError:
            derives = False
        if derives:
            found.append(Finding("project keys", "ok", f"{name} is what its parts derive"))
        else:
            told = f"{name} is not what its parts derive, or was changed"
            found.append(Finding("project keys", "failure", told, "restore it from a backup"))
    return found
