"""The one-directory default: nothing before the opening, one server, commands beside it, clear words when it cannot."""

import contextlib
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from apikeychain import Secret
from apikeychain.backends.file_assets import FileAssets
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.embedded import Instead, embedded_plugs, local_limiter, memory_plugs
from apikeychain.errors import (
    APIKeyChainError,
    BackendUnavailableError,
    DatabaseVersionError,
    DataDirectoryError,
    KeyFileError,
    SettingsError,
)
from apikeychain.model.quota import Quota, Spend
from apikeychain.ports.upstream import Guard, Upstream
from embedding import DATABASE, KEYS, content, embedded, filled, names_in, refused, secrets_of
from gate import open_gate
from management import CANARY


async def test_nothing_is_touched_before_the_opening(tmp_path: Path) -> None:
    place = tmp_path / "new" / "data"
    keychain = embedded(place)
    assert names_in(tmp_path) == []
    async with keychain:
        assert {DATABASE, KEYS} <= {*names_in(place)}
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE((place / name).stat().st_mode) for name in names_in(place)} == {0o600}


async def test_what_was_stored_is_there_at_the_next_start(tmp_path: Path) -> None:
    await filled(tmp_path)
    assert await secrets_of(tmp_path) == ["weather"]


async def test_the_key_file_may_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, named, given = tmp_path / "data", tmp_path / "named.key", tmp_path / "given.key"
    monkeypatch.setenv("APIKEYCHAIN_KEY_FILE", str(named))
    await filled(data)
    assert await secrets_of(data) == ["weather"]
    assert named.exists()
    assert KEYS not in names_in(data)
    async with embedded(tmp_path / "other", key_file=given):
        assert given.exists()
    monkeypatch.delenv("APIKEYCHAIN_KEY_FILE")
    assert "there is no key file" in await refused(data, KeyFileError)
    assert await secrets_of(data, key_file=named) == ["weather"]


async def test_a_lost_key_file_is_not_replaced_by_a_new_key(tmp_path: Path) -> None:
    await filled(tmp_path)
    key = content(tmp_path / KEYS)
    tmp_path.joinpath(KEYS).unlink()
    assert "restore it from your backup" in await refused(tmp_path, KeyFileError)
    assert KEYS not in names_in(tmp_path)
    tmp_path.joinpath(KEYS).write_bytes(key)
    tmp_path.joinpath(KEYS).chmod(0o600)
    assert await secrets_of(tmp_path) == ["weather"]


