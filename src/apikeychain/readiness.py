"""Whether a call could be served now: each plug is asked for a small deed of its port, all at once, and not for long.

What is asked stores nothing but a claim of its own, which ends like any other. A plug that hangs is asked no second
time while it does, and one answer is given to all who ask within a second, so that a health check that everybody can
reach costs no more than one that nobody can.

Key services beside the default are asked too, and do not count: one that is down closes its own tenants, and must not
take the gate from all others. Neither does the store of assets, without which all calls are served.

Source: contracts 10 (what is down closes the gate).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from apikeychain.embedded import Plugs
from apikeychain.errors import APIKeyChainError, BackendUnavailableError
from apikeychain.flights import Flights, Parcel
from apikeychain.model.asset import AssetPrefix
from apikeychain.model.ids import ProjectId
from apikeychain.model.quota import Quota, Spend
from apikeychain.model.records import DEFAULT_KEY_SERVICE
from apikeychain.ports.asset_store import AssetStore
from apikeychain.primitives import KEY_BYTES, random_bytes
from apikeychain.rules.chain import PLATFORM
from apikeychain.telemetry import plug_failed
from apikeychain.vault import contexts
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.wrapping import goes_round

READY_SECONDS = 2.0
_KEPT_SECONDS = 1.0
_SIGNALS, _ASSETS, _BESIDE = "signals", "asset_store", "key_services."
# A call is served without them.
_SPARED = frozenset({_SIGNALS, _ASSETS})
# Under it is never anything: no tenant has this name.
_NOWHERE = AssetPrefix(PLATFORM, ProjectId(f"p_{'a' * 20}"))
# Asks only whether there is room: nothing is counted.
_SPEND = Spend("apikeychain:ready", "ready", Quota(1, 60), cost=0)
_SILENT = f"it does not answer within {READY_SECONDS:g} s"


@dataclass(frozen=True, slots=True)
class PlugReadiness:
    """One plug.

    Attributes:
        name: of the keychain's argument; ``key_services.vault`` is the one named vault.
        ok: whether it did what it was asked.
        why: else, for the log: no secret, but names of files and servers' faults. Not for callers.
    """

    name: str
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """All plugs."""

    plugs: tuple[PlugReadiness, ...]

    @property
    def ok(self) -> bool:
        """Whether a call could be served, also if not for each tenant.

        Without signals it could: changes take effect within 30 s then. And without the store of assets, of which those
        in memory are served.
        """
        return all(plug.ok for plug in self.plugs if plug.name not in _SPARED and not plug.name.startswith(_BESIDE))


@final
class Asking:
    """Asks the open plugs of one event loop.

    Args:
        plugs: whom.
        key_services: of these plugs, by name.
        hears: whether changes are heard now.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        plugs: Plugs,
        key_services: KeyServices,
        hears: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plugs, self._key_services, self._hears, self._clock = plugs, key_services, hears, clock
        self._flights: Flights[str, None] = Flights()
        self._under_way: set[asyncio.Task[Parcel[None]]] = set()
        self._last, self._until = Readiness(()), clock()

    async def ask(self) -> Readiness:
        """The readiness, within 2 seconds; one of the last second is given again."""
        if self._clock() < self._until:
            return self._last
        asked = {name: self._flights.begin(name, deed, _nothing) for name, deed in self._deeds().items()}
        for task in asked.values():
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        await asyncio.wait(asked.values(), timeout=READY_SECONDS)
        self._last = Readiness(tuple(_answer(name, task) for name, task in asked.items()))
        for plug in self._last.plugs:
            if not plug.ok:
                # Names of key services are the operator's, and no list is closed that holds them.
                plug_failed("key_service" if plug.name.startswith(_BESIDE) else plug.name)
        self._until = self._clock() + _KEPT_SECONDS
        return self._last

    async def close(self) -> None:
        """End what is still asked."""
        for task in (under_way := [*self._under_way]):
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)

    def _deeds(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, None]]]:
        return {
            "store": self._read,
            "key_service": partial(self._wrap, DEFAULT_KEY_SERVICE),
            "rate_limiter": self._spend,
            "replay_guard": self._claim,
            _SIGNALS: self._hear,
            **({} if self._plugs.asset_store is None else {_ASSETS: partial(self._list, self._plugs.asset_store)}),
            **{f"{_BESIDE}{name}": partial(self._wrap, name) for name in self._plugs.key_services},
        }

    async def _read(self) -> None:
        await self._plugs.store.tenants("", 1)

    async def _list(self, assets: AssetStore) -> None:
        await assets.list(_NOWHERE, "", 1)

    async def _wrap(self, name: str) -> None:
        if not await goes_round(self._key_services.named(name), contexts.of_probe()):
            msg = "what it unwraps is not what was wrapped"
            raise BackendUnavailableError(msg)

    async def _spend(self) -> None:
        await self._plugs.rate_limiter.spend([_SPEND])

    async def _claim(self) -> None:
        if self._plugs.serving is not None:
            # Only who serves may claim.
            self._plugs.serving.acquire()
        await self._plugs.replay_guard.claim(random_bytes(KEY_BYTES), int(time.time()))

    async def _hear(self) -> None:
        if not self._hears():
            msg = "changes are not heard for now: they take effect within 30 s"
            raise BackendUnavailableError(msg)


def _answer(name: str, task: "asyncio.Task[Parcel[None]]") -> PlugReadiness:
    if not task.done():
        return PlugReadiness(name, ok=False, why=_SILENT)
    if task.cancelled():
        return PlugReadiness(name, ok=False, why="it is being closed")
    error = task.exception()
    if error is None:
        return PlugReadiness(name, ok=True)
    # A bug of a plug may hold anything in its text.
    why = str(error) if isinstance(error, APIKeyChainError) else f"it failed: {type(error).__name__}"
    return PlugReadiness(name, ok=False, why=why)


def _nothing(_: None) -> None:
    """Nothing is kept of it."""
