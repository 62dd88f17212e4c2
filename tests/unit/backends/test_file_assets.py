"""What an asset store in a directory leaves on the disk, and what of it is not as it was left."""

import asyncio
import os
import stat
import threading
import time
from pathlib import Path

import pytest

from apikeychain.backends import file_assets
from apikeychain.backends.file_assets import FileAssets
from apikeychain.errors import (
    AlreadyExistsError,
    BackendUnavailableError,
    DoesNotExistError,
    InvalidValueError,
)
from apikeychain.model.asset import MIB, AssetPrefix
from apikeychain.model.ids import ProjectId, TenantId

SHOP = AssetPrefix(TenantId("acme"), ProjectId("p_" + "a" * 20))
NAMES = [f"{number:032x}" for number in range(8)]


@pytest.fixture
def store(tmp_path: Path) -> FileAssets:
    return FileAssets(tmp_path / "assets")


@pytest.fixture
def folder(store: FileAssets) -> Path:
    return store.directory / SHOP.tenant / SHOP.project


def modes(top: Path) -> dict[str, int]:
    return {str(path.relative_to(top)): stat.S_IMODE(path.stat().st_mode) for path in sorted(top.rglob("*"))}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def one_that_is_gone(_: int) -> list[str]:
    return [".gone.new"]


async def test_what_is_put_is_its_owners_alone_whatever_the_mask_takes(store: FileAssets) -> None:
    mask = os.umask(0o277)
    try:
        os.umask(0o000)
        await store.put(SHOP, NAMES[0], b"body")
        os.umask(0o177)
        await store.put(SHOP, NAMES[1], b"body")
    finally:
        os.umask(mask)
    assert modes(store.directory.parent) == {
        "assets": 0o700,
        f"assets/{SHOP.tenant}": 0o700,
        f"assets/{SHOP.tenant}/{SHOP.project}": 0o700,
        **{f"assets/{SHOP.path}{name}": 0o600 for name in NAMES[:2]},
    }


async def test_all_that_gets_a_name_is_on_the_disk_first(
    store: FileAssets, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, list[str]]] = []
    flush = os.fsync

    def noting(file: int) -> None:
        path = Path(f"/proc/self/fd/{file}").readlink()
        flushed.append((path.name, sorted(each.name for each in folder.glob("[0-9]*"))))
        flush(file)

    monkeypatch.setattr(os, "fsync", noting)
    await store.put(SHOP, NAMES[0], b"body")
    above = [store.directory.parent.name, "assets", SHOP.tenant]
    assert flushed[:3] == [(name, []) for name in above]
    (fresh, before), last = flushed[3:]
    assert fresh.endswith(".new")
    assert (before, last) == ([], (SHOP.project, [NAMES[0]]))
    flushed.clear()
    await store.delete(SHOP, NAMES[0])
    await store.delete(SHOP, NAMES[0])
    assert flushed == [(SHOP.project, [])]


async def test_of_many_that_put_one_name_at_once_one_does(store: FileAssets, folder: Path) -> None:
    bodies = [bytes([number]) * 1000 for number in range(8)]
    ended = await asyncio.gather(*(store.put(SHOP, NAMES[0], body) for body in bodies), return_exceptions=True)
    assert [type(each) for each in ended if each is not None] == [AlreadyExistsError] * 7
    assert await store.open(SHOP, NAMES[0]) == bodies[ended.index(None)]
    assert names(folder) == [NAMES[0]]


