"""PostgreSQL of other versions: the contract of the store, and the attacks on its walls.

Those of wheels, and those that a distribution has put on this machine.
"""

from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from apikeychain.backends.sql.postgres.roles import APPLICATION
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.postgres_programs import folder_of, installed
from rls_attacks import CATALOGUE_ATTACKS, COMMON, SESSION_ATTACKS, fill, fillings, holds, run, stock
from served_postgres import WEB, Database, OnPostgres, migrated

_OTHERS = [version for version, folder in installed().items() if folder != folder_of(None)]


@pytest.fixture(scope="module", params=_OTHERS, ids=str)
def postgres_server(request: pytest.FixtureRequest) -> Generator[PostgresServer, None, None]:
    with PostgresServer(version=request.param, tls=False) as server:
        yield server


@pytest.fixture(scope="module")
def template(postgres_server: PostgresServer) -> str:
    return migrated(postgres_server)


class TestPostgresStore(OnPostgres):
    pass


@pytest.fixture
async def engine(database: Database) -> AsyncGenerator[AsyncEngine, None]:
    stock(database)
    engine = create_async_engine(database.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    yield engine
    await engine.dispose()


def test_the_server_is_of_the_version_that_was_asked_for(postgres: PostgresServer) -> None:
    (version,) = [version for version in _OTHERS if postgres.execute("SHOW server_version").startswith(f"{version}.")]
    assert version != 17


async def test_no_attack_of_a_session_comes_to_anything(engine: AsyncEngine) -> None:
    for attack in SESSION_ATTACKS:
        for values in fillings(attack):
            async with engine.connect() as connection:
                last, code, told = await run(connection, attack, values)
            assert holds(attack["expect"], last, code, told, values), (attack["id"], values["T"], last, code, told)


def test_the_catalogue_shows_no_hole(database: Database) -> None:
    found = {
        (attack["id"], role): database.execute(fill(attack["sql"], COMMON | {"APP": role}))
        for attack in CATALOGUE_ATTACKS
        for role in (APPLICATION, WEB)
    }
    assert not [where for where, told in found.items() if told]


def test_18_is_there_in_every_run() -> None:
    assert 18 in _OTHERS
