"""`configure`: the stored project becomes what is given, in one transaction, and what is equal is left alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from apikeychain import Provider, ProviderSecret, ProxyRoute, QueryCredential, QueryParameter, Secret
from apikeychain.errors import ConflictError, DoesNotExistError, InvalidValueError, StillInUseError
from apikeychain.model.ledger import LedgerDraft
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from management import (
    APP,
    CANARY,
    MAPS,
    OTHER,
    ROUTE,
    WEATHER,
    contents,
    data,
    entries,
    fill,
    kinds,
    nothing_changes,
    one_change,
)

SECOND = "https://two.example.com"
WHOLE: dict[str, Any] = {
    "origins": [APP, SECOND],
    "providers": [WEATHER, MAPS],
    "secrets": {"weather": Secret(CANARY), "tiles": ProviderSecret(Secret(OTHER), "maps")},
    "routes": [ROUTE, ProxyRoute("tiles", provider="maps", secret="tiles", enabled=False)],
    "enabled": True,
    "quota": "100/minute",
    "address_quota": "10/minute",
    "referer_fallback": True,
}


def kinds_of(drafts: Sequence[LedgerDraft]) -> list[str]:
    return [draft.kind for draft in drafts]


async def test_many_differences_are_one_change(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    expected = [
        "provider.registered",
        "provider.registered",
        "origin.allowed",
        "origin.allowed",
        "key.created",
        "secret.put",
        "secret.put",
        "route.added",
        "route.added",
        "project.changed",
        "project.enabled",
    ]
    async with one_change(acme, shop, *expected):
        told = await shop.configure(**WHOLE)
    assert kinds_of(told) == expected
    project = await shop.show()
    assert (project.enabled, project.quota, project.address_quota, project.referer_fallback) == (
        True,
        "100/minute",
        "10/minute",
        True,
    )
    assert [(told.name, told.provider) for told in await shop.list_secrets()] == [
        ("tiles", "maps"),
        ("weather", "weather"),
    ]
    assert [(added.route.name, added.route.enabled) for added in await shop.list_routes()] == [
        ("tiles", False),
        ("weather", True),
    ]


async def test_what_is_told_is_what_the_ledger_holds(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    known = len(await entries(acme))
    told = await shop.configure(**WHOLE)
    written = (await entries(acme))[known:]
    assert [(draft.kind, draft.actor, draft.project, draft.data) for draft in told] == [
        (entry.kind, entry.actor, entry.project, data(entry)) for entry in written
    ]


async def test_the_same_once_more_writes_nothing(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.configure(**WHOLE)
    async with nothing_changes(acme, shop):
        assert await shop.configure(**WHOLE) == ()
        assert await shop.configure(**WHOLE, prune=True) == ()
        assert await shop.configure() == ()


async def test_only_what_differs_is_written(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.configure(**WHOLE)
    changed = replace(ROUTE, parameters=(QueryParameter("q", required=True),))
    async with one_change(acme, shop, "origin.allowed", "secret.put", "route.changed", "route.enabled"):
        await shop.configure(
            **WHOLE
            | {
                "origins": [APP, "https://three.example.com"],
                "secrets": {"weather": Secret(OTHER)},
                "routes": [changed, ProxyRoute("tiles", provider="maps", secret="tiles")],
            }
        )
    async with one_change(acme, shop, "project.changed"):
        assert (await shop.configure(quota="100/minute", address_quota="11/minute"))[0].data == {
            "address_quota": "11/minute"
        }
    async with one_change(acme, shop, "project.disabled"):
        await shop.configure(enabled=False)
    assert len(await shop.list_origins()) == 3


async def test_nothing_is_removed_without_prune(shop: ProjectAdmin) -> None:
    await shop.configure(**WHOLE)
    before = await contents(shop)
    assert await shop.configure(origins=[], providers=[], secrets={}, routes=[]) == ()
    assert await contents(shop) == before


async def test_prune_removes_what_is_not_given_users_first(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.configure(**WHOLE)
    expected = ["route.removed", "secret.removed", "provider.removed", "origin.removed"]
    async with one_change(acme, shop, *expected):
        await shop.configure(
            origins=[APP],
            providers=[WEATHER],
            secrets={"weather": Secret(CANARY)},
            routes=[ROUTE],
            prune=True,
        )
    assert [record.provider.name for record in await shop.list_providers()] == ["weather"]


async def test_prune_leaves_the_kinds_that_are_not_given(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.configure(**WHOLE)
    async with one_change(acme, shop, "origin.removed", "origin.removed"):
        await shop.configure(origins=[], prune=True)
    async with nothing_changes(acme, shop):
        with pytest.raises(StillInUseError, match=r"'maps' is used by route tiles, secret tiles"):
            await shop.configure(providers=[WEATHER], prune=True)
    await shop.configure(routes=[], secrets={}, providers=[], prune=True)
    assert [await shop.list_routes(), await shop.list_secrets(), await shop.list_providers()] == [[], [], []]


async def test_a_dry_run_tells_the_same_and_writes_nothing(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with nothing_changes(acme, shop):
        told = await shop.configure(**WHOLE, dry_run=True)
    done = await shop.configure(**WHOLE)
    # The first key is drawn at random, and the fingerprints with it.
    drawn = ("version", "fingerprint")

    def comparable(drafts: Sequence[LedgerDraft]) -> list[object]:
        return [(d.kind, {name: value for name, value in d.data.items() if name not in drawn}) for d in drafts]

    assert comparable(told) == comparable(done)
    assert {draft.kind for draft in told if "version" in draft.data} == {"key.created", "secret.put"}
    async with nothing_changes(acme, shop):
        told = await shop.configure(origins=[], secrets={"weather": Secret(OTHER)}, prune=True, dry_run=True)
    done = await shop.configure(origins=[], secrets={"weather": Secret(OTHER)}, prune=True)
    assert [(d.kind, d.data) for d in told] == [(d.kind, d.data) for d in done]


async def test_an_equal_secret_is_put_again_after_its_provider_moved(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await fill(shop)
    moved = replace(WEATHER, base_url="https://new.weather.example")
    async with one_change(acme, shop, "provider.changed", "secret.put"):
        await shop.configure(providers=[moved], secrets={"weather": Secret(CANARY)})
    async with nothing_changes(acme, shop):
        assert await shop.configure(providers=[moved], secrets={"weather": Secret(CANARY)}) == ()


@pytest.mark.parametrize(
    ("broken", "error", "text"),
    [
        ({"origins": [SECOND, "*"]}, InvalidValueError, r"'\*'"),
        ({"secrets": {"Bad": Secret(OTHER)}}, InvalidValueError, "not a secret name"),
        ({"secrets": {"new": Secret(OTHER)}}, DoesNotExistError, "has no provider 'new'"),
        ({"secrets": {"new": ProviderSecret(Secret(OTHER), "gone")}}, DoesNotExistError, "has no provider 'gone'"),
        ({"routes": [replace(ROUTE, provider="gone")]}, DoesNotExistError, "has no provider 'gone'"),
        ({"routes": [replace(ROUTE, max_body_bytes=101 << 20)]}, InvalidValueError, "may take 1 to"),
        ({"quota": "many"}, InvalidValueError, "'many'"),
        ({"address_quota": "0/minute"}, InvalidValueError, "0/minute"),
        ({"providers": [WEATHER, replace(WEATHER, base_url="https://x.example")]}, InvalidValueError, "given twice"),
        ({"routes": [ROUTE, replace(ROUTE, path="/other")]}, InvalidValueError, "route 'weather' is given twice"),
        ({"providers": [MAPS], "prune": True}, StillInUseError, "is used by route weather"),
    ],
)
async def test_one_part_that_cannot_be_leaves_everything_as_it_was(
    acme: TenantAdmin, shop: ProjectAdmin, broken: dict[str, Any], error: type[Exception], text: str
) -> None:
    await fill(shop)
    valid: dict[str, Any] = {
        "origins": [SECOND],
        "providers": [WEATHER, MAPS],
        "secrets": {"weather": Secret(OTHER)},
        "routes": [replace(ROUTE, enabled=False)],
        "enabled": False,
        "quota": "5/minute",
    }
    async with nothing_changes(acme, shop):
        with pytest.raises(error, match=text) as refused:
            await shop.configure(**valid | broken)
    assert "\n" not in str(refused.value)
    assert OTHER not in str(refused.value)


async def test_a_secret_stays_with_its_provider(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    """A bare secret belongs to the provider of its name; another one has to be named with it."""
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match="has no provider 'tiles'"):
            await shop.configure(providers=[MAPS], secrets={"tiles": Secret(CANARY)})
    await shop.configure(providers=[MAPS], secrets={"tiles": ProviderSecret(Secret(CANARY), "maps")})
    assert [told.provider for told in await shop.list_secrets()] == ["maps"]
    assert CANARY not in repr(ProviderSecret(Secret(CANARY), "maps"))


async def test_a_provider_and_its_routes_may_change_together(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    keyed = ProxyRoute("weather", provider="weather", parameters=[QueryParameter("appid")])
    await shop.configure(providers=[WEATHER], routes=[keyed])
    # The new credential takes the name that the old route gives to its callers.
    moved = Provider("weather", WEATHER.base_url, QueryCredential("appid"))
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError):
            await shop.configure(providers=[moved])
    async with one_change(acme, shop, "provider.changed", "route.changed"):
        await shop.configure(providers=[moved], routes=[ROUTE])


async def test_two_who_configure_at_once_are_each_whole(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    one: dict[str, Any] = {
        "origins": [APP],
        "providers": [WEATHER],
        "secrets": {"weather": Secret(CANARY)},
        "quota": "1/minute",
    }
    two: dict[str, Any] = {
        "origins": [SECOND],
        "providers": [WEATHER],
        "secrets": {"weather": Secret(OTHER)},
        "quota": "2/minute",
    }
    outcomes = await asyncio.gather(
        *[shop.configure(**wanted, prune=True) for wanted in (one, two)],
        return_exceptions=True,
    )
    assert all(isinstance(outcome, tuple | ConflictError) for outcome in outcomes)
    project, [origin] = await shop.show(), await shop.list_origins()
    assert (project.quota, origin.origin) in {("1/minute", APP), ("2/minute", SECOND)}
    assert (await kinds(acme)).count("key.created") == 1
    last = two if project.quota == "2/minute" else one
    async with nothing_changes(acme, shop):
        assert await shop.configure(**last, prune=True) == ()


async def test_a_project_that_is_gone_cannot_be_configured(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await acme.remove_project("shop")
    with pytest.raises(DoesNotExistError, match=r"^the tenant 'acme' has no project "):
        await shop.configure(origins=[APP])
