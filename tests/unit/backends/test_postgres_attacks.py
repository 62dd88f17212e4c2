"""Other people's attacks on row-level security, run against the tables that the migrations make."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from apikeychain.backends.sql.postgres.roles import APPLICATION
from rls_attacks import (
    CATALOGUE_ATTACKS,
    COMMON,
    SESSION_ATTACKS,
    TENANT_B,
    VALUE_B,
    fill,
    fillings,
    holds,
    run,
    stock,
)
from served_postgres import WEB, Database


@pytest.fixture
def stocked(database: Database) -> Database:
    stock(database)
    return database


@pytest.fixture
async def engine(stocked: Database) -> AsyncGenerator[AsyncEngine, None]:
    engine = create_async_engine(stocked.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    yield engine
    await engine.dispose()


@pytest.mark.parametrize("attack", [pytest.param(each, id=each["id"]) for each in SESSION_ATTACKS])
async def test_an_attack_of_a_session_comes_to_nothing(attack: dict[str, Any], engine: AsyncEngine) -> None:
    for values in fillings(attack):
        async with engine.connect() as connection:
            last, code, told = await run(connection, attack, values)
        assert holds(attack["expect"], last, code, told, values), (values["T"], last, code, told)


@pytest.mark.parametrize("role", [APPLICATION, WEB])
@pytest.mark.parametrize("attack", [pytest.param(each, id=each["id"]) for each in CATALOGUE_ATTACKS])
async def test_the_catalogue_shows_no_hole(attack: dict[str, Any], role: str, stocked: Database) -> None:
    assert stocked.execute(fill(attack["sql"], COMMON | {"APP": role})) == ""


async def test_the_rows_that_attacks_are_after_are_there_for_their_tenant(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"SELECT set_config('apikeychain.tenant', '{TENANT_B}', false)")
        found = await connection.exec_driver_sql(f"SELECT count(*) FROM apikeychain.secrets WHERE body = '{VALUE_B}'")  # noqa: S608  # constants
        assert found.scalar_one() == 301
