"""What four workers under load lose and serve while a server that they share is away, and that they need no restart."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable

import pytest
import pytest_asyncio

from apikeychain.testing.eventually import until
from apikeychain.testing.servers.openbao import OpenBaoServer
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.valkey import ValkeyServer
from fleet import WORKERS, Answered, Fleet, limited_shop
from served_postgres import WEB, Database

pytestmark = pytest.mark.asyncio(loop_scope="module")
# How long a store may be away while calls are served, and more than the slowest turn.
_BUFFER_SECONDS = 5.0
_PATIENCE = 20.0
# Every worker is asked in that time, also by callers that are refused and wait then.
_ROUND = 1.25


@pytest_asyncio.fixture(loop_scope="module")
async def postgres(database: Database) -> AsyncGenerator[PostgresServer, None]:
    yield database.server
    if not database.server.is_running:
        database.server.start()


async def _until(answers: list[Answered], is_so: Callable[[set[tuple[int, str]]], bool]) -> None:
    """Until what all workers answer from now on is so."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            begun = len(answers)
            await asyncio.sleep(_ROUND)
            recent = answers[begun:]
            if {answered.worker for answered in recent} == set(range(WORKERS)) and is_so(
                {(answered.status, answered.code) for answered in recent}
            ):
                return


async def _closed(answers: list[Answered], *codes: str) -> None:
    await _until(answers, lambda got: {status for status, _ in got} == {503} and {code for _, code in got} <= {*codes})


async def _open(answers: list[Answered]) -> None:
    await _until(answers, lambda got: got == {(200, "")})


async def _require_all_is_written(fleet: Fleet) -> None:
    """Each answer of the provider that a caller got stands in the ledger once, and the chain holds."""
    async with asyncio.timeout(_PATIENCE):
        # Each look waits until what is there now is written.
        while (await fleet.served())[200] < fleet.got()[200]:
            pass
    assert (await fleet.served())[200] == fleet.got()[200]
    await fleet.acme.verify_ledger()


async def test_postgresql_away_for_two_seconds_is_not_noticed_and_nothing_is_lost(
    fleet: Fleet, postgres: PostgresServer
) -> None:
    async with fleet.load() as answers:
        # What a worker may hold unwritten grows with the load, and only while the store is there.
        await asyncio.sleep(1)
        await asyncio.to_thread(postgres.stop)
        begun = len(answers)
        await asyncio.sleep(2)
        assert {(answered.status, answered.code) for answered in answers[begun:]} == {(200, "")}
        await asyncio.to_thread(postgres.start)
        await _open(answers)
    await _require_all_is_written(fleet)


async def test_postgresql_away_for_long_closes_the_gate_until_it_is_back(
    fleet: Fleet, postgres: PostgresServer
) -> None:
    acknowledged = await limited_shop(fleet.workers, "acknowledged")
    async with fleet.load() as answers:
        await asyncio.to_thread(postgres.stop)
        await asyncio.sleep(_BUFFER_SECONDS)
        await _closed(answers, "ledger-unavailable", "backend-unavailable")
        await asyncio.to_thread(postgres.start)
        await _open(answers)
    await _require_all_is_written(fleet)
    assert {answered.status for answered in await fleet.one_each(acknowledged)} == {200}


async def test_connections_that_are_cut_in_the_middle_of_transactions_lose_nothing_and_double_nothing(
    fleet: Fleet, database: Database
) -> None:
    async with fleet.load() as answers:
        for _ in range(10):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(database.execute, f"SELECT pg_terminate_backend(pid) {_WORKERS_CONNECTIONS}")
        await _open(answers)
    assert {(answered.status, answered.code) for answered in fleet.answers} == {(200, "")}
    await _require_all_is_written(fleet)


_WORKERS_CONNECTIONS = f"FROM pg_stat_activity WHERE usename = '{WEB}' AND datname = current_database()"


async def test_a_server_that_takes_no_more_connections_is_found_again(fleet: Fleet, database: Database) -> None:
    async with fleet.load() as answers:
        database.execute(f"ALTER ROLE {WEB} CONNECTION LIMIT 0")
        try:
            database.execute(f"SELECT pg_terminate_backend(pid) {_WORKERS_CONNECTIONS}")
            await asyncio.sleep(_BUFFER_SECONDS)
            await _closed(answers, "ledger-unavailable", "backend-unavailable")
        finally:
            database.execute(f"ALTER ROLE {WEB} CONNECTION LIMIT -1")
        await _open(answers)
    await _require_all_is_written(fleet)


async def test_valkey_away_closes_the_gate_at_once_and_what_was_signed_before_is_not_served_again(
    fleet: Fleet, valkey: ValkeyServer
) -> None:
    lines = fleet.sign()
    assert (await fleet.call(0, lines=lines)).status == 200
    async with fleet.load() as answers:
        await asyncio.to_thread(valkey.kill)
        await _closed(answers, "backend-unavailable")
        await asyncio.to_thread(valkey.start)
        await _open(answers)
        replays = await fleet.one_each(lines=lines)
        assert {(answered.status, answered.code) for answered in replays} == {(401, "timestamp-refused")}
    await _require_all_is_written(fleet)


async def test_openbao_away_lets_opened_keys_serve_and_closes_what_was_not_opened(
    fleet: Fleet, openbao: OpenBaoServer
) -> None:
    cold = await limited_shop(fleet.workers, "cold")
    async with fleet.load() as answers:
        # Until the news of the project were heard: they drop what is open.
        await asyncio.sleep(1)
        await asyncio.to_thread(openbao.stop)
        refused = await fleet.one_each(cold)
        assert {(answered.status, answered.code) for answered in refused} == {(503, "backend-unavailable")}
        begun = len(answers)
        await asyncio.sleep(1)
        await asyncio.to_thread(openbao.start)
        assert Counter(answered.status for answered in answers[begun:]).keys() == {200}

        async def is_open_again() -> bool:
            return {answered.status for answered in await fleet.one_each(cold)} == {200}

        await until(is_open_again, _PATIENCE, every=0.2)
    await _require_all_is_written(fleet)
