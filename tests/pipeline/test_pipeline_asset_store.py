"""What is hot needs nobody; what is cold is fetched once; what is damaged is told of once and never served."""

import asyncio
import hashlib
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from apikeychain.assets import damage
from apikeychain.assets import hot as module
from apikeychain.assets.hot import HotAssets
from apikeychain.errors import BackendUnavailableError, SealedValueError
from apikeychain.model.alert import OutgoingAlert
from apikeychain.model.asset import AssetVersion
from apikeychain.model.ids import TenantId
from apikeychain.model.records import Project
from apikeychain.ports.store import Store
from apikeychain.tenants.change import project_change
from apikeychain.testing.eventually import until
from stocked_shelf import SCRIPT, STYLE, Shop, heard, open_shop

pytestmark = pytest.mark.usefixtures("left")
ACME = TenantId("acme")
# The last but one is no value at all, the last one of a key that there is not.
DAMAGED_ROWS: list[dict[str, object]] = [
    {"sha256": "0" * 64},
    {"object": "0" * 32},
    {"object": "../x"},
    {"sealed": b""},
    {"sealed": b"AK\1\1" + b"\0" * 200},
]


@pytest.fixture
async def shop() -> AsyncGenerator[Shop, None]:
    async with open_shop() as shop:
        yield shop


