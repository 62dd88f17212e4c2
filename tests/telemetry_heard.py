"""OpenTelemetry's real SDK, set up once for a whole run: what a gate tells it is looked at, and little is kept of it.

Every span is looked at for the run's secret when it ends, and every point of a metric when the run ends. Nothing is
kept of a span but for a test that asks by `spans`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

import canary

_READER = InMemoryMetricReader()
_ASKING: list[list[ReadableSpan]] = []


class _Ear(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        canary.hear(f"the span {span.name}", _text_of(span))
        for told in _ASKING:
            told.append(span)


def _text_of(span: ReadableSpan) -> str:
    events = [(event.name, dict(event.attributes or {})) for event in span.events]
    links = [dict(link.attributes or {}) for link in span.links]
    return repr((span.name, dict(span.attributes or {}), span.status.description, events, links))


class Watch:
    """The plugin that sets it up and, at the end, looks at the metrics."""

    def pytest_configure(self) -> None:
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(_Ear())
        trace.set_tracer_provider(tracers)
        metrics.set_meter_provider(
            MeterProvider([_READER], shutdown_on_exit=False, exemplar_filter=AlwaysOffExemplarFilter())
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if (data := _READER.get_metrics_data()) is not None:
            canary.hear("a metric", repr(data), test="the whole run")


@contextmanager
def spans() -> Iterator[list[ReadableSpan]]:
    """The spans that end meanwhile, in that order."""
    told: list[ReadableSpan] = []
    _ASKING.append(told)
    try:
        yield told
    finally:
        _ASKING.remove(told)


def points() -> dict[str, list[Any]]:
    """The points of each metric of ours, since the run began."""
    data = _READER.get_metrics_data() or MetricsData([])
    return {
        metric.name: list(metric.data.data_points)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        if scope.scope.name == "apikeychain"
        for metric in scope.metrics
    }


def amounts(name: str) -> dict[tuple[Any, ...], float]:
    """What a counter holds, or how often a histogram was told, by the values of its attributes."""
    return {
        tuple(point.attributes.values()): point.count if hasattr(point, "count") else point.value
        for point in points().get(name, ())
    }
