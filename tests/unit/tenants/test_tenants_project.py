"""The verbs of a project: each is one transaction, and what is so already changes nothing."""

import asyncio
from dataclasses import replace

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, ProxyRoute, QueryCredential
from apikeychain.errors import AlreadyExistsError, DoesNotExistError, InvalidValueError, StillInUseError
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from management import APP, MAPS, ROUTE, WEATHER, data, entries, fill, nothing_changes, one_change


async def test_enabling_and_disabling_switch_the_proxy_only(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with nothing_changes(acme, shop):
        await shop.disable()
    async with one_change(acme, shop, "project.enabled"):
        await shop.enable()
    async with nothing_changes(acme, shop):
        await shop.enable()
    assert (await shop.show()).enabled
    async with one_change(acme, shop, "project.disabled"):
        await shop.disable()
    assert not (await shop.show()).enabled


async def test_an_origin_is_allowed_once_and_removed_once(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with one_change(acme, shop, "origin.allowed"):
        await shop.allow_origin(APP)
    assert data((await entries(acme))[-1]) == {"origin": APP}
    async with nothing_changes(acme, shop):
        await shop.allow_origin(APP)
    assert [allowed.origin for allowed in await shop.list_origins()] == [APP]
    async with one_change(acme, shop, "origin.removed"):
        await shop.remove_origin(APP)
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match=r"^the project 'shop' has no origin 'https://app.example.com'$"):
            await shop.remove_origin(APP)


@pytest.mark.parametrize(
    "origin", ["*", "null", "https://app.example.com/", "https://*.example.com", "http://localhost:5173", "ftp://x.y"]
)
async def test_what_is_no_origin_is_refused_in_one_line(acme: TenantAdmin, shop: ProjectAdmin, origin: str) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError) as refused:
            await shop.allow_origin(origin)
    assert origin in str(refused.value)
    assert "\n" not in str(refused.value)


async def test_http_on_localhost_is_for_development_only() -> None:
    settings = APIKeyChainSettings(kdf="pbkdf2-sha512", development=True)
    async with APIKeyChain.in_memory(settings=settings) as keychain:
        project = await (await keychain.create_tenant("acme")).create_project("shop")
        await project.allow_origin("http://localhost:5173")
        assert len(await project.list_origins()) == 1


async def test_a_provider_is_registered_changed_and_removed(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with one_change(acme, shop, "provider.registered"):
        await shop.register_provider(WEATHER)
    async with nothing_changes(acme, shop):
        await shop.register_provider(WEATHER)
    async with one_change(acme, shop, "provider.changed"):
        await shop.register_provider(replace(WEATHER, base_url="https://new.weather.example"))
    [stored] = await shop.list_providers()
    assert (stored.provider.base_url, stored.generation) == ("https://new.weather.example", 2)
    async with one_change(acme, shop, "provider.removed"):
        await shop.remove_provider("weather")
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match=r"^the project 'shop' has no provider 'weather'$"):
            await shop.remove_provider("weather")


async def test_a_provider_in_use_stays(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    await shop.register_provider(MAPS)
    await shop.add_route(ProxyRoute("tiles", provider="maps"))
    async with nothing_changes(acme, shop):
        with pytest.raises(StillInUseError, match=r"'weather' is used by route weather, secret weather: remove these"):
            await shop.remove_provider("weather")
    await shop.remove_route("weather")
    with pytest.raises(StillInUseError, match=r"is used by secret weather: remove"):
        await shop.remove_provider("weather")
    await shop.remove_secret("weather")
    await shop.remove_provider("weather")
    assert [record.provider for record in await shop.list_providers()] == [MAPS]


async def test_a_provider_that_its_route_does_not_fit_any_more_is_refused(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    await shop.register_provider(MAPS)
    await shop.add_route(ProxyRoute("tiles", provider="maps"))
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError, match="'q'"):
            await shop.register_provider(replace(WEATHER, credential=QueryCredential("q")))
    async with one_change(acme, shop, "provider.changed"):
        await shop.register_provider(replace(MAPS, credential=QueryCredential("q")))


async def test_a_route_is_added_once(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match=r"^the project 'shop' has no provider 'weather'$"):
            await shop.add_route(ROUTE)
    await shop.register_provider(WEATHER)
    async with one_change(acme, shop, "route.added"):
        await shop.add_route(ROUTE)
    async with nothing_changes(acme, shop):
        with pytest.raises(AlreadyExistsError, match=r"^the project 'shop' has a route 'weather' already$"):
            await shop.add_route(ROUTE)
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError):
            await shop.add_route(ProxyRoute("large", provider="weather", max_body_bytes=101 << 20))


