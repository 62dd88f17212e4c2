from dataclasses import replace
from typing import Any

import pytest

from apikeychain.errors import SecretUnavailableError
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.quota import Quota, Spend
from apikeychain.model.records import ProjectKey, SealedSecret
from apikeychain.model.rotation_records import ProviderKey
from apikeychain.model.route import HeaderParameter, ProxyRoute
from apikeychain.model.suspension import Suspension
from sample_project import APP, NOW, PROJECT, PROVIDER, WEATHER, a_snapshot

PORTED = replace(PROVIDER, base_url="https://api.weather.example:8443")


def _secret(name: str, provider: str) -> SealedSecret:
    return SealedSecret(
        project=PROJECT,
        name=name,
        provider=provider,
        version=1,
        fingerprint="0" * 16,
        sealed=b"",
        created=NOW,
        changed=NOW,
    )


def test_an_enabled_route_whose_provider_exists_is_served() -> None:
    compiled = a_snapshot().routes[b"weather"]
    assert (compiled.route, compiled.network) == (WEATHER, PUBLIC)


@pytest.mark.parametrize("route", [replace(WEATHER, enabled=False), replace(WEATHER, provider="gone")])
def test_a_disabled_route_or_one_without_its_provider_is_not_served(route: ProxyRoute) -> None:
    snapshot = a_snapshot(routes=[route])
    assert not snapshot.routes
    why = {b"weather": "The route 'weather' is not served: there is no provider 'gone'."}
    assert snapshot.unserved == (why if route.enabled else {})


def test_a_route_above_the_body_limit_is_not_served_and_the_others_are() -> None:
    large = replace(WEATHER, name="large", max_body_bytes=(100 << 20) + 1)
    snapshot = a_snapshot(routes=[large, WEATHER])
    assert [*snapshot.routes] == [b"weather"]
    (why,) = [*snapshot.unserved.items()]
    assert why[0] == b"large"
    assert why[1].startswith("The route 'large' is not served: ")


def test_a_port_other_than_443_is_served_only_where_host_code_says_so() -> None:  # amendment 7
    alone = a_snapshot(providers=[PORTED])
    assert not alone.routes
    told = f"is not served: {PORTED.base_url} is dialled only where the host's code names it in `network`."
    assert alone.unserved == {b"weather": f"The route 'weather' {told}"}
    network = Network(private=True)
    served = a_snapshot(providers=[PORTED], networks={PORTED.base_url: network})
    assert served.routes[b"weather"].network is network
    assert not a_snapshot(providers=[PORTED], networks={PROVIDER.base_url: network}).routes


def test_a_network_holds_for_its_base_url_only() -> None:
    assert a_snapshot(networks={PORTED.base_url: Network(private=True)}).routes[b"weather"].network is PUBLIC


def test_a_network_holds_for_the_tenants_that_it_names_only() -> None:
    own = Network(private=True, tenants=frozenset({"acme"}))
    served = a_snapshot(providers=[PORTED], networks={PORTED.base_url: own})
    assert served.routes[b"weather"].network is own
    foreign = replace(own, tenants=frozenset({"globex"}))
    assert not a_snapshot(providers=[PORTED], networks={PORTED.base_url: foreign}).routes
    assert a_snapshot(networks={PROVIDER.base_url: foreign}).routes[b"weather"].network is PUBLIC


def test_a_route_injects_the_secret_of_its_own_provider_only() -> None:
    own, foreign = _secret("weather", "weather"), _secret("stolen", "maps")
    routes = [WEATHER, ProxyRoute("thief", provider="weather", secret="stolen")]
    project = a_snapshot(routes=routes, secrets=[own, foreign])
    assert project.secret_of(project.routes[b"weather"]) is own
    for unserved, name in ((project, b"thief"), (a_snapshot(), b"weather")):
        with pytest.raises(SecretUnavailableError, match="Put the secret"):
            unserved.secret_of(unserved.routes[name])


def test_http_origins_count_in_development_only() -> None:
    both = (APP, "http://localhost:3000")
    assert a_snapshot(origins=both).origins == {APP.encode(): APP}
    assert a_snapshot(origins=both, development=True).origins == {origin.encode(): origin for origin in both}


@pytest.mark.parametrize(
    ("project", "address", "expected"),
    [
        ("600/minute", None, Quota(60, 60)),
        ("6000/minute", None, Quota(600, 60)),
        ("100/minute", None, Quota(30, 60)),
        ("300/minute", None, Quota(30, 60)),
        ("1000/day", None, Quota(30, 60)),
        ("20/second", None, Quota(2, 1)),
        ("5/second", None, Quota(30, 60)),
        ("600/minute", "7/hour", Quota(7, 3600)),
        ("600/minute moving-window", None, Quota(60, 60, exact=True)),
        ("100/minute moving-window", None, Quota(30, 60, exact=True)),
        ("600/minute moving-window", "7/hour", Quota(7, 3600)),
    ],
)
def test_an_address_has_a_tenth_and_at_least_30_a_minute(project: str, address: str | None, expected: Quota) -> None:
    snapshot = a_snapshot(quota=project, address_quota=address)
    assert snapshot.project_spend == Spend(f"{PROJECT}:project", "project", Quota.parse(project))
    assert snapshot.address_quota == expected


