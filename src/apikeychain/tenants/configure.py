"""`configure`: make the stored project equal to what is given."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from apikeychain.errors import InvalidValueError
from apikeychain.listing import every
from apikeychain.model.ledger import JSON
from apikeychain.model.origin import Origin
from apikeychain.model.provider import Provider
from apikeychain.model.quota import Quota
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    ProjectKey,
    RegisteredProvider,
    SealedSecret,
)
from apikeychain.model.route import ProxyRoute, Require
from apikeychain.rules.signed_text import parse_signed_headers
from apikeychain.secret import Secret
from apikeychain.tenants import origins, providers, rotations, routes, secrets
from apikeychain.tenants.change import ProjectChange

QUOTAS = ("quota", "address_quota", "user_quota", "origin_quota")
OWN_FIELDS = (
    *QUOTAS,
    "observe_quotas",
    "referer_fallback",
    "require",
    "require_caller",
    "assets",
    "asset_tokens",
    "signed_headers",
)


@dataclass(frozen=True, slots=True)
class ProviderSecret:
    """A secret whose name is not that of its provider.

    Attributes:
        provider: the only provider that it is injected for.
    """

    secret: Secret
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a project shall be; None leaves as it is.

    Attributes:
        secrets: by name.
        prune: whether what is stored and not given is removed, for each kind that is given.
    """

    origins: Sequence[Origin] | None = None
    providers: Sequence[Provider] | None = None
    secrets: Mapping[str, ProviderSecret] | None = None
    routes: Sequence[ProxyRoute] | None = None
    enabled: bool | None = None
    quota: str | None = None
    address_quota: str | None = None
    user_quota: str | None = None
    origin_quota: str | None = None
    observe_quotas: bool | None = None
    referer_fallback: bool | None = None
    require: Require | None = None
    require_caller: bool | None = None
    assets: bool | None = None
    asset_tokens: bool | None = None
    signed_headers: Sequence[str] | None = None
    prune: bool = False


async def configure(change: ProjectChange, wanted: Wanted, first_key: ProjectKey | None) -> None:
    """Bring the project to what is wanted, providers first and removals last.

    Raises:
        InvalidValueError: as the single verbs do, or two of one name are given; nothing is changed then.
        DoesNotExistError, StillInUseError: as the single verbs do; nothing is changed then.
    """
    _require_single("provider", [provider.name for provider in wanted.providers or ()])
    _require_single("route", [route.name for route in wanted.routes or ()])
    changed = {provider.name for provider in wanted.providers or () if await providers.put(change, provider)}
    for origin in wanted.origins or ():
        await origins.allow(change, origin)
    for name, given in (wanted.secrets or {}).items():
        if not await rotations.owns(change, name):
            await secrets.put(change, name, given.secret, given.provider, first_key)
    for route in wanted.routes or ():
        await routes.put(change, route)
    if wanted.prune:
        await _prune(change, wanted)
    # Only now: a provider and its routes may change together.
    await routes.require_fit(change, changed)
    adjust(change, wanted)


def adjust(change: ProjectChange, wanted: Wanted) -> None:
    """Bring the project's own fields to what is wanted."""
    project = change.project
    asked = {name: getattr(wanted, name) for name in OWN_FIELDS}
    if wanted.signed_headers is not None:
        asked["signed_headers"] = parse_signed_headers(wanted.signed_headers)
    for name in QUOTAS:
        if asked[name] is not None:
            Quota.parse(asked[name])
    differing = {name: value for name, value in asked.items() if value is not None and value != getattr(project, name)}
    if differing:
        change.project = replace(change.project, **differing)
        change.note("project.changed", **{name: _told(value) for name, value in differing.items()})
    if wanted.enabled is not None and wanted.enabled != project.enabled:
        change.project = replace(change.project, enabled=wanted.enabled)
        change.note("project.enabled" if wanted.enabled else "project.disabled")


def _told(value: str | bool | tuple[str, ...]) -> JSON:  # noqa: FBT001 - a field's value, whatever its type
    return list(value) if isinstance(value, tuple) else value


def _require_single(noun: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            msg = f"the {noun} {name!r} is given twice"
            raise InvalidValueError(msg)


async def _prune(change: ProjectChange, wanted: Wanted) -> None:
    """Remove what is stored and not wanted: what refers to others before what is referred to."""
    project = change.project.id
    if wanted.routes is not None:
        stored = {record.route.name for record in await every(change.store, AddedRoute, project)}
        await _remove_others(change, stored, {route.name for route in wanted.routes}, routes.remove)
    if wanted.secrets is not None:
        stored = {sealed.name for sealed in await every(change.store, SealedSecret, project)}
        await _remove_others(change, stored, set(wanted.secrets), secrets.remove)
    if wanted.providers is not None:
        stored = {record.provider.name for record in await every(change.store, RegisteredProvider, project)}
        await _remove_others(change, stored, {provider.name for provider in wanted.providers}, providers.remove)
    if wanted.origins is not None:
        stored = {str(allowed.origin) for allowed in await every(change.store, AllowedOrigin, project)}
        await _remove_others(change, stored, set(map(str, wanted.origins)), origins.remove)


async def _remove_others(
    change: ProjectChange,
    stored: set[str],
    kept: set[str],
    remove: Callable[[ProjectChange, str], Awaitable[None]],
) -> None:
    for name in sorted(stored - kept):
        await remove(change, name)
