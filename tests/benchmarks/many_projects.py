"""What a hundred thousand projects of a thousand tenants cost: ``python -m tests.benchmarks.many_projects``.

Seeds a real PostgreSQL through the store, without secrets (``--tenants 100 --projects 10`` for a short look), and
prints what it costs a worker to look a project up that it does not hold, and one that it holds, first among a few
that are held and then among as many as may be; the memory that these take; and what it takes to write one ledger entry
for every tenant at once.
"""

import argparse
import asyncio
import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apikeychain.backends.sql import SQLStore
from apikeychain.backends.sql.postgres.migration import migrate_postgres
from apikeychain.backends.sql.postgres.roles import APPLICATION
from apikeychain.backends.sql.postgres.store import PostgresStore
from apikeychain.model.ids import ProjectId
from apikeychain.model.ledger import LedgerDraft
from apikeychain.snapshots import MAX_SNAPSHOTS, ProxiedProjects, Snapshots
from apikeychain.testing.servers.postgres import PostgresServer

from .stocked import project_id, stock, tenant_id

_NOW = datetime.now(UTC)
_RUNS = 7
_FEW = 10
_COLD = 300
_WARM = 100_000
_AT_ONCE = 8
_BODY_LIMIT = 100 * 1024 * 1024


async def _seed(store: PostgresStore, tenants: int, projects: int) -> None:
    done = 0
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> None:
        nonlocal done
        async with places:
            await stock(store, number, projects)
            done += 1
            if done % max(tenants // 20, 1) == 0:
                sys.stderr.write(f"\rseeded {done} of {tenants} tenants")
                sys.stderr.flush()

    await asyncio.gather(*(one(number) for number in range(tenants)))
    sys.stderr.write("\n")


def _tell(what: str, figure: str) -> None:
    sys.stdout.write(f"| {what} | {figure} |\n")
    sys.stdout.flush()


def _warm(look_up: Callable[[str], object], held: Sequence[ProjectId]) -> float:
    """Nanoseconds of a look-up, the median of several runs."""
    asked = random.Random(1).choices(held, k=_WARM)  # noqa: S311 - the same in every run
    runs = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        for project in asked:
            look_up(project)
        runs.append((time.perf_counter() - began) / _WARM * 1e9)
    return statistics.median(runs)


def _memory() -> int:
    """Bytes of this process that are in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


async def _look_ups(store: PostgresStore, projects: Sequence[ProjectId]) -> None:
    read = ProxiedProjects(networks={}, body_limit=_BODY_LIMIT, sanitizers={}, development=False)
    snapshots = Snapshots(store, read, changed=print, clock=lambda: 0.0)
    for project in projects[:_FEW]:
        await snapshots.load(project)
    few = _warm(snapshots.fresh, projects[:_FEW])
    _tell(f"a warm look-up among {_FEW}", f"{few:.0f} ns")
    cold = []
    for project in projects[_FEW : _FEW + _COLD]:
        began = time.perf_counter()
        await snapshots.load(project)
        cold.append((time.perf_counter() - began) * 1e3)
    _tell("a cold look-up, one at a time, median and slowest", f"{statistics.median(cold):.1f} and {max(cold):.1f} ms")
    before, known = _memory(), _FEW + len(cold)
    held = projects[: min(MAX_SNAPSHOTS, len(projects))]
    began = time.perf_counter()
    for first in range(known, len(held), _AT_ONCE):
        await asyncio.gather(*(snapshots.load(project) for project in held[first : first + _AT_ONCE]))
    if added := len(held) - known:
        each = (time.perf_counter() - began) / added * 1e3
        _tell(f"a cold look-up, {_AT_ONCE} at a time", f"{each:.1f} ms")
        _tell("a held project", f"{(_memory() - before) / added / 1024:.1f} KiB")
    many = _warm(snapshots.fresh, held)
    _tell(f"a warm look-up among {len(held)}", f"{many:.0f} ns, {many / few:.2f} times that among {_FEW}")


async def _flushes(store: PostgresStore, tenants: int) -> None:
    groups = {tenant_id(number): [LedgerDraft(at=_NOW, kind="call", actor="caller")] for number in range(tenants)}
    runs = []
    for _ in range(_RUNS):
        began = time.perf_counter()
        await store.append_many(groups)
        runs.append((time.perf_counter() - began) * 1e3)
    _tell(f"one ledger entry for each of {tenants} tenants, in one transaction", f"{statistics.median(runs):.0f} ms")


async def _main(tenants: int, projects: int) -> None:
    with PostgresServer() as server:
        server.create_database("many")
        await migrate_postgres(server.url("many"))
        server.execute(f"CREATE ROLE web LOGIN IN ROLE {APPLICATION}")
        async with SQLStore.postgres(server.url("many", "web")) as store:
            began = time.perf_counter()
            await _seed(store, tenants, projects)
            sys.stdout.write("| what | figure |\n| --- | --- |\n")
            _tell(f"{tenants * projects} projects of {tenants} tenants, seeded", f"{time.perf_counter() - began:.0f} s")
            every = [project_id(tenant, number) for number in range(projects) for tenant in range(tenants)]
            await _look_ups(store, every)
            await _flushes(store, tenants)


if __name__ == "__main__":
    _parser = argparse.ArgumentParser(description=__doc__)
    _parser.add_argument("--tenants", type=int, default=1000)
    _parser.add_argument("--projects", type=int, default=100, help="of each tenant")
    _given = _parser.parse_args()
    asyncio.run(_main(_given.tenants, _given.projects))
