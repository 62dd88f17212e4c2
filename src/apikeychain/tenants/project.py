"""`ProjectAdmin`: the management verbs of one project."""

from collections.abc import Mapping, Sequence
from typing import final
from urllib.parse import quote

from apikeychain.errors import DoesNotExistError
from apikeychain.model.ids import parse_name
from apikeychain.model.ledger import LedgerDraft
from apikeychain.model.origin import Origin, parse_origin
from apikeychain.model.provider import Provider
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    Project,
    RegisteredProvider,
    SealedSecret,
)
from apikeychain.model.route import ProxyRoute, Require
from apikeychain.secret import Secret
from apikeychain.tenants import origins, providers, rotations, routes, secrets
from apikeychain.tenants.change import require_tenant
from apikeychain.tenants.configure import ProviderSecret, Wanted, adjust, configure
from apikeychain.tenants.project_assets import AssetVerbs
from apikeychain.tenants.project_keys import KeyVerbs
from apikeychain.tenants.project_rotations import RotationVerbs
from apikeychain.tenants.project_signing import SigningVerbs
from apikeychain.tenants.project_suspensions import SuspensionVerbs
from apikeychain.tenants.project_watch import WatchVerbs
from apikeychain.tenants.secrets import SecretInfo

# RFC 3986, pchar and the slash of a tail.
_UNQUOTED = "/:@!$&'()*+,;="


