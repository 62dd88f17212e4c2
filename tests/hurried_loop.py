"""An event loop whose clock a test sets forward, so that nothing has to be slept through."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class HurriedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock can be set forward."""

    ahead = 0.0

    def time(self) -> float:
        return super().time() + self.ahead


async def at(seconds: float) -> None:
    """Go on to that many seconds of the running loop, which is in a hurry, and let ring what is due by then."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, HurriedLoop)
    loop.ahead = seconds
    for _ in range(3):
        await asyncio.sleep(0)


def hurried(test: Coroutine[Any, Any, T]) -> T:
    """Run it in such a loop."""
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        return runner.run(test)
