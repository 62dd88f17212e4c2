"""Where no directory is named, the command works on what the environment says, as the server does."""

import asyncio
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.embedded import DATABASE
from apikeychain.testing.servers.valkey import ValkeyServer
from served_postgres import Database
from terminal import Terminal


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyServer, None, None]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def shared(
    terminal: Terminal, database: Database, valkey: ValkeyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    """A terminal in the environment of a server on PostgreSQL."""
    monkeypatch.setenv("APIKEYCHAIN_DATABASE_URL", database.url)
    monkeypatch.setenv("APIKEYCHAIN_VALKEY_URL", valkey.url)
    monkeypatch.setenv("APIKEYCHAIN_KEY_FILE", str(tmp_path / "platform.key"))
    return replace(terminal, names_data=False)


async def tenants() -> list[str]:
    async with APIKeyChain.from_environment() as keychain:
        return [*await keychain.list_tenants()]


def test_the_command_works_on_the_database_that_the_server_serves_from(shared: Terminal, database: Database) -> None:
    shared.told("tenant", "create", "acme")
    project = shared.read("project", "ensure", "acme/shop", "--development")["id"]
    shared.told("origin", "allow", project, "http://localhost:3000", "--development")
    assert asyncio.run(tenants()) == ["acme"]
    assert shared.kinds() == ["tenant.created", "project.created", "origin.allowed"]
    assert database.execute("SELECT tenant FROM apikeychain.tenants") == "acme"
    assert not shared.data.exists()


def test_a_file_is_applied_to_the_database(shared: Terminal, tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text('[[tenant]]\nid = "acme"\n')
    assert shared.read("apply", tmp_path / "keys.toml")["changes"][0]["kind"] == "tenant.created"
    assert shared.read("apply", tmp_path / "keys.toml")["changes"] == []


def test_a_directory_that_is_named_is_meant_and_nothing_else(shared: Terminal, database: Database) -> None:
    here = replace(shared, names_data=True)
    here.told("tenant", "create", "bolt")
    assert (here.data / DATABASE).exists()
    assert database.execute("SELECT tenant FROM apikeychain.tenants") == ""


def test_a_wrong_environment_is_told_on_one_line(shared: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APIKEYCHAIN_VALKEY", "valkey://localhost")
    monkeypatch.setenv("APIKEYCHAIN_KEY_FILE", "")
    assert shared.refused("tenant", "list") == (
        "APIKEYCHAIN_VALKEY is not known: did you mean APIKEYCHAIN_VALKEY_URL?; APIKEYCHAIN_DATABASE_URL: "
        "where is the platform key? Set APIKEYCHAIN_OPENBAO_ADDRESS or APIKEYCHAIN_AWS_REGION or "
        "APIKEYCHAIN_KEY_FILE"
    )


def test_a_database_that_does_not_answer_is_told(shared: Terminal, database: Database) -> None:
    database.server.stop()
    assert shared.refused("tenant", "list").startswith("the store does not answer")
