"""What the gate tells OpenTelemetry: a span for each call, one for each of its steps, and the metrics to alert on.

An attribute is one of `ATTRIBUTES` and nothing else: no value of a caller, no text of an error, nothing secret. What a
tenant chose, as the name of a route, stands on spans alone: metrics have a bound that no tenant can raise. A caller's
own ``traceparent`` is never read: a span stands below what the host has begun, or it is a root.

A step is told where something is waited for: what is held in memory is no step. Where no SDK is set up nothing is
kept, and a step makes no span.

Source: OpenTelemetry semantic conventions for HTTP spans and metrics; contracts 4 (nothing secret is told).
"""

import time
from collections.abc import Coroutine
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, final

from opentelemetry import context, metrics, trace

# The API has no public name for what every instrumentation of a client asks before it looks at a request.
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY as _UNSEEN,  # pyright: ignore[reportPrivateUsage] - see above
)
from opentelemetry.context.context import Context
from opentelemetry.metrics import Counter, Histogram
from opentelemetry.trace import Span, SpanKind, StatusCode

from apikeychain.errors import APIKeyChainError, BackendUnavailableError, FailureError, code_of

T = TypeVar("T")
Port = Literal["store", "key_service", "rate_limiter", "replay_guard", "signals"]
Step = Literal["load", "verify", "spend", "record", "read", "open", "send", "shape"]

METHOD: Final = "http.request.method"
STATUS: Final = "http.response.status_code"
PROJECT: Final = "apikeychain.project"
ROUTE: Final = "apikeychain.route"
PROVIDER: Final = "apikeychain.provider"
OUTCOME: Final = "apikeychain.outcome"
STATUS_CLASS: Final = "apikeychain.status_class"
STEP: Final = "apikeychain.step"
PORT: Final = "apikeychain.port"
CACHED: Final = "apikeychain.cached"
PASSED: Final = "passed"

ATTRIBUTES: Final = {
    METHOD: "the method, or `_OTHER` for one that HTTP does not know",
    STATUS: "the status of the answer; 499 where the caller left before there was one",
    PROJECT: "the id of the project, once it was loaded",
    ROUTE: "the name of the route, once the call was matched to it",
    PROVIDER: "the name of that route's provider",
    OUTCOME: "`passed`, or the code of the refusal or failure, as in the problem document; `caller-gone`",
    STATUS_CLASS: "`2xx` to `5xx`",
    STEP: "the name of the step",
    PORT: "the plug, by the keychain's argument",
    CACHED: "whether the secret was open already",
}
CALL: Final = "apikeychain.call"
STEPS: Final[dict[Step, str]] = {
    "load": "the project is read, where it is not held or is to be read anew",
    "verify": "the signature, where there is one: the body that it covers, and its claim",
    "spend": "the quotas are spent, or what the claim spent is settled",
    "record": "a place in the ledger is taken",
    "read": "a body that is checked before anything is sent is read",
    "open": "the secret is opened, or below `verify` the signing key, where it is not open or is to be opened anew",
    "send": "the provider, up to the head of its answer",
    "shape": "an answer is read that the route's transforms want whole",
}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"})
_FAILURES = frozenset(failure.code for failure in FailureError.__subclasses__())
_OF_STEP = {name: {STEP: name} for name in STEPS}
_SERVER_ERROR = 500
# Whether the call that runs has a span that anybody will see.
_is_recorded: ContextVar[bool] = ContextVar("apikeychain.is_recorded", default=False)
# In seconds. Those that an SDK would take are meant for milliseconds.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, as the reference tells of it."""

    kind: str
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()


METRICS: Final = {
    "apikeychain.calls": Metric("counter", "{call}", "calls that ended", (STATUS_CLASS, OUTCOME)),
    "apikeychain.call.duration": Metric(
        "histogram", "s", "a call from its head to the last byte of its answer", (STATUS_CLASS, OUTCOME)
    ),
    "apikeychain.step.duration": Metric("histogram", "s", "one step of a call", (STEP,)),
    "apikeychain.upstream.duration": Metric(
        "histogram", "s", "a provider, from the request to the head of its answer", (OUTCOME,)
    ),
    "apikeychain.ledger.queued": Metric("up-down counter", "{entry}", "ledger entries that are not written yet"),
    "apikeychain.ledger.flush.duration": Metric("histogram", "s", "the writing of one group of entries", (OUTCOME,)),
    "apikeychain.secrets": Metric("counter", "{secret}", "secrets that calls used", (CACHED,)),
    "apikeychain.plug.failures": Metric("counter", "{failure}", "times that a plug did not do its deed", (PORT,)),
}

