"""The one-directory default between processes: one server, commands beside it, locks and full disks."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from apikeychain.backends import key_file
from apikeychain.errors import BackendUnavailableError, NotFoundError
from embedding import DATABASE, KEYS, embedded, filled, refused, secrets_of
from management import APP, kinds
from processes import other_running, run_other


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store waits 0.3 s for other processes, not 5."""
    monkeypatch.setattr("apikeychain.backends.sql.store.SQLStore.sqlite.__func__.__kwdefaults__", {"busy_seconds": 0.3})


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_is_locked_at_the_start_is_told(tmp_path: Path) -> None:
    key_file.create(tmp_path / KEYS)
    with contextlib.closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        text = await refused(tmp_path, BackendUnavailableError)
        assert text == f"{tmp_path / DATABASE} is locked by another process"
    async with embedded(tmp_path) as keychain:
        assert await keychain.list_tenants() == []


@pytest.mark.usefixtures("impatient")
async def test_a_database_that_another_process_locks_refuses_changes_and_loses_nothing(
    tmp_path: Path,
) -> None:
    body = """
async with keychain: pass
import sqlite3
database = sqlite3.connect(Path(directory, "apikeychain.sqlite3"))
database.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
await asyncio.sleep(60)
"""
    await filled(tmp_path)
    async with embedded(tmp_path) as keychain:
        shop = await (await keychain.tenant("acme")).project("shop")
        with other_running(body, tmp_path) as (process, output):
            assert await asyncio.to_thread(output.readline) == "locked\n"
            with pytest.raises(BackendUnavailableError, match="SQLITE_BUSY"):
                await shop.disable()
            process.kill()
            process.wait()
        await shop.disable()
        assert not (await shop.show()).enabled
    assert await secrets_of(tmp_path) == ["weather"]


async def test_a_second_server_is_refused_and_a_command_is_not(tmp_path: Path) -> None:
    serve = """
await keychain.serve()
print("serving", flush=True)
"""
    manage = """
async with keychain:
    acme = await keychain.tenant("acme")
    await (await acme.project("shop")).allow_origin("https://two.example.com")
print("managed", flush=True)
"""
    await filled(tmp_path)
    keychain = embedded(tmp_path)
    await keychain.serve()
    code, told = await asyncio.to_thread(run_other, serve, tmp_path)
    assert code == 1
    assert told.startswith(
        f"DataDirectoryError: another process serves from {tmp_path}: the embedded default is for one"
    )
    assert "Run one worker, or wire backends that all workers share" in told
    assert await asyncio.to_thread(run_other, manage, tmp_path) == (0, "managed")
    shop = await (await keychain.tenant("acme")).project("shop")
    assert [allowed.origin for allowed in await shop.list_origins()] == [APP, "https://two.example.com"]
    await keychain.close()
    assert await asyncio.to_thread(run_other, serve, tmp_path) == (0, "serving")


async def test_a_change_of_another_process_is_heard_within_two_seconds(tmp_path: Path) -> None:
    disable = """
async with keychain:
    await (await (await keychain.tenant("acme")).project("shop")).disable()
"""
    await filled(tmp_path)
    async with embedded(tmp_path) as keychain:
        shop = await (await keychain.tenant("acme")).project("shop")
        assert keychain._residence
        held = keychain._residence._snapshots
        await held.load(shop.id)
        await asyncio.sleep(0.2)
        assert (await asyncio.to_thread(run_other, disable, tmp_path))[0] == 0
        deadline = asyncio.get_running_loop().time() + 2
        while held.fresh(shop.id) is not None:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        with pytest.raises(NotFoundError):
            await held.load(shop.id)


async def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: SQLite meets the same refusal to write."""
    grow = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
async with keychain:
    shop = await (await keychain.tenant("acme")).project("shop")
    size = max(path.stat().st_size for path in Path(directory).iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20_000, resource.RLIM_INFINITY))
    for number in range(1000):
        try:
            await shop.allow_origin(f"https://app{number}.example.com")
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            break
        print(number, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""
    await filled(tmp_path)
    code, told = await asyncio.to_thread(run_other, grow, tmp_path)
    *acknowledged, last = told.splitlines()
    assert code == 0
    assert last.startswith("BackendUnavailableError: the store does not answer: SQLITE_")
    async with embedded(tmp_path) as keychain:
        acme = await keychain.tenant("acme")
        origins = {allowed.origin for allowed in await (await acme.project("shop")).list_origins()}
        assert {f"https://app{number}.example.com" for number in acknowledged} <= origins
        assert (await kinds(acme)).count("origin.allowed") == len(origins)
    assert await secrets_of(tmp_path) == ["weather"]


async def test_a_disk_without_room_at_the_first_start_is_told(tmp_path: Path) -> None:
    start = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(arguments[0]), resource.RLIM_INFINITY))
await keychain.open()
"""
    for room, error in ((10, "KeyFileError: the key file"), (4096, "DataDirectoryError: ")):
        code, told = await asyncio.to_thread(run_other, start, tmp_path, room)
        assert (code, told.startswith(error)) == (1, True), told
        assert "\n" not in told
    await filled(tmp_path)
