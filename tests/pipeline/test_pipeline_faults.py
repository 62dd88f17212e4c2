"""Every plug is pulled, one at a time: the right code, nothing leaked or left behind, and back without a restart."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Self

import pytest

from apikeychain import ProxyRoute, QueryParameter, Timeouts
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.headers import Headers
from apikeychain.ports.upstream import Guard
from apikeychain.snapshots import REFRESH_SECONDS, STORE_DOWN_SECONDS
from apikeychain.testing.local_provider import Certificate, Visit
from gate import KEY, Answer, Gate, open_gate

OPENED_SECONDS = 300.0


class Clock:
    """Monotonic seconds that a test can let pass."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.ahead


@pytest.fixture
async def left() -> AsyncGenerator[None, None]:
    """No task is left behind by the test."""
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() - before == {asyncio.current_task()}


def set_clock(gate: Gate, clock: Clock) -> None:
    residence = gate.keychain._residence
    assert residence is not None
    residence._snapshots._clock = clock
    residence._ledger._clock = clock
    residence.office.vault._keys._clock = clock
    residence.office.vault._secrets._clock = clock


def says_nothing(answer: Answer, code: str, status: int) -> None:
    assert (answer.status, answer.code) == (status, code)
    assert KEY.encode() not in answer.body


@pytest.mark.usefixtures("left")
async def test_a_store_that_is_down_serves_what_is_held_for_five_seconds_and_then_nothing() -> None:
    store, clock = MemoryStore(), Clock()
    async with open_gate(store=store) as gate:
        set_clock(gate, clock)
        assert (await gate.get()).status == 200
        clock.ahead += REFRESH_SECONDS - 1
        await asyncio.sleep(0.3)
        store.reachable = False
        assert (await gate.get()).status == 200
        clock.ahead += 1
        assert (await gate.get()).status == 200
        clock.ahead += STORE_DOWN_SECONDS - 1
        says_nothing(await gate.get(), "ledger-unavailable", 503)
        clock.ahead += 1
        says_nothing(await gate.get(), "backend-unavailable", 503)
        store.reachable = True
        await asyncio.sleep(1.5)
        assert (await gate.get()).status == 200


@pytest.mark.usefixtures("left")
async def test_a_store_that_is_down_before_the_first_call_closes_the_gate() -> None:
    store = MemoryStore()
    async with open_gate(store=store) as gate:
        store.reachable = False
        says_nothing(await gate.get(), "backend-unavailable", 503)
        store.reachable = True
        assert (await gate.get()).status == 200


@pytest.mark.usefixtures("left")
async def test_a_ledger_that_cannot_be_written_for_five_seconds_closes_the_gate_and_loses_nothing() -> None:
    store, clock = MemoryStore(), Clock()
    async with open_gate(store=store) as gate:
        set_clock(gate, clock)
        assert (await gate.get()).status == 200
        await asyncio.sleep(0.3)
        store.reachable = False
        assert [(await gate.get()).status for _ in range(3)] == [200, 200, 200]
        clock.ahead += 6
        says_nothing(await gate.get(), "ledger-unavailable", 503)
        store.reachable = True
        await asyncio.sleep(1.5)
        assert (await gate.get()).status == 200
        await asyncio.sleep(0.3)
        assert [entry.kind for entry in await gate.acme.entries(0, 100)].count("call") == 5
        assert (await gate.acme.verify_ledger()).size == len(await gate.acme.entries(0, 100))


@pytest.mark.usefixtures("left")
async def test_a_key_service_that_is_down_lets_opened_secrets_serve_out_their_five_minutes() -> None:
    service, clock = MemoryKeyService(), Clock()
    async with open_gate(key_service=service) as gate:
        set_clock(gate, clock)
        assert (await gate.get()).status == 200
        await asyncio.sleep(0.3)
        service.reachable = False
        clock.ahead += OPENED_SECONDS - 10
        assert (await gate.get()).status == 200
        await asyncio.sleep(0.3)
        clock.ahead += 20
        says_nothing(await gate.get(), "backend-unavailable", 503)
        service.reachable = True
        assert (await gate.get()).status == 200


