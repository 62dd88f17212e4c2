"""Every plug is pulled, one at a time: the right code, nothing leaked or left behind, and back without a restart."""

import asyncio
from collections.abc import Sequence
from typing import Self

import pytest

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger.queues import MAX_WAIT_SECONDS
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.headers import Headers
from apikeychain.model.quota import Balance, Spend
from apikeychain.rules.quotas import OVERRUN
from apikeychain.snapshots import REFRESH_SECONDS, STORE_DOWN_SECONDS
from apikeychain.testing.eventually import until
from gate import APP, KEY, Answer, Gate, open_gate
from signer import signer_of
from still_clock import GoingClock

OPENED_SECONDS = 300.0


async def calls_written(gate: Gate) -> int:
    await gate.until_written()
    written = await gate.acme.entries(0, 1000)
    assert (await gate.acme.verify_ledger()).size == len(written)
    return [entry.kind for entry in written].count("call")


def says_nothing(answer: Answer, code: str, status: int) -> None:
    assert (answer.status, answer.code) == (status, code)
    assert KEY.encode() not in answer.body


@pytest.mark.usefixtures("left")
async def test_a_store_that_is_down_serves_what_is_held_for_five_seconds_and_then_nothing() -> None:
    store, clock = MemoryStore(), GoingClock()
    async with open_gate(store=store, clock=clock) as gate:
        assert (await gate.get()).status == 200
        clock.ahead += REFRESH_SECONDS - 1
        await gate.until_written()
        store.reachable = False
        assert (await gate.get()).status == 200
        clock.ahead += 1
        assert (await gate.get()).status == 200
        clock.ahead += STORE_DOWN_SECONDS - 1
        says_nothing(await gate.get(), "ledger-unavailable", 503)
        clock.ahead += 1
        says_nothing(await gate.get(), "backend-unavailable", 503)
        store.reachable = True
        await gate.until_written()
        assert (await gate.get()).status == 200
        assert await calls_written(gate) == 4


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
    store, clock = MemoryStore(), GoingClock()
    async with open_gate(store=store, clock=clock) as gate:
        assert (await gate.get()).status == 200
        await gate.until_written()
        store.reachable = False
        assert [(await gate.get()).status for _ in range(3)] == [200, 200, 200]
        clock.ahead += 6
        says_nothing(await gate.get(), "ledger-unavailable", 503)
        store.reachable = True
        await gate.until_written()
        assert (await gate.get()).status == 200
        assert await calls_written(gate) == 5


@pytest.mark.usefixtures("left")
async def test_a_key_service_that_is_down_lets_opened_secrets_serve_out_their_five_minutes() -> None:
    service, clock = MemoryKeyService(), GoingClock()
    async with open_gate(key_service=service, clock=clock) as gate:
        assert (await gate.get()).status == 200
        await gate.until_written()
        service.reachable = False
        clock.ahead += OPENED_SECONDS - 10
        assert (await gate.get()).status == 200
        await gate.until_written()
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
        assert len(gate.provider.requests) == 1
        service.reachable = True
        assert (await gate.get()).status == 200


class Switched(MemoryRateLimiter):
    """A limiter that can be switched off."""

    off = False

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        if self.off:
            raise BackendUnavailableError
        return await super().spend(spends)


@pytest.mark.usefixtures("left")
async def test_a_limiter_that_is_down_closes_the_gate_and_opens_it_again() -> None:
    limiter = Switched()
    async with open_gate(rate_limiter=limiter) as gate:
        assert (await gate.get()).status == 200
        limiter.off = True
        says_nothing(await gate.get(), "backend-unavailable", 503)
        says_nothing(await gate.get(origin="https://evil.example"), "origin-refused", 403)
        assert len(gate.provider.requests) == 1
        limiter.off = False
        assert (await gate.get()).status == 200
        assert await calls_written(gate) == 2


@pytest.mark.usefixtures("left")
async def test_without_signals_a_change_takes_effect_within_thirty_seconds(caplog: pytest.LogCaptureFixture) -> None:
    signals, clock = MemorySignals(), GoingClock()
    async with open_gate(signals=signals, clock=clock) as gate:
        assert (await gate.get()).status == 200
        signals.reachable = False
        await gate.shop.remove_origin(APP)
        await gate.until_written()
        clock.ahead += REFRESH_SECONDS - 1
        assert (await gate.get()).status == 200
        clock.ahead += 1
        says_nothing(await gate.get(), "origin-refused", 403)
        assert "is stored, and takes effect within 30 s" in caplog.text
        signals.reachable = True
        await gate.shop.allow_origin(APP)
        await asyncio.sleep(0.05)
        assert (await gate.get()).status == 200


class Clinging:
    """An upstream whose answer cannot be passed on and takes long to close."""

    def __init__(self) -> None:
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
    clinging = Clinging()
    async with open_gate(upstream=lambda _guard: clinging) as gate:
        call = asyncio.create_task(gate.get())
        await until(clinging.closing.is_set)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert await calls_written(gate) == 1


@pytest.mark.usefixtures("left")
async def test_a_ledger_that_stood_still_keeps_out_no_signed_caller_once_it_goes_on() -> None:
    """Each call that it refused has spent from its quotas: nobody claims more than those allow."""
    store, clock = MemoryStore(), GoingClock()
    async with open_gate(store=store, clock=clock) as gate:
        signer, path = await signer_of(gate), gate.shop.url("weather")
        await gate.shop.configure(quota="10000/minute", address_quota="10000/minute")
        await asyncio.sleep(0.05)  # until the change was heard

        async def signed() -> Answer:
            return await gate.call(path, b"q=Paris", headers=signer.sign(path, b"q=Paris"))

        assert (await signed()).status == 200
        await gate.until_written()
        store.reachable = False
        assert (await signed()).status == 200
        clock.ahead += MAX_WAIT_SECONDS
        assert {(await signed()).code for _ in range(OVERRUN.amount + 1)} == {"ledger-unavailable"}
        store.reachable = True
        await gate.until_written()
        assert (await signed()).status == 200
