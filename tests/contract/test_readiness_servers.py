"""Readiness on PostgreSQL, Valkey and OpenBao: each plug pulled, told in time, and well again when it is back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from apikeychain import APIKeyChain
from apikeychain.readiness import Readiness
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.valkey import ValkeyServer
from served_postgres import Database

_KEY = "readiness"
# The bound is 2 s; what a busy machine adds says nothing about the code.
_BOUND_SECONDS = 4


@pytest.fixture(scope="module")
def valkey() -> Generator[ValkeyServer, None, None]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture
async def keychain(
    database: Database, openbao: OpenBaoServer, valkey: ValkeyServer, tmp_path: Path
) -> AsyncGenerator[APIKeyChain, None]:
    openbao.new_key(_KEY)
    role = openbao.app_role("gate", key=_KEY)
    assert not isinstance(role.secret_id, Path)
    (tmp_path / "secret-id").write_bytes(role.secret_id.reveal())
    variables = {
        "APIKEYCHAIN_DATABASE_URL": database.url,
        "APIKEYCHAIN_VALKEY_URL": valkey.url,
        "APIKEYCHAIN_OPENBAO_ADDRESS": openbao.address,
        "APIKEYCHAIN_OPENBAO_ROLE_ID": role.role_id,
        "APIKEYCHAIN_OPENBAO_SECRET_ID_FILE": str(tmp_path / "secret-id"),
        "APIKEYCHAIN_OPENBAO_KEY": _KEY,
        "APIKEYCHAIN_OPENBAO_CA_FILE": str(openbao.ca_file),
    }
    async with APIKeyChain.from_environment(variables) as keychain:
        await well(keychain)
        yield keychain


async def told(keychain: APIKeyChain) -> set[str]:
    """The plugs that fail, told in time."""
    before = time.monotonic()
    found: Readiness = await keychain.ready()
    assert time.monotonic() - before < _BOUND_SECONDS
    ill = {plug.name for plug in found.plugs if not plug.ok}
    assert found.ok == (ill <= {"signals"})
    return ill


async def until(keychain: APIKeyChain, *plugs: str, at_least: bool = False) -> None:
    """These fail, sooner or later, and no other unless `at_least`: what was said a moment ago is said again."""
    async with asyncio.timeout(20):
        while True:
            found = await told(keychain)
            if found == set(plugs) or (at_least and found >= set(plugs)):
                return
            await asyncio.sleep(0.1)


async def well(keychain: APIKeyChain) -> None:
    """Ready, sooner or later."""
    await until(keychain)


async def test_a_database_that_is_stopped_is_told(keychain: APIKeyChain, database: Database) -> None:
    database.server.stop()
    await until(keychain, "store", "signals")
    database.server.start()
    await well(keychain)


async def test_a_database_that_stands_still_is_told(keychain: APIKeyChain, database: Database) -> None:
    database.server.freeze()
    with contextlib.ExitStack() as stack:
        stack.callback(database.server.thaw)
        await until(keychain, "store", at_least=True)
    await well(keychain)


@pytest.mark.parametrize("how", ["stopped", "silent"])
async def test_a_valkey_that_fails_is_told(keychain: APIKeyChain, valkey: ValkeyServer, how: str) -> None:
    if how == "silent":
        with valkey.silent():
            await until(keychain, "rate_limiter", "replay_guard")
    else:
        valkey.stop()
        try:
            await until(keychain, "rate_limiter", "replay_guard")
        finally:
            valkey.start()
    await well(keychain)


@pytest.mark.parametrize("how", ["sealed", "hanging", "stopped"])
async def test_an_openbao_that_fails_is_told(keychain: APIKeyChain, openbao: OpenBaoServer, how: str) -> None:
    {"sealed": openbao.seal, "hanging": openbao.hang, "stopped": openbao.stop}[how]()
    try:
        await until(keychain, "key_service")
    finally:
        openbao.start()
    await well(keychain)
