"""Every object of an asset is of a version or is found: whoever puts at once, dies on the way, or goes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, agenda
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.sql import SQLStore
from apikeychain.errors import BackendUnavailableError, ConflictError, DoesNotExistError
from apikeychain.model.asset import AssetPrefix
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.tenants import asset_objects
from apikeychain.tenants.asset_objects import PUTTING, TOPIC, store_of
from apikeychain.tenants.asset_putting import Putting
from apikeychain.tenants.assets import loosen
from apikeychain.tenants.erasure import erase_tenant
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from asset_house import SCRIPT, STYLE, loose, objects, prefix_of, require_whole, served, versions
from management import kinds
from served_postgres import Database


@pytest.fixture
async def shop(acme: TenantAdmin) -> ProjectAdmin:
    shop = await acme.create_project("shop")
    await shop.assets.enable()
    return shop


def later(shop: ProjectAdmin, by: timedelta) -> ProjectAdmin:
    """The same project for whoever's clock is ahead."""
    office, now = shop._office, shop._office.now
    return ProjectAdmin(replace(office, now=lambda: now() + by), shop.tenant, shop.id, shop.name, shop.actor)


def interrupted(monkeypatch: pytest.MonkeyPatch, verb: str, what: Callable[[], Awaitable[Any]], *, after: bool) -> None:
    """The store's next `verb` has something happen before or after it."""
    usual = getattr(MemoryAssets, verb)

    async def once(*given: Any) -> Any:
        monkeypatch.setattr(MemoryAssets, verb, usual)
        if not after:
            await what()
        found = await usual(*given)
        if after:
            await what()
        return found

    monkeypatch.setattr(MemoryAssets, verb, once)


