"""Through the gate goes no call that could be lost and is not noted; an end that is clean leaves nothing noted."""

import json

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.ledger_records import OpenEntries, Worker
from apikeychain.rules.allowances import FIRST
from apikeychain.rules.chain import PLATFORM
from apikeychain.settings import LedgerMode
from apikeychain.testing.local_provider import Visit
from gate import Gate, open_gate
from noted_house import Shared

MODES: list[LedgerMode] = ["buffered", "write-ahead"]


async def noted(store: Shared) -> dict[str, int]:
    """By tenant; of workers that are registered."""
    async with store.reading(PLATFORM) as rows:
        workers = {worker.id for worker in await rows.list(Worker, (), 10)}
        notes = await rows.list(OpenEntries, (), 10)
    assert {note.worker for note in notes} == workers
    return {note.tenant: note.at_most for note in notes}


async def told(gate: Gate) -> list[tuple[str, object]]:
    """Of what the chain says of calls, the kinds and the codes of refusals."""
    await gate.until_written()
    entries = await gate.acme.entries(0, 100)
    read = [(entry.kind, json.loads(entry.payload)["data"]) for entry in entries]
    return [(kind, data.get("refusal") or data.get("code")) for kind, data in read if kind in {"call", "refusals"}]


@pytest.mark.usefixtures("left")
@pytest.mark.parametrize("mode", MODES)
async def test_a_call_is_sent_once_it_is_noted_that_it_may_be_lost(mode: LedgerMode) -> None:
    store, seen = Shared(), list[dict[str, int]]()

    async def look(visit: Visit) -> None:
        seen.append(await noted(store))
        await visit.answer(200, [(b"content-type", b"application/json")], b"{}")

    async with open_gate(store=store, settings=APIKeyChainSettings(ledger_mode=mode)) as gate:
        gate.provider.on("/data/2.5/weather", look)
        assert await noted(store) == {}
        assert (await gate.get()).status == 200
        assert seen == [{"acme": FIRST}]
        began = store.transactions
        assert (await gate.get()).status == 200
        assert store.transactions == began
    assert await noted(store) == {}


@pytest.mark.usefixtures("left")
async def test_a_call_that_cannot_be_noted_is_refused_and_not_sent() -> None:
    store = Shared()
    async with open_gate(store=store) as gate:
        store.broken = [BackendUnavailableError()]
        answer = await gate.get()
        assert (answer.status, answer.code) == (503, "ledger-unavailable")
        assert gate.provider.requests == []
        assert (await gate.get()).status == 200
        await gate.keychain.close()
        await gate.keychain.open()
        assert await told(gate) == [("call", None), ("refusals", "ledger-unavailable")]


@pytest.mark.usefixtures("left")
async def test_a_caller_that_leaves_while_it_waits_for_a_note_leaves_nothing() -> None:
    store = Shared()
    async with open_gate(store=store) as gate:
        store.letting.clear()
        await gate.get(leave_after=0.1)
        assert gate.residence._ledger._queues.open == 0
        store.letting.set()
        assert (await gate.get()).status == 200
        assert await told(gate) == [("call", None)]
        assert len(gate.provider.requests) == 1


async def test_a_keychain_that_serves_no_call_registers_nowhere() -> None:
    store = Shared()
    async with APIKeyChain.in_memory(store=store) as keychain:
        await keychain.create_tenant("acme")
        async with store.reading(PLATFORM) as rows:
            assert await rows.list(Worker, (), 10) == []
    assert await noted(store) == {}
