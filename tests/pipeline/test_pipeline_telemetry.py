"""What OpenTelemetry is told of calls: a span each with its steps, the metrics, and nothing beyond the closed list."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Sampler, SamplingResult
from opentelemetry.trace import NoOpTracer, SpanKind, StatusCode, Tracer

from apikeychain import APIKeyChainSettings, JSONBody, JSONField, KeepFields, ProxyRoute, telemetry
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError, CallerGoneError, DamagedDataError
from apikeychain.hearing import Hearing
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.headers import Line
from apikeychain.model.telemetry import ATTRIBUTES, CALL, METRICS, STEPS
from apikeychain.ports.upstream import Guard
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY, WEATHER, Answer, Gate, open_gate
from ledger_house import ACME, OTHER
from noted_house import LEASE_SECONDS, NotedHouse
from one_plug import Both
from signer import signer_of
from telemetry_heard import amounts, points, spans

PATH = "/data/2.5/weather"
USER = "user-4711-of-acme"
ASK = ProxyRoute("ask", provider="weather", path=PATH, methods=["POST"], body=JSONBody([JSONField("q")]))
SHAPED = ProxyRoute("shaped", provider="weather", path=PATH, answer_transforms=[KeepFields(["temp"])])
FILES = ProxyRoute("files", provider="weather", path="", tail=True)
SIGNED = ProxyRoute("signed", provider="weather", path=PATH, require="signature")
ORIGIN = (b"origin", APP.encode())
TRACEPARENT = (b"traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")


def called(told: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    return [span for span in told if span.name == CALL]


def steps_of(told: Sequence[ReadableSpan], call: ReadableSpan) -> list[str]:
    """The steps right below a call, in the order in which they began."""
    below = [span for span in told if span.parent and call.context and span.parent.span_id == call.context.span_id]
    return [span.name.removeprefix("apikeychain.") for span in sorted(below, key=lambda span: span.start_time or 0)]


def facts(span: ReadableSpan) -> dict[str, Any]:
    return {key.rpartition(".")[2]: value for key, value in (span.attributes or {}).items()}


async def signed(gate: Gate, route: str = "weather", *, lines: Sequence[Line] = ()) -> Answer:
    signing = (await signer_of(gate)).sign(gate.shop.url(route), b"q=Paris", lines=lines)
    return await gate.call(gate.shop.url(route), b"q=Paris", headers=[*lines, *signing])


@pytest.fixture
async def gate() -> AsyncGenerator[Gate, None]:
    async with open_gate(routes=[WEATHER, ASK, SHAPED, FILES, SIGNED]) as opened:
        yield opened


async def test_a_call_is_one_span_with_its_steps_in_order(gate: Gate) -> None:
    with spans() as told:
        await gate.get()
        await gate.get()
    first, second = called(told)
    assert (first.kind, first.parent, first.status.status_code) == (SpanKind.SERVER, None, StatusCode.UNSET)
    assert steps_of(told, first) == ["load", "spend", "record", "open", "send"]
    assert steps_of(told, second) == ["spend", "record", "send"]
    assert facts(first) == facts(second)
    assert facts(first) == {
        "method": "GET",
        "status_code": 200,
        "project": gate.shop.id,
        "route": "weather",
        "provider": "weather",
        "outcome": "passed",
    }
    assert len(told) == 2 + 5 + 3


async def test_a_signed_call_is_verified_and_a_body_read_and_an_answer_shaped_in_steps_of_their_own(gate: Gate) -> None:
    gate.provider.on(PATH, as_json)
    await gate.get()
    with spans() as told:
        await signed(gate)
        json: Line = (b"content-type", b"application/json")
        await gate.call(gate.shop.url("ask"), method="POST", headers=[ORIGIN, json], body=[b'{"q":"Paris"}'])
        assert (await gate.call(gate.shop.url("shaped"), headers=[ORIGIN])).body == b'{"temp":21}'
    steps = [steps_of(told, call) for call in called(told)]
    assert [[name for name in names if name not in {"load", "open"}] for names in steps] == [
        ["verify", "spend", "record", "send"],
        ["spend", "record", "read", "send"],
        ["spend", "record", "send", "shape"],
    ]
    [verify] = [span for span in told if span.name == "apikeychain.verify"]
    assert steps_of(told, verify) == ["open"]
    assert {name for names in steps for name in names} | {"intend"} == STEPS.keys()


async def test_a_call_that_is_written_down_ahead_waits_for_that_in_a_step_of_its_own() -> None:
    async with open_gate(settings=APIKeyChainSettings(ledger_mode="write-ahead")) as gate:
        with spans() as told:
            await gate.get()
    [call] = called(told)
    assert steps_of(told, call) == ["load", "spend", "record", "intend", "open", "send"]


async def as_json(visit: Visit) -> None:
    await visit.answer(200, [(b"content-type", b"application/json")], b'{"temp":21,"more":1}')


REFUSALS: dict[str, tuple[int, dict[str, Any]]] = {
    "origin-refused": (403, {"origin": "https://evil.example"}),
    "parameter-refused": (400, {"query": b"q=%3Cscript%3E"}),
    "method-refused": (405, {"method": "PUT"}),
    "https-required": (403, {"scope": {"scheme": "http"}}),
    "signature-refused": (401, {"headers": [(b"x-signature", b"v1=00"), (b"x-key-id", b"k"), (b"x-timestamp", b"1")]}),
}


@pytest.mark.parametrize("code", REFUSALS)
async def test_a_refusal_has_its_code_and_is_no_error(gate: Gate, code: str) -> None:
    status, how = REFUSALS[code]
    before = amounts("apikeychain.calls")
    with spans() as told:
        answer = await gate.get(**how)
    assert (answer.status, answer.code) == (status, code)
    [call] = called(told)
    assert (facts(call)["outcome"], facts(call)["status_code"]) == (code, status)
    assert {span.status.status_code for span in told} == {StatusCode.UNSET}
    new = Counter(amounts("apikeychain.calls"))
    new.subtract(before)
    assert +new == {(f"{status // 100}xx", code): 1}


async def test_a_quota_that_is_used_up_is_told_of_the_step_too(gate: Gate) -> None:
    await gate.shop.configure(quota="1/minute")
    await asyncio.sleep(0.05)
    await gate.get()
    with spans() as told:
        assert (await gate.get()).status == 429
    assert [(span.name, facts(span)["outcome"]) for span in told] == [
        ("apikeychain.spend", "rate-limited"),
        (CALL, "rate-limited"),
    ]


async def test_of_what_a_caller_made_up_nothing_is_told(gate: Gate) -> None:
    with spans() as told:
        await gate.call("/api/apikeychain/p_bbbbbbbbbbbbbbbbbbbb/proxy/made-up", headers=[ORIGIN])
        await gate.call(gate.shop.url("made-up"), headers=[ORIGIN], method="BREW-4711")
    unknown, made_up = map(facts, called(told))
    assert unknown == {"method": "GET", "status_code": 404, "outcome": "not-found"}
    assert made_up == {"method": "_OTHER", "status_code": 404, "outcome": "not-found", "project": gate.shop.id}


async def _store(gate: Gate, plugs: dict[str, Any]) -> Answer:
    plugs["store"].reachable = False
    answer = await gate.get()
    plugs["store"].reachable = True
    return answer


async def _key_service(gate: Gate, plugs: dict[str, Any]) -> Answer:
    plugs["key_service"].reachable = False
    return await gate.get()


async def _rate_limiter(gate: Gate, plugs: dict[str, Any]) -> Answer:
    plugs["rate_limiter"].off = True
    return await gate.get()


async def _replay_guard(gate: Gate, plugs: dict[str, Any]) -> Answer:
    plugs["replay_guard"].off = True
    return await signed(gate)


OUTAGES = {
    "store": ("load", _store),
    "key_service": ("record", _key_service),
    "rate_limiter": ("spend", _rate_limiter),
    "replay_guard": ("verify", _replay_guard),
}


@pytest.mark.parametrize("port", OUTAGES)
async def test_an_outage_of_a_plug_is_an_error_of_its_step_and_call_and_counted_for_its_port(port: str) -> None:
    step, pull = OUTAGES[port]
    plugs: dict[str, Any] = {
        "store": MemoryStore(),
        "key_service": MemoryKeyService(),
        "rate_limiter": Both(),
        "replay_guard": Both(),
    }
    async with open_gate(**plugs) as gate:
        before = amounts("apikeychain.plug.failures").get((port,), 0)
        with spans() as told:
            answer = await pull(gate, plugs)
    assert (answer.status, answer.code) == (503, "backend-unavailable")
    failed = [span for span in told if span.status.status_code is StatusCode.ERROR]
    assert [span.name for span in failed] == [f"apikeychain.{step}", CALL]
    assert {facts(span)["outcome"] for span in failed} == {"backend-unavailable"}
    assert {span.status.description for span in failed} == {None}
    assert amounts("apikeychain.plug.failures")[port,] > before


def failures(port: str) -> float:
    return amounts("apikeychain.plug.failures").get((port,), 0)


async def test_signals_that_are_lost_are_counted() -> None:
    signals, before = MemorySignals(), failures("signals")
    signals.reachable = False
    async with open_gate(signals=signals):
        assert failures("signals") == before + 1


async def test_a_key_service_beside_the_default_is_counted_without_its_name() -> None:
    before = failures("key_service")
    async with open_gate(key_services={"acme": MemoryKeyService()}) as gate:
        gate.keychain._plugs.key_services["acme"].reachable = False  # type: ignore[attr-defined]  # the one in memory
        assert (await gate.keychain.ready()).ok
    assert failures("key_service") == before + 1
    assert failures("key_services.acme") == 0


async def test_what_a_working_plug_refuses_is_no_failure_of_it() -> None:
    what = "a record"

    async def refuses() -> None:
        raise DamagedDataError(what, "acme")

    before = failures("store")
    with pytest.raises(DamagedDataError):
        await telemetry.reach("store", refuses())
    assert failures("store") == before


async def test_a_plug_that_is_not_ready_is_counted_once_for_each_asking() -> None:
    service = MemoryKeyService()
    async with open_gate(key_service=service) as gate:
        before = failures("key_service"), failures("store")
        service.reachable = False
        assert not (await gate.keychain.ready()).ok
        assert not (await gate.keychain.ready()).ok
        assert (failures("key_service"), failures("store")) == (before[0] + 1, before[1])


async def test_calls_at_the_same_time_do_not_mix(gate: Gate) -> None:
    with spans() as told:
        answers = await asyncio.gather(
            *(gate.get(origin=APP if number % 3 else "https://evil.example") for number in range(30))
        )
    calls = called(told)
    assert len({call.context.trace_id for call in calls if call.context}) == 30
    assert Counter(facts(call)["status_code"] for call in calls) == Counter(answer.status for answer in answers)
    for call in calls:
        passed = facts(call)["outcome"] == "passed"
        assert [name for name in steps_of(told, call) if name not in {"load", "open"}] == (
            ["spend", "record", "send"] if passed else []
        )


async def test_the_span_of_a_stream_ends_with_the_stream(gate: Gate) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(visit: Visit) -> None:
        await visit.head(200, [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")])
        await visit.chunk(b"data: 1\n\n")
        begun.set()
        await go_on.wait()
        await visit.chunk(b"")

    gate.provider.on(PATH, slow)
    with spans() as told:
        call = asyncio.create_task(gate.get())
        await begun.wait()
        await asyncio.sleep(0.1)
        assert [span.name for span in told if span.name in {"apikeychain.send", CALL}] == ["apikeychain.send"]
        go_on.set()
        assert (await call).ended
    [ended] = called(told)
    assert (ended.end_time or 0) - (ended.start_time or 0) > 100_000_000
    assert facts(ended)["outcome"] == "passed"


async def test_a_stream_that_the_provider_breaks_is_an_error_with_the_status_that_was_sent(gate: Gate) -> None:
    async def cut(visit: Visit) -> None:
        await visit.head(200, [(b"content-type", b"text/plain"), (b"content-length", b"1000")])
        await visit.write(b"x" * 500)
        visit.cut()

    gate.provider.on(PATH, cut)
    with spans() as told:
        assert not (await gate.get()).ended
    [call] = called(told)
    assert (facts(call)["status_code"], facts(call)["outcome"]) == (200, "upstream-refused")
    assert call.status.status_code is StatusCode.ERROR


async def test_a_call_that_is_cancelled_ends_its_spans(gate: Gate) -> None:
    asked = asyncio.Event()

    async def hangs(visit: Visit) -> None:
        asked.set()
        await visit.gone()

    gate.provider.on(PATH, hangs)
    with spans() as told:
        call = asyncio.create_task(gate.get())
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    assert [(span.name, facts(span)["outcome"]) for span in told[-2:]] == [
        ("apikeychain.send", "caller-gone"),
        (CALL, "caller-gone"),
    ]
    assert facts(told[-1])["status_code"] == 499
    assert told[-1].status.status_code is StatusCode.UNSET
    assert not trace.get_current_span().is_recording()


class Broken:
    """An upstream with a bug whose text holds what it was given."""

    def __init__(self, _guard: Guard) -> None:
        pass

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        raise RuntimeError(request.url)


async def test_of_a_bug_its_text_is_not_told() -> None:
    with spans() as told:
        async with open_gate(upstream=Broken) as gate:
            assert (await gate.get()).status == 500
    [call] = called(told)
    assert (facts(call)["status_code"], facts(call)["outcome"]) == (500, "internal")
    assert call.status.status_code is StatusCode.ERROR
    assert not [
        span.name for span in told if span.events or span.status.description or KEY in repr(dict(span.attributes or {}))
    ]


async def test_a_callers_own_trace_is_neither_read_nor_sent_on(gate: Gate) -> None:
    lines = [TRACEPARENT, (b"tracestate", b"a=b"), (b"baggage", b"user=4711")]
    with spans() as told:
        assert (await gate.get(headers=lines)).status == 200
    [call] = called(told)
    assert call.parent is None
    assert call.context
    assert call.context.trace_id != 0x0AF7651916CD43DD8448EB211C80319C
    [received] = gate.provider.requests
    assert not {b"traceparent", b"tracestate", b"baggage"} & {name.lower() for name, _ in received.headers}


async def test_a_span_stands_below_what_the_host_has_begun(gate: Gate) -> None:
    with spans() as told, trace.get_tracer("host").start_as_current_span("host") as host:
        assert (await gate.get()).status == 200
        assert trace.get_current_span() is host
    [call] = called(told)
    assert call.parent == host.get_span_context()


async def test_a_host_that_instruments_its_client_sees_no_address_and_sends_no_trace() -> None:
    AioHttpClientInstrumentor().instrument()
    try:
        async with open_gate() as gate:
            with spans() as told:
                assert (await gate.get()).status == 200
            [received] = gate.provider.requests
    finally:
        AioHttpClientInstrumentor().uninstrument()
    assert {span.name for span in told} <= {CALL, *(f"apikeychain.{step}" for step in STEPS)}
    assert b"traceparent" not in received.headers


def _without_sdk() -> Tracer:
    return NoOpTracer()


def _sampled_out() -> Tracer:
    return TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("apikeychain")


@pytest.mark.parametrize("tracer", [_without_sdk, _sampled_out])
async def test_a_call_that_nobody_records_is_served_and_counted(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, tracer: Callable[[], Tracer]
) -> None:
    monkeypatch.setattr(telemetry, "_tracer", tracer())
    before = amounts("apikeychain.calls").get(("2xx", "passed"), 0)
    with spans() as told:
        assert (await gate.get()).status == 200
    assert told == []
    assert amounts("apikeychain.calls")["2xx", "passed"] == before + 1


class _Breaks(SpanProcessor):
    """Raises at the beginning of a span, or at its end."""

    def __init__(self, at: str) -> None:
        self._at = at

    def on_start(self, *_: object, **__: object) -> None:
        if self._at == "start":
            raise LookupError

    def on_end(self, *_: object) -> None:
        if self._at == "end":
            raise LookupError


class _BreakingSampler(Sampler):
    def should_sample(self, *_: object, **__: object) -> SamplingResult:
        raise LookupError

    def get_description(self) -> str:
        return "breaks"


def _breaking(where: str) -> Tracer:
    if where == "sampler":
        return TracerProvider(sampler=_BreakingSampler(), shutdown_on_exit=False).get_tracer("apikeychain")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(_Breaks(where))
    return provider.get_tracer("apikeychain")


@pytest.mark.parametrize("where", ["sampler", "start", "end"])
async def test_an_sdk_that_breaks_breaks_no_call_and_is_told_once(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    monkeypatch.setattr(telemetry, "_tracer", _breaking(where))
    telemetry._tell.cache_clear()
    for _ in range(2):
        assert (await gate.get()).status == 200
    assert [line for line in caplog.messages if "OpenTelemetry" in line] == [
        "OpenTelemetry failed with LookupError: what it should have heard is lost"
    ]


async def test_a_metric_that_breaks_breaks_no_call(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def add(self, *_: object) -> None:
            raise LookupError

        record = add

    for name in ("_calls", "_queued", "_secrets", "_step_seconds", "_call_seconds", "_upstream_seconds"):
        monkeypatch.setattr(telemetry, name, Broken())
    assert (await gate.get()).status == 200


async def test_a_step_that_its_caller_leaves_says_so(gate: Gate) -> None:
    async def leaves() -> None:
        raise CallerGoneError

    before = amounts("apikeychain.upstream.duration").get(("caller-gone",), 0)
    with pytest.raises(CallerGoneError):
        await telemetry.sent(leaves())
    assert amounts("apikeychain.upstream.duration")["caller-gone",] == before + 1


async def test_the_metrics_count_what_they_say(gate: Gate) -> None:
    def told() -> Counter[str]:
        counted = {
            "passed": amounts("apikeychain.call.duration").get(("2xx", "passed"), 0),
            "sent": amounts("apikeychain.upstream.duration").get(("passed",), 0),
            "flushed": amounts("apikeychain.ledger.flush.duration").get(("passed",), 0),
            "opened": amounts("apikeychain.secrets").get((False,), 0),
            "held": amounts("apikeychain.secrets").get((True,), 0),
            "steps": amounts("apikeychain.step.duration").get(("send",), 0),
            "queued": amounts("apikeychain.ledger.queued").get((), 0),
        }
        return Counter({name: int(count) for name, count in counted.items()})

    async def three() -> tuple[Counter[str], Counter[str]]:
        """What was told before three calls and right after them, all between two turns of the ledger."""
        while True:
            await gate.until_written()
            before = told()
            for _ in range(3):
                await gate.get()
            if (at_once := told())["flushed"] == before["flushed"]:
                return before, at_once

    opened = told()["opened"]
    await gate.get()
    assert told()["opened"] == opened + 1
    before, at_once = await three()
    await gate.until_written()
    await until(lambda: told()["flushed"] > before["flushed"])
    after = told()
    at_once.subtract(before)
    assert +at_once == {"passed": 3, "sent": 3, "held": 3, "steps": 3, "queued": 3}
    assert (after["queued"], after["flushed"]) == (before["queued"], before["flushed"] + 1)


async def test_each_entry_that_states_a_loss_is_counted() -> None:
    house = NotedHouse()
    await house.take(ACME)
    await house.take(OTHER)
    before = amounts("apikeychain.ledger.gaps").get((), 0)
    await asyncio.sleep(LEASE_SECONDS)
    await house.beside(31.0).sweeper.sweep()
    # One in each of their chains, and one in that of the platform.
    assert amounts("apikeychain.ledger.gaps")[()] == before + 3
    await house.ledger.drain(0.01)
    assert amounts("apikeychain.ledger.gaps")[()] == before + 5


async def sign_a_broken_chain(gate: Gate) -> None:
    """A round in which one chain does not hold; it is put right afterwards."""
    store = gate.keychain._plugs.store
    assert isinstance(store, MemoryStore)
    room = store._house.rooms[gate.acme.id]
    sound = room.entries[0]
    room.entries[0] = replace(sound, actor="nobody")
    assert [*(await gate.keychain.checkpoint()).broken] == [gate.acme.id]
    store._house.rooms[gate.acme.id].entries[0] = sound


async def test_a_round_of_checkpoints_and_a_chain_that_is_not_signed_are_counted(gate: Gate) -> None:
    keys = gate.keychain._plugs.key_service
    assert isinstance(keys, MemoryKeyService)

    def told() -> tuple[float, float, float]:
        rounds = amounts("apikeychain.ledger.rounds")
        broken = amounts("apikeychain.ledger.broken").get((), 0)
        return rounds.get(("passed",), 0), rounds.get(("backend-unavailable",), 0), broken

    passed, failed, broken = told()
    keys.reachable = False
    with pytest.raises(BackendUnavailableError):
        await gate.keychain.checkpoint()
    assert told() == (passed, failed + 1, broken)
    keys.reachable = True
    await sign_a_broken_chain(gate)
    assert told() == (passed + 1, failed + 1, broken + 1)


async def test_nothing_is_told_beyond_the_closed_list(gate: Gate) -> None:
    gate.provider.on(PATH, as_json)
    gate.provider.on(f"/{USER}/file", as_json)
    user: Line = (b"x-iso-user", USER.encode())
    with spans() as told:
        await sign_a_broken_chain(gate)
        telemetry.rotations_due(0)
        await gate.get(headers=[user, TRACEPARENT])
        await gate.get(origin="https://evil-4711.example")
        await gate.get(b"q=" + USER.encode())
        await gate.get(b"nothing=" + KEY.encode())
        await gate.get(scope={"apikeychain.caller": USER})
        await signed(gate, "signed", lines=[user])
        await gate.call(f"{gate.shop.url('files')}/{USER}/file", headers=[ORIGIN])
        await gate.call(f"{gate.shop.url('shaped')}", headers=[ORIGIN])
        await gate.call(gate.shop.url(USER), headers=[ORIGIN])
        await gate.call(gate.shop.url("ask"), method="POST", headers=[ORIGIN], body=[KEY.encode()], cut_body=True)
    assert {span.name for span in told} <= {CALL, *(f"apikeychain.{step}" for step in STEPS)}
    assert {key for span in told for key in span.attributes or {}} <= ATTRIBUTES.keys()
    assert not [span.name for span in told if span.events or span.links or span.status.description]
    metrics = points()
    assert metrics.keys() == METRICS.keys()
    for name, metric in METRICS.items():
        assert {key for point in metrics[name] for key in point.attributes} == set(metric.attributes)
    values = [str(value) for span in told for value in (span.attributes or {}).values()]
    values += [str(value) for found in metrics.values() for point in found for value in point.attributes.values()]
    never = (KEY, USER, "4711", "203.0.113.9", "evil", APP, "app.example", "host.example", "/", "Paris", "BREW")
    assert not [(value, word) for value in values for word in never if word in value]


async def test_while_nobody_hears_a_call_tells_nothing_and_is_served(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telemetry, "_hearing", Hearing())
    monkeypatch.setattr(Hearing, "look", lambda *_: None)
    before = amounts("apikeychain.calls")
    with spans() as told:
        assert (await gate.get()).status == 200
        assert (await signed(gate)).status == 200
        assert (await gate.get(b"q=%3Cscript%3E")).status == 400
    assert (told, amounts("apikeychain.calls")) == ([], before)
