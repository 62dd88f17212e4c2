"""Questions to a witness: each has 20 s, few are under way at once, and who hangs is left alone."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar, final

from apikeychain.errors import BackendUnavailableError

K = TypeVar("K")
T = TypeVar("T")
ANSWER_SECONDS = 20.0
# As many questions are under way at once.
AT_ONCE = 16


@final
class Asking:
    """What asks one witness, or another plug that may hang.

    Args:
        seconds: for an answer; None for those of a witness.
    """

    def __init__(self, seconds: float | None = None) -> None:
        self._seconds = seconds
        self._hung: set[asyncio.Task[Any]] = set()

    @property
    def is_hung(self) -> bool:
        """Whether something that was asked before has not let go yet."""
        return bool(self._hung)

    async def answer(self, asking: Coroutine[Any, Any, T]) -> T:
        """What the witness answers. One that hangs is not asked again before it has let go.

        Raises:
            BackendUnavailableError: it does not answer, or has not come back from what it was asked before.
        """
        if self.is_hung:
            asking.close()
            msg = "it has not come back from what it was asked before"
            raise BackendUnavailableError(msg)
        seconds = self._seconds or ANSWER_SECONDS
        task = asyncio.ensure_future(asking)
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            self._let_go(task)
        if not task.done() or task.cancelled():
            msg = f"no answer within {seconds:g} s"
            raise BackendUnavailableError(msg)
        return task.result()

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        if not task.done():
            self._hung.add(task)
            task.add_done_callback(self._look_at)
            task.cancel()

    def _look_at(self, task: "asyncio.Task[Any]") -> None:
        """Where nobody waits for it any more asyncio would log its error, with all its text."""
        self._hung.discard(task)
        if not task.cancelled():
            task.exception()


async def each(asked: Iterable[K], ask: Callable[[K], Awaitable[None]]) -> None:
    """Ask each, a bounded number at once; the first failure ends it."""
    left = iter(asked)

    async def work() -> None:
        for one in left:
            await ask(one)

    workers = [asyncio.ensure_future(work()) for _ in range(AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