async def test_what_a_killed_put_left_is_removed_once_nobody_can_be_writing_it(
    store: FileAssets, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    for name, hours in {".left.new": 2, ".fresh.new": 0, ".mine": 2, "notes": 2}.items():
        (folder / name).write_bytes(b"half")
        at = time.time() - hours * 3600 - 1
        os.utime(folder / name, (at, at))
    assert await store.list(SHOP, "", 10) == [NAMES[0]]
    await store.put(SHOP, NAMES[1], b"body")
    assert names(folder) == [".fresh.new", ".mine", *NAMES[:2], "notes"]
    # Another one that sweeps at the same moment was first.
    monkeypatch.setattr(file_assets, "_names", one_that_is_gone)
    await store.put(SHOP, NAMES[2], b"body")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder in which an object of that name lies."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / NAMES[1]).write_bytes(b"theirs")
    return folder


def lead(folder: Path, elsewhere: Path) -> None:
    """Put a link in the place of a folder."""
    folder.rename(folder.with_name("moved"))
    folder.symlink_to(elsewhere)


async def test_no_link_is_followed(store: FileAssets, folder: Path, elsewhere: Path) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    (folder / NAMES[1]).symlink_to(elsewhere / NAMES[1])
    with pytest.raises(BackendUnavailableError, match="Too many levels of symbolic links"):
        await store.open(SHOP, NAMES[1])
    with pytest.raises(AlreadyExistsError):
        await store.put(SHOP, NAMES[1], b"ours")
    await store.delete(SHOP, NAMES[1])
    assert (elsewhere / NAMES[1]).read_bytes() == b"theirs"
    lead(folder, elsewhere)
    for deed in (
        store.open(SHOP, NAMES[1]),
        store.put(SHOP, NAMES[2], b"ours"),
        store.delete(SHOP, NAMES[1]),
        store.list(SHOP, "", 10),
    ):
        with pytest.raises(BackendUnavailableError, match="Not a directory"):
            await deed
    assert names(elsewhere) == [NAMES[1]]


async def test_what_took_the_place_of_an_object_is_not_read_whole(store: FileAssets, folder: Path) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    (folder / NAMES[1]).touch()
    os.truncate(folder / NAMES[1], 64 * MIB)
    assert len(await store.open(SHOP, NAMES[1])) == 16 * MIB + 1
    os.mkfifo(folder / NAMES[2])
    (folder / NAMES[3]).mkdir()
    for name in NAMES[2:4]:
        with pytest.raises(BackendUnavailableError, match=r"cannot be used \((an object is no regular file|Is a dir)"):
            await store.open(SHOP, name)


async def test_more_than_an_object_has_is_not_put(store: FileAssets) -> None:
    with pytest.raises(InvalidValueError, match="an object has at most 16 MiB"):
        await store.put(SHOP, NAMES[0], bytes(16 * MIB + 1))
    assert not store.directory.exists()


async def test_a_full_disk_is_told_and_leaves_nothing(
    store: FileAssets, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    write = os.write

    def limited(file: int) -> None:
        write(file, b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", limited)
    with pytest.raises(BackendUnavailableError, match=r"cannot be used \(No space left on device\): make room, mount"):
        await store.put(SHOP, NAMES[1], b"body")
    assert names(folder) == [NAMES[0]]


async def test_nothing_was_put_yet_and_no_directory_is_there_are_two_things(tmp_path: Path) -> None:
    fresh = FileAssets(tmp_path / "assets")
    assert await fresh.list(SHOP, "", 10) == []
    with pytest.raises(DoesNotExistError):
        await fresh.open(SHOP, NAMES[0])
    nowhere = FileAssets(tmp_path / "unmounted" / "assets")
    with pytest.raises(BackendUnavailableError, match=r"unmounted/assets cannot be used \(No such file"):
        await nowhere.list(SHOP, "", 10)
    with pytest.raises(BackendUnavailableError):
        await nowhere.put(SHOP, NAMES[0], b"body")


async def test_a_directory_that_vanished_is_not_made_anew(store: FileAssets) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    store.directory.rename(store.directory.with_name("unmounted"))
    with pytest.raises(BackendUnavailableError):
        await store.put(SHOP, NAMES[1], b"body")
    with pytest.raises(BackendUnavailableError):
        await store.open(SHOP, NAMES[0])
    assert not store.directory.exists()
    store.directory.with_name("unmounted").rename(store.directory)
    assert await store.open(SHOP, NAMES[0]) == b"body"


async def test_a_disk_that_hangs_leaves_threads_to_everybody_else(
    store: FileAssets, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put(SHOP, NAMES[0], b"body")
    usual, door, asked = file_assets._read, threading.Event(), list[str]()

    def hangs(folder: int, name: str) -> bytes:
        asked.append(name)
        assert door.wait(20)
        return usual(folder, name)

    monkeypatch.setattr(file_assets, "_read", hangs)
    for _ in range(8):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(store.open(SHOP, NAMES[0]), 0.03)
    assert len(asked) == 2
    door.set()
    assert await store.open(SHOP, NAMES[0]) == b"body"
