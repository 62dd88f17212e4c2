"""Kill -9 in the middle of uploads: what is served opens, and a sweep finds every object that is of no version."""

import asyncio
import random
import signal
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.backends.file_assets import FileAssets
from apikeychain.tenants import asset_objects
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.tenant import TenantAdmin
from asset_house import assets, loose, objects, require_whole, versions
from management import data, entries
from processes import other_running

_KILLS = 6
# So many at once, so that a kill comes upon several on their way; the second run puts a second version of each.
_UPLOAD = """
from apikeychain.backends.file_assets import FileAssets
project, run, first, last = arguments
keychain = APIKeyChain.embedded(directory, settings=QUICK, asset_store=FileAssets(Path(directory) / "assets"))

async def put(shop, numbers):
    for number in numbers:
        await shop.assets.put(f"asset-{number:04}.js", f"// {run} of {number}\\n".encode() * 40)
        print(number, flush=True)

async with keychain:
    shop = await keychain.project(project)
    print("open", flush=True)
    numbers = iter(range(int(first), int(last)))
    await asyncio.gather(*(put(shop, numbers) for _ in range(8)))
"""
# Both put the same names, each with bodies of its own.
_RACE = """
from apikeychain.backends.file_assets import FileAssets
project, name = arguments
keychain = APIKeyChain.embedded(directory, settings=QUICK, asset_store=FileAssets(Path(directory) / "assets"))
async with keychain:
    shop = await keychain.project(project)
    print("open", flush=True)
    while not (Path(directory) / "go").exists():
        await asyncio.sleep(0.01)
    for number in range(12):
        await shop.assets.put("widget.js", f"{name} {number}".encode())
        await shop.assets.put("page.css", f"{name} {number}".encode())
"""


@asynccontextmanager
async def shop_in(directory: Path, project: str = "") -> AsyncGenerator[ProjectAdmin, None]:
    """The project with that id, or a new one, where its objects are files."""
    settings = APIKeyChainSettings(kdf="pbkdf2-sha512")
    store = FileAssets(directory / "assets")
    async with APIKeyChain.embedded(directory, settings=settings, asset_store=store) as keychain:
        if project:
            yield await keychain.project(project)
            return
        shop = await (await keychain.create_tenant("acme")).create_project("shop")
        await shop.assets.enable()
        yield shop


def upload(
    directory: Path, project: str, run: int, numbers: tuple[int, int], kill_after: int | None = None
) -> set[str]:
    """A process puts these assets, and is killed when it has put so many. The paths of those that were acknowledged."""
    with other_running(_UPLOAD, directory, project, run, *numbers) as (process, output):
        assert output.readline() == "open\n"
        told = [output.readline() for _ in range(numbers[1] - numbers[0] if kill_after is None else kill_after)]
        if kill_after is not None:
            process.send_signal(signal.SIGKILL)
        told += output.readlines()
        assert process.wait() == (0 if kill_after is None else -signal.SIGKILL)
    return {f"js/asset-{int(line):04}.js" for line in told if line.endswith("\n")}


async def sweep_later(shop: ProjectAdmin) -> int:
    """How many a sweep deletes whose clock is a quarter of an hour ahead."""
    office, now = shop._office, shop._office.now
    ahead = replace(office, now=lambda: now() + asset_objects.PUTTING + timedelta(seconds=1))
    return await ProjectAdmin(ahead, shop.tenant, shop.id, shop.name, shop.actor).assets.sweep()


async def require_swept(directory: Path, project: str, acknowledged: set[str]) -> int:
    """What was acknowledged is there and opens, and a sweep leaves no object without a version. How many it deletes."""
    async with shop_in(directory, project) as shop:
        await require_whole(shop)
        assert acknowledged <= {one.path for one in await assets(shop)}
        noted = await loose(shop)
        assert await sweep_later(shop) == len(noted)
        assert await loose(shop) == []
        assert await objects(shop) == {one.object for one in await versions(shop)}
        return len(noted)


@pytest.mark.parametrize("number", [100, pytest.param(1_000, marks=pytest.mark.long)])
async def test_an_upload_that_is_killed_leaves_nothing_that_a_sweep_does_not_find(tmp_path: Path, number: int) -> None:
    moments, found = random.Random(7), 0  # noqa: S311  # which moment it is does not matter
    async with shop_in(tmp_path) as shop:
        project = shop.id
    paths = await asyncio.to_thread(upload, tmp_path, project, 0, (0, number), number // 2)
    found += await require_swept(tmp_path, project, paths)
    for run in range(1, _KILLS):
        killed = await asyncio.to_thread(upload, tmp_path, project, run, (0, number), moments.randrange(5, 30))
        paths |= killed
        found += await require_swept(tmp_path, project, paths)
    assert found
    paths |= await asyncio.to_thread(upload, tmp_path, project, 0, (number // 2 - 20, number))
    assert await require_swept(tmp_path, project, paths) == 0
    assert len(paths) == number


async def test_two_processes_that_put_the_same_names_at_once_make_one_history(tmp_path: Path) -> None:
    async with shop_in(tmp_path) as shop:
        project = shop.id
    with ExitStack() as stack:
        running = [stack.enter_context(other_running(_RACE, tmp_path, project, name)) for name in ("one", "two")]
        for _, output in running:
            assert await asyncio.to_thread(output.readline) == "open\n"
        (tmp_path / "go").touch()
        for process, output in running:
            assert (await asyncio.to_thread(output.read), await asyncio.to_thread(process.wait)) == ("", 0)
    async with shop_in(tmp_path, project) as shop:
        await require_whole(shop, ["css/page.css", "js/widget.js"])
        for name in ("widget.js", "page.css"):
            assert [one.number for one in await shop.assets.show(name)] == [*range(24, 14, -1)]
        acme = TenantAdmin(shop._office, shop.tenant, "ops")
        put = [data(one) for one in await entries(acme) if one.kind == "asset.put"]
        assert [one["number"] for one in put if one["path"] == "js/widget.js"] == [*range(1, 25)]
        assert await loose(shop) == []
