"""One alert on its way: sent to each sink that has not taken it, noted after each, and removed after the last.

Whatever ends in between, the record says at every moment who has it for sure; a sink that took it just before is sent
it once more, with the same id.

Source: contracts 8.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, final

from apikeychain.alerts.outlet import Outlet
from apikeychain.errors import ConflictError
from apikeychain.model.alert import OutgoingAlert
from apikeychain.ports.store import Store
from apikeychain.rules.backoff import draw_of, pause_seconds


@final
class Posting:
    """What sends one alert, once to each sink.

    Args:
        store: that has it.
        outgoing: as it is stored.
        outlets: of all sinks, by name.

    Attributes:
        reasons: why which sink did not take it, "" where it did; grows with what is sent.
    """

    def __init__(self, store: Store, outgoing: OutgoingAlert, outlets: Mapping[str, Outlet]) -> None:
        self._store, self._outgoing, self._outlets = store, outgoing, outlets
        self._writing = asyncio.Lock()
        self.reasons: dict[str, str] = {}

    async def go(self, now: Callable[[], datetime]) -> datetime | None:
        """Send it, and say when it is to be sent again, or None where every sink has it.

        Where another worker sends it meanwhile it is left to that one, and has to be looked at again.

        Raises:
            BackendUnavailableError: the store does not answer.
        """
        missing = [name for name in self._outlets if name not in self._outgoing.sent]
        came = await asyncio.gather(*map(self._send, missing), return_exceptions=True)
        faults = [fault for fault in came if isinstance(fault, BaseException)]
        try:
            for fault in faults:
                raise fault
            return await self._settle(now())
        except ConflictError:
            return now()

    async def _send(self, name: str) -> None:
        why = self.reasons[name] = await self._outlets[name].send(self._outgoing.alert)
        if not why:
            async with self._writing:
                await self._write(sent=(*self._outgoing.sent, name))

    async def _settle(self, now: datetime) -> datetime | None:
        if not any(self.reasons.values()):
            async with self._store.tenant(self._outgoing.alert.tenant) as records:
                await records.remove(OutgoingAlert, self._outgoing.key, self._outgoing.generation)
            return None
        attempts = self._outgoing.attempts + 1
        pause = pause_seconds(attempts, draw_of(self._outgoing.alert.id, attempts))
        await self._write(attempts=attempts, after=now + timedelta(seconds=pause))
        return self._outgoing.after

    async def _write(self, **fields: Any) -> None:  # noqa: ANN401 - fields of the record
        changed = replace(self._outgoing, generation=self._outgoing.generation + 1, **fields)
        async with self._store.tenant(changed.alert.tenant) as records:
            await records.replace(changed, self._outgoing.generation)
        self._outgoing = changed
