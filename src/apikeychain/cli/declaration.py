"""The file of `apikeychain apply`: tenants with their projects, in the words of `ProjectAdmin.configure`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast

from apikeychain.cli.declared import declared_provider, declared_route
from apikeychain.cli.declared_secret import declared_secret
from apikeychain.cli.fields import Place, Table, as_table
from apikeychain.cli.origin import explained
from apikeychain.errors import InvalidValueError
from apikeychain.model.ids import parse_name, parse_tenant_id
from apikeychain.model.network import PUBLIC
from apikeychain.model.origin import parse_origin
from apikeychain.model.provider import Provider
from apikeychain.model.quota import Quota
from apikeychain.model.route import ProxyRoute, Require
from apikeychain.rules.routing import compile_route
from apikeychain.rules.sanitizers import compile_sanitizers
from apikeychain.settings import APIKeyChainSettings
from apikeychain.tenants.configure import OWN_FIELDS, QUOTAS, ProviderSecret

_TABLES = ("providers", "routes", "secrets")
_OWN = ("origins", "enabled", *OWN_FIELDS)


class Configuration(TypedDict, total=False):
    """Arguments of `configure`; what the file does not name is left as it is."""

    origins: tuple[str, ...]
    enabled: bool
    quota: str
    address_quota: str
    user_quota: str
    origin_quota: str
    observe_quotas: bool
    referer_fallback: bool
    require: Require
    require_caller: bool
    assets: bool
    asset_tokens: bool
    signed_headers: tuple[str, ...]
    providers: list[Provider]
    routes: list[ProxyRoute]
    secrets: dict[str, ProviderSecret]


@dataclass(frozen=True, slots=True)
class DeclaredProject:
    """A project that shall be as declared.

    Attributes:
        place: for what turns out to be wrong with it later.
    """

    place: Place
    name: str
    configuration: Configuration


@dataclass(frozen=True, slots=True)
class DeclaredTenant:
    """A tenant that shall exist, with those of its projects in which nothing is wrong."""

    place: Place
    id: str
    projects: list[DeclaredProject]


@dataclass(frozen=True, slots=True)
class _TenantTable:
    id: str


@dataclass(frozen=True, slots=True)
class _ProjectTable:
    name: str
    origins: tuple[str, ...] | None = None
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
    signed_headers: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a declaration.

    Attributes:
        folder: where the file is; paths in it begin there.
        development: whether http origins on localhost are taken.
    """

    folder: Path
    development: bool

    def tenants(self, place: Place, file: Table) -> list[DeclaredTenant]:
        """The tenants of a file; what is wrong with it is noted."""
        place.refuse_unknown(file, ["tenant"])
        found: list[DeclaredTenant] = []
        for inner, table in place.tables(file.get("tenant", []), "tenant", by="id"):
            head = inner.build(_TenantTable, table, beside=["project"])
            tables = inner.tables(table.get("project", []), "project")
            projects = [project for at, one in tables if (project := self._project(at, one))]
            _refuse_twins(inner, "project", (project.name for project in projects))
            if head and inner.attempt(parse_tenant_id, head.id):
                found.append(DeclaredTenant(inner, head.id, projects))
        _refuse_twins(place, "tenant", (tenant.id for tenant in found))
        return found

    def _project(self, place: Place, table: Table) -> DeclaredProject | None:
        before = len(place.problems)
        head = place.build(_ProjectTable, table, beside=_TABLES)
        self._judge(place, table)
        configuration: Configuration = {}
        if "providers" in table:
            configuration["providers"] = self._providers(place, table["providers"])
        if "routes" in table:
            configuration["routes"] = self._routes(place, table["routes"], configuration.get("providers", []))
        if "secrets" in table:
            configuration["secrets"] = self._secrets(place, table["secrets"])
        if head is None or len(place.problems) > before:
            return None
        own = {name: getattr(head, name) for name in _OWN}
        configuration.update(cast("Configuration", {name: value for name, value in own.items() if value is not None}))
        return DeclaredProject(place, head.name, configuration)

    def _judge(self, place: Place, table: Table) -> None:
        """Judge the project's own values one by one, so that one mistake hides no other."""
        if isinstance(name := table.get("name"), str):
            place.attempt(parse_name, name, "project")
        for key in QUOTAS:
            if isinstance(quota := table.get(key), str):
                place.attempt(Quota.parse, quota)
        origins = table.get("origins")
        for origin in cast("list[object]", origins) if isinstance(origins, list) else ():
            if isinstance(origin, str):
                place.attempt(self._origin, origin)

    def _origin(self, origin: str) -> None:
        try:
            parse_origin(origin, development=self.development)
        except InvalidValueError as error:
            raise explained(error, origin, development=self.development) from None

    def _providers(self, place: Place, given: object) -> list[Provider]:
        providers: list[Provider] = []
        for inner, table in place.tables(given, "provider"):
            if provider := declared_provider(inner, table):
                providers.append(provider)
                inner.attempt(compile_sanitizers, provider)
        _refuse_twins(place, "provider", (provider.name for provider in providers))
        return providers

    def _routes(self, place: Place, given: object, providers: Iterable[Provider]) -> list[ProxyRoute]:
        named, limit = {provider.name: provider for provider in providers}, APIKeyChainSettings().body_limit
        routes: list[ProxyRoute] = []
        for inner, table in place.tables(given, "route"):
            route = declared_route(inner, table)
            if route is None:
                continue
            routes.append(route)
            if provider := named.get(route.provider):
                inner.attempt(compile_route, route, provider, network=PUBLIC, body_limit=limit)
        _refuse_twins(place, "route", (route.name for route in routes))
        return routes

    def _secrets(self, place: Place, given: object) -> dict[str, ProviderSecret]:
        tables = as_table(given)
        if tables is None:
            place.note("write [tenant.project.secrets]")
        found: dict[str, ProviderSecret] = {}
        for name, value in (tables or {}).items():
            if secret := declared_secret(place.inside(f"secret {name}"), name, value, self.folder):
                found[name] = secret
        return found


def _refuse_twins(place: Place, noun: str, names: Iterable[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            place.note(f"{noun} {name} stands here {times} times")
