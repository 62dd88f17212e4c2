"""Alerts wait in the store until every sink has taken them.

Source: contracts 8 ("an outbox in the store so that none is lost").
"""

import secrets
from datetime import UTC, datetime

from apikeychain import agenda
from apikeychain.alerts.reading import ID_BEGIN, ID_BYTES, Waiting, waiting_of
from apikeychain.model.alert import Alert, OutgoingAlert
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store, TenantStore

TOPIC = "alerts"
_EVER = datetime.max.replace(tzinfo=UTC)


def new_id() -> str:
    """The id of a new alert."""
    return f"{ID_BEGIN}{secrets.token_hex(ID_BYTES)}"


async def announce(store: Store, tenant: TenantId, now: datetime) -> None:
    """Have it looked at whether the tenant has alerts: before the transaction that may `file` one."""
    await agenda.note(store, TOPIC, tenant, "", now)


async def file(records: TenantStore, alert: Alert, *, after: datetime | None = None) -> OutgoingAlert:
    """Write an alert down in the transaction of what it is about; `announce` was called before.

    Args:
        records: of the tenant that the alert concerns.
        alert: with a `new_id`.
        after: no sending before this moment; at once without it.
    """
    outgoing = OutgoingAlert(alert=alert, after=after or alert.at)
    await records.insert(outgoing)
    return outgoing


async def waiting(store: Store) -> Waiting:
    """All alerts, of all tenants, that not every sink has taken."""
    found = Waiting()
    for tenant in dict.fromkeys(errand.tenant for errand in await agenda.due(store, TOPIC, _EVER)):
        async with store.reading(tenant) as records:
            of_tenant = await waiting_of(records)
        found.alerts.extend(of_tenant.alerts)
        found.damaged.extend(of_tenant.damaged)
    return found
