"""`APIKeyChain`: holds the plugs, opens and closes them, runs the background work.

All that belongs to an event loop belongs to one `Residence`. A keychain that is used from another loop gets one there.

Source: architecture "State, and many workers"; contracts 10.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Self, final

from apikeychain.embedded import Instead, Plugs, Serving, UpstreamFactory, embedded_plugs, memory_plugs
from apikeychain.errors import AlreadyExistsError, AnswerError, DoesNotExistError, InvalidValueError, NotOpenError
from apikeychain.model.call import Call, Reply
from apikeychain.model.ids import TenantId, parse_tenant_id
from apikeychain.model.network import Network
from apikeychain.model.provider import BaseURL
from apikeychain.model.records import Tenant
from apikeychain.pipeline import Pipeline
from apikeychain.ports.key_service import KeyService
from apikeychain.ports.rate_limiter import RateLimiter
from apikeychain.ports.signals import Signals
from apikeychain.ports.store import Store
from apikeychain.residence import Residence
from apikeychain.rules import chain, headers, problem
from apikeychain.rules.caller import identify, parse_trusted
from apikeychain.settings import APIKeyChainSettings
from apikeychain.tenants.change import Office
from apikeychain.tenants.tenant import TenantAdmin

HOST = "host"
_NOT_OPEN = "the keychain is not open: use it inside `async with keychain:` or behind the middleware's lifespan"
_PAGE = 500


@final
class APIKeyChain:
    """The library in one object: give it to `APIKeyChainMiddleware`, and manage tenants through it.

    An async context manager for scripts, tests and a host's own lifespan; the middleware enters it by itself.

    Args:
        store, key_service, rate_limiter, signals: the plugs; one that is an async context manager is entered.
        upstream: makes the plug that talks to providers out of the guard through which it must dial.
        serving: held while calls are served, where that is for one process.
        settings: the operator's choices.
        network: exceptions for single providers, by base URL; never stored and never a tenant's.

    Raises:
        InvalidValueError: a key of `network` is no base URL.
    """

    def __init__(
        self,
        *,
        store: Store,
        key_service: KeyService,
        rate_limiter: RateLimiter,
        signals: Signals,
        upstream: UpstreamFactory,
        serving: Serving | None = None,
        settings: APIKeyChainSettings | None = None,
        network: Mapping[str, Network] | None = None,
    ) -> None:
        self._plugs = Plugs(
            store=store,
            key_service=key_service,
            rate_limiter=rate_limiter,
            signals=signals,
            upstream=upstream,
            serving=serving,
        )
        self.settings = settings or APIKeyChainSettings()
        self._networks = {BaseURL.parse(base_url.rstrip("/")).text: given for base_url, given in (network or {}).items()}
        self._trusted = parse_trusted(self.settings.trusted_proxies)
        self._residence: Residence | None = None
        self._entered = 0

    @classmethod
    def embedded(
        cls,
        directory: str | Path,
        *,
        development: bool = False,
        settings: APIKeyChainSettings | None = None,
        network: Mapping[str, Network] | None = None,
        key_file: str | Path | None = None,
        store: Store | None = None,
        key_service: KeyService | None = None,
        rate_limiter: RateLimiter | None = None,
        signals: Signals | None = None,
        upstream: UpstreamFactory | None = None,
    ) -> Self:
        """SQLite, a key file and in-process limits in one directory, for one serving process.

        Args:
            directory: made when it is missing; empty at the first start.
            development: http on localhost and hints in refusals; short for `settings`.
            settings: instead of `development`.
            network: see the class.
            key_file: where the key file is, if not in the directory; APIKEYCHAIN_KEY_FILE says the same.
            store: your own plug in place of that one; so with all that follow.
            key_service: likewise.
            rate_limiter: likewise.
            signals: likewise.
            upstream: likewise, as a factory that takes the guard.

        Raises:
            DataDirectoryError: the directory cannot be made.
            MissingExtraError: the extra ``embedded`` is not installed.
        """
        instead = Instead(
            store=store, key_service=key_service, rate_limiter=rate_limiter, signals=signals, upstream=upstream
        )
        plugs = embedded_plugs(directory, key_file=key_file, instead=instead)
        return cls._of(plugs, _settings(settings, development=development), network)

    @classmethod
    def in_memory(
        cls,
        *,
        development: bool = True,
        settings: APIKeyChainSettings | None = None,
        network: Mapping[str, Network] | None = None,
        store: Store | None = None,
        key_service: KeyService | None = None,
        rate_limiter: RateLimiter | None = None,
        signals: Signals | None = None,
        upstream: UpstreamFactory | None = None,
    ) -> Self:
        """Everything in memory, for a host's own tests. See `embedded` for the arguments."""
        instead = Instead(
            store=store, key_service=key_service, rate_limiter=rate_limiter, signals=signals, upstream=upstream
        )
        return cls._of(memory_plugs(instead), _settings(settings, development=development), network)

    @classmethod
    def _of(cls, plugs: Plugs, settings: APIKeyChainSettings, network: Mapping[str, Network] | None) -> Self:
        return cls(
            store=plugs.store,
            key_service=plugs.key_service,
            rate_limiter=plugs.rate_limiter,
            signals=plugs.signals,
            upstream=plugs.upstream,
            serving=plugs.serving,
            settings=settings,
            network=network,
        )

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
        residence = self._residence
        if residence is None or not residence.is_here:
            residence = self._residence = Residence(self._plugs, self.settings, self._networks)
            self._entered = 0
        self._entered += 1
        try:
            await residence.opened()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Undo one `open`; the last one writes what is left of the ledger and closes the plugs."""
        self._entered -= 1
        residence = self._residence
        if self._entered <= 0 and residence is not None:
            self._residence = None
            await residence.leave()

    async def serve(self) -> None:
        """Open for calls, once; what serves alone takes its lock.

        Raises:
            DataDirectoryError: another process serves already.
            SetupError, BackendUnavailableError: as `open`.
        """
        if self._residence is None or not self._residence.is_here:
            await self.open()
        if self._plugs.serving is not None:
            self._plugs.serving.acquire()

    async def handle(self, call: Call) -> Reply:
        """Answer one call; opens the keychain where no lifespan did."""
        pipeline = self._pipeline
        if pipeline is None:
            await self.serve()
            pipeline = self._pipeline
        if pipeline is None:
            raise NotOpenError(_NOT_OPEN)
        return await pipeline.handle(call)

    def failed(self, call: Call, error: AnswerError) -> Reply:
        """The answer to a call for which `handle` raised."""
        development = self.settings.development
        reply = problem.answer(error, development=development)
        return headers.secure(reply, call, identify(call, self._trusted), development=development)

    async def create_tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """A new tenant.

        Args:
            tenant: the host's own id of it.
            actor: the label that stands in the ledger.

        Raises:
            AlreadyExistsError: there is one of that id.
            InvalidValueError: not an id.
        """
        office, tenant_id = self._office, parse_tenant_id(tenant)
        if tenant_id == chain.PLATFORM:
            msg = f"the tenant id {tenant!r} is reserved"
            raise InvalidValueError(msg)
        moment = office.now()
        record = await office.vault.new_tenant(tenant_id, moment)
        async with office.store.tenant(tenant_id) as store:
            if await store.get(Tenant, ()):
                msg = f"there is a tenant {tenant!r} already"
                raise AlreadyExistsError(msg)
            await store.insert(record)
            await store.append([chain.admin("tenant.created", at=moment, actor=actor)])
        return TenantAdmin(office, tenant_id, actor)

    async def ensure_tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """The tenant of that id, new where there was none."""
        for attempt in (self.tenant, self.create_tenant, self.tenant):
            with contextlib.suppress(DoesNotExistError, AlreadyExistsError):
                return await attempt(tenant, actor=actor)
        msg = f"the tenant {tenant!r} comes and goes"
        raise DoesNotExistError(msg)

    async def tenant(self, tenant: str, *, actor: str = HOST) -> TenantAdmin:
        """The tenant of that id.

        Raises:
            DoesNotExistError: there is none.
        """
        office, tenant_id = self._office, parse_tenant_id(tenant)
        async with office.store.tenant(tenant_id) as store:
            if await store.get(Tenant, ()) is None:
                msg = f"there is no tenant {tenant!r}"
                raise DoesNotExistError(msg)
        return TenantAdmin(office, tenant_id, actor)

    async def list_tenants(self) -> list[TenantId]:
        """The ids of all tenants, in order."""
        store, found = self._office.store, list[TenantId]()
        while page := await store.tenants(found[-1] if found else "", _PAGE):
            found += page
        return found

    @property
    def _pipeline(self) -> Pipeline | None:
        residence = self._residence
        return residence.pipeline if residence is not None and residence.is_here else None

    @property
    def _office(self) -> Office:
        if self._residence is None or self._pipeline is None:
            raise NotOpenError(_NOT_OPEN)
        return self._residence.office


def _settings(settings: APIKeyChainSettings | None, *, development: bool) -> APIKeyChainSettings:
    return settings or APIKeyChainSettings(development=development)
