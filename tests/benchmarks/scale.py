"""What a warm call costs where a hundred thousand projects are stored and its project has a thousand routes."""

import asyncio
import statistics
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from apikeychain import APIKeyChain
from apikeychain.backends.sql import SQLStore
from apikeychain.embedded import DATABASE

from .load import Load
from .provider import Provider
from .stocked import stock
from .targets import Kind, drive, target

ROUTES = 1_000
_OF_A_TENANT = 100
_NOW = datetime.now(UTC)


def measure(provider: Provider, python: str, projects: int, rounds: int, say: Callable[[str], None]) -> float:
    """How many times the processor of a call through a gate with one project and one route it takes."""
    many = provider.folder / "scale-many"
    many.mkdir()
    asyncio.run(_seed(many, projects, say))
    kinds = {
        "scale-many": Kind("hosts:gate", environment={"ROUTES": str(ROUTES)}),
        "scale-one": Kind("hosts:gate"),
    }
    with ExitStack() as stack:
        targets = {name: stack.enter_context(target(name, kind, provider, python)) for name, kind in kinds.items()}
        rates = dict.fromkeys(targets, 0.0)
        found: dict[str, list[Load]] = {name: [] for name in targets}
        for number in range(rounds + 1):
            for name in targets if number % 2 else reversed(targets):
                run = drive(targets[name], provider.folder, connections=16, seconds=2.0, rate=rates[name])
                rates[name] = run.rate
                found[name].append(run)
            say(f"scale: round {number} of {rounds}")
    pairs = zip(found["scale-many"][1:], found["scale-one"][1:], strict=True)
    return statistics.median(many.cpu / one.cpu for many, one in pairs)


async def _seed(folder: Path, projects: int, say: Callable[[str], None]) -> None:
    async with APIKeyChain.embedded(folder) as keychain:
        await keychain.ensure_tenant("acme")
    async with SQLStore.sqlite(folder / DATABASE) as store:
        for number in range(projects // _OF_A_TENANT):
            await stock(store, number, _OF_A_TENANT)
            if number % 100 == 99:
                say(f"scale: {(number + 1) * _OF_A_TENANT} of {projects} projects stored")
