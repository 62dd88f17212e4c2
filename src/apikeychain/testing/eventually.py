"""Waiting for what tells nobody when it is so: a fixed time is too short on a machine that is busy."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable

SECONDS = 30.0


async def until(
    holds: Callable[[], object | Awaitable[object]], seconds: float = SECONDS, *, every: float = 0.01
) -> None:
    """Ask again and again until `holds` says so, or its awaitable does.

    Args:
        holds: what is asked.
        seconds: how long, at most.
        every: seconds between two questions.

    Raises:
        TimeoutError: it did not within these seconds.
    """
    async with asyncio.timeout(seconds):
        while not await _said(holds()):  # noqa: ASYNC110 - it is for what sets no event
            await asyncio.sleep(every)


async def _said(what: object | Awaitable[object]) -> object:
    return await what if inspect.isawaitable(what) else what
