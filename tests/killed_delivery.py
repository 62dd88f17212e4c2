"""A process that delivers alerts, and is killed between what it was told: see `test_alerts_kills`."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from apikeychain.alerts import delivery
from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.tenant_store import SQLTenantStore
from apikeychain.model.alert import Alert

LEASE_SECONDS = 1.0


class FileSink:
    """See AlertSink: what it took is in a file, a line each, as soon as it returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def send(self, alert: Alert) -> None:
        with self._path.open("a") as file:
            file.write(f"{alert.id}\n")


def dying(work: Callable[..., Any], before: set[int], counted: list[int]) -> Callable[..., Any]:
    """That work, and the end of the process before or after one of its turns.

    Args:
        work: a method.
        before: even numbers 2n for before its turn n, odd ones 2n + 1 for after it.
        counted: how many turns there were.
    """

    async def does(*given: Any, **more: Any) -> Any:
        turn = counted[0]
        counted[0] += 1
        if 2 * turn in before:
            os.kill(os.getpid(), signal.SIGKILL)
        came = await work(*given, **more)
        if 2 * turn + 1 in before:
            os.kill(os.getpid(), signal.SIGKILL)
        return came

    return does


async def deliver(database: Path, folder: Path, kill: int) -> None:
    """Deliver what waits, and die at that moment: of all sendings and writes, counted from 0."""
    delivery.LEASE_SECONDS = LEASE_SECONDS
    counted = [0]
    async with SQLStore.sqlite(database) as store:
        for name in ("replace", "remove"):
            setattr(SQLTenantStore, name, dying(getattr(SQLTenantStore, name), {kill}, counted))
        sinks = {name: FileSink(folder / name) for name in ("first", "second")}
        for sink in sinks.values():
            sink.send = dying(sink.send, {kill}, counted)  # type: ignore[method-assign]  # of this one alone
        worker = delivery.Delivery(store, sinks, now=partial(datetime.now, UTC))
        await worker.look()
        await worker.settled()


if __name__ == "__main__":
    asyncio.run(deliver(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
