import itertools
import json
import os
import resource
import stat
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from apikeychain.backends import key_file
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.platform_keys import PlatformKeys
from apikeychain.errors import BackendUnavailableError, InvalidValueError, KeyFileError, SealedValueError
from apikeychain.model.keys import KeyContext

CONTEXT = KeyContext(tenant="acme", purpose="tenant-secret")
KEY = bytes(range(32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "platform.key"


def opened(path: Path | str, *, create: bool = False, data: Path | None = None) -> LocalKeyService:
    """A service as it is once it was entered."""
    service = LocalKeyService(path, create=create, data=data)
    service._open()
    return service


def content(path: Path) -> bytes:
    return path.read_bytes()


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


@contextmanager
def no_room_for_files() -> Generator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_the_file_is_made_once_for_its_owner_only(path: Path) -> None:
    opened(path, create=True)
    made = path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    opened(str(path), create=True)
    assert path.read_bytes() == made
    assert [left.name for left in path.parent.iterdir()] == [path.name]


def test_the_mode_does_not_depend_on_the_umask(path: Path) -> None:
    before = os.umask(0o777)
    try:
        opened(path, create=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_is_made_unless_asked(path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"there is no key file at .*: restore it from your backup"):
        opened(path)
    assert not path.exists()


async def test_nothing_is_touched_before_it_is_opened(path: Path) -> None:
    service = LocalKeyService(path, create=True)
    assert names_in(path.parent) == []
    async with service as entered:
        assert entered is service
        assert names_in(path.parent) == [path.name]
    async with LocalKeyService(path):
        pass
    with pytest.raises(KeyFileError, match="restore it from your backup"):
        await LocalKeyService(path.with_name("other.key")).__aenter__()


def test_no_new_key_is_made_for_data_that_exist(path: Path) -> None:
    data = path.with_name("data.sqlite3")
    opened(path, create=True, data=data)
    data.touch()
    before = path.read_bytes()
    opened(path, create=True, data=data)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(KeyFileError, match="restore it from your backup"):
        opened(path, create=True, data=data)
    assert not path.exists()


def test_two_who_make_it_at_once_get_one_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        services = [task.result() for task in [threads.submit(opened, path, create=True) for _ in range(8)]]
    assert len({key_file.read(service.path) for service in services}) == 1
    assert [left.name for left in path.parent.iterdir()] == [path.name]


def test_a_file_that_comes_while_ours_is_written_is_kept(path: Path) -> None:
    theirs = key_file.encode(PlatformKeys.generate())
    with key_file._written(path, PlatformKeys.generate()) as fresh:
        path.write_bytes(theirs)
        with pytest.raises(FileExistsError):
            os.link(fresh, path)
    assert path.read_bytes() == theirs


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o660, 0o777])
def test_a_file_that_others_can_open_is_refused(path: Path, mode: int) -> None:
    opened(path, create=True)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=r"open to others: run chmod 600 .*platform\.key"):
        opened(path)


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path, create=True)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 12345)
    monkeypatch.setattr(key_file, "_ROOT", path.stat().st_uid + 1)
    with pytest.raises(KeyFileError, match=r"belongs to another user: run chown .* .*platform\.key, and rotate"):
        opened(path)


def test_a_file_that_root_gave_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(path, create=True)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 12345)
    monkeypatch.setattr(key_file, "_ROOT", path.stat().st_uid)
    opened(path)


def test_a_link_is_not_followed_even_to_a_good_file(path: Path) -> None:
    opened(path, create=True)
    link = path.with_name("link.key")
    link.symlink_to(path)
    for create in (False, True):
        with pytest.raises(KeyFileError, match="symbolic link"):
            opened(link, create=create)


