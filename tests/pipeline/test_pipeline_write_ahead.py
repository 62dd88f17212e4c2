"""With `ledger_mode="write-ahead"` the provider sees no call whose intent does not stand in the ledger."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from apikeychain import APIKeyChainSettings, ProxyRoute, RawBody
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.ledger import ledger as buffered
from apikeychain.ledger import slot as slots
from apikeychain.model.ids import TenantId
from apikeychain.model.ledger import Head, LedgerDraft
from apikeychain.testing.local_provider import Visit
from gate import WEATHER, Gate, open_gate

AHEAD = APIKeyChainSettings(ledger_mode="write-ahead")
CALL_KINDS = ("intent", "call")


class Slow(MemoryStore):
    """A store whose appends can be held up; `stubborn`, one cannot be cancelled."""

    def __init__(self, *, stubborn: bool = False) -> None:
        super().__init__()
        self.passing, self.stubborn = asyncio.Event(), stubborn
        self.passing.set()

    async def append_many(self, payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        while not self.passing.is_set():
            with suppress(*([asyncio.CancelledError] if self.stubborn else [])):
                await self.passing.wait()
        return await super().append_many(payloads)


@asynccontextmanager
async def ahead(**more: Any) -> AsyncGenerator[Gate, None]:
    async with open_gate(settings=AHEAD, **more) as gate:
        yield gate


async def written(gate: Gate) -> list[dict[str, Any]]:
    """What stands in the ledger of calls, once it is written, with the numbers of entries."""
    await gate.until_written()
    entries = await gate.acme.entries(0, 1000)
    assert (await gate.acme.verify_ledger()).size == len(entries)
    return [
        {"seq": entry.seq, "kind": entry.kind} | json.loads(entry.payload)["data"]
        for entry in entries
        if entry.kind in CALL_KINDS
    ]


async def only(gate: Gate) -> tuple[dict[str, Any], dict[str, Any]]:
    """The intent and the outcome of the one call there was."""
    intent, call = await written(gate)
    assert (intent["kind"], call["kind"], call["intent"]) == ("intent", "call", intent["seq"])
    return intent, call


@pytest.mark.usefixtures("left")
async def test_a_call_is_sent_once_its_intent_stands_in_the_ledger() -> None:
    seen: list[list[dict[str, Any]]] = []

    async def look(visit: Visit) -> None:
        seen.append(await written(gate))
        await visit.answer(200, [(b"content-type", b"application/json")], b"{}")

    async with ahead() as gate:
        gate.provider.on("/data/2.5/weather", look)
        assert (await gate.get()).status == 200
        intent, call = await only(gate)
    assert seen == [[intent]]
    asked = {
        "base_url": f"https://weather.localhost:{gate.provider.port}",
        "bytes_in": 0,
        "caller": call["caller"],
        "method": "GET",
        "path": "/data/2.5/weather",
        "query": ["q"],
        "route": "weather",
    }
    assert intent == {"seq": intent["seq"], "kind": "intent", **asked}
    assert call["caller"]
    assert call == asked | {
        "seq": call["seq"],
        "kind": "call",
        "intent": intent["seq"],
        "status": 200,
        "answered": "provider",
        "refusal": None,
        "bytes_out": 2,
        "duration_ms": call["duration_ms"],
        "country": None,
    }


@pytest.mark.usefixtures("left")
async def test_a_buffered_ledger_has_no_intents() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
        [call] = await written(gate)
    assert call["kind"] == "call"
    assert "intent" not in call


@pytest.mark.usefixtures("left")
async def test_an_upload_that_streams_says_its_size_in_the_outcome() -> None:
    async def take(visit: Visit) -> None:
        await visit.answer(200)

    route = ProxyRoute("weather", provider="weather", path="/up", methods=("POST",), body=RawBody())
    async with ahead(routes=[route]) as gate:
        gate.provider.on("/up", take)
        headers = [(b"origin", b"https://app.example.com"), (b"content-type", b"application/octet-stream")]
        answer = await gate.call(gate.shop.url("weather"), method="POST", headers=headers, body=[b"abc", b"def"])
        assert answer.status == 200
        intent, call = await only(gate)
    assert (intent["bytes_in"], call["bytes_in"]) == (None, 6)


@pytest.mark.usefixtures("left")
async def test_a_stream_that_is_left_has_its_outcome() -> None:
    async def drip(visit: Visit) -> None:
        await visit.head(200, [(b"transfer-encoding", b"chunked"), (b"content-type", b"text/event-stream")])
        await visit.chunk(b"data: 1\n\n")
        await visit.gone()

    async with ahead() as gate:
        gate.provider.on("/data/2.5/weather", drip)
        await gate.get(leave_after=0.2)
        _, call = await only(gate)
    assert (call["refusal"], call["status"]) == ("caller-gone", 200)


@pytest.mark.usefixtures("left")
async def test_a_call_that_fails_behind_its_intent_has_its_outcome() -> None:
    service = MemoryKeyService()
    async with ahead(key_service=service) as gate:
        assert (await gate.get()).status == 200
        await gate.shop.configure(quota="500/minute")
        await asyncio.sleep(0.05)
        service.reachable = False
        assert (await gate.get()).code == "backend-unavailable"
        assert len(gate.provider.requests) == 1
        _, _, intent, call = await written(gate)
    assert (call["intent"], call["refusal"]) == (intent["seq"], "backend-unavailable")


@pytest.mark.usefixtures("left")
async def test_a_call_that_is_refused_before_its_intent_has_none() -> None:
    async with ahead() as gate:
        assert (await gate.get(b"q=1")).code == "parameter-refused"
        [call] = await written(gate)
    assert (call["refusal"], call.get("intent")) == ("parameter-refused", None)


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("stubborn", [False, True])
async def test_without_an_intent_nothing_is_sent(monkeypatch: pytest.MonkeyPatch, *, stubborn: bool) -> None:
    monkeypatch.setattr(slots, "MAX_WAIT_SECONDS", 0.5)
    store = Slow(stubborn=stubborn)
    async with ahead(store=store) as gate:
        assert (await gate.get()).status == 200
        store.passing.clear()
        began = time.monotonic()
        answers = await asyncio.gather(*(gate.get() for _ in range(5)))
        assert {(answer.status, answer.code) for answer in answers} == {(503, "ledger-unavailable")}
        assert time.monotonic() - began < 4
        assert len(gate.provider.requests) == 1
        store.passing.set()
        assert (await gate.get()).status == 200
        found = await written(gate)
    assert [entry["refusal"] for entry in found if entry["kind"] == "call"].count("ledger-unavailable") == 5
    intents = {entry["seq"] for entry in found if entry["kind"] == "intent"}
    assert {entry["intent"] for entry in found if "intent" in entry} == intents


@pytest.mark.usefixtures("left")
async def test_a_caller_that_leaves_while_its_intent_waits_leaves_an_outcome_and_nothing_is_sent() -> None:
    store = Slow()
    async with ahead(store=store) as gate:
        store.passing.clear()
        await gate.get(leave_after=0.1)
        assert gate.provider.requests == []
        assert gate.residence._ledger._queues.open == 0
        store.passing.set()
        *_, call = await written(gate)
        assert (await gate.get()).status == 200
        assert len(gate.provider.requests) == 1
    assert (call["kind"], call["status"], call["refusal"]) == ("call", 499, "caller-gone")


@pytest.mark.usefixtures("left")
async def test_calls_of_one_moment_share_a_transaction() -> None:
    store = Slow()
    groups: list[int] = []
    append_many = store.append_many

    async def counted(payloads: Mapping[TenantId, Sequence[LedgerDraft]]) -> Mapping[TenantId, Head]:
        groups.append(sum(map(len, payloads.values())))
        return await append_many(payloads)

    async with ahead(store=store) as gate:
        assert (await gate.get()).status == 200
        await gate.until_written()
        store.append_many = counted  # type: ignore[method-assign]  # looked at
        store.passing.clear()
        calls = [asyncio.create_task(gate.get()) for _ in range(20)]
        await asyncio.sleep(0.2)
        store.passing.set()
        assert {(await call).status for call in calls} == {200}
        assert len(await written(gate)) == 42
    assert len(groups) < 10


@pytest.mark.parametrize("settings", [APIKeyChainSettings(), AHEAD], ids=["buffered", "ahead"])
@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_store_that_hangs_keeps_the_keychain_open_no_longer_than_its_drain(
    settings: APIKeyChainSettings, monkeypatch: pytest.MonkeyPatch, *, stubborn: bool
) -> None:
    monkeypatch.setattr(slots, "MAX_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(buffered.Ledger.drain, "__defaults__", (0.3,))
    store = Slow(stubborn=stubborn)
    async with open_gate(store=store, settings=settings, routes=[WEATHER]) as gate:
        assert (await gate.get()).status == 200
        store.passing.clear()
        async with asyncio.timeout(5):
            await gate.get()
            await gate.keychain.close()
        store.passing.set()
        await asyncio.sleep(0.1)
        await gate.keychain.open()
        await gate.acme.verify_ledger()