async def test_who_puts_the_same_name_at_once_is_not_lost(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    bodies = [b"body %d" % number for number in range(4)]
    infos = await asyncio.gather(*(shop.assets.put("widget.js", body) for body in bodies))
    assert sorted(info.version for info in infos) == [1, 2, 3, 4]
    assert await served(shop, "js/widget.js") in bodies
    assert (await kinds(acme)).count("asset.put") == 4
    assert len(await objects(shop)) == 4
    await require_whole(shop, ["js/widget.js"])


async def test_who_puts_at_once_into_postgres_is_not_lost_either(database: Database, tmp_path: Path) -> None:
    settings = APIKeyChainSettings(kdf="pbkdf2-sha512")
    sql = SQLStore.postgres(database.url)
    async with APIKeyChain.embedded(
        tmp_path,
        settings=settings,
        store=sql,
        asset_store=MemoryAssets(),
        replay_guard=MemoryReplayGuard(),
        rate_limiter=MemoryRateLimiter(),
        signals=MemorySignals(),
    ) as keychain:
        shop = await (await keychain.create_tenant("acme")).create_project("shop")
        await shop.assets.enable()
        names = ["widget.js", "widget.js", "page.css", "more.js", "more.mjs"]
        await asyncio.gather(*(shop.assets.put(name, b"%d" % number) for number, name in enumerate(names)))
        await require_whole(shop, ["css/page.css", "js/more.js", "js/more.mjs", "js/widget.js"])
        await shop.turn_key()
        await shop.assets.remove("widget.js")
        await require_whole(shop, ["css/page.css", "js/more.js", "js/more.mjs"])
        assert (await keychain.erase_tenant("acme")).objects == 3
        assert await objects(shop) == set()


async def test_who_is_overtaken_again_and_again_gives_up_and_leaves_nothing(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, times = MemoryAssets.put, list[None]()
    is_ours = True

    async def overtaken(*given: Any) -> None:
        nonlocal is_ours
        await usual(*given)
        if is_ours:
            is_ours = False
            times.append(None)
            await shop.assets.put("widget.js", b"%d" % len(times))
            is_ours = True

    monkeypatch.setattr(MemoryAssets, "put", overtaken)
    with pytest.raises(ConflictError, match=r"js/widget\.js was changed by somebody else meanwhile: do it again"):
        await shop.assets.put("widget.js", SCRIPT)
    assert len(times) == 10
    assert len(await objects(shop)) == 10
    await require_whole(shop, ["js/widget.js"])


async def test_what_another_put_meanwhile_is_not_put_again(
    acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, "put", lambda: shop.assets.put("widget.js", SCRIPT), after=True)
    assert (await shop.assets.put("widget.js", SCRIPT)).version == 1
    assert ((await kinds(acme)).count("asset.put"), len(await objects(shop))) == (1, 1)


async def test_an_object_that_is_swept_meanwhile_becomes_one_of_no_version(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(monkeypatch, "put", later(shop, PUTTING).assets.sweep, after=True)
    info = await shop.assets.put("widget.js", SCRIPT)
    assert (info.version, len(await objects(shop))) == (1, 1)
    await require_whole(shop, ["js/widget.js"])


@pytest.mark.parametrize("fault", [None, BackendUnavailableError, asyncio.CancelledError])
async def test_an_object_whose_note_was_swept_before_it_came_is_found_all_the_same(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch, fault: type[BaseException] | None
) -> None:
    async def swept() -> None:
        assert await later(shop, PUTTING).assets.sweep() == 1
        assert await loose(shop) == []
        if fault is not None:
            raise fault

    interrupted(monkeypatch, "put", swept, after=False)
    if fault is None:
        assert (await shop.assets.put("widget.js", SCRIPT)).version == 1
        assert len(await objects(shop)) == 1
        await require_whole(shop, ["js/widget.js"])
        return
    with pytest.raises(fault):
        await shop.assets.put("widget.js", SCRIPT)
    # It may still be on its way: what is noted again is swept again.
    (left,) = await loose(shop)
    await store_of(shop._office).put(prefix_of(shop), left.object, b"late")
    await later(shop, PUTTING).assets.sweep()
    assert (await objects(shop), await loose(shop)) == (set(), [])


async def test_an_object_of_a_version_whose_making_was_not_heard_of_stays(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Putting._store

    async def unheard(self: Putting, *given: Any) -> Any:
        await usual(self, *given)
        raise BackendUnavailableError

    monkeypatch.setattr(Putting, "_store", unheard)
    with pytest.raises(BackendUnavailableError):
        await shop.assets.put("widget.js", SCRIPT)
    assert (len(await objects(shop)), await loose(shop)) == (1, [])
    await require_whole(shop, ["js/widget.js"])


async def test_an_object_that_is_claimed_becomes_one_of_no_version(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed, put = asyncio.Event(), asyncio.Event()
    sweeping: list[asyncio.Task[int]] = []

    async def waits() -> None:
        claimed.set()
        await put.wait()

    async def swept() -> None:
        interrupted(monkeypatch, "delete", waits, after=False)
        sweeping.append(asyncio.create_task(later(shop, PUTTING).assets.sweep()))
        await claimed.wait()

    interrupted(monkeypatch, "put", swept, after=True)
    info = await shop.assets.put("widget.js", SCRIPT)
    put.set()
    assert (await sweeping[0], info.version, len(await objects(shop))) == (1, 1, 1)
    await require_whole(shop, ["js/widget.js"])


async def test_what_is_put_although_who_put_it_was_cancelled_is_swept(
    shop: ProjectAdmin, store: MemoryAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, given = asyncio.Event(), list[tuple[AssetPrefix, str, bytes]]()

    async def slow(_: MemoryAssets, prefix: AssetPrefix, name: str, body: bytes) -> None:
        given.append((prefix, name, body))
        waits.set()
        await asyncio.sleep(60)

    with monkeypatch.context() as patched:
        patched.setattr(MemoryAssets, "put", slow)
        putting = asyncio.create_task(shop.assets.put("widget.js", SCRIPT))
        await waits.wait()
        putting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await putting
    # As a thread or a server would that nobody waits for any more.
    await store.put(*given[0])
    assert (await versions(shop), len(await loose(shop))) == ([], 1)
    assert await later(shop, PUTTING).assets.sweep() == 1
    assert (await objects(shop), await loose(shop)) == (set(), [])


async def test_who_is_cancelled_after_the_object_was_put_leaves_nothing(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = asyncio.Event()

    async def slow(*_: Any) -> None:
        waits.set()
        await asyncio.sleep(60)

    monkeypatch.setattr(Putting, "_store", slow)
    putting = asyncio.create_task(shop.assets.put("widget.js", SCRIPT))
    await waits.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert (await objects(shop), await loose(shop), await versions(shop)) == (set(), [], [])


async def test_what_was_stored_although_it_failed_is_not_deleted(
    shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = Putting._store

    async def breaks(*given: Any) -> Any:
        await stored(*given)
        raise BackendUnavailableError

    monkeypatch.setattr(Putting, "_store", breaks)
    with pytest.raises(BackendUnavailableError):
        await shop.assets.put("widget.js", SCRIPT)
    assert await served(shop, "js/widget.js") == SCRIPT
    await require_whole(shop, ["js/widget.js"])


async def test_a_sweep_deletes_what_has_been_loose_for_a_quarter_of_an_hour(
    shop: ProjectAdmin, store: MemoryAssets, caplog: pytest.LogCaptureFixture
) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    store.reachable = False
    await shop.assets.remove("widget.js")
    assert f"1 objects under acme/{shop.id}/ are left to a sweep" in caplog.text
    with pytest.raises(BackendUnavailableError):
        await later(shop, PUTTING).assets.sweep()
    store.reachable = True
    ahead = later(shop, PUTTING - timedelta(seconds=30)).assets
    assert (await shop.assets.sweep(), await ahead.sweep(), len(await objects(shop))) == (0, 0, 1)
    assert await later(shop, PUTTING).assets.sweep() == 1
    assert (await objects(shop), await loose(shop)) == (set(), [])
    assert await later(shop, PUTTING).assets.sweep() == 0


async def test_two_sweeps_at_once_leave_nothing(shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    (version,) = await versions(shop)
    async with shop._change() as change:
        await loosen(change, [version])
    ahead = later(shop, PUTTING)
    interrupted(monkeypatch, "delete", ahead.assets.sweep, after=False)
    assert await ahead.assets.sweep() == 1
    assert (await objects(shop), await loose(shop)) == (set(), [])


async def errands(keychain: APIKeyChain) -> list[str]:
    far = datetime.max.replace(tzinfo=keychain._office.now().tzinfo)
    return [one.subject for one in await agenda.due(keychain._office.store, TOPIC, far)]


async def swept_later(keychain: APIKeyChain, by: timedelta) -> int:
    office, now = keychain._office, keychain._office.now
    return await asset_objects.sweep_all(replace(office, now=lambda: now() + by))


@pytest.mark.parametrize("verb", ["erase", "remove"])
async def test_the_objects_of_what_goes_go_too_and_so_do_those_that_come_after_it(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    other = await (await keychain.create_tenant("other")).create_project("shop")
    await other.assets.enable()
    await other.assets.put("widget.js", SCRIPT)
    await shop.assets.put("widget.js", SCRIPT)
    await shop.assets.put("page.css", STYLE)

    async def goes() -> None:
        if verb == "erase":
            came = await keychain.erase_tenant("acme")
            assert (came.objects, came.left, came.removed["asset-version"]) == (3, (), 2)
        else:
            await acme.remove_project("shop")
        assert await objects(shop) == set()

    interrupted(monkeypatch, "put", goes, after=True)
    with pytest.raises(DoesNotExistError):
        await shop.assets.put("more.js", SCRIPT)
    assert await objects(shop) == set()
    # As one that was killed would have left it.
    await MemoryAssets.put(shop._office.asset_store, prefix_of(shop), "ab" * 16, b"late")  # type: ignore[arg-type]  # it is one
    assert await errands(keychain) == [shop.id]
    assert await swept_later(keychain, PUTTING) == 1
    assert (await objects(shop), await errands(keychain)) == (set(), [])
    await require_whole(other, ["js/widget.js"])


@pytest.mark.parametrize("verb", ["erase", "remove"])
async def test_what_cannot_be_deleted_is_told_and_the_next_run_does_it(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin, store: MemoryAssets, verb: str
) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    store.reachable = False
    if verb == "remove":
        await acme.remove_project("shop")
    else:
        came = await keychain.erase_tenant("acme")
        assert (came.objects, [*came.left]) == (0, [f"acme/{shop.id}/"])
    with pytest.raises(BackendUnavailableError):
        await keychain.sweep_assets()
    store.reachable = True
    assert len(await objects(shop)) == 1
    if verb == "remove":
        assert await keychain.sweep_assets() == 1
    else:
        again = await keychain.erase_tenant("acme")
        assert (again.objects, [*again.left]) == (1, [])
    assert await objects(shop) == set()


async def test_a_tenant_goes_without_an_asset_store_too_and_it_is_told(
    keychain: APIKeyChain, shop: ProjectAdmin
) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    bare = replace(keychain._office, asset_store=None)
    came = await erase_tenant(bare, "acme", "ops")
    assert [*came.left] == [f"acme/{shop.id}/"]
    assert await keychain.sweep_assets() == 1


@pytest.mark.parametrize("verb", ["erase", "remove"])
async def test_a_first_asset_that_is_put_meanwhile_keeps_the_whole_for_another_run(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    noted = asset_objects.note_end

    async def overtaken(*given: Any) -> None:
        monkeypatch.setattr(asset_objects, "note_end", noted)
        await noted(*given)
        await shop.assets.put("widget.js", SCRIPT)

    monkeypatch.setattr(asset_objects, "note_end", overtaken)
    goes = (lambda: keychain.erase_tenant("acme")) if verb == "erase" else (lambda: acme.remove_project("shop"))
    with pytest.raises(ConflictError, match="an asset was put meanwhile: do it again"):
        await goes()
    await require_whole(shop, ["js/widget.js"])
    await goes()
    assert await objects(shop) == set()


async def test_errands_of_a_project_that_stays_go(keychain: APIKeyChain, shop: ProjectAdmin) -> None:
    await shop.assets.put("widget.js", SCRIPT)
    await asset_objects.note_end(keychain._office, shop.tenant, [shop.id])
    await asset_objects.note_end(keychain._office, shop.tenant, [ProjectId("p_" + "z" * 20)])
    assert await keychain.sweep_assets() == 0
    assert await asset_objects.delete_ended(keychain._office, TenantId("other")) == (0, ())
    assert len(await errands(keychain)) == 2
    assert await swept_later(keychain, PUTTING) == 0
    assert await errands(keychain) == []
    await require_whole(shop, ["js/widget.js"])
    assert prefix_of(shop) == AssetPrefix(shop.tenant, shop.id)