def test_a_user_and_an_origin_have_a_quota_only_where_one_is_set() -> None:
    bare, full = a_snapshot(), a_snapshot(user_quota="5/minute", origin_quota="50/minute moving-window")
    assert (bare.user_quota, bare.origin_quota) == (None, None)
    assert (full.user_quota, full.origin_quota) == (Quota(5, 60), Quota(50, 60, exact=True))


def test_keys_suspensions_and_route_quotas_are_ready_to_look_up() -> None:
    key = ProjectKey(
        project=PROJECT,
        version="0" * 32,
        number=1,
        created=NOW,
        kdf="argon2id",
        salt=b"",
        wrapped_master=b"",
        wrapped_derived=b"",
        wrapped_metadata=b"",
    )
    held = Suspension(project=PROJECT, scope="project", value="", reason="", created=NOW)
    routes = [WEATHER, replace(WEATHER, name="scarce", quota="3/hour"), replace(WEATHER, name="off", quota="1/day")]
    routes[2] = replace(routes[2], enabled=False)
    project = a_snapshot(keys=[key], suspensions=[held], routes=routes)
    assert project.keys == {"0" * 32: key}
    assert (project.suspensions, project.names_callers) == ({("project", ""): held}, False)
    assert project.route_spends == {"scarce": Spend(f"{PROJECT}:route:scarce", "route", Quota(3, 3600))}


def test_a_project_without_routes_lets_preflights_ask_for_get_and_options() -> None:
    ready = a_snapshot(routes=[]).preflight
    assert (ready.allow_methods, ready.allow_headers) == (b"GET, OPTIONS", b"Content-Type, X-Iso-User")
    assert ready.methods == {b"GET", b"HEAD", b"OPTIONS"}
    assert ready.names == {b"content-type", b"x-iso-user"}


def test_enabled_routes_alone_say_what_preflights_may_ask_for() -> None:
    routes = [
        ProxyRoute(
            "chat",
            provider="weather",
            methods=("POST", "DELETE"),
            headers=("X-Trace",),
            tolerated=("x-stainless-*", "authorization", "content-type"),
            parameters=(HeaderParameter("X-Version"), HeaderParameter("X-Fixed", fixed="1")),
        ),
        ProxyRoute("off", provider="weather", methods=("PATCH",), headers=("x-off",), enabled=False),
    ]
    ready = a_snapshot(routes=routes).preflight
    assert ready.allow_methods == b"POST, DELETE, OPTIONS"
    assert ready.methods == {b"POST", b"DELETE", b"OPTIONS"}
    assert ready.allow_headers == b"Content-Type, X-Iso-User, authorization, x-trace, x-version"
    assert ready.names == {b"content-type", b"x-iso-user", b"authorization", b"x-trace", b"x-version"}
    assert ready.prefixes == (b"x-stainless-",)


def test_a_snapshot_shows_no_secret_or_key() -> None:
    keys = [_key(1, secret="canary", sealed=b"canary")]
    text = repr(a_snapshot(secrets=[_secret("canary", "weather")], provider_keys=keys))
    assert "canary" not in text


def _key(number: int, **fields: Any) -> ProviderKey:
    given: dict[str, Any] = {"secret": "weather", "state": "retiring", "sealed": b"%d" % number, "version": number}
    given |= {"project": PROJECT, "reason": "schedule", "label": "", "created": NOW, "after": NOW} | fields
    return ProviderKey(number=number, fingerprint=f"{number:016}", **given)


def test_values_that_retire_are_the_rows_that_they_were() -> None:
    secret = _secret("weather", "weather")
    others = [
        _key(2, state="revoked"), _key(3, state="current", sealed=b""), _key(4, sealed=b""), _key(5, secret="gone"),
        _key(6, state="created"),
    ]  # fmt: skip
    shop = a_snapshot(secrets=[secret, _secret("other", "weather")], provider_keys=[_key(1), *others])
    row = replace(secret, version=1, sealed=b"1", fingerprint="0000000000000001")
    assert shop.retiring == {"weather": (row,)}
    assert a_snapshot(secrets=[secret], provider_keys=others).retiring == {}


def test_of_many_values_that_retire_the_newest_are_looked_for() -> None:
    """A provider that ends no key makes no answer dearer and dearer."""
    shop = a_snapshot(secrets=[_secret("weather", "weather")], provider_keys=[_key(number) for number in range(1, 8)])
    assert [row.version for row in shop.retiring["weather"]] == [4, 5, 6, 7]