def test_a_link_into_nowhere_is_not_filled(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere.key"))
    with pytest.raises(KeyFileError, match="symbolic link"):
        opened(path, create=True)
    assert not path.with_name("elsewhere.key").exists()


def test_a_directory_or_a_pipe_is_no_key_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for place in (tmp_path, pipe):
        with pytest.raises(KeyFileError, match="not a regular file"):
            opened(place)


def test_a_place_below_a_file_says_why(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(KeyFileError, match="cannot be opened"):
        opened(path / "platform.key")


def test_the_file_reads_as_documented(path: Path) -> None:
    opened(path, create=True)
    newest = key_file.read(path).newest
    entry = f'{{"key":"{newest.key.hex()}","number":1,"version":"{newest.version.hex()}"}}'
    assert path.read_text() == f'{{"format":"apikeychain-key-file","keys":[{entry}],"v":1}}\n'


def _edited(edit: Callable[[str], str]) -> bytes:
    return edit(key_file.encode(PlatformKeys.generate().rotated()).decode()).encode("utf-8")


def _keys_edited(edit: Callable[[list[dict[str, object]]], object]) -> bytes:
    document = json.loads(key_file.encode(PlatformKeys.generate().rotated()))
    document["keys"] = edit(document["keys"])
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"\xff\xfe",
        b"null\n",
        b"[]\n",
        b"{}\n",
        b"[" * 100_000,
        b"-----BEGIN PRIVATE KEY-----\n",
        _edited(lambda text: text[:-1]),
        _edited(lambda text: text[:100]),
        _edited(lambda text: text + "\n"),
        _edited(lambda text: text + " " * key_file._MAX_BYTES),
        _edited(lambda text: text.replace('"v":1', '"v":2')),
        _edited(lambda text: text.replace('"v":1', '"v":1,"w":1')),
        _edited(lambda text: text.replace("apikeychain-key-file", "another-key-file")),
        _edited(lambda text: text.replace('"number":1', '"number":"1"')),
        _edited(lambda text: text.replace('"number":1', '"number":true')),
        _edited(lambda text: text.replace('"number":1', '"number":0')),
        _edited(lambda text: text.replace('"number":1', '"number":2')),
        _edited(lambda text: text.replace('"number":1', '"number":3')),
        _edited(lambda text: text.replace('"key":"', '"key":"zz')),
        _edited(lambda text: text.replace('"key":"', '"key":"00')),
        _edited(lambda text: text.replace('"version":"', '"version":"00')),
        _edited(lambda text: text.replace('"version":"', '"version":"\u0661')),
        _keys_edited(lambda _: []),
        _keys_edited(lambda keys: {"1": keys[0]}),
        _keys_edited(lambda keys: [{**keys[0], "number": 1}, {**keys[0], "number": 2}]),
        _keys_edited(lambda keys: [{**keys[0], "key": str(keys[0]["key"]).upper()}]),
        _keys_edited(lambda keys: [{**keys[0], "key": "00" * 32}]),
        _keys_edited(lambda keys: [{**keys[0], "key": b"changeme".hex() * 4}]),
        _keys_edited(lambda keys: [{**keys[0], "more": 1}]),
        _keys_edited(lambda keys: [{"key": keys[0]["key"], "number": 1}]),
    ],
    ids=itertools.count(),  # the keys are new in each process
)
def test_a_damaged_foreign_or_invented_file_is_refused_and_left_alone(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    path.chmod(0o600)
    with pytest.raises(KeyFileError, match="damaged or not a key file of this version: restore it from your backup"):
        opened(path, create=True)
    assert path.read_bytes() == raw


def test_no_error_text_shows_a_key(path: Path) -> None:
    opened(path, create=True)
    key = key_file.read(path).newest.key
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(KeyFileError) as caught:
        opened(path)
    assert key.hex() not in str(caught.value)
    assert caught.value.__suppress_context__


def test_no_room_leaves_no_file_behind(path: Path) -> None:
    with no_room_for_files(), pytest.raises(KeyFileError, match=r"cannot be written .*: make room"):
        opened(path, create=True)
    assert list(path.parent.iterdir()) == []


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="cannot be written"):
        opened(tmp_path / "gone" / "platform.key", create=True)


async def test_no_room_leaves_the_old_file_whole(path: Path) -> None:
    service = opened(path, create=True)
    await service.rotate()
    before = content(path)
    with no_room_for_files(), pytest.raises(KeyFileError, match="make room"):
        await service.rotate()
    with no_room_for_files(), pytest.raises(KeyFileError, match="make room"):
        await service.retire(1)
    assert content(path) == before
    assert [left.name for left in path.parent.iterdir()] == [path.name]


async def test_a_version_counts_at_once_in_every_process(path: Path) -> None:
    served, command = opened(path, create=True), opened(path)
    wrapped = await served.wrap(KEY, CONTEXT)
    assert await command.rotate() == 2
    newer = await served.wrap(KEY, CONTEXT)
    await command.retire(1)
    assert await served.unwrap(newer, CONTEXT) == KEY
    with pytest.raises(SealedValueError):
        await served.unwrap(wrapped, CONTEXT)


async def test_the_key_of_another_installation_opens_nothing(tmp_path: Path) -> None:
    ours = opened(tmp_path / "ours.key", create=True)
    theirs = opened(tmp_path / "theirs.key", create=True)
    with pytest.raises(SealedValueError):
        await theirs.unwrap(await ours.wrap(KEY, CONTEXT), CONTEXT)


async def test_retiring_the_newest_changes_nothing(path: Path) -> None:
    service = opened(path, create=True)
    before = content(path)
    with pytest.raises(InvalidValueError):
        await service.retire(1)
    assert content(path) == before


async def test_a_retired_key_is_in_no_file_of_the_directory(path: Path) -> None:
    service = opened(path, create=True)
    old = key_file.read(path).newest.key.hex()
    # What a process leaves behind that dies between writing and renaming.
    path.with_name(".platform.key.0011223344556677.new").write_bytes(content(path))
    path.with_name("platform.key.new").write_text("a file of the operator's own")
    await service.rotate()
    await service.retire(1)
    assert all(old not in left.read_text() for left in path.parent.iterdir())
    assert sorted(left.name for left in path.parent.iterdir()) == ["platform.key", "platform.key.new"]


def test_two_who_rotate_at_once_take_turns(path: Path) -> None:
    """env-28: no version is lost, no number is given twice, one is the newest."""
    opened(path, create=True)
    with ThreadPoolExecutor(8) as threads:
        turns = [threads.submit(key_file.change, path, PlatformKeys.rotated) for _ in range(16)]
    numbers = sorted(turn.result().newest.number for turn in turns)
    assert numbers == list(range(2, 18))
    assert [known.number for known in key_file.read(path).versions] == list(range(1, 18))


def test_a_file_that_vanished_is_not_the_locked_one(path: Path) -> None:
    opened(path, create=True)
    with key_file._opened(path) as file:
        assert key_file._is_at(file, path)
        path.unlink()
        assert not key_file._is_at(file, path)


async def test_a_call_is_told_that_the_key_service_is_down_and_a_command_what_to_do(path: Path) -> None:
    service = opened(path, create=True)
    wrapped = await service.wrap(KEY, CONTEXT)
    os.chmod(path, 0o644)  # noqa: PTH101 - as a person does it, in one system call
    with pytest.raises(BackendUnavailableError, match="chmod 600"):
        await service.unwrap(wrapped, CONTEXT)
    with pytest.raises(KeyFileError, match="chmod 600"):
        await service.rotate()