async def test_a_route_is_enabled_disabled_and_removed(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.register_provider(WEATHER)
    await shop.add_route(ROUTE)
    async with nothing_changes(acme, shop):
        await shop.enable_route("weather")
    async with one_change(acme, shop, "route.disabled"):
        await shop.disable_route("weather")
    async with nothing_changes(acme, shop):
        await shop.disable_route("weather")
    assert [record.route.enabled for record in await shop.list_routes()] == [False]
    async with one_change(acme, shop, "route.enabled"):
        await shop.enable_route("weather")
    async with one_change(acme, shop, "route.removed"):
        await shop.remove_route("weather")
    async with nothing_changes(acme, shop):
        for verb in (shop.enable_route, shop.disable_route, shop.remove_route):
            with pytest.raises(DoesNotExistError, match=r"^the project 'shop' has no route 'weather'$"):
                await verb("weather")


async def test_a_suspension_is_made_changed_and_lifted(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with one_change(acme, shop, "suspension.created"):
        await shop.suspend("route", "weather", reason="odd answers", seconds=60)
    async with one_change(acme, shop, "suspension.changed"):
        await shop.suspend("route", "weather", reason="still odd")
    [stored] = await shop.list_suspensions()
    assert (stored.scope, stored.value, stored.reason, stored.until) == ("route", "weather", "still odd", None)
    async with one_change(acme, shop, "suspension.removed"):
        await shop.lift("route", "weather")
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match="is not suspended"):
            await shop.lift("route", "weather")


async def test_a_suspended_address_is_a_pseudonym_in_the_ledger(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.suspend("caller", "203.0.113.9", reason="scan")
    made = data((await entries(acme))[-1])
    await shop.lift("caller", "203.0.113.9")
    lifted = data((await entries(acme))[-1])
    assert made["value"] == lifted["value"]
    assert "203.0.113.9" not in str([entry.payload for entry in await entries(acme)])


async def test_a_network_is_the_same_pseudonym_however_it_is_written(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    told: set[object] = set()
    for value in ("2001:db8::1", "2001:db8::1/64", "2001:DB8::/64"):
        await shop.suspend("caller", value, reason="scan")
        told.add(data((await entries(acme))[-1])["value"])
    assert len(told) == len(await shop.list_suspensions()) == 1
    await shop.lift("caller", "2001:db8::2/64")
    assert data((await entries(acme))[-1])["value"] in told


@pytest.mark.parametrize("by_address", [True, False])
async def test_a_caller_is_lifted_by_its_address_or_its_pseudonym_whichever_was_named(
    acme: TenantAdmin, shop: ProjectAdmin, by_address: bool
) -> None:
    await shop.suspend("caller", "203.0.113.9", reason="scan")
    await shop.suspend("caller", "203.0.113.10", reason="scan")
    pseudonym = str(data((await entries(acme))[-2])["value"])
    await shop.lift("caller", pseudonym)
    assert [one.value for one in await shop.list_suspensions()] == ["203.0.113.10"]
    for value in ("203.0.113.9", pseudonym):
        await shop.suspend("caller", value, reason="scan")
    async with one_change(acme, shop, "suspension.removed", "suspension.removed"):
        await shop.lift("caller", "203.0.113.9" if by_address else pseudonym)
    assert [one.value for one in await shop.list_suspensions()] == ["203.0.113.10"]
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match="is not suspended"):
            await shop.lift("caller", pseudonym)
    told = [data(entry)["value"] for entry in await entries(acme) if entry.kind == "suspension.removed"]
    assert told == [pseudonym] * 3


@pytest.mark.parametrize(
    ("scope", "value", "seconds"),
    [
        ("caller", "nobody", None),
        ("route", "No Route", None),
        ("origin", "app.example.com", None),
        ("project", "shop", None),
        ("project", "", 0),
        ("project", "", -1),
        ("project", "", 1e20),
        ("project", "", float("nan")),
        ("project", "", float("inf")),
    ],
)
async def test_a_suspension_of_nonsense_is_refused(
    acme: TenantAdmin, shop: ProjectAdmin, scope: str, value: str, seconds: float | None
) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError) as refused:
            await shop.suspend(scope, value, reason="x", seconds=seconds)  # type: ignore[arg-type]  # one of the scopes
    assert "\n" not in str(refused.value)


async def test_the_url_is_what_a_page_calls(shop: ProjectAdmin) -> None:
    base = f"/api/apikeychain/{shop.id}/proxy/weather"
    assert shop.url("weather") == base
    assert shop.url("weather", "2.35,48.85", "a b?/c") == f"{base}/2.35,48.85/a%20b%3F/c"
    with pytest.raises(InvalidValueError, match="not a route name"):
        shop.url("../other")


async def test_changes_at_one_time_are_all_made_one_after_the_other(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    before = (await shop.show()).generation
    await asyncio.gather(*[shop.allow_origin(f"https://app{number}.example.com") for number in range(20)])
    assert (await shop.show()).generation == before + 20
    assert len(await shop.list_origins()) == 20
    assert [entry.kind for entry in await entries(acme)].count("origin.allowed") == 20


async def test_lists_are_in_the_order_of_names(shop: ProjectAdmin) -> None:
    for provider in (WEATHER, MAPS):
        await shop.register_provider(provider)
    assert [record.provider.name for record in await shop.list_providers()] == ["maps", "weather"]
