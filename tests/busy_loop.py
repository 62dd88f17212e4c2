"""A loop whose turns are long, as one is that serves many calls, and how many of them a deed takes."""

import asyncio
import time
from collections.abc import Awaitable


async def turns_of(deed: Awaitable[object], seconds: float) -> int:
    """For how many turns of so many seconds each the deed has to wait."""
    loop, turns = asyncio.get_running_loop(), 0
    next_turn: asyncio.Handle

    def turn() -> None:
        nonlocal turns, next_turn
        turns += 1
        time.sleep(seconds)
        next_turn = loop.call_soon(turn)

    next_turn = loop.call_soon(turn)
    await deed
    next_turn.cancel()
    return turns
