"""The catalogue: every entry is whole, its routes belong to it, and what it says can be found again."""

import re
from datetime import UTC, date, datetime

import pytest

from apikeychain import providers
from apikeychain.errors import DoesNotExistError, InvalidValueError
from apikeychain.model.network import PUBLIC
from apikeychain.model.provider import BasicCredential, HeaderCredential, Provider, QueryCredential
from apikeychain.model.route import MIB, FormBody, JSONBody, ProxyRoute
from apikeychain.providers import CATALOGUE, CatalogueEntry, algolia_of, find
from apikeychain.rules.routing import compile_route

ENTRIES = pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.provider.name)
ROUTES = pytest.mark.parametrize(
    ("provider", "route"),
    [pytest.param(entry.provider, route, id=route.name) for entry in CATALOGUE for route in entry.routes],
)


def test_each_well_known_provider_has_its_constant() -> None:
    named = {name: getattr(providers, name) for name in providers.__all__ if name.isupper() and name != "CATALOGUE"}
    assert list(named) == [
        "AIRTABLE",
        "ALGOLIA",
        "ANTHROPIC",
        "CLOUDFLARE",
        "DEEPL",
        "GITHUB",
        "GOOGLE_MAPS",
        "MAPBOX",
        "NOTION",
        "OPENAI",
        "OPENWEATHER",
        "SENDGRID",
        "STRIPE",
        "TWILIO",
    ]
    assert list(named.values()) == [entry.provider for entry in CATALOGUE]
    assert {name.lower().replace("_", "-") for name in named} == {entry.provider.name for entry in CATALOGUE}


@ENTRIES
def test_an_entry_names_its_documentation_and_the_day_it_was_read(entry: CatalogueEntry) -> None:
    assert entry.provider.source.startswith("https://")
    assert date(2026, 1, 1) <= date.fromisoformat(entry.provider.reviewed) <= datetime.now(UTC).date()


@ENTRIES
def test_an_entry_is_found_by_its_name(entry: CatalogueEntry) -> None:
    assert find(entry.provider.name) is entry


def test_a_name_that_the_catalogue_lacks_is_answered_with_those_it_has() -> None:
    with pytest.raises(DoesNotExistError, match=re.escape("no provider 'weather'; it has airtable, algolia, ")):
        find("weather")


def test_no_two_routes_of_the_catalogue_share_a_name() -> None:
    names = [route.name for entry in CATALOGUE for route in entry.routes]
    assert len(set(names)) == len(names) > len(CATALOGUE)


@ROUTES
def test_a_route_belongs_to_its_provider_and_refuses_what_it_does_not_declare(
    provider: Provider, route: ProxyRoute
) -> None:
    assert (route.provider, route.secret_name, route.undeclared) == (provider.name, provider.name, "refuse")
    assert not isinstance(route.body, JSONBody | FormBody) or route.body.undeclared == "refuse"


@ROUTES
def test_a_route_lets_the_caller_name_no_credential(provider: Provider, route: ProxyRoute) -> None:
    declared = {parameter.name.lower() for parameter in route.parameters} | {name.lower() for name in route.headers}
    credential = provider.credential
    names = {credential.parameter} if isinstance(credential, QueryCredential) else credential.header_names
    assert names
    assert declared.isdisjoint(names)


def test_only_the_routes_that_move_money_or_reach_strangers_wait_to_be_enabled() -> None:
    waiting = [route.name for entry in CATALOGUE for route in entry.routes if not route.enabled]
    assert waiting == ["send-mail", "payment-intent", "stripe-payment-intents", "start-verification"]


def test_the_routes_for_browser_sdks_tolerate_the_headers_that_those_send() -> None:
    tolerated = {route.name: set(route.tolerated) for entry in CATALOGUE for route in entry.routes}
    assert {"authorization", "x-stainless-*"} <= tolerated["openai"]
    assert {"x-api-key", "x-stainless-*", "anthropic-dangerous-direct-browser-access"} <= tolerated["anthropic"]
    assert {"authorization", "x-github-api-version"} <= tolerated["issues"]
    assert {"authorization", "stripe-version", "x-stripe-client-*"} <= tolerated["stripe-prices"]


def test_the_routes_for_sdks_pass_what_those_ask_of_an_answer_before_they_try_again() -> None:
    passed = {route.name: set(route.answer_headers) for entry in CATALOGUE for route in entry.routes}
    assert {"X-Should-Retry", "Retry-After-Ms"} <= passed["openai"] & passed["anthropic"]
    assert {"Stripe-Should-Retry", "Idempotent-Replayed"} <= passed["stripe-payment-intents"]


def test_what_a_provider_asks_of_every_call_stands_in_its_entry() -> None:
    assert providers.GITHUB.user_agent == "apikeychain"
    assert dict(providers.GITHUB.headers) == {"X-GitHub-Api-Version": "2022-11-28"}
    assert dict(providers.ANTHROPIC.headers) == {"anthropic-version": "2023-06-01"}
    assert dict(providers.STRIPE.headers) == {"Stripe-Version": "2025-10-29.clover"}
    assert dict(providers.NOTION.headers) == {"Notion-Version": "2026-03-11"}


def test_a_credential_goes_where_its_provider_looks_for_it() -> None:
    assert providers.ALGOLIA.credential == HeaderCredential("X-Algolia-API-Key")
    assert providers.DEEPL.credential == HeaderCredential("Authorization", "DeepL-Auth-Key ")
    assert providers.TWILIO.credential == BasicCredential()
    bearer = HeaderCredential("Authorization", "Bearer ")
    for entry in (providers.AIRTABLE, providers.CLOUDFLARE, providers.NOTION, providers.SENDGRID):
        assert entry.credential == bearer


def test_each_application_of_algolia_has_its_own_host() -> None:
    mine = algolia_of("B1G2GM9NG0")
    assert mine.base_url == "https://b1g2gm9ng0-dsn.algolia.net"
    assert dict(mine.headers) == {"X-Algolia-Application-Id": "B1G2GM9NG0"}
    assert (mine.name, mine.credential) == (providers.ALGOLIA.name, providers.ALGOLIA.credential)


@pytest.mark.parametrize("name", ["", "b1g2gm9ng0", "B1G2GM9NG", "EVIL.EXAMPLE", "B1G2GM9NG0\n", "APPLICATION-ID"])
def test_what_is_no_application_of_algolia_has_no_host(name: str) -> None:
    with pytest.raises(InvalidValueError, match="not the id of an application"):
        algolia_of(name)


@ROUTES
def test_a_route_compiles(provider: Provider, route: ProxyRoute) -> None:
    compiled = compile_route(route, provider, network=PUBLIC, body_limit=100 * MIB)
    assert compiled is not None
