"""The data directory and its lock, which the kernel frees when its holder dies."""

import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from apikeychain.backends.serving_lock import ServingLock
from apikeychain.errors import DataDirectoryError
from command import run

_HOLDER = """
import sys, time
from pathlib import Path
from apikeychain.backends.serving_lock import ServingLock
ServingLock(Path(sys.argv[1])).acquire()
print("held", flush=True)
time.sleep(60)
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def test_the_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "data"
    async with ServingLock(place) as lock:
        assert mode_of(place) == 0o700
        async with lock:
            lock.acquire()
    assert names_in(place) == ["serving.lock"]


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "data"):
        with pytest.raises(DataDirectoryError, match=r"^the data directory .* cannot be made: "):
            await ServingLock(place).__aenter__()


def test_the_lock_is_held_once_and_kept(tmp_path: Path) -> None:
    first, second = ServingLock(tmp_path), ServingLock(tmp_path)
    first.acquire()
    first.acquire()
    with pytest.raises(DataDirectoryError) as refused:
        second.acquire()
    assert str(refused.value) == (
        f"another process serves from {tmp_path}: the embedded default is for one process. "
        "Run one worker, or wire backends that all workers share (store, limiter, replay guard, signals)"
    )
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match=r"cannot be written to: No such file or directory$"):
        ServingLock(tmp_path / "gone").acquire()


async def test_leaving_lets_the_lock_go(tmp_path: Path) -> None:
    async with ServingLock(tmp_path) as lock:
        lock.acquire()
    other = ServingLock(tmp_path)
    other.acquire()
    other.release()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    holder = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    lock = ServingLock(tmp_path)
    with pytest.raises(DataDirectoryError, match="another process serves"):
        lock.acquire()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    lock.acquire()
    lock.release()


_FORKED = """
import os, sys
from pathlib import Path
from apikeychain.backends.serving_lock import ServingLock
from apikeychain.errors import DataDirectoryError
lock = ServingLock(Path(sys.argv[1]))
lock.acquire()
if os.fork():
    os.wait()
    lock.acquire()
    print("kept", flush=True)
else:
    try:
        lock.acquire()
    except DataDirectoryError as error:
        print(error, flush=True)
    os._exit(0)
"""


def test_a_forked_process_does_not_serve_by_its_parents_lock(tmp_path: Path) -> None:
    told = run(sys.executable, "-c", _FORKED, str(tmp_path)).splitlines()
    assert (told[0].startswith("another process serves from"), told[1]) == (True, "kept")


def test_a_lock_that_came_with_a_fork_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    lock = ServingLock(tmp_path)
    lock.acquire()
    lock._process += 1
    with pytest.raises(DataDirectoryError, match="another process serves"):
        lock.acquire()
    lock.release()
