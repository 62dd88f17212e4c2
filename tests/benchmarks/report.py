"""What was found, as a table with the bars, as JSON and as a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import assets, calls
from .calls import GATE, Results
from .ledger import Ledger
from .load import Load
from .startup import StartUp
from .streams import Streams

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Found:
    """One figure, and where its bar and its goal lie: `most` says whether they are the most or the least."""

    measure: str
    value: float
    bar: float
    goal: float
    unit: str = "x"
    most: bool = True

    @property
    def verdict(self) -> str:
        """``"goal"``, ``"bar"`` or ``"missed"``."""
        return "goal" if self._holds(self.goal) else "bar" if self._holds(self.bar) else "missed"

    def _holds(self, limit: float) -> bool:
        return self.value <= limit if self.most else self.value >= limit


def of_calls(results: Results) -> list[Found]:
    """The ratios that the gate is held to."""

    def cpu(other: str) -> float:
        return calls.ratio(results, GATE, other, _cpu)

    return [
        Found(
            "CPU a call, against asgiproxy, which checks nothing and speaks no TLS here", cpu("asgiproxy"), 1.0, 0.85
        ),
        Found("CPU a call, against asgiproxy, both over TLS 1.3", cpu("asgiproxy, TLS"), 1.0, 0.85),
        Found("CPU a call, against Starlette and httpx by hand", cpu("starlette + httpx"), 0.11, 0.09),
        Found("CPU a call, against an ASGI hello world", cpu("hello"), 4.9, 4.0),
        Found("calls of a hundred that the gate refused, of all that it got", _failed(results[GATE]), 0.0, 0.0, "%"),
        Found("CPU a call, claims and limits in Valkey", calls.ratio(results, f"{GATE}, Valkey", GATE, _cpu), 2.0, 1.7),
        Found(
            "calls a second at 64 connections, against asgiproxy",
            calls.ratio(results, GATE, "asgiproxy", _rate, 64),
            1.0,
            1.25,
            most=False,
        ),
        Found(
            "p99 at 64 connections, against bare forwarding with the same client",
            calls.ratio(results, GATE, "aiohttp, TLS", _p99, 64),
            1.6,
            1.25,
        ),
        Found(
            "the same of a gate whose host has frozen its heap",
            calls.ratio(results, f"{GATE}, frozen heap", "aiohttp, TLS", _p99, 64),
            1.6,
            1.25,
        ),
        Found(
            "p50 at 16 connections, added by the intents of write-ahead on PostgreSQL",
            calls.added(results, f"{calls.ON_POSTGRES}, write-ahead", calls.ON_POSTGRES, _p50) * 1e3,
            5.0,
            5.0,
            "ms",
        ),
    ]


def of_assets(results: Results) -> list[Found]:
    """What an asset in memory costs."""

    def rate(other: str, ours: str = assets.OURS) -> float:
        return calls.ratio(results, ours, other, _rate, assets.CONNECTIONS)

    hello = "an ASGI hello world with the same body"
    on_granian = rate(assets.HELLO_ON_GRANIAN, assets.OURS_ON_GRANIAN)
    return [
        Found(f"assets a second, against {hello}, on uvicorn", rate(assets.HELLO), 0.8, 0.9, most=False),
        Found("assets a second, against one with as many lines too", rate(assets.SAME_LINES), 0.8, 0.9, most=False),
        Found(f"assets a second, against {hello}, on granian", on_granian, 0.8, 0.9, most=False),
        Found("assets a second, against Starlette's StaticFiles", rate(assets.STATIC), 3, 6, most=False),
    ]


def of_streams(streams: Streams) -> list[Found]:
    """What streams cost."""
    added = (streams.through - streams.direct) * 1e3
    return [
        Found("time to the first event of a stream, added", added, 2.0, 0.5, "ms"),
        Found("memory that grows while 100 MiB come down", streams.down / MIB, 16, 4, "MiB"),
        Found("memory that grows while 100 MiB go up", streams.up / MIB, 16, 4, "MiB"),
    ]


def of_scale(times: float) -> list[Found]:
    """What many projects and routes cost."""
    return [Found("CPU a warm call among many projects and 1,000 routes, against one of each", times, 1.1, 1.0)]


def of_ledger(ledger: Ledger) -> list[Found]:
    """What the ledger costs."""
    return [
        Found("verification of the ledger, against bare SHA-256", ledger.verifying, 14, 9),
        Found("appends to the ledger, against bare inserts", ledger.appending, 0.7, 0.9, most=False),
    ]


def of_startup(startup: StartUp) -> list[Found]:
    """What the import costs."""
    return [Found("import of apikeychain and the middleware", startup.seconds * 1e3, 500, 250, "ms")]


def table(found: Sequence[Found]) -> str:
    """Each figure with its bar, its goal, and which of them holds."""
    lines = ["| measure | figure | bar | goal | holds |", "| --- | --- | --- | --- | --- |"]
    for one in found:
        sign = "<=" if one.most else ">="
        lines.append(
            f"| {one.measure} | {one.value:.2f} {one.unit} | {sign} {one.bar:g} | {sign} {one.goal:g} | {one.verdict} |"
        )
    return "\n".join(lines)


def table_of_calls(results: Results) -> str:
    """Every target, the cheapest first."""
    lines = [
        "| target | CPU us a call at 16 | spread % | calls a second at 16 | at 64 | p50 and p99 ms at 64 | failed % |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in sorted(results, key=lambda name: calls.median(results, name, _cpu)):
        costs = [_cpu(load) for load in results[name][16]]
        middle = calls.median(results, name, _cpu)
        lines.append(
            f"| {name} | {middle * 1e6:.0f} | {(max(costs) - min(costs)) / middle * 100:.0f} "
            f"| {calls.median(results, name, _rate):.0f} | {calls.median(results, name, _rate, 64):.0f} "
            f"| {calls.median(results, name, _p50, 64) * 1e3:.1f} "
            f"and {calls.median(results, name, _p99, 64) * 1e3:.1f} | {_failed(results[name]):.2g} |"
        )
    return "\n".join(lines)


def _failed(runs: Mapping[int, Sequence[Load]]) -> float:
    """Of a hundred calls, in all runs."""
    every = [load for each in runs.values() for load in each]
    return 100 * sum(load.bad for load in every) / sum(load.calls for load in every)


def document(card: Mapping[str, str], found: Sequence[Found], results: Results | None) -> dict[str, Any]:
    """Everything, as JSON takes it."""
    loads = {
        name: {str(count): [asdict(load) for load in runs] for count, runs in each.items()}
        for name, each in (results or {}).items()
    }
    return {"machine": dict(card), "found": [{**asdict(one), "holds": one.verdict} for one in found], "calls": loads}


def write(path: Path, told: Mapping[str, Any]) -> None:
    """As a file that can be compared with the next."""
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _cpu(load: Load) -> float:
    return load.cpu


def _rate(load: Load) -> float:
    return load.rate


def _p50(load: Load) -> float:
    return load.median


def _p99(load: Load) -> float:
    return load.p99
