"""A limiter and a replay guard in one: the gate makes one trip of both, and says nothing else than with two plugs."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from apikeychain import APIKeyChain, APIKeyChainMiddleware
from apikeychain.backends.valkey import ValkeyGuard, ValkeySignals
from apikeychain.model.headers import Line
from apikeychain.testing import fixtures
from apikeychain.testing.servers import valkey
from gate import APP, WEATHER, Answer, Gate, host, open_gate
from one_plug import Apart, Both
from signer import Signer, signer_of
from valkey_clock import let_it_have_run

valkey_server = fixtures.valkey_server
shared = fixtures.valkey
QUERY = b"q=Paris"
ORIGIN = (b"origin", APP.encode())
STRICT = replace(WEATHER, name="strict", require="signature")


@asynccontextmanager
async def gate_on(plug: Any, **more: Any) -> AsyncGenerator[Gate, None]:
    async with open_gate(rate_limiter=plug, replay_guard=plug, routes=[WEATHER, STRICT], **more) as gate:
        yield gate


def signed(gate: Gate, signer: Signer, route: str = "weather", **more: Any) -> list[Line]:
    return signer.sign(gate.shop.url(route), QUERY, **more)


async def send(gate: Gate, lines: list[Line], route: str = "weather", **more: Any) -> Answer:
    return await gate.call(gate.shop.url(route), QUERY, headers=lines, **more)


async def test_a_signed_call_is_one_trip_and_an_unsigned_one_too() -> None:
    plug = Both()
    async with gate_on(plug) as gate:
        lines = signed(gate, await signer_of(gate))
        assert (await send(gate, lines)).status == 200
        assert (await send(gate, lines)).code == "replayed"
        assert (await gate.get()).status == 200
        assert plug.trips == ["both", "both", "spend"]


async def test_a_replay_spends_nothing_and_an_answer_tells_what_is_left() -> None:
    async with gate_on(Both()) as gate:
        await gate.shop.configure(quota="5/minute")
        await asyncio.sleep(0.02)
        signer = await signer_of(gate)
        lines = signed(gate, signer)
        first = await send(gate, lines)
        for _ in range(3):
            assert (await send(gate, lines)).code == "replayed"
        second = await send(gate, signed(gate, signer))
        left = [(answer.headers.get(b"ratelimit") or b"").rpartition(b";r=")[2][:1] for answer in (first, second)]
        assert left == [b"4", b"3"]


async def test_a_claim_stands_when_a_quota_refuses() -> None:
    async with gate_on(Both()) as gate:
        await gate.shop.configure(quota="1/minute")
        await asyncio.sleep(0.02)
        signer = await signer_of(gate)
        assert (await send(gate, signed(gate, signer))).status == 200
        lines = signed(gate, signer)
        assert [(await send(gate, lines)).code for _ in range(2)] == ["rate-limited", "replayed"]
        await gate.shop.configure(observe_quotas=True)
        await asyncio.sleep(0.02)
        assert (await send(gate, signed(gate, signer))).status == 200


async def test_a_call_that_is_refused_before_its_quotas_claims_and_spends_nothing() -> None:
    plug = Both()
    async with gate_on(plug) as gate:
        lines = signed(gate, await signer_of(gate), "nothing")
        assert [(await send(gate, lines, "nothing")).code for _ in range(2)] == ["not-found", "replayed"]
        assert plug.trips == ["claim", "claim"]


@pytest.mark.parametrize("plug", [Both, Apart])
async def test_refusals_come_in_the_same_order_with_one_plug_and_with_two(plug: Callable[[], Any]) -> None:
    async with gate_on(plug()) as gate:
        await gate.shop.configure(quota="4/minute")
        signer = await signer_of(gate)
        told: list[str] = []
        for route, method in (("weather", "GET"), ("weather", "PUT"), ("nothing", "GET"), ("strict", "GET")):
            lines = signed(gate, signer, route, method=method)
            told += [(await send(gate, lines, route, method=method)).code for _ in range(2)]
        await gate.shop.suspend("route", "weather", reason="test")
        await asyncio.sleep(0.02)
        lines = signed(gate, signer)
        told += [(await send(gate, lines)).code for _ in range(2)]
        lines = signed(gate, signer, "strict")
        told += [(await send(gate, lines, "strict")).code for _ in range(2)]
        for _ in range(2):
            told.append((await send(gate, signed(gate, signer, "strict"), "strict")).code)
        assert told == [
            *("", "replayed"),
            *("method-refused", "replayed"),
            *("not-found", "replayed"),
            *("", "replayed"),
            *("suspended", "replayed"),
            *("", "replayed"),
            *("", "rate-limited"),
        ]


async def test_a_plug_that_is_down_closes_the_gate_and_claims_nothing() -> None:
    plug = Both()
    async with gate_on(plug) as gate:
        lines = signed(gate, await signer_of(gate))
        plug.off = True
        assert (await send(gate, lines)).code == "backend-unavailable"
        plug.off = False
        assert (await send(gate, lines)).status == 200


async def test_two_plugs_that_could_do_both_are_still_two() -> None:
    limiter, guard = Both(), Both()
    async with open_gate(rate_limiter=limiter, replay_guard=guard) as gate:
        assert (await send(gate, signed(gate, await signer_of(gate)))).status == 200
        assert (limiter.trips, guard.trips) == (["spend"], ["claim"])


@pytest.fixture
async def server(shared: valkey.ValkeyServer) -> valkey.ValkeyServer:
    """The module's server, emptied, as one that has run for an hour."""
    shared.ask("FLUSHALL")
    async with ValkeyGuard(shared.url):
        let_it_have_run(shared)
    return shared


