"""Nothing waits for PostgreSQL for long, and nothing of one transaction is left for the next."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable

import pytest
from sqlalchemy import QueuePool, text

from apikeychain.backends.sql import PostgresStore, SQLStore
from apikeychain.backends.sql.faults import told_as_ours
from apikeychain.errors import AlreadyExistsError, BackendUnavailableError
from apikeychain.model.records import Project, ProjectName, Tenant
from apikeychain.testing.chains import chain, require_chain
from apikeychain.testing.eventually import until
from apikeychain.testing.records import ACME, GLOBEX, SHOP, draft, project
from apikeychain.testing.tenant_store import take
from served_postgres import Database, shop_in

# What contracts 10 gives a store that is down, and a little for a slow machine.
_LONGEST = 5.0 + 1.0
_NAME = ProjectName(name="shop", project=SHOP)


@pytest.fixture
async def store(database: Database) -> AsyncGenerator[PostgresStore, None]:
    async with shop_in(database) as store:
        yield store


@pytest.fixture
async def sibling(database: Database) -> AsyncGenerator[PostgresStore, None]:
    async with SQLStore.postgres(database.url) as sibling:
        yield sibling


async def append(store: PostgresStore) -> None:
    await store.append_many({ACME: [draft(1)]})


async def read(store: PostgresStore) -> None:
    await chain(store, ACME)


async def look(store: PostgresStore) -> None:
    await store.tenant_of(SHOP)


async def change(store: PostgresStore) -> None:
    await take(store, 1)


async def require_prompt(deed: Awaitable[object]) -> None:
    begun = time.monotonic()
    with pytest.raises(BackendUnavailableError):
        await deed
    assert time.monotonic() - begun < _LONGEST


async def test_a_server_that_stands_still_closes_the_gate_in_time(database: Database, sibling: PostgresStore) -> None:
    verbs = (append, read, look, change)
    await asyncio.gather(*(verb(sibling) for verb in verbs))
    new = SQLStore.postgres(database.url)
    database.server.freeze()
    try:
        await asyncio.gather(*(require_prompt(verb(sibling)) for verb in verbs), require_prompt(look(new)))
    finally:
        database.server.thaw()
    await asyncio.gather(*(verb(sibling) for verb in verbs))
    await new.__aexit__()


async def test_a_server_that_stands_still_in_the_middle_closes_the_gate_in_time(
    store: PostgresStore, database: Database
) -> None:
    async def begin() -> None:
        async with store.tenant(ACME) as acme:
            await acme.append([draft(1)])
            database.server.freeze()
            await acme.append([draft(2)])

    try:
        await require_prompt(begin())
    finally:
        database.server.thaw()
    await append(store)
    assert require_chain(await chain(store, ACME)).size == 1


async def test_who_waits_too_long_for_a_tenant_is_told(store: PostgresStore, sibling: PostgresStore) -> None:
    async with sibling.tenant(ACME):
        await require_prompt(append(store))
        await look(store)
        await store.append_many({GLOBEX: [draft(1)]})
    await append(store)


async def test_who_waits_too_long_for_a_connection_is_told(store: PostgresStore) -> None:
    async with store.tenant(ACME):
        await require_prompt(look(store))
    await look(store)


async def test_a_statement_that_takes_too_long_is_ended_by_the_server(store: PostgresStore) -> None:
    async with store.reading(ACME) as acme:
        with pytest.raises(BackendUnavailableError, match="QueryCanceledError"):
            await acme._rows(text("SELECT pg_sleep(60)"))
    await look(store)


async def test_what_followed_a_failed_statement_is_never_taken_for_done(store: PostgresStore) -> None:
    async def ignore_a_failure() -> None:
        async with store.tenant(ACME) as acme:
            await acme.insert(_NAME)
            with pytest.raises(BackendUnavailableError, match="DivisionByZeroError"):
                await acme._rows(text("SELECT 1 / 0"))

    with pytest.raises(BackendUnavailableError, match="InFailedSQLTransactionError"):
        await ignore_a_failure()
    async with store.tenant(ACME) as acme:
        assert await acme.get(ProjectName, _NAME.key) is None


async def test_a_pool_of_one_serves_many_tenants_at_once_and_mixes_none_up(store: PostgresStore) -> None:
    async def use(number: int) -> None:
        each = GLOBEX if number % 2 else ACME
        async with store.tenant(each) as one:
            assert (await one.append([draft(number)])).tenant == each
        async with store.reading(each) as one:
            assert {entry.tenant for entry in await one.entries(0, 100)} == {each}
            assert (await one.get(Tenant, ()) is None) is (each == GLOBEX)

    await asyncio.gather(*(use(number) for number in range(20)))
    for each in (ACME, GLOBEX):
        assert require_chain(await chain(store, each)).size == 10


async def test_nothing_is_left_on_the_connection_for_the_next(store: PostgresStore) -> None:
    await append(store)
    await read(store)
    with pytest.raises(AlreadyExistsError):
        async with store.tenant(ACME) as acme:
            await acme.insert(project(SHOP))
    async with store.engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT coalesce(current_setting('apikeychain.tenant', true), ''), current_setting('lock_timeout'), "
                "current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout'), "
                "(SELECT count(*) FROM pg_prepared_statements WHERE name <> ''), "
                "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), "
                "current_setting('transaction_isolation'), "
                "(SELECT count(*) FROM apikeychain.projects)"
            )
        )
        assert tuple(rows.one()) == ("", "0", "0", "0", 0, 0, "read committed", 0)


async def test_a_transaction_that_is_cancelled_leaves_nothing_and_keeps_its_connection(store: PostgresStore) -> None:
    begun = asyncio.Event()

    async def linger() -> None:
        async with store.tenant(ACME) as acme:
            await acme.insert(_NAME)
            begun.set()
            await asyncio.sleep(60)

    async with store.reading(ACME) as acme:
        before = (await acme._rows(text("SELECT pg_backend_pid() AS pid")))[0]["pid"]
    task = asyncio.ensure_future(linger())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.tenant(ACME) as acme:
        assert await acme.get(ProjectName, _NAME.key) is None
        assert await acme.get(Project, (SHOP,)) == project(SHOP)
        assert (await acme._rows(text("SELECT pg_backend_pid() AS pid")))[0]["pid"] == before


async def test_no_text_of_the_server_leaves(store: PostgresStore) -> None:
    async with store.reading(ACME) as acme:
        with pytest.raises(BackendUnavailableError) as caught:
            await acme._rows(text("SELECT 'canary-of-a-row'::int"))
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_password_that_is_wrong_is_told_without_it(database: Database) -> None:
    url = database.server.tls_url(database.name, "web", "wrong-password")
    with pytest.raises(BackendUnavailableError, match="InvalidPasswordError") as caught:
        async with SQLStore.postgres(url, trust=database.server.authority):
            pass
    assert "wrong-password" not in repr(caught.value)


def test_a_store_that_was_left_serves_the_next_event_loop(database: Database) -> None:
    store = SQLStore.postgres(database.url)

    async def visit(number: int) -> int:
        async with store:
            await asyncio.gather(*(store.append_many({ACME: [draft(number)]}) for _ in range(5)))
            return require_chain(await chain(store, ACME)).size

    assert [asyncio.run(visit(number)) for number in range(3)] == [5, 10, 15]


async def test_the_server_ends_a_transaction_of_whoever_is_gone(store: PostgresStore) -> None:
    async with store.tenant(ACME) as acme:
        rows = await acme._rows(text("SELECT current_setting('idle_in_transaction_session_timeout') AS value"))
    assert rows[0]["value"] == "30s"


async def test_connections_that_were_lost_while_nobody_used_them_cost_nobody_an_error(database: Database) -> None:
    async with SQLStore.postgres(database.url, pool_size=4) as store:
        async with store.reading(ACME), store.reading(ACME), store.reading(ACME):
            pass
        theirs = "FROM pg_stat_activity WHERE usename = 'web'"
        database.execute(f"SELECT pg_terminate_backend(pid) {theirs}")
        await until(lambda: database.execute(f"SELECT count(*) {theirs}") == "0")
        await asyncio.sleep(0.05)
        async with store.reading(ACME), store.reading(ACME):
            assert await store.tenants("", 10) == []


def test_an_error_of_the_code_is_not_one_of_the_store() -> None:
    with pytest.raises(KeyError), told_as_ours():
        raise KeyError


async def test_whoever_leaves_while_a_connection_is_made_leaves_it_in_the_pool(database: Database) -> None:
    store = SQLStore.postgres(database.url, pool_size=1)
    leaving = asyncio.ensure_future(look(store))
    await asyncio.sleep(0)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert isinstance(store.engine.pool, QueuePool)
    assert (store.engine.pool.checkedout(), store.engine.pool.checkedin()) == (0, 1)
    await look(store)
    await store.__aexit__()