class Broken:
    """Whoever touches it fails the test."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(name)


def later(seconds: float) -> float:
    return time.monotonic() + seconds


def hot(shop: Shop) -> HotAssets:
    assert shop.residence.assets is not None
    return shop.residence.assets._hot


async def test_what_is_hot_touches_no_store_and_no_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.get("js")
    serving = shop.residence.assets
    assert serving is not None
    etag = (await shop.get("js")).headers.get(b"etag") or b""
    for place, name in ((serving, "_vault"), (serving._hot, "_vault"), (serving._hot, "_store"), (hashlib, "sha256")):
        monkeypatch.setattr(place, name, Broken())
    monkeypatch.setattr(serving._shelves, "_store", Broken())
    tasks = len(asyncio.all_tasks())
    for lines in ([], [(b"range", b"bytes=0-1")], [(b"if-none-match", etag)], [(b"accept-encoding", b"br")]):
        assert (await shop.get("js", b"", *lines)).status in {200, 206, 304}
        assert (await shop.get("js", b"", *lines, method="HEAD")).status in {200, 304}
    assert (await shop.get("assets.json")).status == 200
    assert len(asyncio.all_tasks()) == tasks
    # What is cold does: the guard above is none that nobody meets.
    with pytest.MonkeyPatch.context() as quiet:
        quiet.setattr(logging.getLogger("apikeychain.asgi"), "disabled", True)
        assert (await shop.get("css")).status == 500


async def test_those_who_come_at_once_wait_for_one_fetch(shop: Shop) -> None:
    shop.store.door.clear()
    waiting = [asyncio.create_task(shop.get("js")) for _ in range(20)]
    await asyncio.sleep(0.02)
    shop.store.door.set()
    assert {(await one).body for one in waiting} == {SCRIPT}
    assert len(shop.store.opened) == 1


async def test_any_change_of_the_project_drops_what_is_hot(shop: Shop) -> None:
    await shop.get("js")
    await shop.get("css")
    assert len(hot(shop)) == 2
    await shop.gate.shop.allow_origin("https://other.example")
    await heard()
    assert len(hot(shop)) == 0
    assert (await shop.get("js")).body == SCRIPT
    await shop.assets.remove("index.js")
    await heard()
    assert len(hot(shop)) == 0


async def test_what_is_fetched_while_a_change_is_heard_is_not_kept(shop: Shop) -> None:
    shop.store.door.clear()
    waiting = asyncio.create_task(shop.get("js"))
    await asyncio.sleep(0.02)
    await shop.gate.shop.allow_origin("https://other.example")
    await heard()
    shop.store.door.set()
    assert (await waiting).body == SCRIPT
    assert len(hot(shop)) == 0


async def change_unheard(shop: Shop) -> None:
    """Another generation of the project, of which no worker is told."""
    async with shop.residence.office.store.tenant(ACME) as rows:
        stored = await rows.get(Project, (shop.project,))
        assert stored is not None
        await rows.replace(replace(stored, generation=stored.generation + 1), stored.generation)


async def test_a_change_that_nobody_tells_of_drops_it_when_it_is_seen(shop: Shop) -> None:
    await shop.get("js")
    serving = shop.residence.assets
    assert serving is not None
    shelf = serving._shelves.fresh(shop.project)
    serving.forget(None)
    assert serving._shelves.fresh(shop.project) is None
    # Read anew and found as it was, it is what it was: thousands of versions are not compiled each half minute.
    assert await serving._shelves.load(shop.project) is shelf
    assert len(hot(shop)) == 1
    await change_unheard(shop)
    serving.forget(None)
    assert await serving._shelves.load(shop.project) is not shelf
    assert len(hot(shop)) == 0
    assert (await shop.get("js")).status == 200


async def test_while_no_changes_are_heard_what_is_held_grows_old_by_the_clock(shop: Shop) -> None:
    serving = shop.residence.assets
    assert serving is not None
    shop.residence._hear(is_heard=False)
    assert not serving._shelves.hears
    shop.residence._hear(is_heard=True)
    assert serving._shelves.hears


async def test_what_is_hot_serves_on_while_the_store_is_down(shop: Shop) -> None:
    await shop.get("js")
    shop.store.reachable = False
    assert (await shop.get("js")).body == SCRIPT
    for _ in range(2):
        cold = await shop.get("css")
        assert (cold.status, cold.code) == (503, "backend-unavailable")
    assert await shop.told("asset.damaged") == []
    shop.store.reachable = True
    assert (await shop.get("css")).body == STYLE


async def test_a_store_that_says_nothing_is_down(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COLD_SECONDS", 0.01)
    shop.store.door.clear()
    assert (await shop.get("js")).code == "backend-unavailable"
    shop.store.door.set()
    assert (await shop.get("js")).status == 200


async def test_one_project_leaves_places_for_the_others(shop: Shop) -> None:
    for number in range(5):
        await shop.assets.put(f"{number}.js", b"let a%d;" % number)
    other = await shop.gate.acme.ensure_project("other")
    await other.configure(assets=True)
    await other.assets.put("index.js", STYLE)
    await heard()
    shop.store.door.clear()
    many = [asyncio.create_task(shop.get(f"js/{number}.js")) for number in range(5)]
    await until(lambda: len(shop.store.opened) == module.OF_A_PROJECT)
    one = asyncio.create_task(shop.get("js", project=other.id))
    await until(lambda: len(shop.store.opened) > module.OF_A_PROJECT)
    await asyncio.sleep(0.02)
    assert len(shop.store.opened) == module.OF_A_PROJECT + 1
    shop.store.door.set()
    assert {(await each).status for each in (*many, one)} == {200}
    assert hot(shop)._cold._projects == {}


async def test_what_is_kept_has_a_bound_in_bytes_and_the_oldest_goes() -> None:
    async with open_shop() as shop:
        for name in ("a", "b", "c"):
            await shop.assets.put(f"{name}.js", name.encode() * 5000)
        await heard()
        held = hot(shop)
        weight = module.OWN_BYTES + 5000 + 100
        held._room = 2 * weight
        for name in ("a", "b", "a", "c"):
            assert (await shop.get(f"js/{name}.js", b"", (b"accept-encoding", b"br"))).status == 200
            assert held._room >= 0
        assert len(shop.store.opened) == 3
        await shop.get("js/a.js")
        await shop.get("js/c.js")
        assert len(shop.store.opened) == 3
        await shop.get("js/b.js")
        assert len(shop.store.opened) == 4
        held.forget(shop.project)
        assert (len(held), held._room, held._of_project) == (0, 2 * weight, {})
        # One that has no room at all is served all the same.
        held._room = 10
        assert (await shop.get("js/a.js")).status == 200
        assert (len(held), held._room, held._of_project) == (0, 10, {})


async def test_who_asks_for_everything_of_one_project_drives_out_nobody_else() -> None:
    async with open_shop() as shop:
        other = await shop.gate.acme.ensure_project("other")
        await other.configure(assets=True)
        await other.assets.put("index.js", STYLE)
        for number in range(8):
            await shop.assets.put(f"{number}.js", b"%d" % number * 5000)
        await heard()
        held = hot(shop)
        weight = module.OWN_BYTES + 5000 + 100
        held._room, held._half = 4 * weight, 2 * weight
        assert (await shop.get("js", project=other.id)).body == STYLE
        for number in (*range(3), 0, *range(3, 8)):
            assert (await shop.get(f"js/{number}.js")).status == 200
            assert held._room >= 0
        opened = len(shop.store.opened)
        assert (await shop.get("js", project=other.id)).body == STYLE
        # Of its own the newest are there still; while there was room, it had more than half.
        for number in (7, 6):
            assert (await shop.get(f"js/{number}.js")).status == 200
        assert (len(shop.store.opened), opened) == (opened, 9)
        held.forget(shop.project)
        held.forget(shop.project)
        assert len(held) == 1
        held.forget(other.id)
        assert (len(held), held._room, held._of_project) == (0, 4 * weight, {})


async def alerts(store: Store) -> list[OutgoingAlert]:
    async with store.reading(ACME) as rows:
        return list(await rows.list(OutgoingAlert, (), 100))


@pytest.mark.parametrize("how", ["damage", "lose"])
async def test_a_damaged_object_is_not_served_and_told_of_once(
    shop: Shop, how: str, caplog: pytest.LogCaptureFixture
) -> None:  # contracts 9, decision 35
    shop.residence.serving.clear()
    getattr(shop.store, how)()
    answers = await asyncio.gather(*(shop.get("js") for _ in range(5)))
    answers += [await shop.get("js"), await shop.get("js", b"", (b"range", b"bytes=0-0"))]
    assert {(one.status, one.code) for one in answers} == {(503, "backend-unavailable")}
    assert len(shop.store.opened) == 1
    await asyncio.sleep(0.05)
    (told,) = await shop.told("asset.damaged")
    assert told == {
        "path": "js/index.js",
        "number": 1,
        "sha256": hashlib.sha256(SCRIPT).hexdigest(),
        "bytes": len(SCRIPT),
    }
    assert caplog.text.count("the asset js/index.js of the project") == 1
    assert [one.alert.severity for one in await alerts(shop.residence.office.store)] in ([], ["critical"])
    assert (await shop.gate.acme.verify_ledger()).size > 0
    await shop.get("css")
    await asyncio.sleep(0.05)
    assert len(await shop.told("asset.damaged")) == 2
    # Within the hour nothing more is told of it, whoever asks: an hour after, it is.
    serving = shop.residence.assets
    assert serving is not None
    for elapsed, count in ((3599, 2), (3601, 2)):
        hot(shop)._damaged.clear()
        serving._damages._clock = partial(later, elapsed)
        assert (await shop.get("js")).status == 503
        await serving.close()
        assert len(await shop.told("asset.damaged")) == count + (elapsed > 3600)


async def test_another_object_in_its_place_is_damage_too(shop: Shop) -> None:
    (kept,) = [*shop.store._objects.values()]
    first, second = kept
    kept[first], kept[second] = kept[second], kept[first]
    assert (await shop.get("js")).status == 503
    assert (await shop.get("css")).status == 503


async def rewrite(shop: Shop, **fields: object) -> None:
    """Somebody who writes to the database changes the row of the script."""
    async with project_change(shop.residence.office, ACME, shop.project, "tester") as change:
        stored = await change.require(AssetVersion, "js/index.js", f"{1:09}")
        await change.store_changed(stored, **fields)
        change.note("project.changed")
    await heard()


@pytest.mark.parametrize("field", DAMAGED_ROWS)
async def test_a_row_that_says_another_body_or_object_is_damage(shop: Shop, field: dict[str, object]) -> None:
    await rewrite(shop, **field)
    for _ in range(2):
        answer = await shop.get("js")
        assert (answer.status, answer.code) == (503, "backend-unavailable")
    await asyncio.sleep(0.05)
    assert len(await shop.told("asset.damaged")) == 1
    assert (await shop.get("css")).status == 200


async def test_a_row_with_the_key_of_another_asset_is_damage(shop: Shop) -> None:
    serving = shop.residence.assets
    assert serving is not None
    shelf = await serving._shelves.load(shop.project)
    await rewrite(shop, sealed=shelf.current[b"css/index.css"].sealed)
    assert (await shop.get("js")).code == "backend-unavailable"
    await asyncio.sleep(0.05)
    assert len(await shop.told("asset.damaged")) == 1


@pytest.mark.parametrize("field", ["sha256", "sha384", "sha512"])
async def test_a_row_whose_hash_is_none_closes_the_assets_of_its_project_and_is_told_once(
    shop: Shop, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    await rewrite(shop, **{field: "a\r\nb: c"})
    for path in ("js", "css", "assets.json", "js"):
        answer = await shop.get(path)
        assert (answer.status, answer.code) == (503, "backend-unavailable")
    assert caplog.text.count("is closed: a stored asset-version of the tenant 'acme' cannot be read") == 1


async def test_a_key_that_does_not_open_is_no_damage_and_is_asked_for_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[object] = []

    async def refuses(_: object, *given: object) -> bytes:
        asked.append(given)
        raise SealedValueError

    shop.residence.office.vault.forget(None)
    with monkeypatch.context() as patched:
        patched.setattr(type(shop.residence.office.key_services.named("default")), "unwrap", refuses)
        answers = await asyncio.gather(*(shop.get(path) for path in ("js", "js", "css")))
        often = len(asked)
        answers += [await shop.get("js"), await shop.get("css")]
    assert {(one.status, one.code) for one in answers} == {(503, "backend-unavailable")}
    assert len(asked) == often
    await asyncio.sleep(0.05)
    assert await shop.told("asset.damaged") == []
    assert shop.store.opened == []
    assert caplog.text.count(f"project {shop.project}: its key does not open, and its assets neither") == 1
    hot(shop)._damaged.clear()
    assert (await shop.get("js")).status == 200


async def test_who_is_told_within_the_hour_is_not_told_again_by_another_worker(shop: Shop) -> None:
    store = shop.residence.office.store
    async with store.sibling().tenant(ACME) as rows:  # type: ignore[attr-defined]  # of MemoryStore
        assert await rows.lease(f"asset.damaged:{shop.project}:js/index.js", 3600)
    shop.store.damage()
    assert (await shop.get("js")).status == 503
    await asyncio.sleep(0.05)
    assert await shop.told("asset.damaged") == []


async def test_an_object_that_went_with_its_version_is_no_damage(shop: Shop) -> None:
    serving = shop.residence.assets
    assert serving is not None
    shelf = await serving._shelves.load(shop.project)
    version = shelf.current[b"js/index.js"]
    await shop.assets.remove("index.js")
    with pytest.raises(BackendUnavailableError):
        await serving._hot.fetch(shelf, version)
    await asyncio.sleep(0.05)
    assert await shop.told("asset.damaged") == []
    assert serving._damages._told == {}


async def test_a_store_that_breaks_while_it_is_told_of_is_logged_and_it_is_tried_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    serving = shop.residence.assets
    assert serving is not None
    shop.store.damage()
    with monkeypatch.context() as patched:
        patched.setattr(serving._damages, "_store", None)
        await shop.get("js")
        await serving.close()
    assert "a damaged asset of the project" in caplog.text
    monkeypatch.setattr(module, "DAMAGED_SECONDS", 0.0)
    hot(shop)._damaged.clear()
    await shop.get("js")
    await serving.close()
    assert len(await shop.told("asset.damaged")) == 1


async def test_what_is_remembered_of_damage_has_bounds(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = shop.residence.assets
    assert serving is not None
    monkeypatch.setattr(module, "MAX_DAMAGED", 1)
    monkeypatch.setattr(damage, "MAX_TOLD", 1)
    shop.store.damage()
    for path in ("js", "css", "js", "css"):
        assert (await shop.get(path)).status == 503
        await serving.close()
    assert (len(serving._hot._damaged), len(serving._damages._told)) == (1, 1)
    assert len(await shop.told("asset.damaged")) == 4