async def second_worker(stack: AsyncExitStack, gate: Gate, url: str) -> Gate:
    """Another keychain on the same store, with plugs of its own to the same server."""
    first, guard = gate.keychain._plugs, ValkeyGuard(url)
    keychain = APIKeyChain(
        store=first.store,
        key_service=first.key_service,
        rate_limiter=guard,
        replay_guard=guard,
        signals=ValkeySignals(url),
        upstream=first.upstream,
        settings=gate.keychain.settings,
        network=dict.fromkeys(gate.keychain._networks, gate.provider.network),
    )
    await stack.enter_async_context(keychain)
    app = APIKeyChainMiddleware(host, keychain)
    return Gate(keychain, gate.provider, gate.acme, gate.shop, app)


async def test_a_request_that_one_worker_served_is_refused_by_another_five_seconds_later(
    server: valkey.ValkeyServer,
) -> None:
    async with (
        AsyncExitStack() as stack,
        gate_on(ValkeyGuard(server.url), signals=ValkeySignals(server.url)) as one,
    ):
        other = await second_worker(stack, one, server.url)
        lines = signed(one, await signer_of(one))
        assert (await send(one, lines)).status == 200
        await asyncio.sleep(5)
        assert (await send(other, lines)).code == "replayed"
        assert (await send(one, lines)).code == "replayed"
        assert len(one.provider.requests) == 1


async def test_two_workers_share_a_quota_and_hear_of_changes(server: valkey.ValkeyServer) -> None:
    async with (
        AsyncExitStack() as stack,
        gate_on(ValkeyGuard(server.url), signals=ValkeySignals(server.url)) as one,
    ):
        other = await second_worker(stack, one, server.url)
        assert (await other.get()).status == 200
        await one.shop.configure(quota="3/minute")
        await asyncio.sleep(0.5)
        answers = [await worker.get() for worker in (one, other, one, other)]
        assert [answer.code for answer in answers] == ["", "", "rate-limited", "rate-limited"]
        await one.shop.disable()
        await asyncio.sleep(0.5)
        assert (await other.get()).code == "not-found"


@pytest.mark.usefixtures("left")
async def test_a_server_that_is_stopped_closes_the_gate_and_opens_it_again(server: valkey.ValkeyServer) -> None:
    plug = ValkeyGuard(server.url)
    async with gate_on(plug) as gate:
        lines = signed(gate, await signer_of(gate))
        server.stop()
        assert [(await gate.get()).code, (await send(gate, lines)).code] == ["backend-unavailable"] * 2
        await asyncio.to_thread(server.start)
        assert (await gate.get()).status == 200
        assert (await send(gate, lines)).code == "timestamp-refused"
        let_it_have_run(server)
        assert (await send(gate, lines)).status == 200
