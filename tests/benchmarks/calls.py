"""What a call costs the gate and its peers, in turn: processor, calls a second, the slowest of a hundred."""

import asyncio
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from apikeychain.backends.sql import migrate_postgres
from apikeychain.backends.sql.postgres.roles import APPLICATION
from apikeychain.testing.servers.postgres import PostgresServer
from apikeychain.testing.servers.valkey import ValkeyServer

from .load import FailedLoadError, Load
from .provider import Provider
from .targets import LEAN, Kind, Target, drive, nginx, target

GATE = "apikeychain"
ON_POSTGRES = f"{GATE}, PostgreSQL"
KINDS: Mapping[str, Kind] = {
    "hello": Kind("peers:hello"),
    "hello, granian": Kind("peers:hello", "granian"),
    "starlette + httpx": Kind("peers:starlette_httpx"),
    "fastapi-proxy-lib": Kind("peers:fastapi_proxy_lib"),
    "asgiproxy": Kind("peers:asgiproxy"),
    "asgiproxy, TLS": Kind("peers:asgiproxy", tls=True),
    "aiohttp, TLS": Kind("peers:bare_aiohttp", tls=True),
    GATE: Kind("hosts:gate"),
    f"{GATE}, lean server": Kind("hosts:gate", options=LEAN),
    f"{GATE}, granian": Kind("hosts:gate", "granian"),
    f"{GATE}, frozen heap": Kind("hosts:gate", environment={"FREEZE": "yes"}),
    f"{GATE}, httpx": Kind("hosts:gate", environment={"UPSTREAM": "httpx"}),
    f"{GATE}, write-ahead": Kind("hosts:gate", environment={"LEDGER_MODE": "write-ahead"}),
    f"{GATE}, Valkey": Kind("hosts:gate", environment={"VALKEY": ""}),
    ON_POSTGRES: Kind("hosts:gate", environment={"DATABASE": ""}),
    f"{ON_POSTGRES}, write-ahead": Kind("hosts:gate", environment={"DATABASE": "", "LEDGER_MODE": "write-ahead"}),
}
_FEW, _MANY = 16, 64
Results = Mapping[str, Mapping[int, Sequence[Load]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long is measured: `rounds` of all targets in turn, `seconds` for each run."""

    rounds: int
    seconds: float


def measure(provider: Provider, python: str, effort: Effort, say: Callable[[str], None]) -> Results:
    """Every target at 16 and at 64 connections, each in turn, in the order turned round from round to round."""
    with ExitStack() as stack:
        valkey, postgres = stack.enter_context(ValkeyServer()), stack.enter_context(PostgresServer())
        targets = {"nginx": stack.enter_context(nginx(provider))}
        for name, kind in KINDS.items():
            folder = name.replace(", ", "-").replace(" ", "-")
            database = _database(postgres) if kind.needs("DATABASE") else ""
            placed = kind.at(VALKEY=valkey.url, DATABASE=database)
            targets[name] = stack.enter_context(target(folder, placed, provider, python))
        # A new server refuses for half a minute what it may have forgotten: let it have run for an hour.
        valkey.ask("HINCRBY", "{apikeychain}:marks", "birth", -3600)
        return _rounds(targets, provider.folder, effort, say)


def _database(server: PostgresServer) -> str:
    """The URL of a new one, for a gate alone."""
    name = server.create_database()
    asyncio.run(migrate_postgres(server.url(name)))
    user = f"web_{name}"
    server.execute(f"CREATE ROLE {user} LOGIN IN ROLE {APPLICATION}")
    return server.url(name, user)


def _rounds(targets: Mapping[str, Target], folder: Path, effort: Effort, say: Callable[[str], None]) -> Results:
    found: dict[str, dict[int, list[Load]]] = {name: {count: [] for count in (_FEW, _MANY)} for name in targets}
    rates = {name: _warmed(one, folder).rate for name, one in targets.items()}
    for number in range(effort.rounds):
        names = list(targets) if number % 2 else list(targets)[::-1]
        for name in names:
            found[name][_FEW].append(_run_of_few(targets[name], folder, effort.seconds, rates[name]))
            rates[name] = found[name][_FEW][-1].rate
        for name in names:
            found[name][_MANY].append(_run_of_many(targets[name], folder, effort.seconds, rates[name]))
        say(f"calls: round {number + 1} of {effort.rounds}")
    return found


def _warmed(one: Target, folder: Path) -> Load:
    """A first run, which does not count and may be tried again."""
    try:
        return _run_of_few(one, folder, 1.0, 0.0)
    except FailedLoadError as failed:
        sys.stderr.write(f"{failed}; once more\n")
        return _run_of_few(one, folder, 1.0, 0.0)


def _run_of_few(one: Target, folder: Path, seconds: float, rate: float) -> Load:
    return drive(one, folder, connections=_FEW, seconds=seconds, rate=rate)


def _run_of_many(one: Target, folder: Path, seconds: float, rate: float) -> Load:
    """A run with all connections open, those to the provider too: what it opened in a second before is kept."""
    drive(one, folder, connections=_MANY, seconds=1.0, rate=rate, opening=1)
    return drive(one, folder, connections=_MANY, seconds=seconds, rate=rate, opening=1)


def ratio(results: Results, one: str, other: str, of: Callable[[Load], float], connections: int = _FEW) -> float:
    """The median of the rounds' own ratios: what a noisy moment does to one target it does to its neighbour too."""
    pairs = zip(results[one][connections], results[other][connections], strict=True)
    return statistics.median(of(mine) / of(theirs) for mine, theirs in pairs)


def added(results: Results, one: str, other: str, of: Callable[[Load], float], connections: int = _FEW) -> float:
    """The median of what the rounds add to each other."""
    pairs = zip(results[one][connections], results[other][connections], strict=True)
    return statistics.median(of(mine) - of(theirs) for mine, theirs in pairs)


def median(results: Results, name: str, of: Callable[[Load], float], connections: int = _FEW) -> float:
    """Over the rounds."""
    return statistics.median(map(of, results[name][connections]))
