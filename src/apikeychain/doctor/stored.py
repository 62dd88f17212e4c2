"""Looks through what is stored of every tenant."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime

from apikeychain import agenda
from apikeychain.doctor import verdicts
from apikeychain.doctor.finding import Finding, told
from apikeychain.doctor.keys import look_deeper, opens
from apikeychain.listing import every
from apikeychain.model.asset import LooseObject
from apikeychain.model.ids import TenantId
from apikeychain.model.records import AddedRoute, ProjectKey, SealedSecret, Tenant
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.store import Store
from apikeychain.tenants.asset_objects import PUTTING, TOPIC

_PAGE = 500
_SUMMED = (("key service", "the platform key opens what is stored"), ("routes", "none forwards undeclared parameters"),
           ("secrets", "none is short"), ("uploads", "no upload left anything behind"))  # fmt: skip


async def look_at_stored(store: Store, keys: Mapping[str, KeyService | None], *, deep: bool) -> list[Finding]:
    """What is to be told of any tenant; where nothing is, one line for each thing that was looked at.

    Args:
        store: which is not open.
        keys: the key services by name; None for one that does not work, which was told already.
        deep: whether every project key is derived again.

    Raises:
        BackendUnavailableError: the store does not answer.
    """
    found, now = list[Finding](), datetime.now(UTC)
    async for tenant in _tenants(store):
        found += await told("tenants", _of_tenant(store, keys, tenant, now, deep))
    found += verdicts.of_ended(len(await agenda.due(store, TOPIC, now - PUTTING)))
    silent = {check for check, _ in _SUMMED} - {finding.check for finding in found}
    return found + [Finding(check, "ok", what) for check, what in _SUMMED if check in silent]


async def _of_tenant(
    store: Store,
    services: Mapping[str, KeyService | None],
    id_: TenantId,
    now: datetime,
    deep: bool,  # noqa: FBT001  # as it was asked
) -> Sequence[Finding]:
    async with store.reading(id_) as reader:
        tenant = await reader.get(Tenant, ())
        routes, secrets = await every(reader, AddedRoute), await every(reader, SealedSecret)
        loose = await every(reader, LooseObject)
        project_keys = await every(reader, ProjectKey) if deep else []
    if tenant is not None and tenant.erased is not None:
        return []
    old = sum(one.since <= now - PUTTING for one in loose)
    found = [*verdicts.of_routes(id_, routes), *verdicts.of_secrets(id_, secrets), *verdicts.of_loose(id_, old)]
    if tenant and tenant.key_service not in services:
        what, advice = f"the key service {tenant.key_service!r} of {id_} is not given", "name it, or move the tenant"
        return [*found, Finding("key service", "failure", what, advice)]
    keys = services[tenant.key_service] if tenant else None
    if tenant is None or keys is None:
        return found
    if not await opens(keys, tenant):
        what = f"the platform key does not open what is stored of {id_}"
        return [*found, Finding("key service", "failure", what, "restore the one that belongs to this data")]
    return found + await look_deeper(keys, tenant, project_keys)


async def _tenants(store: Store) -> AsyncGenerator[TenantId, None]:
    after = ""
    while page := await store.tenants(after, _PAGE):
        for tenant in page:
            yield tenant
        after = page[-1]
