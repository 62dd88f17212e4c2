"""All that an open keychain has in one event loop: opened plugs, the gate, and the background work, in one task.

The task closes everything when it is told to, and also when its loop ends without a word (Starlette's TestClient
without ``with`` runs each request in a loop of its own): cancelled, it writes what is left of the ledger and closes
the plugs in the task that opened them.

Source: architecture "State, and many workers"; contracts 10.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar, cast, final

from apikeychain.assets.serving import AssetServer
from apikeychain.egress import Egress
from apikeychain.embedded import Plugs, local_limiter
from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger.ledger import Ledger
from apikeychain.ledger.notary import Notary
from apikeychain.ledger.notes import TERMS, Terms
from apikeychain.model.call import Call
from apikeychain.model.ids import ProjectId
from apikeychain.model.network import Network
from apikeychain.model.sanitizers import SanitizerFunction
from apikeychain.pipeline import Pipeline
from apikeychain.ports.key_service import KeyService
from apikeychain.readiness import Asking
from apikeychain.rules.asset_request import AREAS
from apikeychain.rules.caller import parse_trusted
from apikeychain.rules.snapshot import Snapshot
from apikeychain.settings import APIKeyChainSettings
from apikeychain.snapshots import ProxiedProjects, Snapshots
from apikeychain.telemetry import plug_failed
from apikeychain.tenants.change import Office
from apikeychain.tenants.key_trial import require_own_key
from apikeychain.upkeep import Upkeep
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from apikeychain.watch.claims import Claims
from apikeychain.watch.meter import Meter
from apikeychain.watch.refusals import Refusals
from apikeychain.watch.under_way import UnderWay

Gate = Pipeline | AssetServer
P = TypeVar("P")
_LISTEN_AGAIN_SECONDS = 1.0
_now: Callable[[], datetime] = partial(datetime.now, UTC)
_log = logging.getLogger("apikeychain")


@final
class Residence:
    """An open keychain in the running loop.

    Args:
        sanitizers: the host's functions, by the name of the provider; `terms`: of the notes on what may be lost.
        clock: monotonic seconds, for how long anything is kept or waited for.

    Attributes:
        office: for the management verbs; `asking`: for health checks. Of use after `opened`, as what follows.
        pipeline: for calls; `assets`: for requests for assets, or None where they are kept nowhere.
        entered: how often the keychain was opened into it.
        serving: set by `serve`, once calls are served.
    """

    def __init__(
        self,
        plugs: Plugs,
        settings: APIKeyChainSettings,
        networks: Mapping[str, Network],
        *,
        sanitizers: Mapping[str, SanitizerFunction] = MappingProxyType({}),
        terms: Terms = TERMS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plugs, self._clock, self._loop = plugs, clock, asyncio.get_running_loop()
        key_services = KeyServices(plugs.key_service, plugs.key_services)
        self._notary = Notary(
            plugs.store, key_services, plugs.witnesses, origin=settings.ledger_origin, now=_now, clock=clock
        )
        self.office = Office(
            store=plugs.store,
            key_services=key_services,
            vault=Vault(key_services, kdf=settings.kdf, clock=clock),
            signals=plugs.signals,
            settings=settings,
            networks=networks,
            now=_now,
            witnesses=plugs.witnesses,
            alert_sinks=plugs.alert_sinks,
            notary=self._notary,
            asset_store=plugs.asset_store,
        )
        proxied = ProxiedProjects(
            networks=networks, body_limit=settings.body_limit, sanitizers=sanitizers, development=settings.development
        )
        self._snapshots = Snapshots(plugs.store, proxied, changed=self.office.vault.forget, clock=clock)
        ahead = settings.ledger_mode == "write-ahead"
        self._ledger = Ledger(plugs.store, now=_now, ahead=ahead, terms=terms, clock=clock, written=self._notary.count)
        self.pipeline: Pipeline | None = None
        self.assets: AssetServer | None = None
        self._shown: AssetServer | None = None
        if plugs.asset_store is not None:
            parts = plugs.store, plugs.asset_store, self.office.vault, self._ledger
            self.assets = AssetServer(settings, *parts, now=_now, clock=clock)
        self.asking = Asking(plugs, key_services, lambda: self._snapshots.hears, clock)
        self.entered = 0
        self.serving, self._stop = asyncio.Event(), asyncio.Event()
        self._open: asyncio.Future[None] = self._loop.create_future()
        self._task = self._loop.create_task(self._reside(), name="apikeychain")

    @property
    def was_here(self) -> bool:
        """Whether it lives or lived in the running loop."""
        return self._loop is asyncio.get_running_loop()

    @property
    def is_here(self) -> bool:
        """Whether it lives in the running loop and has not left."""
        return self._loop is asyncio.get_running_loop() and not self._task.done()

    async def opened(self) -> None:
        """Wait until it is open. Raises what kept it from opening."""
        await asyncio.shield(self._open)

    def serve(self) -> None:
        """Deliver alerts, and turn keys that are due, from now on."""
        self.serving.set()
        self.office.turning.set()
        self._shown = self.assets

    @property
    def is_open(self) -> bool:
        """Whether it is of use, in the running loop."""
        return self.pipeline is not None and self._loop is asyncio.get_running_loop()

    @property
    def assets_at_once(self) -> AssetServer | None:
        """Who answers requests for assets, once calls are served in the running loop."""
        return self._shown if self._loop is asyncio.get_running_loop() else None

    def gate_of(self, call: Call) -> Gate | None:
        """Who answers a call, while it is open in the running loop."""
        if not self.is_open:
            return None
        return self.assets if self.assets is not None and call.area in AREAS else self.pipeline

    async def leave(self) -> None:
        """Write what is left and close the plugs."""
        if self.was_here:
            self._stop.set()
            await asyncio.wait([self._task])

    async def _reside(self) -> None:
        try:
            async with AsyncExitStack() as stack:
                await self._open_plugs(stack)
                self._open.set_result(None)
                await self._stop.wait()
        except Exception as error:  # noqa: BLE001 - whoever waits for the opening hears of whatever kept it
            if self._open.done():
                _log.exception("the keychain could not be closed cleanly")
            else:
                self._open.set_exception(error)
        finally:
            self.pipeline = self._shown = None
            if not self._open.done():
                self._open.cancel()

    async def _open_plugs(self, stack: AsyncExitStack) -> None:
        plugs, settings = self._plugs, self.office.settings
        stack.callback(self.office.vault.forget, None)
        if plugs.serving is not None:
            stack.callback(plugs.serving.release)
        for plug in plugs.entered:
            await _enter(stack, plug)
        stack.push_async_callback(self.asking.close)
        for name, service in plugs.key_services.items():
            await self._enter_key_service(stack, name, service)
        await require_own_key(plugs.store, self.office.vault)
        upstream = await _enter(stack, plugs.upstream(Egress(nat64_prefixes=settings.nat64_prefixes)))
        if settings.development:
            _log.warning("development mode: http is served on localhost, and refusals carry hints")
        self._tell_of_open_networks()
        upkeep = Upkeep(self.office, upstream, self.serving, rotators=plugs.rotators, detectors=plugs.detectors)
        for closing in (self._close_notary, self._ledger.drain, upkeep.close):
            stack.push_async_callback(closing)
        if self.assets is not None:
            stack.push_async_callback(self.assets.close)
        under_way = UnderWay(upkeep.observer, self._current, _now)
        for work in (*self._ledger.work(), self._listen(), self._notary.run(), under_way.run(), *upkeep.work()):
            task = self._loop.create_task(work)
            task.add_done_callback(_tell_unclean)
            stack.push_async_callback(_end, task)
        await asyncio.sleep(0)
        self.pipeline = Pipeline(
            settings=settings,
            snapshots=self._snapshots,
            vault=self.office.vault,
            ledger=self._ledger,
            meter=Meter(plugs.rate_limiter, clock=self._clock),
            refusals=Refusals(local_limiter()),
            claims=Claims(plugs.replay_guard, plugs.rate_limiter),
            upstream=upstream,
            locator=plugs.locator,
            trusted=parse_trusted(settings.trusted_proxies, settings.country_header),
            under_way=under_way,
            now=_now,
            clock=self._clock,
        )

    async def _current(self, project: str) -> Snapshot:
        held = self._snapshots.fresh(project)
        return held if held is not None else await self._snapshots.load(project)

    async def _close_notary(self) -> None:
        # A loop that ends without a word has no time to sign anything, and a store that hangs does not let anybody.
        await self._notary.close(is_last=self._stop.is_set() and not self._ledger.unwritten)

    async def _enter_key_service(self, stack: AsyncExitStack, name: str, service: KeyService) -> None:
        """Enter one of several key services; while one does not answer, its tenants alone are closed."""
        try:
            await _enter(stack, service)
        except BackendUnavailableError as error:
            _log.error("the tenants of the key service %r are closed until it answers: %s", name, error.hint)
            self.office.key_services.shut(name, is_shut=True)
            stack.push_async_callback(_end, self._loop.create_task(self._enter_later(stack, name, service)))

    async def _enter_later(self, stack: AsyncExitStack, name: str, service: KeyService) -> None:
        while True:
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)
            with contextlib.suppress(BackendUnavailableError):
                await _enter(stack, service)
                self.office.key_services.shut(name, is_shut=False)
                return

    def _tell_of_open_networks(self) -> None:
        for base_url, network in self.office.networks.items():
            if network.private and network.tenants is None:
                _log.warning(
                    "every tenant may reach %s, which may be private: name those that may in Network(tenants=...), "
                    "unless all tenants trust each other",
                    base_url,
                )

    async def _listen(self) -> None:
        """Drop what is held of a project that changed, and doubt everything when changes may have gone unheard."""
        while True:
            try:
                async with contextlib.aclosing(self._plugs.signals.subscribe()) as changes:
                    async for change in changes:
                        self._hear(is_heard=True)
                        self._forget(change.project)
            except BackendUnavailableError:
                _log.warning("changes are not heard for now: they take effect within 30 s")
            except Exception:  # noqa: BLE001 - a plug that broke its contract once is still listened to
                _log.exception("changes are not heard for now: they take effect within 30 s")
            self._hear(is_heard=False)
            plug_failed("signals")
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    def _hear(self, *, is_heard: bool) -> None:
        self._snapshots.hear(is_heard=is_heard)
        if self.assets is not None:
            self.assets.hear(is_heard=is_heard)

    def _forget(self, project: ProjectId | None) -> None:
        self._snapshots.forget(project)
        if self.assets is not None:
            self.assets.forget(project)
        if project is not None:
            self.office.vault.forget(project)


async def _enter(stack: AsyncExitStack, plug: P) -> P:
    """Enter a plug that is an async context manager; it stays the plug that it is."""
    if hasattr(plug, "__aenter__"):
        await stack.enter_async_context(cast("AbstractAsyncContextManager[Any]", plug))
    return plug


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


def _tell_unclean(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        _log.error("background work ended too early", exc_info=task.exception())