@final
class ProjectAdmin(KeyVerbs, SigningVerbs, RotationVerbs, WatchVerbs, SuspensionVerbs, AssetVerbs):
    """One project of one tenant. Got from a tenant: `ensure_project`, `create_project`, `project`.

    Every verb is one transaction: records, one generation, ledger entries. What is so already changes nothing.

    Attributes:
        id: the public id that callers use.
        name: the label, unique in the tenant.
        actor: the label that stands in the ledger.
    """

    def url(self, route: str, *segments: str) -> str:
        """The path that a page calls, below the application's root.

        Args:
            route: the route's name.
            segments: the values of the template's ``{names}``, in order, then the tail; percent-encoded where
                a path needs it.

        Raises:
            InvalidValueError: not a route's name.
        """
        tail = "".join(f"/{quote(segment, safe=_UNQUOTED)}" for segment in segments)
        return f"{self._office.settings.prefix}/{self.id}/proxy/{parse_name(route, 'route')}{tail}"

    async def show(self) -> Project:
        """The project as it is stored.

        Raises:
            DoesNotExistError: it is gone.
        """
        async with self._office.store.reading(self._tenant) as store:
            await require_tenant(store, self._tenant)
            project = await store.get(Project, (self.id,))
        if project is None:
            msg = f"the tenant {self._tenant!r} has no project {self.id!r} any more"
            raise DoesNotExistError(msg)
        return project

    async def configure(
        self,
        *,
        origins: Sequence[str] | None = None,
        providers: Sequence[Provider] | None = None,
        secrets: Mapping[str, Secret | ProviderSecret] | None = None,
        routes: Sequence[ProxyRoute] | None = None,
        enabled: bool | None = None,
        quota: str | None = None,
        address_quota: str | None = None,
        user_quota: str | None = None,
        origin_quota: str | None = None,
        observe_quotas: bool | None = None,
        referer_fallback: bool | None = None,
        require: Require | None = None,
        require_caller: bool | None = None,
        assets: bool | None = None,
        asset_tokens: bool | None = None,
        signed_headers: Sequence[str] | None = None,
        prune: bool = False,
        dry_run: bool = False,
    ) -> tuple[LedgerDraft, ...]:
        """Make the stored project equal to what is given, in one transaction; None leaves as it is.

        Args:
            origins: as browsers write them.
            providers: to register or change.
            secrets: by name; a bare `Secret` belongs to the provider of the same name. One that is stored already
                is not put again, nor one that a rotation has replaced at its provider since.
            routes: to add or change; served unless ``enabled=False``.
            enabled: whether the proxy serves the project.
            quota: of all callers together, ``"600/minute"``.
            address_quota: of one caller address.
            user_quota: of one user.
            origin_quota: of one origin.
            observe_quotas: whether a quota that is used up is only logged.
            referer_fallback: whether old browsers are admitted by their Referer.
            require: ``"origin"``, ``"session"`` or ``"signature"``: what every call has to bring.
            require_caller: whether the host's own login has to have named the caller.
            assets: whether scripts and styles may be put, and are served.
            asset_tokens: whether each request for one of them needs a token that expires.
            signed_headers: names of further request headers that signatures cover.
            prune: whether what is stored and not given is removed, for each kind that is given.
            dry_run: whether nothing is written.

        Returns:
            What differed, as ledger entries; empty when nothing did.

        Raises:
            InvalidValueError: something given cannot be; nothing was changed.
            DoesNotExistError: a route or secret names a provider that is not registered.
            StillInUseError: `prune` would remove a provider or a secret that is in use.
        """
        wanted = Wanted(
            origins=None if origins is None else [self._origin(origin) for origin in origins],
            providers=providers,
            secrets=None if secrets is None else {n: _of_provider(n, secret) for n, secret in secrets.items()},
            routes=routes,
            enabled=enabled,
            quota=quota,
            address_quota=address_quota,
            user_quota=user_quota,
            origin_quota=origin_quota,
            observe_quotas=observe_quotas,
            referer_fallback=referer_fallback,
            require=require,
            require_caller=require_caller,
            assets=assets,
            asset_tokens=asset_tokens,
            signed_headers=signed_headers,
            prune=prune,
        )
        key = await self._first_key(len(secrets)) if secrets else None
        async with self._change(dry_run=dry_run) as change:
            await configure(change, wanted, key)
        return tuple(change.drafts)

    async def enable(self) -> None:
        """Serve the project's proxy."""
        async with self._change() as change:
            adjust(change, Wanted(enabled=True))

    async def disable(self) -> None:
        """Stop serving the project's proxy: callers get 404."""
        async with self._change() as change:
            adjust(change, Wanted(enabled=False))

    async def allow_origin(self, origin: str) -> None:
        """Put an origin on the list. Raises InvalidValueError for what is no origin."""
        async with self._change() as change:
            await origins.allow(change, self._origin(origin))

    async def remove_origin(self, origin: str) -> None:
        """Take an origin off the list. Raises DoesNotExistError."""
        async with self._change() as change:
            await origins.remove(change, origin)

    async def list_origins(self) -> list[AllowedOrigin]:
        """The origins on the list, in order."""
        return await self._list(AllowedOrigin)

    async def register_provider(self, provider: Provider) -> None:
        """Register a provider or change it. Raises InvalidValueError where a route of it does not fit any more."""
        async with self._change() as change:
            await providers.register(change, provider)

    async def remove_provider(self, name: str) -> None:
        """Remove a provider. Raises DoesNotExistError, or StillInUseError: a route, secret or rotation names it."""
        async with self._change() as change:
            await providers.remove(change, name)

    async def list_providers(self) -> list[RegisteredProvider]:
        """The registered providers, in the order of their names."""
        return await self._list(RegisteredProvider)

    async def add_route(self, route: ProxyRoute) -> None:
        """Add a route. Raises AlreadyExistsError, DoesNotExistError (its provider), InvalidValueError."""
        async with self._change() as change:
            await routes.add(change, route)

    async def enable_route(self, name: str) -> None:
        """Serve a route. Raises DoesNotExistError."""
        async with self._change() as change:
            await routes.switch(change, name, enabled=True)

    async def disable_route(self, name: str) -> None:
        """Stop serving a route. Raises DoesNotExistError."""
        async with self._change() as change:
            await routes.switch(change, name, enabled=False)

    async def remove_route(self, name: str) -> None:
        """Remove a route. Raises DoesNotExistError."""
        async with self._change() as change:
            await routes.remove(change, name)

    async def list_routes(self) -> list[AddedRoute]:
        """The routes, in the order of their names."""
        return await self._list(AddedRoute)

    async def put_secret(self, name: str, secret: Secret, *, provider: str) -> SecretInfo:
        """Put a secret for one provider; it can never be read back. Raises DoesNotExistError (the provider)."""
        key = await self._first_key()
        await rotations.note_put(self._office, self._tenant, self.id, name)
        async with self._change() as change:
            await secrets.put(change, name, secret, provider, key)
            stored = await change.require(SealedSecret, name)
        return SecretInfo.of(stored)

    async def remove_secret(self, name: str) -> None:
        """Remove a secret. Raises DoesNotExistError, or StillInUseError while a rotation needs it."""
        async with self._change() as change:
            await secrets.remove(change, name)

    async def list_secrets(self) -> list[SecretInfo]:
        """Name, provider, version, dates and fingerprint of each secret; never its value."""
        return [SecretInfo.of(sealed) for sealed in await self._list(SealedSecret)]

    def _origin(self, text: str) -> Origin:
        return parse_origin(text, development=self._office.settings.development)


def _of_provider(name: str, secret: Secret | ProviderSecret) -> ProviderSecret:
    return secret if isinstance(secret, ProviderSecret) else ProviderSecret(secret, name)
