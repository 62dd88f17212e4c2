"""Behind PgBouncer in transaction mode."""

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from apikeychain.backends.sql import PostgresSignals, PostgresStore, SQLStore
from apikeychain.backends.sql.postgres.engine import postgres_engine
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.ids import TenantId
from apikeychain.ports.signals import Change
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.records import ACME, GLOBEX, SHOP, draft, project, tenant
from apikeychain.testing.signals import soon, subscribed
from served_postgres import WEB, Database

_PORT = 6432
_CONFIGURATION = """\
[databases]
* = host={server} port={port} pool_size=2
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
listen_port = {listen}
pool_mode = transaction
auth_type = trust
auth_file = {folder}/users
"""


@pytest.fixture
def pooled_url(database: Database) -> Generator[str, None, None]:
    """The way to the database through two connections that everybody shares, transaction by transaction."""
    # Debian puts it where not every user's PATH leads.
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if program is None:
        pytest.fail("PgBouncer is missing: apt-get install -y pgbouncer", pytrace=False)
    server = database.server
    folder = Path(database.execute("SHOW unix_socket_directories"), "pooler")
    folder.mkdir()
    server._hand_over(folder)
    (folder / "users").write_text(f'"{WEB}" ""\n')
    settings = _CONFIGURATION.format(server=folder.parent, port=server.port, folder=folder, listen=_PORT)
    (folder / "settings").write_text(settings)
    process = subprocess.Popen(  # noqa: S603  # Debian's own program
        [program, "-q", folder / "settings"], stderr=subprocess.DEVNULL, env=os.environ, **server._identity
    )
    for _ in range(500):
        if (folder / f".s.PGSQL.{_PORT}").exists():
            break
        time.sleep(0.02)
    yield f"postgresql+asyncpg://{WEB}@/{database.name}?host={folder}&port={_PORT}"
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


async def test_tenants_that_share_connections_do_not_meet(pooled_url: str) -> None:
    async def use(store: PostgresStore, who: TenantId) -> None:
        for number in range(10):
            async with store.tenant(who) as one:
                assert (await one.append([draft(number)])).tenant == who
            async with store.reading(who) as one:
                assert {entry.tenant for entry in await one.entries(0, 100)} == {who}
            assert await store.tenant_of(SHOP) == ACME

    async def flush(store: PostgresStore) -> None:
        for number in range(10):
            assert (await store.append_many({ACME: [draft(number)], GLOBEX: [draft(number)]})).keys() == {ACME, GLOBEX}

    async with SQLStore.postgres(pooled_url) as store, SQLStore.postgres(pooled_url) as sibling:
        for who in (ACME, GLOBEX):
            async with store.tenant(who) as one:
                await one.insert(tenant(who))
        async with store.tenant(ACME) as acme:
            await acme.insert(project(SHOP))
        await asyncio.gather(
            *(use(worker, who) for worker in (store, sibling) for who in (ACME, GLOBEX) for _ in "ab"),
            flush(store),
            flush(sibling),
        )
        for who in (ACME, GLOBEX):
            assert require_chain(await chain(store, who)).size == 60
        assert list(await store.tenants("", 10)) == [ACME, GLOBEX]


async def test_signals_need_a_way_past_it_and_say_so(pooled_url: str, database: Database) -> None:
    async with SQLStore.postgres(pooled_url) as store:
        with pytest.raises(BackendUnavailableError, match="give `listening`"):
            await anext(PostgresSignals(store).subscribe())
        direct = postgres_engine(database.url)
        async with subscribed(PostgresSignals(store, listening=direct)) as heard:
            async with store.tenant(ACME) as acme:
                await acme.insert(tenant(ACME))
                await acme.insert(project(SHOP))
            assert await soon(heard) == Change(SHOP)
        await direct.dispose()