@pytest.mark.usefixtures("left")
async def test_a_change_drops_what_was_opened() -> None:
    service = MemoryKeyService()
    async with open_gate(key_service=service) as gate:
        assert (await gate.get()).status == 200
        await gate.shop.configure(quota="500/minute")
        await asyncio.sleep(0.05)
        service.reachable = False
        says_nothing(await gate.get(), "backend-unavailable", 503)


@pytest.mark.usefixtures("left")
async def test_without_signals_a_change_takes_effect_within_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    signals, clock = MemorySignals(), Clock()
    async with open_gate(signals=signals) as gate:
        set_clock(gate, clock)
        assert (await gate.get()).status == 200
        residence = gate.keychain._residence
        assert residence is not None
        project = residence._snapshots.fresh(gate.shop.id)
        assert project is not None
        store = gate.keychain._office.store
        async with store.tenant(gate.acme.id) as records:
            stored = project.project
            changed = type(stored)(
                id=stored.id, name=stored.name, created=stored.created, enabled=False, generation=stored.generation + 1
            )
            await records.replace(changed, stored.generation)
        assert (await gate.get()).status == 200
        await asyncio.sleep(0.3)
        clock.ahead += REFRESH_SECONDS
        assert (await gate.get()).status == 404
    assert KEY not in caplog.text


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("certificate", ["expired", "foreign", "self-made"])
async def test_a_provider_that_cannot_prove_who_it_is_gets_nothing(certificate: Certificate) -> None:
    async with open_gate(certificate=certificate) as gate:
        says_nothing(await gate.get(), "upstream-refused", 502)
        assert gate.provider.requests == []


SLOW = ProxyRoute(
    "weather",
    provider="weather",
    path="/data/2.5/weather",
    parameters=[QueryParameter("q", required=True)],
    timeouts=Timeouts(connect=2.0, first_byte=0.3, idle=0.3, total=2.0),
)


@pytest.mark.usefixtures("left")
async def test_a_provider_that_does_not_answer_in_time_is_504_and_is_let_go() -> None:
    async with open_gate(routes=[SLOW]) as gate:

        async def sleep(visit: Visit) -> None:
            await visit.gone()

        gate.provider.on("/data/2.5/weather", sleep)
        says_nothing(await gate.get(), "upstream-timeout", 504)
        await gate.provider.until_left()


@pytest.mark.usefixtures("left")
async def test_a_provider_that_stalls_in_the_body_cuts_the_answer() -> None:
    async with open_gate(routes=[SLOW]) as gate:

        async def stall(visit: Visit) -> None:
            await visit.head(200, [(b"transfer-encoding", b"chunked")])
            await visit.chunk(b"half")
            await visit.gone()

        gate.provider.on("/data/2.5/weather", stall)
        answer = await gate.get()
        assert (answer.status, answer.body, answer.ended) == (200, b"half", False)
        await gate.provider.until_left()


@pytest.mark.usefixtures("left")
async def test_a_provider_that_is_gone_is_502_and_back_without_a_restart() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200

        async def cut(visit: Visit) -> None:
            visit.cut()

        kept = gate.provider
        kept.on("/data/2.5/weather", cut)
        says_nothing(await gate.get(), "upstream-refused", 502)

        async def back(visit: Visit) -> None:
            await visit.answer(200, body=b"back")

        kept.on("/data/2.5/weather", back)
        assert (await gate.get()).body == b"back"


class Clinging:
    """An upstream whose answer cannot be passed on and takes long to close."""

    def __init__(self, _guard: Guard) -> None:
        self.closing = asyncio.Event()

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        return UpstreamReply(401, Headers(), self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closing.set()
        await asyncio.sleep(30)


@pytest.mark.usefixtures("left")
async def test_a_call_that_is_cancelled_while_it_lets_go_leaves_its_entry() -> None:
    async with open_gate(upstream=Clinging) as gate:
        pipeline = gate.keychain._pipeline
        assert pipeline is not None
        call = asyncio.create_task(gate.get())
        await asyncio.wait_for(pipeline._upstream.closing.wait(), 5)  # type: ignore[attr-defined]  # it is Clinging
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.sleep(0.3)
        assert [entry.kind for entry in await gate.acme.entries(0, 100)].count("call") == 1
