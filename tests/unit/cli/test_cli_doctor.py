"""`apikeychain doctor` on a data directory: each thing that is broken is told, and nothing else."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain import FormBody, JSONBody, JSONField, ProxyRoute, Secret
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.opening import VERSION_TABLE, VERSIONS
from apikeychain.embedded import ASSETS, DATABASE
from apikeychain.model.ids import TenantId
from apikeychain.model.records import ProjectKey
from apikeychain.vault import contexts
from embedding import KEYS, embedded
from management import fill
from terminal import Terminal

_ACME = TenantId("acme")


@pytest.fixture
def filled(terminal: Terminal) -> Terminal:
    """A terminal on a directory with one of each, and the key beside it."""

    async def made() -> None:
        async with embedded(terminal.data) as keychain:
            await fill(await (await keychain.create_tenant("acme")).create_project("shop"))

    asyncio.run(made())
    return terminal


def told(terminal: Terminal, *arguments: str, holds: bool = True) -> list[str]:
    """What the doctor tells that is not well."""
    code, out, err = terminal.run("doctor", *arguments)
    assert (code, err) == (0 if holds else 1, "")
    return [line for line in out.splitlines() if not line.startswith("ok ")]


_BESIDE = "warning  key file      the key file lies beside the data in {data}: one copy of it opens everything: "


def test_a_new_directory_has_one_warning(filled: Terminal) -> None:
    (line,) = told(filled, "--deep")
    assert line.startswith(_BESIDE.format(data=filled.data))


def test_a_key_elsewhere_leaves_nothing_to_say(filled: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = filled.data.parent / "platform.key"
    (filled.data / KEYS).rename(elsewhere)
    monkeypatch.setenv("APIKEYCHAIN_KEY_FILE", str(elsewhere))
    assert told(filled) == []
    document = filled.read("doctor")
    assert document["holds"] is True
    assert {finding["state"] for finding in document["findings"]} == {"ok"}
    assert [finding["check"] for finding in document["findings"]] == [
        *("settings", "files", "files", "files", "key file", "database", "key service", "signals"),
        *("key service", "routes", "secrets", "uploads", "witness", "assets", "alerts"),
    ]


@pytest.mark.parametrize(
    ("name", "mode", "holds", "line"),
    [
        ("", 0o755, True, "warning  files         the data directory {path} is open to others: run chmod 700 {path}"),
        (DATABASE, 0o644, True, "warning  files         the database {path} is open to others: run chmod 600 {path}"),
        (KEYS, 0o640, False, "failure  files         the key file {path} is open to others: run chmod 600 {path}"),
    ],
)
def test_what_others_can_read_is_told(filled: Terminal, name: str, mode: int, holds: bool, line: str) -> None:
    path = filled.data / name
    path.chmod(mode)
    assert told(filled, holds=holds)[0] == line.format(path=path)


def test_a_key_file_that_is_missing_is_told_and_not_made(filled: Terminal) -> None:
    (filled.data / KEYS).unlink()
    lines = told(filled, holds=False)
    assert lines[0].startswith(f"failure  files         the key file {filled.data / KEYS} is missing")
    assert lines[2].startswith("failure  key service   there is no key file at")
    assert not (filled.data / KEYS).exists()


def test_a_key_file_of_another_installation_is_told(filled: Terminal, tmp_path: Path) -> None:
    async def made() -> None:
        async with LocalKeyService(tmp_path / "other", create=True):
            pass

    asyncio.run(made())
    (tmp_path / "other").replace(filled.data / KEYS)
    assert told(filled, holds=False)[1:] == [
        (
            "failure  key service   the platform key does not open what is stored of acme: "
            "restore the one that belongs to this data"
        )
    ]


def test_a_directory_without_anything_is_told_and_nothing_is_made(terminal: Terminal) -> None:
    lines = told(terminal, holds=False)
    assert lines[0].startswith(f"failure  files         the data directory {terminal.data} is missing")
    assert any("cannot be used: SQLITE_CANTOPEN" in line for line in lines)
    assert not terminal.data.exists()


@pytest.mark.parametrize(
    ("version", "holds", "line"),
    [
        (VERSIONS[0], True, "warning  database      its tables have version v0001_the_first_tables, the newest is "),
        ("v9999", False, "failure  database      its tables have version v9999, this apikeychain knows up to "),
    ],
)
def test_tables_of_another_version_are_told_and_left_alone(
    filled: Terminal, version: str, holds: bool, line: str
) -> None:
    with closing(sqlite3.connect(filled.data / DATABASE)) as database, database:
        database.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")  # noqa: S608  # constants
    assert told(filled, holds=holds)[1].startswith(line)
    with closing(sqlite3.connect(filled.data / DATABASE)) as database:
        assert database.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchall() == [(version,)]  # noqa: S608  # likewise


def test_a_version_that_is_lost_is_told(filled: Terminal) -> None:
    with closing(sqlite3.connect(filled.data / DATABASE)) as database, database:
        database.execute(f"DELETE FROM {VERSION_TABLE}")  # noqa: S608  # constants
    assert "its tables have version None" in told(filled, holds=False)[1]


def test_a_page_that_is_damaged_is_told_by_a_deep_look(filled: Terminal) -> None:
    with closing(sqlite3.connect(filled.data / DATABASE)) as database, database:
        ((root,),) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'leases'").fetchall()
        ((size,),) = database.execute("PRAGMA page_size").fetchall()
    with (filled.data / DATABASE).open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    assert any("is damaged" in line for line in told(filled, "--deep", holds=False))


def test_settings_that_are_unsafe_are_warned_of(filled: Terminal) -> None:
    assert told(filled, "--development")[0].startswith("warning  settings      development is on")


def test_short_secrets_and_routes_that_forward_are_warned_of(filled: Terminal) -> None:
    async def changed() -> str:
        async with embedded(filled.data) as keychain:
            shop = await (await keychain.tenant("acme")).project("shop")
            await shop.put_secret("weather", Secret("12345678"), provider="weather")
            await shop.add_route(ProxyRoute("open", provider="weather", path="/v1/x", undeclared="forward"))
            for name, body in (("form", FormBody(undeclared="forward")), ("json", JSONBody(undeclared="forward"))):
                await shop.add_route(ProxyRoute(name, provider="weather", path="/v1/x", methods=["POST"], body=body))
            closed = JSONBody([JSONField("q")])
            await shop.add_route(ProxyRoute("shut", provider="weather", path="/v1/x", methods=["POST"], body=closed))
            return str(shop.id)

    shop = asyncio.run(changed())
    assert told(filled)[1:] == [
        *[
            f"warning  routes        the route {name} of acme/{shop} forwards undeclared parameters: "
            "declare what callers send, unless an SDK needs it"
            for name in ("form", "json", "open")
        ],
        (
            f"warning  secrets       the secret weather of acme/{shop} has fewer than 16 characters: "
            "ask the provider for a longer one"
        ),
    ]


async def _lose_the_master_key(data: Path) -> None:
    """Put wrapped bytes there that the platform key does not open."""
    async with SQLStore.sqlite(data / DATABASE) as store, store.tenant(_ACME) as acme:
        (key,) = await acme.list(ProjectKey, (), 10)
        await acme.replace(replace(key, wrapped_master=bytes(96), generation=key.generation + 1), key.generation)


async def _swap_derived_key(data: Path) -> None:
    """Put another derived key in the place of the one that the parts derive, as well wrapped."""
    async with SQLStore.sqlite(data / DATABASE) as store, store.tenant(_ACME) as acme:
        (key,) = await acme.list(ProjectKey, ("",), 10)
        context = contexts.of_derived_key(_ACME, key.project, key.version)
        wrapped = await LocalKeyService(data / KEYS).wrap(bytes(32), context)
        await acme.replace(replace(key, wrapped_derived=wrapped, generation=key.generation + 1), key.generation)


@pytest.mark.parametrize("damage", [_swap_derived_key, _lose_the_master_key], ids=["swapped", "lost"])
def test_a_key_that_its_parts_do_not_derive_is_told_by_a_deep_look(
    filled: Terminal, damage: Callable[[Path], Coroutine[None, None, None]]
) -> None:
    asyncio.run(damage(filled.data))
    assert len(told(filled)) == 1
    (line,) = told(filled, "--deep", holds=False)[1:]
    assert line.startswith("failure  project keys  version 1 of the key of acme/p_")
    assert line.endswith("is not what its parts derive, or was changed: restore it from a backup")


def test_a_record_that_is_damaged_is_told(filled: Terminal) -> None:
    with closing(sqlite3.connect(filled.data / DATABASE)) as database, database:
        database.execute("UPDATE routes SET body = 'x'")
    assert "failure  tenants" in told(filled, holds=False)[1]


def test_a_directory_of_assets_that_cannot_be_used_is_told_and_none_is_made(filled: Terminal) -> None:
    assert len(told(filled)) == 1
    assert not (filled.data / ASSETS).exists()
    (filled.data / ASSETS).touch()
    (line,) = told(filled, holds=False)[1:]
    assert line.startswith(
        f"failure  assets        the directory of assets {filled.data / ASSETS} cannot be used (Not a"
    )
