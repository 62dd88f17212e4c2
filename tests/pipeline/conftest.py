"""Keys are made at the least cost; and what every test of a fault looks at when it is over."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from gate import KEY
from key_costs import low_key_costs

__all__ = ["left", "low_key_costs"]


@pytest.fixture
async def left(caplog: pytest.LogCaptureFixture) -> AsyncGenerator[None, None]:
    """Nothing is left behind by the test: no task, and no secret in the log."""
    caplog.set_level(logging.DEBUG)
    before = asyncio.all_tasks()
    yield
    assert KEY not in caplog.text
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - before == {asyncio.current_task()}