_tracer = trace.get_tracer("apikeychain")
_meter = metrics.get_meter("apikeychain")


def _counter(name: str) -> Counter:
    return _meter.create_counter(name, METRICS[name].unit, METRICS[name].meaning)


def _histogram(name: str) -> Histogram:
    metric = METRICS[name]
    return _meter.create_histogram(name, metric.unit, metric.meaning, explicit_bucket_boundaries_advisory=_BUCKETS)


_calls, _secrets, _failures = map(_counter, ("apikeychain.calls", "apikeychain.secrets", "apikeychain.plug.failures"))
_call_seconds, _step_seconds = map(_histogram, ("apikeychain.call.duration", "apikeychain.step.duration"))
_upstream_seconds = _histogram("apikeychain.upstream.duration")
_flush_seconds = _histogram("apikeychain.ledger.flush.duration")
_queued = _meter.create_up_down_counter(
    "apikeychain.ledger.queued",
    METRICS["apikeychain.ledger.queued"].unit,
    METRICS["apikeychain.ledger.queued"].meaning,
)


@final
class CallSpan:
    """The span of one call: current from `enter` to `leave`, and ended once, which may be later."""

    __slots__ = ("_began", "_is_over", "_recorded", "_span", "_token")

    def enter(self, method: str) -> None:
        """Begin, below what is current."""
        self._began, self._is_over = time.perf_counter(), False
        self._span = _tracer.start_span(CALL, kind=SpanKind.SERVER, attributes={METHOD: _known(method)})
        self._token: Token[Context] | None = None
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
        _calls.add(1, kind)
        _call_seconds.record(time.perf_counter() - self._began, kind)
        if self._span.is_recording():
            facts = {STATUS: status, PROJECT: project, ROUTE: route and route[0], PROVIDER: route and route[1]}
            self._span.set_attributes({key: fact for key, fact in facts.items() if fact is not None})
            _end(self._span, outcome, failed=status >= _SERVER_ERROR)


async def step(name: Step, work: Coroutine[Any, Any, T], port: Port | None = None) -> T:
    """What `work` brings, with a span and the time that it took.

    Args:
        name: of the step.
        work: the step.
        port: whose failure it is when what is behind the gate does not answer; None where the step asks several.
    """
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
        _step_seconds.record(time.perf_counter() - began, _OF_STEP[name])


@final
class _StepSpan:
    """The span of one step, below what is current."""

    def __init__(self, name: Step) -> None:
        self._span = _tracer.start_span(f"apikeychain.{name}")
        self._token = context.attach(trace.set_span_in_context(self._span))

    def __enter__(self) -> None:
        """It began when it was made."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        context.detach(self._token)
        _end(self._span, PASSED if error is None else code_of(error))


async def reach(port: Port, work: Coroutine[Any, Any, T]) -> T:
    """What the plug of `port` brings; that it does not do its deed is counted."""
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
        return await _timed(_upstream_seconds, work)
    finally:
        context.detach(token)


async def flushed(work: Coroutine[Any, Any, T]) -> T:
    """What the store answers to a group of ledger entries, with the time that it took."""
    return await _timed(_flush_seconds, reach("store", work))


def queued(entries: int) -> None:
    """So many more ledger entries wait to be written; below 0 so many fewer."""
    _queued.add(entries)


def secret_used(*, cached: bool) -> None:
    """A call uses a secret."""
    _secrets.add(1, {CACHED: cached})


def plug_failed(port: str) -> None:
    """A plug did not do its deed."""
    _failures.add(1, {PORT: port})


async def _timed(seconds: Histogram, work: Coroutine[Any, Any, T]) -> T:
    began, outcome = time.perf_counter(), PASSED
    try:
        return await work
    except BaseException as error:
        outcome = code_of(error)
        raise
    finally:
        seconds.record(time.perf_counter() - began, {OUTCOME: outcome})


def _judge(port: Port, error: Exception) -> None:
    """Count what a plug could not do; a refusal by one that works is no failure of it."""
    if isinstance(error, BackendUnavailableError) or not isinstance(error, APIKeyChainError):
        plug_failed(port)


def _known(method: str) -> str:
    return method if method in _METHODS else "_OTHER"


def _end(span: Span, outcome: str, *, failed: bool = False) -> None:
    """End it, as failed where it was: a refusal is none."""
    span.set_attribute(OUTCOME, outcome)
    if failed or outcome in _FAILURES:
        span.set_status(StatusCode.ERROR)
    span.end()
