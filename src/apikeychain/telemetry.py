"""What the gate tells OpenTelemetry: a span for each call, one for each of its steps, and the metrics to alert on.

An attribute is one of the closed list and nothing else: no value of a caller, no text of an error, nothing secret. A
caller's own ``traceparent`` is never read: a span stands below what the host has begun, or it is a root.

A step is told where something is waited for: what is held in memory is no step. Until a host sets up an SDK a call is
told to nobody and pays nothing for it; one that is set up late is noticed within a second. An SDK that breaks, by a
sampler or processor of the host's, breaks no call.

Source: OpenTelemetry semantic conventions for HTTP spans and metrics; contracts 4 (nothing secret is told).
"""

import logging
import time
from collections.abc import Coroutine, Mapping
from contextvars import ContextVar, Token
from functools import cache
from typing import Any, TypeVar, final

from opentelemetry import context, metrics, trace

# The API has no public name for what every instrumentation of a client asks before it looks at a request.
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY as _UNSEEN,  # pyright: ignore[reportPrivateUsage] - see above
)
from opentelemetry.context.context import Context
from opentelemetry.metrics import Counter, Histogram, UpDownCounter
from opentelemetry.trace import Span, SpanKind, StatusCode

from apikeychain.errors import APIKeyChainError, BackendUnavailableError, FailureError, code_of
from apikeychain.hearing import Hearing
from apikeychain.model.telemetry import (
    CACHED,
    CALL,
    METHOD,
    METRICS,
    OUTCOME,
    PASSED,
    PORT,
    PROJECT,
    PROVIDER,
    ROUTE,
    STATUS,
    STATUS_CLASS,
    STEP,
    STEPS,
    Port,
    Step,
)

T = TypeVar("T")
Facts = Mapping[str, str | bool] | None
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_FAILURES = frozenset(failure.code for failure in FailureError.__subclasses__())
_OF_STEP = {name: {STEP: name} for name in STEPS}
_SERVER_ERROR = 500
# Whether the call that runs has a span that anybody will see.
_is_recorded: ContextVar[bool] = ContextVar("apikeychain.is_recorded", default=False)
# In seconds. Those that an SDK would take are meant for milliseconds.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)

_log = logging.getLogger("apikeychain")
_hearing = Hearing()
_tracer = trace.get_tracer("apikeychain")
_meter = metrics.get_meter("apikeychain")


def _counter(name: str) -> Counter:
    return _meter.create_counter(name, METRICS[name].unit, METRICS[name].meaning)


def _up_down_counter(name: str) -> UpDownCounter:
    return _meter.create_up_down_counter(name, METRICS[name].unit, METRICS[name].meaning)


def _duration(of: str) -> Histogram:
    metric = METRICS[name := f"apikeychain.{of}.duration"]
    return _meter.create_histogram(name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=_BUCKETS)


_calls, _secrets, _failures = map(_counter, ("apikeychain.calls", "apikeychain.secrets", "apikeychain.plug.failures"))
_gaps, _rounds, _broken = (_counter(f"apikeychain.ledger.{name}") for name in ("gaps", "rounds", "broken"))
_call_seconds, _step_seconds = map(_duration, ("call", "step"))
_upstream_seconds, _flush_seconds = map(_duration, ("upstream", "ledger.flush"))
_queued, _due = map(_up_down_counter, ("apikeychain.ledger.queued", "apikeychain.rotation.due"))


@final
class CallSpan:
    """The span of one call: current from `enter` to `leave`, and ended once, which may be later."""

    __slots__ = ("_began", "_is_over", "_recorded", "_span", "_token")

    def enter(self, method: str) -> None:
        """Begin, below what is current."""
        self._began = time.perf_counter()
        self._token: Token[Context] | None = None
        _hearing.look(self._began)
        self._is_over = not _hearing.is_on
        if self._is_over:
            return
        self._span = _begun(CALL, SpanKind.SERVER, {METHOD: _known(method)})
        if self._span is not trace.INVALID_SPAN:
            self._token = context.attach(trace.set_span_in_context(self._span))
            self._recorded = _is_recorded.set(self._span.is_recording())

    def leave(self) -> None:
        """Be current no longer: the answer is on its way, or there is none."""
        if self._token is not None:
            _is_recorded.reset(self._recorded)
            context.detach(self._token)

    def end(self, status: int, refusal: str | None, project: str | None, route: tuple[str, str] | None) -> None:
        """Tell of the call; only the first end counts.

        Args:
            status: of the answer.
            refusal: the code of what kept the call from its answer, or cut it.
            project: its id.
            route: its name and that of its provider.
        """
        if self._is_over:
            return
        self._is_over = True
        outcome = refusal or PASSED
        kind = {STATUS_CLASS: f"{status // 100}xx", OUTCOME: outcome}
        _add(_calls, 1, kind)
        _record(_call_seconds, time.perf_counter() - self._began, kind)
        if self._span.is_recording():
            facts = {STATUS: status, PROJECT: project, ROUTE: route and route[0], PROVIDER: route and route[1]}
            self._span.set_attributes({key: fact for key, fact in facts.items() if fact is not None})
            _end(self._span, outcome, failed=status >= _SERVER_ERROR)


