"""Addresses of assets, tags that load them, tokens, and how those outlive a turn of the project's key."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from apikeychain import APIKeyChain
from apikeychain.errors import DoesNotExistError, InvalidValueError, TokenRefusedError
from apikeychain.model.ids import ProjectId
from apikeychain.rules import asset_manifest
from apikeychain.rules.asset_tokens import make_token, require_token
from apikeychain.tenants.change import require_tenant
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.tenants.turning import turn_project_key
from apikeychain.vault import contexts
from asset_house import SCRIPT, STYLE, assets, keys, opened, require_whole, token_keys, versions
from management import fill, kinds

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


@pytest.fixture
async def shop(acme: TenantAdmin) -> ProjectAdmin:
    shop = await acme.create_project("shop")
    await shop.assets.enable()
    await shop.assets.put("widget.js", SCRIPT)
    return shop


async def accepted(shop: ProjectAdmin) -> list[bytes]:
    """The keys of which a token may be, the current one first."""
    office, (newest,) = shop._office, await keys(shop)
    async with office.store.reading(shop.tenant) as rows:
        owner = await require_tenant(rows, shop.tenant)
    found = [await office.vault.own_key(owner, newest, contexts.of_asset_token_key(shop.tenant, shop.id))]
    for old in await token_keys(shop):
        context = contexts.of_old_asset_token_key(shop.tenant, old)
        text = await office.vault.open_text(owner, {newest.version: newest}, old.sealed, context)
        found.append(bytes.fromhex(text.reveal().decode()))
    return found


def token_of(url: str) -> bytes:
    return parse_qs(urlsplit(url).query)["token"][0].encode()


async def test_an_address_names_what_is_served_or_one_version_for_good(shop: ProjectAdmin) -> None:
    first = await shop.assets.url("widget.js", immutable=True)
    (version,) = await versions(shop)
    bare = f"/api/apikeychain/{shop.id}/js/widget.js"
    assert first == f"{bare}?sha256={version.sha256}"
    await shop.assets.put("widget.js", STYLE)
    assert await shop.assets.url("widget.js") == bare
    assert await shop.assets.url("widget.js", immutable=True) != first
    assert await shop.assets.url("assets.json") == f"/api/apikeychain/{shop.id}/assets.json"
    with pytest.raises(InvalidValueError, match="it has no immutable address"):
        await shop.assets.url("assets.json", immutable=True)
    with pytest.raises(DoesNotExistError, match="there is no asset js/other"):
        await shop.assets.url("other.js", immutable=True)
    with pytest.raises(InvalidValueError):
        await shop.assets.url("other.html")


async def test_a_token_in_an_address_is_good_for_that_path_and_that_time(shop: ProjectAdmin) -> None:
    url = await shop.assets.url("widget.js", ttl=HOUR, immutable=True)
    now, given = shop._office.now(), await accepted(shop)
    left = require_token(given, shop.id, "js/widget.js", token_of(url), now)
    assert left <= HOUR.total_seconds()
    assert left >= HOUR.total_seconds() - 10
    require_token(given, shop.id, "assets.json", token_of(await shop.assets.url("assets.json", ttl=DAY)), now)
    for path, moment in (("css/widget.js", now), ("js/widget.js", now + HOUR)):
        with pytest.raises(TokenRefusedError):
            require_token(given, shop.id, path, token_of(url), moment)
    for ttl in (timedelta(0), DAY + timedelta(seconds=1), "0s", "86401s", "25h"):
        with pytest.raises(InvalidValueError, match="a token is good for a second to 24 hours"):
            await shop.assets.url("widget.js", ttl=ttl)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("90s", 90), ("30m", 1_800), ("4h", 14_400), ("24h", 86_400), ("86400s", 86_400)]
)
async def test_a_time_can_be_said_as_a_text(shop: ProjectAdmin, text: str, seconds: int) -> None:
    now, token = shop._office.now(), token_of(await shop.assets.url("widget.js", ttl=text))
    left = require_token(await accepted(shop), shop.id, "js/widget.js", token, now)
    assert seconds - 1 <= left <= seconds + 10
    assert "token=v1." in await shop.assets.tag("widget.js", ttl=text)


@pytest.mark.parametrize("text", ["", "4", "h", "4 h", "4H", "4d", "1.5h", "-1h", "4h ", "4h\n", "\u0664h", "100000s"])
async def test_what_is_no_time_is_told(shop: ProjectAdmin, text: str) -> None:
    with pytest.raises(InvalidValueError, match="not a time"):
        await shop.assets.url("widget.js", ttl=text)


@pytest.mark.parametrize(("left", "whole"), [(86_430.0, 86_430), (59.2, 59), (1.0, 1), (0.999, 0), (0.001, 0)])
def test_nothing_may_be_kept_for_longer_than_its_token_is_good(left: float, whole: int) -> None:
    # contracts 9: max-age at most the rest
    expiry, project = datetime(2026, 12, 1, tzinfo=UTC), ProjectId("p_" + "a" * 20)
    token = make_token(b"key", project, "js/widget.js", int(expiry.timestamp())).encode()
    assert require_token([b"key"], project, "js/widget.js", token, expiry - timedelta(seconds=left)) == whole


@pytest.mark.parametrize("left", [86_430.1, 0.0, -1.0])
def test_a_token_is_good_for_a_day_at_most_by_clocks_that_differ_a_little(left: float) -> None:
    # contracts 9: ttl at most 24 h, expiry itself refused
    expiry, project = datetime(2026, 12, 1, tzinfo=UTC), ProjectId("p_" + "a" * 20)
    token = make_token(b"key", project, "js/widget.js", int(expiry.timestamp())).encode()
    with pytest.raises(TokenRefusedError):
        require_token([b"key"], project, "js/widget.js", token, expiry - timedelta(seconds=left))


async def test_a_project_without_a_key_makes_no_token(acme: TenantAdmin) -> None:
    bare = await acme.create_project("bare")
    with pytest.raises(DoesNotExistError, match="has no key yet to make a token with: put an asset"):
        await bare.assets.url("widget.js", ttl=HOUR)


async def test_a_tag_loads_that_version_from_where_it_is_said(shop: ProjectAdmin) -> None:
    (version,) = await versions(shop)
    url = await shop.assets.url("widget.js", immutable=True)
    assert await shop.assets.tag("widget.js") == asset_manifest.tag(version, url)
    away = await shop.assets.tag("widget.js", base="https://assets.example.com", ttl=HOUR)
    assert away.startswith(f'<script src="https://assets.example.com{url}&amp;token=v1.')
    with pytest.raises(InvalidValueError, match="origin"):
        await shop.assets.tag("widget.js", base='https://assets.example.com"')
    await shop.assets.put("widget.js.map", b"{}")
    with pytest.raises(InvalidValueError, match=r"no tag loads a source map: widget\.js\.map"):
        await shop.assets.tag("widget.js.map")
    with pytest.raises(DoesNotExistError):
        await shop.assets.tag("other.js")


async def test_the_manifest_is_of_what_is_served(shop: ProjectAdmin) -> None:
    await shop.assets.put("page.css", STYLE)
    told = await shop.assets.manifest()
    listed = told["assets"]
    assert isinstance(listed, Mapping)
    assert [*listed] == ["css/page.css", "js/widget.js"]
    by_path = {one.path: one for one in await versions(shop)}
    pairs = [(one, by_path[one.path]) for one in await assets(shop)]
    assert told == asset_manifest.manifest(shop.id, "/api/apikeychain", pairs)


async def turn_at(shop: ProjectAdmin, by: timedelta) -> None:
    office, now = shop._office, shop._office.now
    await turn_project_key(replace(office, now=lambda: now() + by), shop.tenant, shop.id, "ops")


async def test_versions_and_tokens_outlive_two_turns_for_a_day(shop: ProjectAdmin) -> None:
    await fill(shop)
    made = [token_of(await shop.assets.url("widget.js", ttl=DAY))]
    for _ in range(2):
        turned = await shop.turn_key()
        assert turned is not None
        shop._office.vault.forget(None)
        made.append(token_of(await shop.assets.url("widget.js", ttl=DAY)))
    given, now = await accepted(shop), shop._office.now()
    assert len({*given}) == 3
    for token in made:
        require_token(given, shop.id, "js/widget.js", token, now)
        with pytest.raises(TokenRefusedError):
            require_token([b"\0" * 32], shop.id, "js/widget.js", token, now)
    (key,) = await keys(shop)
    # A version, a secret, the key of tokens that was kept before, and the one that is kept now.
    assert (key.number, key.uses) == (3, 4)
    await require_whole(shop, ["js/widget.js"])
    assert all(timedelta(0) < one.until - now <= DAY for one in await token_keys(shop))


async def test_a_token_key_goes_with_the_first_turn_after_its_day(shop: ProjectAdmin) -> None:
    await shop.turn_key()
    (first,) = await token_keys(shop)
    await turn_at(shop, DAY - timedelta(seconds=30))
    assert len(await token_keys(shop)) == 2
    await turn_at(shop, DAY)
    left = await token_keys(shop)
    assert len(left) == 2
    assert first.version not in {one.version for one in left}
    for version in await versions(shop):
        assert (await opened(shop, version)).identity == SCRIPT


async def test_no_token_key_is_kept_of_a_project_without_assets(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await shop.assets.disable()
    await shop.turn_key()
    assert await token_keys(shop) == []
    assert (await keys(shop))[0].uses == 1
    assert (await kinds(acme)).count("key.turned") == 1
    await require_whole(shop)
