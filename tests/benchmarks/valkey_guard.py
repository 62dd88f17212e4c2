"""What a shared limiter and replay guard costs: ``PYTHONPATH=tests python tests/benchmarks/valkey_guard.py``.

Starts a Valkey on this machine and prints, for a call with two buckets, the CPU time that this process spends on it,
how long it takes, and how many times the CPU time of the same deed in memory that is.
"""

import asyncio
import secrets
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.backends.valkey import ValkeyGuard
from apikeychain.model.quota import Quota, Spend
from apikeychain.testing.servers.valkey import ValkeyServer
from valkey_clock import let_it_have_run

_CALLS = 1000
_RUNS = 7
_SPENDS = [
    Spend("p_aaaaaaaaaaaaaaaaaaaa:address:203.0.113.9", "address", Quota(10**8, 60)),
    Spend("p_aaaaaaaaaaaaaaaaaaaa:project", "project", Quota(10**8, 60)),
]

Deed = Callable[[], Awaitable[object]]


async def _measured(deed: Deed, at_once: int) -> tuple[float, float]:
    """Microseconds of CPU and of waiting for a call, the median of several runs."""
    cpu, waited = [], []
    for _ in range(_RUNS):
        spent, started = time.process_time(), time.perf_counter()
        for _ in range(_CALLS // at_once):
            await asyncio.gather(*(deed() for _ in range(at_once)))
        cpu.append((time.process_time() - spent) / _CALLS * 1e6)
        waited.append((time.perf_counter() - started) / _CALLS * 1e6)
    return statistics.median(cpu), statistics.median(waited)


async def _report(name: str, deed: Deed, at_once: int, base: float | None) -> float:
    cpu, waited = await _measured(deed, at_once)
    sys.stdout.write(f"| {name} | {at_once} | {cpu:.0f} | {waited:.0f} | {cpu / (base or cpu):.1f} |\n")
    sys.stdout.flush()
    return cpu


async def _main() -> None:
    limiter, replay_guard = MemoryRateLimiter(), MemoryReplayGuard()

    async def in_memory() -> None:
        await replay_guard.claim(secrets.token_bytes(32), int(time.time()))
        await limiter.spend(_SPENDS)

    sys.stdout.write("| deed | at once | us of CPU a call | us until the next | times memory |\n")
    sys.stdout.write("| --- | --- | --- | --- | --- |\n")
    base = await _report("claim and spend, in memory", in_memory, 1, None)
    with ValkeyServer() as server:
        async with ValkeyGuard(server.url) as guard:
            let_it_have_run(server)

            async def in_one() -> None:
                await guard.claim_and_spend(secrets.token_bytes(32), int(time.time()), _SPENDS)

            async def in_two() -> None:
                await guard.claim(secrets.token_bytes(32), int(time.time()))
                await guard.spend(_SPENDS)

            for at_once in (1, 20):
                await _report("claim_and_spend, Valkey", in_one, at_once, base)
                await _report("claim, then spend, Valkey", in_two, at_once, base)
            used = server.ask("INFO", "commandstats")["cmdstat_evalsha"]["usec_per_call"]
            claims = len(server.ask("KEYS", "*:claim:*"))
            memory = server.ask("MEMORY", "USAGE", server.ask("RANDOMKEY"))
    sys.stdout.write(f"\nThe server: {used} us a script; {claims} claims are kept, of about {memory} bytes.\n")


if __name__ == "__main__":
    asyncio.run(_main())
