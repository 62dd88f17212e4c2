"""Alerts that wait in a store, and sinks that take them, fail, hang or break."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from apikeychain import agenda
from apikeychain.alerts import outbox
from apikeychain.alerts.reading import waiting_of
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.alert import Alert, OutgoingAlert
from apikeychain.model.errand import Errand
from apikeychain.model.ids import TenantId
from apikeychain.ports.store import Store
from apikeychain.testing.alert_sink import ALERT

ACME, GLOBEX = TenantId("acme"), TenantId("globex")
EVER = datetime.max.replace(tzinfo=ALERT.at.tzinfo)


@dataclass
class Sink:
    """See AlertSink.

    Attributes:
        taken: the ids of what it took, in order.
        faults: raised by the next sendings, each once; None lets one pass.
        refused: ids that it never takes.
        passing: what each sending waits for.
        waits: how many wait now, and `most` did at once.
    """

    taken: list[str] = field(default_factory=list[str])
    faults: list[Exception | None] = field(default_factory=list[Exception | None])
    refused: set[str] = field(default_factory=set[str])
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    is_down: bool = False
    waits: int = 0
    most: int = 0
    asked: int = 0

    def __post_init__(self) -> None:
        self.passing.set()

    async def send(self, alert: Alert) -> None:
        self.asked += 1
        self.waits += 1
        self.most = max(self.most, self.waits)
        try:
            await self.passing.wait()
        finally:
            self.waits -= 1
        fault = self.faults.pop(0) if self.faults else None
        if fault:
            raise fault
        if self.is_down or alert.id in self.refused:
            raise BackendUnavailableError(DOWN)
        self.taken.append(alert.id)


DOWN = "it was pulled"


def alert(tenant: TenantId = ACME, at: datetime = ALERT.at) -> Alert:
    return Alert(
        id=outbox.new_id(),
        at=at,
        tenant=tenant,
        topic="rotation.refused",
        severity="warning",
        what="something happened",
        why="it was seen",
        done="nothing",
    )


async def filed(store: Store, now: datetime, *tenants: TenantId, each: int = 1) -> list[str]:
    """The ids of alerts that were announced and filed, as whoever has one does it."""
    ids: list[str] = []
    for tenant in tenants or (ACME,):
        await outbox.announce(store, tenant, now)
        async with store.tenant(tenant) as records:
            ids += [(await outbox.file(records, alert(tenant, now))).alert.id for _ in range(each)]
    return ids


async def waiting(store: Store, tenant: TenantId = ACME) -> list[OutgoingAlert]:
    async with store.reading(tenant) as records:
        return (await waiting_of(records)).alerts


async def errands(store: Store) -> list[Errand]:
    return [*await agenda.due(store, outbox.TOPIC, EVER)]
