"""Scripts and styles: put, listed, served in another version, removed."""

import asyncio
import gzip
import hashlib
import sys
import threading
from dataclasses import replace
from pathlib import Path

import brotli  # type: ignore[import-untyped]  # it comes without types
import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.errors import (
    BackendUnavailableError,
    DoesNotExistError,
    InvalidValueError,
    SettingsError,
)
from apikeychain.model import asset as limits
from apikeychain.tenants import asset_putting, asset_secrets, project_assets
from apikeychain.tenants.asset_objects import sweep_all
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.eventually import until
from asset_house import (
    SCRIPT,
    STYLE,
    assets,
    keys,
    loose,
    objects,
    opened,
    require_whole,
    served,
    versions,
)
from management import data, entries, fill, kinds, nothing_changes, one_change


@pytest.fixture
async def shop(acme: TenantAdmin) -> ProjectAdmin:
    shop = await acme.create_project("shop")
    await shop.assets.enable()
    return shop


async def test_an_asset_is_sealed_in_every_coding_and_told_of_in_the_ledger(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    async with one_change(acme, shop, "key.created", "asset.put"):
        info = await shop.assets.put("widget.js", SCRIPT)
    digest = hashlib.sha256(SCRIPT).hexdigest()
    assert (info.path, info.name, info.version, info.bytes, info.sha256) == (
        "js/widget.js",
        "widget.js",
        1,
        len(SCRIPT),
        digest,
    )
    assert info.created == info.changed
    assert data((await entries(acme))[-1]) == {
        "path": "js/widget.js",
        "number": 1,
        "sha256": digest,
        "bytes": len(SCRIPT),
    }
    (version,) = await versions(shop)
    bodies = await opened(shop, version)
    assert bodies.identity == SCRIPT
    assert gzip.decompress(bodies.gzip) == brotli.decompress(bodies.br) == SCRIPT
    assert bodies.gzip[4:8] == b"\0\0\0\0"  # no time
    assert version.sha384 == hashlib.sha384(SCRIPT).hexdigest()
    assert version.sha512 == hashlib.sha512(SCRIPT).hexdigest()
    (sealed,) = await objects(shop)
    assert (sealed, await loose(shop)) == (version.object, [])
    assert (await keys(shop))[0].uses == 1
    assert await shop.assets.list() == [info]


async def test_a_file_is_put_and_one_that_is_none_is_refused(shop: ProjectAdmin, tmp_path: Path) -> None:
    (tmp_path / "page.css").write_bytes(STYLE)
    assert (await shop.assets.put("page.css", tmp_path / "page.css")).path == "css/page.css"
    assert await served(shop, "css/page.css") == STYLE
    with pytest.raises(InvalidValueError, match="cannot be read: No such file"):
        await shop.assets.put("page.css", tmp_path / "none.css")


@pytest.mark.parametrize("patched", [(project_assets, "made_of"), (asset_secrets, "secret_in")])
async def test_many_who_put_at_once_leave_threads_to_everybody_else(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch, patched: tuple[object, str]
) -> None:
    await fill(shop)
    usual, door = getattr(*patched), threading.Event()
    lock, under_way, most = threading.Lock(), 0, 0

    def slow(*given: object) -> object:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        door.wait(10)
        with lock:
            under_way -= 1
        return usual(*given)

    monkeypatch.setattr(*patched, slow)
    putting = [asyncio.create_task(shop.assets.put(f"{number}.js", SCRIPT)) for number in range(8)]
    await until(lambda: under_way == 2)
    await asyncio.sleep(0.2)
    assert under_way == 2
    # Who leaves in the middle gives his place to nobody while the thread is at work.
    assert all(one.cancel() for one in putting)
    await asyncio.wait(putting)
    putting = [asyncio.create_task(shop.assets.put(f"{number}.js", SCRIPT)) for number in range(4)]
    await asyncio.sleep(0.1)
    assert (under_way, most) == (2, 2)
    door.set()
    assert [(await one).version for one in putting] == [1, 1, 1, 1]
    assert most == 2
    await require_whole(shop, [f"js/{number}.js" for number in range(4)])


async def test_a_coding_that_makes_it_no_shorter_is_left_out(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shop.assets.put("tiny.js", b"1")
    monkeypatch.setitem(sys.modules, "brotli", None)
    await shop.assets.put("without.js", SCRIPT)
    tiny, without = [await opened(shop, version) for version in await versions(shop)]
    assert (tiny.gzip, tiny.br) == (b"", b"")
    assert (gzip.decompress(without.gzip), without.br) == (SCRIPT, b"")


async def test_the_project_key_counts_each_version_and_what_is_served_already_changes_nothing(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(shop)
    first = await shop.assets.put("widget.js", SCRIPT)
    async with nothing_changes(acme, shop):
        assert await shop.assets.put("widget.js", SCRIPT) == first
    assert (await keys(shop))[0].uses == 2
    second = await shop.assets.put("widget.js", STYLE)
    assert (second.version, second.created, (await keys(shop))[0].uses) == (2, first.created, 3)
    assert [(one.number, one.is_served, one.bytes) for one in await shop.assets.show("widget.js")] == [
        (2, True, len(STYLE)),
        (1, False, len(SCRIPT)),
    ]
    await require_whole(shop, ["js/widget.js"])


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("a.js", b"x" * (limits.MAX_ASSET_BYTES + 1), "an asset has at most 5 MiB"),
        ("a.js", b"ok \xff", "an asset is text in UTF-8: byte 3 is none"),
        ("a.js", "caf\u00e9".encode("utf-16"), "an asset is text in UTF-8"),
        ("a.js", b"a\0b", "an asset is text: byte 1 is a NUL"),
        ("A.js", b"1", "not a file name"),
        ("../a.js", b"1", "not a file name"),
        ("a.html", b"1", "not an asset's name: 'a.html'"),
        (".js", b"1", "not a file name"),
        ("assets.json", b"1", "not an asset's name"),
    ],
)
async def test_what_is_no_asset_is_refused_and_changes_nothing(
    acme: TenantAdmin, shop: ProjectAdmin, name: str, body: bytes, told: str
) -> None:
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError, match=told):
            await shop.assets.put(name, body)
    assert (await objects(shop), await loose(shop)) == (set(), [])