async def test_the_key_file_of_another_installation_is_refused(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    await filled(ours)
    await filled(theirs)
    text = await refused(ours, KeyFileError, key_file=theirs / KEYS)
    assert text == "this platform key does not open what is stored: restore the one that belongs to this data"
    assert await secrets_of(ours) == ["weather"]


async def test_a_key_file_that_others_can_read_or_that_is_damaged_is_refused(tmp_path: Path) -> None:
    await filled(tmp_path)
    path, key = tmp_path / KEYS, content(tmp_path / KEYS)
    path.chmod(0o644)
    assert f"run chmod 600 {path}" in await refused(tmp_path, KeyFileError)
    path.chmod(0o600)
    path.write_bytes(key[:-20])
    assert "damaged or not a key file" in await refused(tmp_path, KeyFileError)
    path.write_bytes(key)
    assert await secrets_of(tmp_path) == ["weather"]


async def test_a_key_file_that_is_lost_while_serving_closes_the_gate_until_it_is_back(tmp_path: Path) -> None:
    path = tmp_path / KEYS
    async with open_gate(key_service=LocalKeyService(path, create=True)) as gate:
        key = content(path)
        path.unlink()
        gate.keychain._office.vault.forget(None)
        answer = await gate.get()
        assert (answer.status, answer.code) == (503, "backend-unavailable")
        with pytest.raises(BackendUnavailableError, match="there is no key file"):
            await gate.shop.put_secret("weather", Secret(CANARY), provider="weather")
        assert gate.provider.requests == []
        path.write_bytes(key)
        path.chmod(0o600)
        assert (await gate.get()).status == 200


def set_version(directory: Path, version: str) -> str:
    """Write a version into the database; the one before."""
    with contextlib.closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as database:
        [before] = database.execute("SELECT version_num FROM apikeychain_version").fetchone()
        database.execute("UPDATE apikeychain_version SET version_num = ?", [version])
        return str(before)


async def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    await filled(tmp_path)
    before = set_version(tmp_path, "9999")
    assert "has version 9999" in await refused(tmp_path, DatabaseVersionError)
    assert set_version(tmp_path, before) == "9999"
    assert await secrets_of(tmp_path) == ["weather"]


async def test_a_corrupt_database_is_told_and_left_alone(tmp_path: Path) -> None:
    await filled(tmp_path)
    whole = content(tmp_path / DATABASE)
    tmp_path.joinpath(DATABASE).write_bytes(b"This is no database. " * 1000)
    assert f"{tmp_path / DATABASE} cannot be used: " in await refused(tmp_path, DataDirectoryError)
    assert content(tmp_path / DATABASE) == b"This is no database. " * 1000
    tmp_path.joinpath(DATABASE).write_bytes(whole)
    assert await secrets_of(tmp_path) == ["weather"]


async def test_a_place_that_is_no_directory_or_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    tmp_path.joinpath("file").touch()
    assert "cannot be made" in await refused(tmp_path / "file", DataDirectoryError)
    assert "cannot be made" in await refused(Path("/proc/apikeychain"), DataDirectoryError)
    tmp_path.joinpath(DATABASE).mkdir()
    assert await refused(tmp_path, APIKeyChainError)


def test_any_single_plug_can_be_the_hosts_own(tmp_path: Path) -> None:
    def upstream(guard: Guard) -> Upstream:
        raise AssertionError(guard)

    own = Instead(
        store=MemoryStore(),
        key_service=MemoryKeyService(),
        rate_limiter=MemoryRateLimiter(),
        signals=MemorySignals(),
        upstream=upstream,
    )
    for plugs in (memory_plugs(own), embedded_plugs(tmp_path, key_file=None, instead=own)):
        assert (plugs.store, plugs.key_service, plugs.rate_limiter) == (
            own["store"],
            own["key_service"],
            own["rate_limiter"],
        )
        assert (plugs.signals, plugs.upstream) == (own["signals"], upstream)
    assert names_in(tmp_path) == []


def test_assets_are_kept_in_the_directory_or_in_memory_unless_elsewhere(tmp_path: Path) -> None:
    in_directory = embedded_plugs(tmp_path, key_file=None, instead={}).asset_store
    assert isinstance(in_directory, FileAssets)
    assert in_directory.directory == tmp_path / "assets"
    assert isinstance(memory_plugs({}).asset_store, MemoryAssets)
    own = FileAssets(tmp_path / "mine")
    for plugs in (
        embedded_plugs(tmp_path, key_file=None, instead={"asset_store": own}),
        memory_plugs({"asset_store": own}),
    ):
        assert plugs.asset_store is own
    assert names_in(tmp_path) == []


def test_a_plug_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="rate_limitr"):
        embedded(tmp_path, rate_limitr=MemoryRateLimiter())


async def test_what_is_counted_in_this_process_has_a_limiter_of_its_own() -> None:
    first, second = local_limiter(), local_limiter()
    spend = Spend("bucket", "refusals", Quota(1, 60))
    assert [balance.remaining for balance in await first.spend([spend])] == [0]
    assert [balance.admitted for balance in await second.spend([spend])] == [True]


@pytest.mark.parametrize(
    ("shared", "told"),
    [
        ({}, ""),
        ({"store"}, "claims and limits are of this process only"),
        ({"store", "rate_limiter"}, "but claims are of this process only"),
        ({"store", "replay_guard"}, "but limits are of this process only"),
        ({"store", "replay_guard", "rate_limiter"}, ""),
        ({"replay_guard", "rate_limiter"}, ""),
    ],
)
def test_a_shared_store_alone_is_told_to_be_too_little(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, shared: set[str], told: str
) -> None:
    plugs: Instead = {"store": MemoryStore(), "rate_limiter": MemoryRateLimiter(), "replay_guard": MemoryReplayGuard()}
    instead: Any = {name: plug for name, plug in plugs.items() if name in shared}
    embedded_plugs(tmp_path, key_file=None, instead=instead)
    assert (told in caplog.text) if told else not caplog.records


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, FileAssets),
        ({"store", "rate_limiter"}, FileAssets),
        ({"replay_guard", "rate_limiter"}, FileAssets),
        ({"store", "replay_guard", "rate_limiter"}, type(None)),
        ({"store", "replay_guard", "rate_limiter", "asset_store"}, MemoryAssets),
    ],
)
def test_what_several_processes_share_keeps_no_assets_on_the_disk_of_one(
    tmp_path: Path, given: set[str], kept: type
) -> None:
    plugs: Instead = {"store": MemoryStore(), "rate_limiter": MemoryRateLimiter(), "replay_guard": MemoryReplayGuard()}
    plugs["asset_store"] = MemoryAssets()
    instead: Any = {name: plug for name, plug in plugs.items() if name in given}
    assert type(embedded_plugs(tmp_path, key_file=None, instead=instead).asset_store) is kept


def test_a_key_file_that_the_environment_names_has_its_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APIKEYCHAIN_KEY_FILE", CANARY)
    with pytest.raises(SettingsError) as caught:
        embedded(tmp_path)
    assert caught.value.problems == ("APIKEYCHAIN_KEY_FILE: write the absolute path of a file",)
