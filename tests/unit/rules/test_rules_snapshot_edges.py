"""A project as calls meet it, to the last method and header that a preflight may ask for."""

from dataclasses import replace

import pytest

from apikeychain.model.origin import Origin
from apikeychain.model.quota import Quota
from apikeychain.model.records import AllowedOrigin, ProjectKey, SigningKey
from apikeychain.model.route import HeaderParameter, PathParameter, ProxyRoute, QueryParameter
from apikeychain.rules.snapshot import compile_snapshot
from sample_project import NOW, PROJECT, PROVIDER, WEATHER, a_snapshot

SIGNING_KEY = SigningKey(project=PROJECT, id="k_canary", created=NOW, sealed=b"")
KEY = ProjectKey(
    project=PROJECT,
    version="c0ffee42" * 4,
    number=1,
    created=NOW,
    kdf="argon2id",
    salt=b"",
    wrapped_master=b"canary",
    wrapped_derived=b"canary",
    wrapped_metadata=b"",
)
ROUTES = [
    ProxyRoute("all", provider="weather", methods=("DELETE", "PATCH", "PUT", "POST", "HEAD", "GET")),
    ProxyRoute("more", provider="weather", headers=tuple(f"X-{number:02}" for number in range(20, 0, -1))),
]


def test_methods_are_listed_in_the_order_that_people_read() -> None:
    ready = a_snapshot(routes=ROUTES).preflight
    assert ready.allow_methods == b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def test_added_headers_are_listed_in_the_order_of_their_names() -> None:
    added = b", ".join(b"x-%02d" % number for number in range(1, 21))
    assert a_snapshot(routes=ROUTES).preflight.allow_headers == b"Content-Type, X-Iso-User, " + added


def test_a_project_with_a_signing_key_lets_preflights_ask_for_what_signs() -> None:
    signed = a_snapshot(signing_keys=[SIGNING_KEY], signed_headers=("x-order",))
    assert signed.preflight.allow_headers == (
        b"Content-Type, X-Iso-User, X-Key-Id, X-Timestamp, X-Nonce, X-Content-Sha256, X-Signature, x-order"
    )
    assert signed.signing_keys == {"k_canary": SIGNING_KEY}
    unsigned = a_snapshot(signed_headers=("x-order",))
    assert unsigned.preflight.allow_headers == b"Content-Type, X-Iso-User"


def test_only_header_parameters_are_asked_for_as_headers() -> None:
    parameters = (QueryParameter("q"), PathParameter("id"), HeaderParameter("X-A"))
    route = replace(WEATHER, path="/{id}", parameters=parameters)
    assert a_snapshot(routes=[route]).preflight.allow_headers == b"Content-Type, X-Iso-User, x-a"


def test_a_route_that_is_not_served_takes_none_behind_it_down() -> None:
    ported = replace(PROVIDER, name="ported", base_url="https://api.weather.example:8443")
    routes = [
        replace(WEATHER, name="off", enabled=False),
        replace(WEATHER, name="ported", provider="ported"),
        replace(WEATHER, name="large", max_body_bytes=(100 << 20) + 1),
        WEATHER,
    ]
    assert [*a_snapshot(routes=routes, providers=[ported, PROVIDER]).routes] == [b"weather"]


@pytest.mark.parametrize(
    ("quota", "address"),
    [
        ("300/minute", Quota(30, 60)),
        ("310/minute", Quota(31, 60)),
        ("18000/hour", Quota(1800, 3600)),
        ("17990/hour", Quota(30, 60)),
    ],
)
def test_a_tenth_that_is_just_enough_keeps_its_own_window(quota: str, address: Quota) -> None:
    assert a_snapshot(quota=quota).address_quota == address


def test_nothing_of_a_key_is_shown() -> None:
    text = repr(a_snapshot(keys=[KEY], signing_keys=[SIGNING_KEY]))
    assert "canary" not in text
    assert KEY.version not in text


def test_http_origins_do_not_count_unless_somebody_says_so() -> None:
    known = a_snapshot()
    local = AllowedOrigin(project=PROJECT, origin=Origin("http://localhost:3000"), created=NOW)
    compiled = compile_snapshot(
        known.tenant,
        known.project,
        origins=[local],
        providers=[],
        routes=[],
        secrets=[],
        provider_keys=[],
        keys=[],
        signing_keys=[],
        suspensions=[],
        networks={},
        body_limit=1,
    )
    assert compiled.origins == {}
