"""Threads that no event loop ends.

Coverage asks greenlet in every thread where it is, so that each thread has a greenlet, which goes with the thread in a
pending call of the interpreter. Where a second thread ends during the Python code that runs then, CPython 3.11 looks
for pending calls for ever. So the loops of a test process share their threads; each waits for its own work at its end,
as it would with threads of its own.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
_MOST = 64


class _Threads:
    """Those of this process; one that is forked has none of its parent's."""

    def __init__(self) -> None:
        self.renew()
        os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        self.pool = ThreadPoolExecutor(_MOST, thread_name_prefix="kept")


_THREADS = _Threads()


class KeptThreads(ThreadPoolExecutor):
    """The work of one loop, in threads of all."""

    def __init__(self) -> None:
        super().__init__(1)
        self._given: set[Future[Any]] = set()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        given = _THREADS.pool.submit(fn, *args, **kwargs)
        self._given.add(given)
        given.add_done_callback(self._given.discard)
        return given

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        del cancel_futures
        if wait:
            self.finish()

    def finish(self) -> None:
        """Wait for the work of this loop."""
        wait([*self._given])


class KeepingThreads(asyncio.DefaultEventLoopPolicy):
    """Makes loops that share their threads."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        loop, threads = super().new_event_loop(), KeptThreads()

        async def finish(*_: object) -> None:
            pending = [asyncio.wrap_future(given) for given in [*threads._given]]
            if pending:
                await asyncio.wait(pending)

        loop.set_default_executor(threads)
        loop.shutdown_default_executor = finish  # type: ignore[method-assign]  # a loop's own would end threads
        return loop