async def test_five_mib_a_byte_order_mark_and_nothing_at_all_are_taken(shop: ProjectAdmin) -> None:
    await shop.assets.put("most.js", b"x" * limits.MAX_ASSET_BYTES)
    await shop.assets.put("marked.js", b"\xef\xbb\xbfvar a")
    await shop.assets.put("none.js", b"")
    await require_whole(shop, ["js/most.js", "js/marked.js", "js/none.js"])


async def test_nothing_is_put_while_the_switch_is_off_and_what_was_stays(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    async with one_change(acme, shop, "project.changed"):
        await shop.assets.disable()
    assert data((await entries(acme))[-1]) == {"assets": False}
    async with nothing_changes(acme, shop):
        await shop.assets.disable()
        with pytest.raises(InvalidValueError, match="the project 'shop' publishes no assets: switch that on"):
            await shop.assets.put("widget.js", STYLE)
    assert [one.version for one in await shop.assets.list()] == [1]
    await shop.configure(assets=True, asset_tokens=True)
    assert data((await entries(acme))[-1]) == {"assets": True, "asset_tokens": True}
    await shop.assets.put("widget.js", STYLE)


async def test_a_switch_that_goes_off_meanwhile_leaves_nothing(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = MemoryAssets.put

    async def slow(*given: object) -> None:
        await put(*given)  # type: ignore[arg-type]  # as they came
        await shop.assets.disable()

    monkeypatch.setattr(MemoryAssets, "put", slow)
    with pytest.raises(InvalidValueError, match="publishes no assets"):
        await shop.assets.put("widget.js", SCRIPT)
    assert (await objects(shop), await loose(shop), await versions(shop)) == (set(), [], [])


async def test_a_project_has_so_many_assets_and_not_one_more(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert limits.MAX_ASSETS == 1_000
    monkeypatch.setattr(asset_putting, "MAX_ASSETS", 2)
    await shop.assets.put("a.js", SCRIPT)
    await shop.assets.put("b.js", SCRIPT)
    async with nothing_changes(acme, shop):
        with pytest.raises(InvalidValueError, match="a project has at most 2 assets: remove one"):
            await shop.assets.put("c.js", SCRIPT)
    assert len(await objects(shop)) == 2
    await shop.assets.put("a.js", STYLE)
    await shop.assets.remove("b.js")
    await shop.assets.put("c.js", SCRIPT)
    await require_whole(shop, ["js/a.js", "js/c.js"])


async def test_ten_versions_are_kept_and_the_objects_of_others_go(shop: ProjectAdmin) -> None:
    for number in range(1, 13):
        await shop.assets.put("widget.js", b"%d" % number)
    assert [one.number for one in await shop.assets.show("widget.js")] == [*range(12, 2, -1)]
    assert (len(await objects(shop)), await loose(shop)) == (10, [])
    await require_whole(shop, ["js/widget.js"])


async def test_a_version_that_is_kept_is_served_again(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    for body in (b"one", b"two", b"three"):
        await shop.assets.put("widget.js", body)
    async with one_change(acme, shop, "asset.reverted"):
        info = await shop.assets.roll_back("widget.js")
    assert (info.version, await served(shop, "js/widget.js")) == (2, b"two")
    assert data((await entries(acme))[-1])["number"] == 2
    assert (await shop.assets.roll_back("widget.js")).version == 1
    async with nothing_changes(acme, shop):
        with pytest.raises(DoesNotExistError, match="no version before the one that is served is kept"):
            await shop.assets.roll_back("widget.js")
        with pytest.raises(DoesNotExistError, match=r"no version 4 is kept of js/widget\.js"):
            await shop.assets.roll_back("widget.js", 4)
        assert (await shop.assets.roll_back("widget.js", 1)).version == 1
    assert (await shop.assets.roll_back("widget.js", 3)).sha256 == hashlib.sha256(b"three").hexdigest()
    await shop.assets.roll_back("widget.js", 1)
    assert (await shop.assets.put("widget.js", b"four")).version == 4
    await require_whole(shop, ["js/widget.js"])


async def test_a_removed_asset_goes_with_all_its_objects(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    await shop.assets.put("widget.js", STYLE)
    await shop.assets.put("widget.js.map", b"{}")
    async with one_change(acme, shop, "asset.removed"):
        await shop.assets.remove("widget.js")
    assert data((await entries(acme))[-1])["path"] == "js/widget.js"
    await require_whole(shop, ["js/widget.js.map"])
    assert await loose(shop) == []
    for verb in (shop.assets.remove, shop.assets.show, shop.assets.roll_back):
        with pytest.raises(DoesNotExistError, match=r"there is no asset js/widget\.js"):
            await verb("widget.js")
    assert (await shop.assets.put("widget.js", STYLE)).version == 1


async def test_an_asset_store_that_is_down_changes_nothing(
    acme: TenantAdmin, shop: ProjectAdmin, store: MemoryAssets
) -> None:
    await fill(shop)
    await shop.assets.put("widget.js", SCRIPT)
    store.reachable = False
    async with nothing_changes(acme, shop):
        with pytest.raises(BackendUnavailableError):
            await shop.assets.put("widget.js", STYLE)
    (left,) = await loose(shop)
    store.reachable = True
    await require_whole(shop, ["js/widget.js"])
    assert left.path == "js/widget.js"


async def test_what_cannot_be_deleted_is_left_to_a_sweep(shop: ProjectAdmin, store: MemoryAssets) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    store.reachable = False
    await shop.assets.remove("widget.js")
    store.reachable = True
    assert (await assets(shop), len(await loose(shop)), len(await objects(shop))) == ([], 1, 1)


async def test_a_keychain_without_an_asset_store_says_so(shop: ProjectAdmin) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    office = replace(shop._office, asset_store=None)
    bare = ProjectAdmin(office, shop.tenant, shop.id, shop.name, shop.actor)
    for verb in (lambda: bare.assets.put("a.js", b"1"), bare.assets.sweep, lambda: sweep_all(office)):
        with pytest.raises(SettingsError, match="this keychain keeps no assets: give it an asset store"):
            await verb()
    await bare.assets.remove("widget.js")
    assert (len(await loose(shop)), len(await objects(shop))) == (1, 1)


async def test_an_erased_tenant_has_no_assets_any_more(keychain: APIKeyChain, shop: ProjectAdmin) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    await keychain.erase_tenant("acme")
    verbs = [
        shop.assets.enable,
        shop.assets.disable,
        lambda: shop.assets.put("a.js", b"1"),
        shop.assets.list,
        lambda: shop.assets.show("a.js"),
        lambda: shop.assets.roll_back("a.js"),
        lambda: shop.assets.remove("a.js"),
        lambda: shop.assets.url("a.js", immutable=True),
        lambda: shop.assets.tag("a.js"),
        shop.assets.manifest,
    ]
    for verb in verbs:
        with pytest.raises(DoesNotExistError, match="the tenant 'acme' was erased"):
            await verb()
    assert await objects(shop) == set()
    assert "asset.put" in await kinds(await keychain.tenant("acme"))
