"""A project compiled: what is decided per project is decided once, so that a call costs look-ups.

Source: contracts 2 (preflights, http origins), 4 (provider base URL, a secret's provider), 7 (quotas); amendment 7.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from apikeychain.errors import InvalidValueError, SecretUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.model.network import Network, network_of
from apikeychain.model.origin import Origin
from apikeychain.model.provider import Provider
from apikeychain.model.quota import Quota, Spend
from apikeychain.model.records import (
    AddedRoute,
    AllowedOrigin,
    Project,
    ProjectKey,
    RegisteredProvider,
    SealedSecret,
    SigningKey,
    Tenant,
)
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.route import HeaderParameter, ProxyRoute
from apikeychain.model.sanitizers import SanitizerFunction
from apikeychain.model.suspension import Scope, Suspension
from apikeychain.model.watch import TightenedQuota
from apikeychain.rules.caller import bucket_address
from apikeychain.rules.chain import is_pseudonym
from apikeychain.rules.headers import SIGNING
from apikeychain.rules.request_transforms import caller_headers
from apikeychain.rules.routing import CompiledRoute, compile_route
from apikeychain.rules.tightened import Quotas, tightened

# Of one secret, the newest: a provider that ends none would else make every answer dearer.
_MOST_RETIRING = 4
_LEAST_ADDRESS_QUOTA = Quota(30, 60)
_METHOD_ORDER = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_ALWAYS_ALLOWED = ("Content-Type", "X-Iso-User")
_SIGNING = tuple(name.decode().title() for name in SIGNING)


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a preflight of the project may ask for.

    Attributes:
        allow_methods: the ready value of Access-Control-Allow-Methods; `allow_headers` likewise.
        methods: the methods approved; HEAD where GET.
        names: the request headers approved, lower case.
        prefixes: beginnings of further ones.
    """

    allow_methods: bytes
    allow_headers: bytes
    methods: frozenset[bytes]
    names: frozenset[bytes]
    prefixes: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A project as calls meet it.

    Attributes:
        origins: the allowed origins, by the bytes that browsers send.
        routes: by name; only enabled ones that fit their provider, which exists and may be dialled.
        unserved: why a route that is enabled is not among them, by name.
        secrets: by name. What a route injects is decided by `secret_of` alone.
        retiring: the values that a secret had before and that live at the provider still, by name, where there are any.
        keys: by version.
        signing_keys: by id.
        suspensions: by scope and value, past ones too; an address as it is counted.
        names_callers: whether a caller is suspended by its pseudonym, which a call has to know then to be admitted.
        origin_quotas: of origins that have another one than `origin_quota` for now.
        project_spend: what each call takes from the project's quota.
        route_spends: likewise from its route's, by route name, where a route has one.
    """

    tenant: Tenant
    project: Project
    origins: Mapping[bytes, Origin]
    routes: Mapping[bytes, CompiledRoute]
    unserved: Mapping[bytes, str]
    secrets: Mapping[str, SealedSecret] = field(repr=False)
    retiring: Mapping[str, Sequence[SealedSecret]] = field(repr=False)
    keys: Mapping[str, ProjectKey] = field(repr=False)
    signing_keys: Mapping[str, SigningKey] = field(repr=False)
    suspensions: Mapping[tuple[Scope, str], Suspension]
    names_callers: bool
    project_spend: Spend
    address_quota: Quota
    user_quota: Quota | None
    origin_quota: Quota | None
    origin_quotas: Mapping[str, Quota]
    route_spends: Mapping[str, Spend]
    preflight: Preflight

    def secret_of(self, route: CompiledRoute) -> SealedSecret:
        """The secret that `route` injects.

        A secret belongs to one provider: whoever may add a provider and a route could else carry every secret out.

        Raises:
            SecretUnavailableError: there is none of that name and that provider.
        """
        secret = self.secrets.get(route.route.secret_name)
        if secret is None or secret.provider != route.route.provider:
            hint = f"Put the secret {route.route.secret_name!r} for the provider {route.provider.name!r}."
            raise SecretUnavailableError(hint)
        return secret


def compile_snapshot(
    tenant: Tenant,
    project: Project,
    *,
    origins: Iterable[AllowedOrigin],
    providers: Iterable[RegisteredProvider],
    routes: Iterable[AddedRoute],
    secrets: Iterable[SealedSecret],
    provider_keys: Iterable[ProviderKey],
    keys: Iterable[ProjectKey],
    signing_keys: Iterable[SigningKey],
    suspensions: Iterable[Suspension],
    smaller: Iterable[TightenedQuota] = (),
    networks: Mapping[str, Network],
    body_limit: int,
    sanitizers: Mapping[str, SanitizerFunction] = MappingProxyType({}),
    development: bool = False,
) -> Snapshot:
    """The project, compiled from its records.

    Args:
        tenant: the project's.
        project: the record.
        origins: and all that follow, of this project.
        providers: registered.
        routes: added, enabled or not.
        secrets: put.
        provider_keys: of secrets that turn, in the order of their numbers.
        keys: every version that may have sealed something.
        signing_keys: valid ones.
        suspensions: past ones too; the moment decides.
        smaller: quotas that are smaller for now.
        networks: the host's exceptions, by provider base URL.
        body_limit: the most that a route may take, in bytes.
        sanitizers: the host's functions, by the name of the provider.
        development: whether http origins count; they stay on the list without it and are not served.
    """
    known = {record.provider.name: record.provider for record in providers}
    compiled, unserved = _compile_routes(
        tenant.id, routes, known, networks, body_limit=body_limit, sanitizers=sanitizers
    )
    served = [route.route for route in compiled.values()]
    known_secrets = {secret.name: secret for secret in secrets}
    known_keys = {key.id: key for key in signing_keys}
    quotas = tightened(_quotas(project, served), smaller)
    suspended: dict[tuple[Scope, str], Suspension] = {(one.scope, _counted(one)): one for one in suspensions}
    return Snapshot(
        tenant=tenant,
        project=project,
        origins=MappingProxyType(
            {
                record.origin.encode(): record.origin
                for record in origins
                if development or record.origin.startswith("https://")
            }
        ),
        routes=MappingProxyType(compiled),
        unserved=MappingProxyType(unserved),
        secrets=MappingProxyType(known_secrets),
        retiring=MappingProxyType(_retiring(known_secrets, provider_keys)),
        keys=MappingProxyType({key.version: key for key in keys}),
        signing_keys=MappingProxyType(known_keys),
        suspensions=MappingProxyType(suspended),
        names_callers=any(scope == "caller" and is_pseudonym(value) for scope, value in suspended),
        project_spend=Spend(f"{project.id}:project", "project", quotas.project),
        address_quota=quotas.address,
        user_quota=Quota.parse(project.user_quota) if project.user_quota else None,
        origin_quota=quotas.origin,
        origin_quotas=MappingProxyType(quotas.origins),
        route_spends=MappingProxyType(
            {name: Spend(f"{project.id}:route:{name}", "route", quota) for name, quota in quotas.routes.items()}
        ),
        preflight=_compile_preflight(project, compiled.values(), signs=bool(known_keys)),
    )


def _counted(suspension: Suspension) -> str:
    return bucket_address(suspension.value) if suspension.scope == "caller" else suspension.value


def _quotas(project: Project, routes: Iterable[ProxyRoute]) -> Quotas:
    quota = Quota.parse(project.quota)
    return Quotas(
        project=quota,
        address=Quota.parse(project.address_quota) if project.address_quota else _tenth(quota),
        origin=Quota.parse(project.origin_quota) if project.origin_quota else None,
        routes={route.name: Quota.parse(route.quota) for route in routes if route.quota},
        origins={},
    )


def _retiring(
    secrets: Mapping[str, SealedSecret], provider_keys: Iterable[ProviderKey]
) -> dict[str, Sequence[SealedSecret]]:
    """Each value as the row that it was."""
    found: dict[str, Sequence[SealedSecret]] = {}
    for key in provider_keys:
        secret = secrets.get(key.secret)
        if secret is not None and key.state == "retiring" and key.sealed:
            row = replace(secret, version=key.version, sealed=key.sealed, fingerprint=key.fingerprint)
            found[secret.name] = (*found.get(secret.name, ()), row)[-_MOST_RETIRING:]
    return found


def _compile_routes(
    tenant: TenantId,
    routes: Iterable[AddedRoute],
    providers: Mapping[str, Provider],
    networks: Mapping[str, Network],
    *,
    body_limit: int,
    sanitizers: Mapping[str, SanitizerFunction],
) -> tuple[dict[bytes, CompiledRoute], dict[bytes, str]]:
    """What is served, and why the others that are enabled are not: one takes no other down."""
    compiled, unserved = dict[bytes, CompiledRoute](), dict[bytes, str]()
    for route in [record.route for record in routes if record.route.enabled]:
        try:
            provider, network = _way_of(route, tenant, providers, networks)
            own = sanitizers.get(provider.name)
            found = compile_route(route, provider, network=network, body_limit=body_limit, sanitizer=own)
            compiled[route.name.encode()] = found
        except InvalidValueError as error:
            unserved[route.name.encode()] = f"The route {route.name!r} is not served: {error}."
    return compiled, unserved


def _way_of(
    route: ProxyRoute, tenant: TenantId, providers: Mapping[str, Provider], networks: Mapping[str, Network]
) -> tuple[Provider, Network]:
    """Where it leads. Raises InvalidValueError: nowhere, or where nothing may be dialled."""
    provider = providers.get(route.provider)
    if provider is None:
        msg = f"there is no provider {route.provider!r}"
        raise InvalidValueError(msg)
    network = network_of(networks, provider.address, tenant)
    if network is None:
        msg = f"{provider.base_url} is dialled only where the host's code names it in `network`"
        raise InvalidValueError(msg)
    return provider, network


def _compile_preflight(project: Project, compiled: Iterable[CompiledRoute], *, signs: bool) -> Preflight:
    routes = list(compiled)
    listed = {method for route in routes for method in route.route.methods} or {"GET"}
    approved = {method for route in routes for method in route.methods} or {"GET", "HEAD"}
    added = {name.lower() for route in routes for name in _added_headers(route.route)}
    usual = [*_ALWAYS_ALLOWED, *(_SIGNING if signs else ()), *(project.signed_headers if signs else ())]
    names = [*usual, *sorted(added - {name.lower() for name in usual})]
    exact = [name for name in names if not name.endswith("*")]
    return Preflight(
        allow_methods=", ".join(sorted(listed | {"OPTIONS"}, key=_METHOD_ORDER.index)).encode(),
        allow_headers=", ".join(exact).encode(),
        methods=frozenset(method.encode() for method in approved | {"OPTIONS"}),
        names=frozenset(name.lower().encode() for name in exact),
        prefixes=tuple(name[:-1].encode() for name in names if name.endswith("*")),
    )


def _added_headers(route: ProxyRoute) -> Iterable[str]:
    """What a browser may send to `route` beyond the usual; a fixed parameter is not the caller's to send."""
    yield from route.headers
    yield from (p.name for p in route.parameters if isinstance(p, HeaderParameter) and p.fixed is None)
    yield from caller_headers(route)
    yield from route.tolerated


def _tenth(quota: Quota) -> Quota:
    """A tenth of the project's quota, at least 30 a minute; exact where that one is."""
    amount, least = quota.amount // 10, _LEAST_ADDRESS_QUOTA
    if amount * least.window_seconds < least.amount * quota.window_seconds:
        return replace(least, exact=quota.exact)
    return replace(quota, amount=amount)
