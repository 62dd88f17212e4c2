"""`APIKeyChain`: holds the plugs, opens and closes them, runs the background work.

All that belongs to an event loop belongs to one `Residence`. A keychain that is used from another loop gets one there.

Source: architecture "State, and many workers"; contracts 10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Self, Unpack, final

from apikeychain.embedded import Instead, Plugs, Serving, UpstreamFactory, embedded_plugs, memory_plugs, named_sinks
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import AnswerError, NotOpenError
from apikeychain.model.call import Call, Reply
from apikeychain.model.headers import Line
from apikeychain.model.network import Network
from apikeychain.model.provider import BaseURL
from apikeychain.model.sanitizers import SanitizerFunction
from apikeychain.ports.alert_sink import AlertSink
from apikeychain.ports.asset_store import AssetStore
from apikeychain.ports.detector import Detector
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.locator import Locator
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.replay_guard import ReplayGuard
from apikeychain.ports.rotator import Account
from apikeychain.ports.signals import Signals
from apikeychain.ports.store import Store
from apikeychain.ports.witness import Witness
from apikeychain.readiness import PlugReadiness, Readiness
from apikeychain.residence import Residence
from apikeychain.rules import problem
from apikeychain.rules.caller import identify, parse_trusted
from apikeychain.rules.sanitizers import parse_sanitizers
from apikeychain.settings import APIKeyChainSettings
from apikeychain.tenants.change import Office
from apikeychain.tenants.tenant_verbs import TenantVerbs
from apikeychain.vault.key_services import parse_key_services

_NOT_OPEN = "the keychain is not open: use it inside `async with keychain:` or behind the middleware's lifespan"


@final
class APIKeyChain(TenantVerbs):
    """The library in one object: give it to `APIKeyChainMiddleware`, which enters it, and manage tenants through it.

    An async context manager for scripts, tests and a host's own lifespan.

    Args:
        store, key_service, rate_limiter, replay_guard, signals: plugs; an async context manager is entered.
        upstream: makes the plug that talks to providers out of the guard through which it must dial.
        serving: held while calls are served, where that is for one process.
        key_services: further ones, by the name in the rows of their tenants.
        witnesses: keep the checkpoints of the ledger where this installation cannot take them back.
        alert_sinks, rotators: by name: to which alerts go, the log without any; what makes and ends keys at providers.
        detectors, locator, asset_store, settings: look at calls; where callers are; keeps assets; what is chosen.
        network: exceptions for providers, by base URL, never stored; for every tenant unless one names its `tenants`.
        sanitizers: by a provider's name, for every tenant: a function that sees what was accepted and may refuse it.

    Raises:
        InvalidValueError: a name, an address or a function in one of the mappings cannot be one.
    """

    def __init__(
        self,
        *,
        store: Store,
        key_service: KeyService,
        rate_limiter: RateLimiter,
        replay_guard: ReplayGuard,
        signals: Signals,
        upstream: UpstreamFactory,
        serving: Serving | None = None,
        key_services: Mapping[str, KeyService] | None = None,
        witnesses: Sequence[Witness] = (),
        alert_sinks: Mapping[str, AlertSink] | None = None,
        rotators: Mapping[str, Account] | None = None,
        detectors: Sequence[Detector] | None = None,
        locator: Locator | None = None,
        asset_store: AssetStore | None = None,
        settings: APIKeyChainSettings | None = None,
        network: Mapping[str, Network] | None = None,
        sanitizers: Mapping[str, SanitizerFunction] | None = None,
    ) -> None:
        self._plugs = Plugs(
            store=store,
            key_service=key_service,
            rate_limiter=rate_limiter,
            replay_guard=replay_guard,
            signals=signals,
            upstream=upstream,
            serving=serving,
            key_services=parse_key_services(key_services),
            witnesses=tuple(witnesses),
            alert_sinks=named_sinks(alert_sinks),
            rotators=rotators or {},
            detectors=detectors,
            locator=locator,
            asset_store=asset_store,
        )
        self.settings = settings or APIKeyChainSettings()
        self._networks = {
            BaseURL.parse(base_url.rstrip("/")).text: given for base_url, given in (network or {}).items()
        }
        self._sanitizers = parse_sanitizers(sanitizers)
        self._trusted = parse_trusted(self.settings.trusted_proxies)
        self._residence: Residence | None = None
        self._left: Residence | None = None
        self._closed: Residence | None = None

    @classmethod
    def embedded(
        cls,
        directory: str | Path,
        *,
        development: bool = False,
        settings: APIKeyChainSettings | None = None,
        network: Mapping[str, Network] | None = None,
        sanitizers: Mapping[str, SanitizerFunction] | None = None,
        key_file: str | Path | None = None,
        **instead: Unpack[Instead],
    ) -> Self:
        """SQLite, a key file and in-process limits in one directory, for one serving process.

        Args:
            directory: made at the opening, and not before, when it is missing; empty at the first start.
            development: http on localhost and hints in refusals; short for `settings`.
            settings: instead of `development`.
            network: see the class.
            sanitizers: likewise.
            key_file: where the key file is, if not in the directory; APIKEYCHAIN_KEY_FILE says the same.
            instead: plugs of your own, by the names of the class's arguments, in place of those.

        Raises:
            MissingExtraError: the extra ``embedded`` is not installed.
        """
        plugs = embedded_plugs(directory, key_file=key_file, instead=instead)
        return cls._of(plugs, settings or APIKeyChainSettings(development=development), network, sanitizers)

    @classmethod
    def in_memory(
        cls,
        *,
        development: bool = True,
        settings: APIKeyChainSettings | None = None,
        network: Mapping[str, Network] | None = None,
        sanitizers: Mapping[str, SanitizerFunction] | None = None,
        **instead: Unpack[Instead],
    ) -> Self:
        """Everything in memory, for a host's own tests. See `embedded` for the arguments."""
        given = settings or APIKeyChainSettings(development=development)
        return cls._of(memory_plugs(instead), given, network, sanitizers)

    @classmethod
    def from_environment(
        cls,
        variables: Mapping[str, str] | Environment | None = None,
        *,
        network: Mapping[str, Network] | None = None,
        sanitizers: Mapping[str, SanitizerFunction] | None = None,
    ) -> Self:
        """Plugs and settings as the variables ``APIKEYCHAIN_...`` say them, see the reference; no server is asked yet.

        Args:
            variables: instead of those of the process; or what `read_environment` found in them.
            network: see the class.
            sanitizers: likewise.

        Raises:
            SettingsError: with every problem; no value of a variable is told.
            MissingExtraError: the packages of what was chosen are not installed.
        """
        found = variables if isinstance(variables, Environment) else read_environment(variables)
        return cls._of(found.plugs, found.choices.settings, network, sanitizers)

    @classmethod
    def _of(
        cls,
        plugs: Plugs,
        settings: APIKeyChainSettings,
        network: Mapping[str, Network] | None,
        sanitizers: Mapping[str, SanitizerFunction] | None,
    ) -> Self:
        given: dict[str, Any] = {field.name: getattr(plugs, field.name) for field in fields(plugs)}
        return cls(**given, settings=settings, network=network, sanitizers=sanitizers)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Open the plugs in this event loop; an open keychain counts how often it was opened.

        Raises:
            SetupError: a plug cannot be opened; the text says what to do.
            BackendUnavailableError: something behind a plug does not answer.
        """
        if self._left is not None:
            # What is still being closed is not opened at the same time.
            await self._left.leave()
        residence = self._residence
        if residence is None or not residence.is_here:
            given = self._plugs, self.settings, self._networks
            residence = self._residence = Residence(*given, sanitizers=self._sanitizers)
        residence.entered += 1
        try:
            await residence.opened()
        except BaseException:
            await self._leave(residence)
            raise

    async def close(self, *, reopens: bool = False) -> None:
        """Undo one `open` or `serve`; the last one writes what is left of the ledger and closes the plugs.

        Args:
            reopens: whether the next call may open it again in this event loop, as it may in any other.
        """
        if (residence := self._residence) is not None:
            # Before the plugs close: a call that comes meanwhile would wait for that, and open them again.
            self._closed = None if reopens or residence.entered > 1 else residence
            await self._leave(residence)

    async def serve(self) -> None:
        """`open`, for calls: what serves alone takes its lock, or nothing stays open.

        Raises:
            SetupError, BackendUnavailableError: as `open`; DataDirectoryError also where another process serves.
        """
        await self.open()
        try:
            self._take_lock()
        except BaseException:
            await self.close(reopens=True)
            raise

    async def handle(self, call: Call) -> Reply:
        """Answer one call; opens the keychain where nobody did in this event loop.

        Raises:
            NotOpenError, SetupError, BackendUnavailableError: it was closed in the meantime; the others as `serve`.
        """
        gate = self._residence and self._residence.gate_of(call)
        if gate is None:
            await self._awake()
            gate = self._residence and self._residence.gate_of(call)
        if gate is None:
            raise NotOpenError(_NOT_OPEN)
        self._take_lock()
        return await gate.handle(call)

    def at_once(self, path: bytes, query: bytes, lines: Sequence[Line], peer: str, scheme: str) -> Reply | None:
        """The answer to a plain GET for an asset in memory, see `AssetServer.at_once`; None to anything else."""
        assets = self._residence and self._residence.assets_at_once
        return assets and assets.at_once(path, query, lines, peer, scheme)

    async def ready(self) -> Readiness:
        """Whether a call could be served now, plug by plug: for the host's health check. Answers within 2 s, always.

        An open keychain is asked; it is not opened for that. What it says of why is for the log, not for callers.
        """
        if self._residence is None or not self._residence.is_open:
            return Readiness((PlugReadiness("keychain", ok=False, why=_NOT_OPEN),))
        return await self._residence.asking.ask()

    def failed(self, call: Call, error: AnswerError) -> Reply:
        """The answer to a call for which `handle` raised."""
        return problem.secured(error, call, identify(call, self._trusted), development=self.settings.development)

    async def _awake(self) -> None:
        """Serve, or wait for whoever opens it; one that was closed in this loop is not opened again by a late call."""
        residence = self._residence
        if residence is not None and residence.is_here:
            await residence.opened()
        elif self._closed is None or not self._closed.was_here:
            await self.serve()

    async def _leave(self, residence: Residence) -> None:
        residence.entered -= 1
        if residence.entered <= 0:
            self._residence = None if self._residence is residence else self._residence
            self._left = residence
            await residence.leave()

    def _take_lock(self) -> None:
        if self._plugs.serving is not None:
            self._plugs.serving.acquire()
        if self._residence is not None and not self._residence.serving.is_set():
            self._residence.serve()

    @property
    def _office(self) -> Office:
        if self._residence is None or not self._residence.is_open:
            raise NotOpenError(_NOT_OPEN)
        return self._residence.office
