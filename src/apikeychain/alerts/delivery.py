"""The worker that delivers alerts: it looks every second who has some, and sends them until every sink has them.

It goes by the agenda and reads no tenant that has nothing to say. A lease of the tenant says which worker sends; one
that dies lets go by itself, and what it had not noted is sent again with the same id. Nothing that fails ends the
worker: what was not done is done when it is looked at the next time.

Source: contracts 8; architecture, "State, and many workers".
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import final

from apikeychain import agenda
from apikeychain.alerts.outbox import TOPIC
from apikeychain.alerts.outlet import SEND_SECONDS, outlets
from apikeychain.alerts.posting import Posting
from apikeychain.alerts.reading import waiting_of
from apikeychain.errors import APIKeyChainError, BackendUnavailableError
from apikeychain.frames import frames_of
from apikeychain.ledger.turn import lease
from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.errand import Errand
from apikeychain.model.ids import TenantId
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.store import Store

LOOK_SECONDS = 1.0
LEASE = "alerts"
# Longer than the renewal and one sending take together.
LEASE_SECONDS = 120.0
_RENEW_SECONDS = 20.0
# After as long it is looked whether what could not be read was restored.
_RESTORED = timedelta(hours=1)
# As many tenants at once, and as many alerts of one.
_TENANTS, _ALERTS = 16, 16
_log = logging.getLogger("apikeychain.alerts")


@final
class Delivery:
    """Delivers the alerts of one store.

    Args:
        store: where alerts wait.
        sinks: where they go, by name: the same in every worker.
        now: the wall clock, UTC.
        clock: seconds that only grow.
        seconds: that a sink has for an alert.
    """

    def __init__(
        self,
        store: Store,
        sinks: Mapping[str, AlertSink],
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float] = time.monotonic,
        seconds: float = SEND_SECONDS,
    ) -> None:
        self._store, self._now, self._clock = store, now, clock
        self._outlets = outlets(sinks, seconds)
        self._visits: dict[TenantId, asyncio.Task[None]] = {}
        self._places = asyncio.Semaphore(_TENANTS)
        self._told: dict[str, str] = {}

    async def run(self) -> None:
        """Deliver what comes, until cancelled. Raises nothing."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            left = [*self._visits.values()]
            for visit in left:
                visit.cancel()
            if left:
                await asyncio.wait(left)

    async def look(self) -> None:
        """Begin to deliver what is due now. Raises nothing, and waits for no sink."""
        try:
            errands = await agenda.due(self._store, TOPIC, self._now())
        except Exception as error:  # noqa: BLE001 - a store that breaks in whatever way must not end the delivery
            self._tell("", _why(error))
            return
        self._tell("", "")
        for errand in errands:
            if errand.tenant not in self._visits:
                self._visits[errand.tenant] = asyncio.create_task(self._visit(errand))

    async def settled(self) -> None:
        """Wait until nothing is under way that was begun before."""
        if self._visits:
            await asyncio.wait([*self._visits.values()])

    async def _visit(self, errand: Errand) -> None:
        """Deliver what a tenant has, and tell what kept from it, once."""
        why = ""
        try:
            async with self._places:
                await self._deliver(errand)
        except Exception as error:  # noqa: BLE001 - what breaks with one tenant must not keep the others waiting
            why = _why(error)
        finally:
            del self._visits[errand.tenant]
        self._tell(errand.tenant, why)

    async def _deliver(self, errand: Errand) -> None:
        turn = _Turn(self._store, errand.tenant, self._clock)
        if not await turn.keep():
            return
        try:
            due = await self._send_all(turn)
        finally:
            await turn.end()
        await agenda.settle(self._store, errand, due)

    async def _send_all(self, turn: "_Turn") -> datetime | None:
        """When something is due next."""
        async with self._store.reading(turn.tenant) as records:
            waiting = await waiting_of(records)
        self._tell(f"{turn.tenant}, damaged", "; ".join(waiting.damaged))
        places, now = asyncio.Semaphore(_ALERTS), self._now()

        async def send(outgoing: OutgoingAlert) -> datetime | None:
            async with places:
                return await Posting(self._store, outgoing, self._outlets).go(self._now) if await turn.keep() else now

        ready = [outgoing for outgoing in waiting.alerts if outgoing.after <= now]
        came = await asyncio.gather(*map(send, ready), return_exceptions=True)
        for fault in came:
            if isinstance(fault, BaseException):
                raise fault
        dues = [*came, *(outgoing.after for outgoing in waiting.alerts if outgoing.after > now)]
        if waiting.damaged:
            dues.append(now + _RESTORED)
        return min((due for due in dues if isinstance(due, datetime)), default=None)

    def _tell(self, what: str, why: str) -> None:
        if why and self._told.get(what) != why:
            _log.error("alerts%s wait: %s", f" of {what}" if what else "", why)
        if why:
            self._told[what] = why
        else:
            self._told.pop(what, None)


class _Turn:
    """The turn to send what a tenant has, while it is held."""

    def __init__(self, store: Store, tenant: TenantId, clock: Callable[[], float]) -> None:
        self._store, self.tenant, self._clock = store, tenant, clock
        self._until, self._asking = -1.0, asyncio.Lock()

    async def keep(self) -> bool:
        """Whether it is ours, renewed where that is time."""
        async with self._asking:
            if self._clock() < self._until:
                return True
            until = self._clock() + _RENEW_SECONDS
            is_ours = await lease(self._store, LEASE, LEASE_SECONDS, self.tenant)
            self._until = until if is_ours else -1.0
            return is_ours

    async def end(self) -> None:
        """Let it go. Where the store is away it ends by itself."""
        with contextlib.suppress(BackendUnavailableError):
            await lease(self._store, LEASE, 0, self.tenant)


def _why(error: Exception) -> str:
    if isinstance(error, BackendUnavailableError):
        return f"the store does not answer: {error.hint}"
    if isinstance(error, APIKeyChainError):
        return str(error) or type(error).__name__
    return f"there is a fault\n{frames_of(error)}"
