"""Keys are made at the least cost; a real PostgreSQL for who asks for one; what every test of a fault looks at last."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from gate import KEY
from key_costs import low_key_costs
from served_postgres import database, empty_database, postgres, started_postgres

__all__ = ["database", "empty_database", "left", "low_key_costs", "postgres", "started_postgres"]


@pytest.fixture
async def left(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[None, None]:
    """Nothing is left behind by the test: no task, and no secret in the log."""
    caplog.set_level(logging.DEBUG)
    before = asyncio.all_tasks()
    yield
    assert KEY not in caplog.text
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - before == {asyncio.current_task()}
