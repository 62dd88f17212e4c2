"""Whether anybody hears what calls tell: asked seldom, and once there is somebody no more."""

from collections.abc import Callable

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics._internal import _ProxyMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from apikeychain.hearing import Hearing

Hosts = Callable[[trace.TracerProvider | None, metrics.MeterProvider | None], None]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """Sets up what it is given, and else what the API hands out without an SDK."""

    def set_up(tracers: trace.TracerProvider | None = None, meters: metrics.MeterProvider | None = None) -> None:
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers or trace.ProxyTracerProvider())
        monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters or _ProxyMeterProvider())

    return set_up


def test_without_an_sdk_nobody_hears(host: Hosts) -> None:
    host(None, None)
    hearing = Hearing()
    hearing.look(1.0)
    assert not hearing.is_on


@pytest.mark.parametrize("kind", ["traces", "metrics"])
def test_an_sdk_for_either_hears_and_stays(host: Hosts, kind: str) -> None:
    host(
        TracerProvider(shutdown_on_exit=False) if kind == "traces" else None,
        MeterProvider(shutdown_on_exit=False) if kind == "metrics" else None,
    )
    hearing = Hearing()
    hearing.look(1.0)
    assert hearing.is_on
    host(None, None)
    hearing.look(99.0)
    assert hearing.is_on


def test_an_sdk_that_is_set_up_late_is_noticed_within_a_second(host: Hosts) -> None:
    host(None, None)
    hearing = Hearing()
    hearing.look(1.0)
    host(TracerProvider(shutdown_on_exit=False), None)
    hearing.look(1.9)
    assert not hearing.is_on
    hearing.look(2.0)
    assert hearing.is_on