def step(name: Step, work: Coroutine[Any, Any, T], port: Port | None = None) -> Coroutine[Any, Any, T]:
    """What `work` brings, with a span and the time that it took.

    Args:
        name: of the step.
        work: the step.
        port: whose failure it is when what is behind the gate does not answer; None where the step asks several.
    """
    return _stepped(name, work, port) if _hearing.is_on else work


async def _stepped(name: Step, work: Coroutine[Any, Any, T], port: Port | None) -> T:
    began = time.perf_counter()
    try:
        if not _is_recorded.get():
            return await work
        with _StepSpan(name):
            return await work
    except Exception as error:
        if port is not None:
            _judge(port, error)
        raise
    finally:
        _record(_step_seconds, time.perf_counter() - began, _OF_STEP[name])


@final
class _StepSpan:
    """The span of one step, below what is current."""

    def __init__(self, name: Step) -> None:
        self._span = _begun(f"apikeychain.{name}")
        self._token = context.attach(trace.set_span_in_context(self._span))

    def __enter__(self) -> None:
        """It began when it was made."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        context.detach(self._token)
        _end(self._span, PASSED if error is None else code_of(error))


def reach(port: Port, work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    """What the plug of `port` brings; that it does not do its deed is counted."""
    return _reached(port, work) if _hearing.is_on else work


async def _reached(port: Port, work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except Exception as error:
        _judge(port, error)
        raise


async def sent(work: Coroutine[Any, Any, T]) -> T:
    """What the provider answers, with the time that it took.

    A host that instruments its HTTP clients sees nothing of ours: it would write down addresses that hold a secret, and
    send a trace's id to the provider.
    """
    token = context.attach(context.set_value(_UNSEEN, value=True))
    try:
        return await (_timed(_upstream_seconds, work) if _hearing.is_on else work)
    finally:
        context.detach(token)


async def flushed(work: Coroutine[Any, Any, T]) -> T:
    """What the store answers to a group of ledger entries, with the time that it took."""
    return await _timed(_flush_seconds, reach("store", work))


def queued(entries: int) -> None:
    """So many more ledger entries wait to be written; below 0 so many fewer."""
    _add(_queued, entries)


def rotations_due(secrets: int) -> None:
    """So many more secrets are due for a step of their rotation; below 0 so many fewer."""
    _add(_due, secrets)


def gap_stated() -> None:
    """The ledger says of entries that they were or may have been lost."""
    _add(_gaps, 1)


def round_ended(error: BaseException | None) -> None:
    """A round of checkpoints is over."""
    _add(_rounds, 1, {OUTCOME: PASSED if error is None else code_of(error)})


def chain_broken() -> None:
    """A chain was not signed."""
    _add(_broken, 1)


def secret_used(*, cached: bool) -> None:
    """A call uses a secret."""
    if _hearing.is_on:
        _add(_secrets, 1, {CACHED: cached})


def plug_failed(port: str) -> None:
    """A plug did not do its deed."""
    _add(_failures, 1, {PORT: port})


async def _timed(seconds: Histogram, work: Coroutine[Any, Any, T]) -> T:
    began, outcome = time.perf_counter(), PASSED
    try:
        return await work
    except BaseException as error:
        outcome = code_of(error)
        raise
    finally:
        _record(seconds, time.perf_counter() - began, {OUTCOME: outcome})


def _judge(port: Port, error: Exception) -> None:
    """Count what a plug could not do; a refusal by one that works is no failure of it."""
    if isinstance(error, BackendUnavailableError) or not isinstance(error, APIKeyChainError):
        plug_failed(port)


def _known(method: str) -> str:
    return method if method in _METHODS else "_OTHER"


def _begun(name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Facts = None) -> Span:
    try:
        return _tracer.start_span(name, kind=kind, attributes=attributes)
    except Exception as fault:  # noqa: BLE001 - a host's sampler or processor that breaks must break no call
        _tell(type(fault).__name__)
        return trace.INVALID_SPAN


def _end(span: Span, outcome: str, *, failed: bool = False) -> None:
    """End it, as failed where it was: a refusal is none."""
    span.set_attribute(OUTCOME, outcome)
    if failed or outcome in _FAILURES:
        span.set_status(StatusCode.ERROR)
    try:
        span.end()
    except Exception as fault:  # noqa: BLE001 - likewise
        _tell(type(fault).__name__)


def _add(counter: Counter | UpDownCounter, amount: int, facts: Facts = None) -> None:
    try:
        counter.add(amount, facts)
    except Exception as fault:  # noqa: BLE001 - likewise
        _tell(type(fault).__name__)


def _record(histogram: Histogram, seconds: float, facts: Facts) -> None:
    try:
        histogram.record(seconds, facts)
    except Exception as fault:  # noqa: BLE001 - likewise
        _tell(type(fault).__name__)


@cache
def _tell(fault: str) -> None:
    _log.error("OpenTelemetry failed with %s: what it should have heard is lost", fault)
