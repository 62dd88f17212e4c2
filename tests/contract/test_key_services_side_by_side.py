"""A whole keychain with an OpenBao and a key file: each tenant has its own, and an outage of one closes no other."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from apikeychain import APIKeyChain, APIKeyChainMiddleware, APIKeyChainSettings
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.embedded import DATABASE
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.servers.openbao import OpenBaoServer
from gate import Gate, echo_key, host, weather_shop
from served_postgres import Database

QUICK = APIKeyChainSettings(kdf="pbkdf2-sha512")
SHUT = 1.05


async def statuses(*gates: Gate) -> tuple[tuple[int, str], ...]:
    """What a call gets at each, with nothing held of it from before."""
    for gate in gates:
        gate.residence._forget(gate.shop.id)
    answers = [await gate.get() for gate in gates]
    return tuple((answer.status, answer.code) for answer in answers)


def rename(data: Path, old: str, new: str) -> None:
    """Write another name into the row of the tenant `there`, as whoever can write the database would."""
    database = sqlite3.connect(data / DATABASE)
    with database:
        named = f'"key_service":"{old}"', f'"key_service":"{new}"'
        done = database.execute("UPDATE tenants SET body = replace(body, ?, ?) WHERE tenant = 'there'", named)
        assert done.rowcount == 1
    database.close()


@asynccontextmanager
async def beside(
    openbao: OpenBaoServer, key: str, directory: Path
) -> AsyncGenerator[tuple[APIKeyChain, LocalProvider, str], None]:
    """A keychain with a key file and a key in OpenBao beside it, not open, and a provider."""
    openbao.new_key(key)
    bao = openbao.key_service(openbao.app_role("operator", key=key), key=key)
    async with LocalProvider("weather.localhost") as local:
        local.on("/data/2.5/weather", echo_key)
        base = f"https://weather.localhost:{local.port}"
        network = {base: local.network}
        yield APIKeyChain.embedded(directory, key_services={"bao": bao}, settings=QUICK, network=network), local, base


async def test_each_tenant_is_served_by_its_own_and_an_outage_or_an_edited_row_closes_no_other(
    openbao: OpenBaoServer, tmp_path: Path
) -> None:
    async with beside(openbao, "side-by-side", tmp_path) as (keychain, local, base):
        app = APIKeyChainMiddleware(host, keychain)
        async with keychain:
            here, there = await keychain.create_tenant("here"), await keychain.create_tenant("there", key_service="bao")
            gates = [Gate(keychain, local, tenant, await weather_shop(tenant, base), app) for tenant in (here, there)]
            good, down = (200, ""), (503, "backend-unavailable")
            assert await statuses(*gates) == (good, good)
            openbao.stop()
            assert await statuses(*gates) == (good, down)
            openbao.start()
            await asyncio.sleep(SHUT)
            assert await statuses(*gates) == (good, good)
            for name, answer in (("default", (503, "ledger-unavailable")), ("lost", down)):
                await asyncio.to_thread(rename, tmp_path, "bao", name)
                assert await statuses(*gates) == (good, answer)
                await asyncio.to_thread(rename, tmp_path, name, "bao")
            assert await here.move_keys("bao") == 2
            assert await there.move_keys("default") == 2
            openbao.stop()
            assert await statuses(*gates) == (down, good)
            openbao.start()
            await asyncio.sleep(SHUT)
            assert await keychain.rotate_platform_key(key_service="bao") == 2
            assert (await keychain.rewrap_keys(key_service="bao")).tenants == 1
            await keychain.retire_platform_key(1, key_service="bao")
            assert await statuses(*gates) == (good, good)


async def test_a_keychain_opens_without_a_key_service_of_some_tenants_and_has_it_when_it_is_back(
    openbao: OpenBaoServer, tmp_path: Path
) -> None:
    async with beside(openbao, "absent", tmp_path) as (keychain, local, base):
        async with keychain:
            there = await keychain.create_tenant("there", key_service="bao")
            gate = Gate(keychain, local, there, await weather_shop(there, base), APIKeyChainMiddleware(host, keychain))
            assert await statuses(gate) == ((200, ""),)
        openbao.stop()
        async with keychain:
            assert await statuses(gate) == ((503, "backend-unavailable"),)
            openbao.start()

            async def is_back() -> bool:
                return await statuses(gate) == ((200, ""),)

            await until(is_back, every=0.2)


async def test_rows_from_before_there_were_others_keep_the_default_in_postgresql_and_sqlite(
    database: Database, tmp_path: Path
) -> None:
    ours, theirs = MemoryKeyService(), MemoryKeyService()
    for store in (SQLStore.postgres(database.url), SQLStore.sqlite(tmp_path / DATABASE)):
        async with APIKeyChain.in_memory(
            store=store, key_service=ours, key_services={"theirs": theirs}, settings=QUICK
        ) as keychain:
            await keychain.create_tenant("there")
            await keychain.create_tenant("moved", key_service="theirs")
            # As an older release wrote it.
            if isinstance(store, PostgresStore):
                database.execute(_FORGET.format(schema="apikeychain."))
            else:
                await asyncio.to_thread(_forget, tmp_path)
            there = await keychain.tenant("there")
            assert await there.rewrap_keys() == 1
            assert await there.move_keys("theirs") == 1
            assert await keychain.rotate_platform_key(key_service="theirs")
            assert (await keychain.rewrap_keys(key_service="theirs")).tenants == 2
            assert (await keychain.rewrap_keys()).tenants == 0
            async with keychain._office.store.reading(PLATFORM) as records:
                kinds = [entry.kind for entry in await records.entries(0, 9)]
            assert kinds[-3:] == ["key.rotated", "key.rewrapped", "key.rewrapped"]
            assert {*kinds[:-3]} == {"tenant.created"}


_FORGET = """UPDATE {schema}tenants SET body = replace(body, ',"key_service":"default"', '') WHERE tenant = 'there'"""


def _forget(data: Path) -> None:
    database = sqlite3.connect(data / DATABASE)
    with database:
        assert database.execute(_FORGET.format(schema="")).rowcount == 1
    database.close()
