"""Several processes that use one backend at the same moment, for what has to be atomic between them."""

import asyncio
import multiprocessing
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from queue import Empty
from typing import Any, TypeVar

P = TypeVar("P")
R = TypeVar("R")
# What opens the plug in another process. It has to be picklable: ``functools.partial(ValkeyGuard, url)``.
Opening = Callable[[], AbstractAsyncContextManager[P]]
Deed = Callable[[P], Coroutine[Any, Any, R]]
PROCESSES = 3
_SECONDS = 120
_LOOK_SECONDS = 0.2


async def at_once(opening: Opening[P], deeds: Sequence[Deed[P, R]]) -> list[R]:
    """What each deed returned, each done in a process of its own, all begun when every process has opened its plug.

    Args:
        opening: picklable, since each process opens a plug of its own.
        deeds: picklable likewise.

    Raises:
        AssertionError: one of them failed; the text says which and how.
    """
    return await asyncio.to_thread(_run, opening, deeds)


def _run(opening: Opening[P], deeds: Sequence[Deed[P, R]]) -> list[R]:
    context = multiprocessing.get_context("spawn")
    gate, said = context.Barrier(len(deeds)), context.Queue()
    processes = [
        context.Process(target=_work, args=(number, gate, said, opening, deed), daemon=True)
        for number, deed in enumerate(deeds)
    ]
    for process in processes:
        process.start()
    try:
        told = _heard(said, processes)
    finally:
        gate.abort()
        for process in processes:
            process.join(_SECONDS)
            process.close()
    broken = {number: fault for number, (fault, _) in told.items() if fault}
    assert not broken, broken
    return [told[number][1] for number in range(len(deeds))]


def _heard(said: "Queue[Any]", processes: Sequence[SpawnProcess]) -> dict[int, tuple[str, Any]]:
    told: dict[int, tuple[str, Any]] = {}
    while len(told) < len(processes):
        try:
            number, what = said.get(timeout=_LOOK_SECONDS)
        except Empty:
            ended = any(process.exitcode for process in processes)
            assert not ended, "a process ended without a word: can what it was given be pickled, and imported there?"
        else:
            told[number] = what
    return told


def _work(number: int, gate: Barrier, said: "Queue[Any]", opening: Opening[P], deed: Deed[P, R]) -> None:
    async def work() -> R:
        async with opening() as plug:
            await asyncio.to_thread(gate.wait, _SECONDS)
            return await deed(plug)

    try:
        said.put((number, ("", asyncio.run(work()))))
    except Exception as fault:  # noqa: BLE001 - whatever it is, the process that waits has to hear of it
        gate.abort()
        said.put((number, (f"{type(fault).__name__}: {fault}", None)))
