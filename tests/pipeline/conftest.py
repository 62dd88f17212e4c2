"""Keys are made at the least cost; real servers for who asks for one; what every test of a fault looks at last."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from apikeychain.testing.fixtures import postgres, postgres_server
from gate import KEY
from key_costs import low_key_costs
from served_postgres import database, empty_database, template

__all__ = [
    "database",
    "empty_database",
    "left",
    "low_key_costs",
    "postgres",
    "postgres_server",
    "template",
]


@pytest.fixture
async def left(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[None, None]:
    """Nothing is left behind by the test: no task, and no secret in the log."""
    caplog.set_level(logging.DEBUG)
    before = asyncio.all_tasks()
    yield
    assert KEY not in caplog.text
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - before == {asyncio.current_task()}
