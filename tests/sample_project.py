"""A project and calls to it, made up, for tests of the rules."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from apikeychain.model.call import Call
from apikeychain.model.headers import Headers, Line
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.network import Network
from apikeychain.model.origin import Origin
from apikeychain.model.provider import HeaderCredential, Provider
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
from apikeychain.model.route import ProxyRoute
from apikeychain.model.suspension import Suspension
from apikeychain.rules.snapshot import Snapshot, compile_snapshot

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PROJECT = ProjectId("p_" + "a" * 20)
APP = "https://app.example.com"
WEATHER = ProxyRoute("weather", provider="weather")
PROVIDER = Provider("weather", "https://api.weather.example", HeaderCredential("x-api-key"))


def a_snapshot(
    *,
    origins: Iterable[str] = (APP,),
    routes: Iterable[ProxyRoute] = (WEATHER,),
    providers: Iterable[Provider] = (PROVIDER,),
    secrets: Iterable[SealedSecret] = (),
    provider_keys: Iterable[ProviderKey] = (),
    signing_keys: Iterable[SigningKey] = (),
    keys: Iterable[ProjectKey] = (),
    suspensions: Iterable[Suspension] = (),
    networks: Mapping[str, Network] | None = None,
    development: bool = False,
    quota: str = "600/minute",
    address_quota: str | None = None,
    user_quota: str | None = None,
    origin_quota: str | None = None,
    observe_quotas: bool = False,
    referer_fallback: bool = False,
    **fields: Any,
) -> Snapshot:
    """A project with one origin and one route, unless told otherwise.

    Args:
        fields: further ones of the project's own record.
    """
    return compile_snapshot(
        Tenant(id=TenantId("acme"), created=NOW, wrapped_secret=b"", wrapped_pseudonym_key=b""),
        Project(
            id=PROJECT,
            name="shop",
            created=NOW,
            enabled=True,
            quota=quota,
            address_quota=address_quota,
            user_quota=user_quota,
            origin_quota=origin_quota,
            observe_quotas=observe_quotas,
            referer_fallback=referer_fallback,
            **fields,
        ),
        origins=[AllowedOrigin(project=PROJECT, origin=Origin(origin), created=NOW) for origin in origins],
        providers=[RegisteredProvider(project=PROJECT, provider=provider, created=NOW) for provider in providers],
        routes=[AddedRoute(project=PROJECT, route=route, created=NOW) for route in routes],
        secrets=secrets,
        provider_keys=provider_keys,
        keys=keys,
        signing_keys=signing_keys,
        suspensions=suspensions,
        networks=networks or {},
        body_limit=100 << 20,
        development=development,
    )


def a_call(
    *lines: Line,
    method: str = "GET",
    scheme: str = "https",
    peer: str = "192.0.2.1",
) -> Call:
    """A proxied call with these header lines."""
    return Call(
        method=method,
        scheme=scheme,
        project=PROJECT,
        area="proxy",
        path=b"weather",
        query=b"",
        headers=Headers(lines),
        peer=peer,
        body=_nothing(),
    )


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""
