"""What telemetry costs a call: ``python tests/benchmarks/telemetry_cost.py``.

Prints the processor's time for one call through a gate in memory, before a provider that costs nothing: with the
telemetry taken out, with it but no SDK, with an SDK that samples no call, and with one that keeps every span. All that
one process can have in turn, and the medians.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Self, TypeVar
from unittest.mock import patch

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from apikeychain import telemetry
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.headers import Headers
from apikeychain.ports.upstream import Guard
from apikeychain.telemetry import CallSpan
from gate import Gate, open_gate

T = TypeVar("T")
_CALLS = 100
_ROUNDS = 150
_STEPS = ("pipeline.step", "pipeline.sent", "snapshots.reach", "ledger.writer.reach", "ledger.writer.flushed")
_MORE = ("watch.claims.reach", "watch.meter.reach")


class Ready:
    """A provider that has answered before it was asked."""

    def __init__(self, guard: Guard) -> None:
        self._guard, self._left = guard, True

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        return UpstreamReply(200, Headers([(b"content-type", b"application/json")]), Ready(self._guard))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        self._left = False
        return b'{"temp": 21}'

    async def aclose(self) -> None:
        self._left = False


def _bare(*given: object) -> Awaitable[object]:
    return next(work for work in given if isinstance(work, Awaitable))


def _taken_out() -> ExitStack:
    stack = ExitStack()
    for name in (*_STEPS, *_MORE):
        stack.enter_context(patch(f"apikeychain.{name}", _bare))
    for name in ("pipeline.secret_used", "ledger.queues.queued"):
        stack.enter_context(patch(f"apikeychain.{name}", lambda *_, **__: None))
    for name in ("enter", "leave", "end"):
        stack.enter_context(patch.object(CallSpan, name, lambda *_: None))
    return stack


def _unsampled() -> ExitStack:
    stack = ExitStack()
    tracer = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("apikeychain")
    stack.enter_context(patch.object(telemetry, "_tracer", tracer))
    return stack


async def _cost(gate: Gate) -> float:
    """Microseconds of the processor for one call."""
    began = time.process_time()
    for _ in range(_CALLS):
        await gate.get()
    return (time.process_time() - began) / _CALLS * 1e6


async def _compare(ways: dict[str, Callable[[], ExitStack]]) -> None:
    told: dict[str, list[float]] = {way: [] for way in ways}
    async with open_gate(upstream=Ready) as gate:
        await gate.shop.configure(quota="100000000/minute")
        await asyncio.sleep(0.1)
        for _ in range(_ROUNDS):
            for way, enter in ways.items():
                with enter():
                    told[way].append(await _cost(gate))
    first, *_ = told.values()
    for way, costs in told.items():
        ratio = statistics.median(cost / base for cost, base in zip(costs, first, strict=True))
        print(f"{way:22} {statistics.median(costs):7.1f} us a call, {ratio:.3f} of the first")  # noqa: T201 - its answer


async def _main() -> None:
    await _compare({"taken out": _taken_out, "without an SDK": ExitStack})
    tracers, meters = TracerProvider(), MeterProvider([InMemoryMetricReader()])
    tracers.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(meters)
    await _compare({"taken out": _taken_out, "sampled out": _unsampled, "with an SDK": ExitStack})


if __name__ == "__main__":
    asyncio.run(_main())
