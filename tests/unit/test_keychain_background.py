"""The background work of an open keychain: what ends too early is told, what was not heard is read again."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.signals import Change
from apikeychain.testing.eventually import until
from gate import open_gate


async def test_work_that_ends_too_early_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("apikeychain.ledger.ledger.Ledger.run", broken)
    async with APIKeyChain.in_memory(development=False):
        await asyncio.sleep(0.05)
        [record] = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.getMessage() == "background work ended too early"
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


class Deaf(MemorySignals):
    """Loses its subscribers once."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__()
        self.error, self.lost = error, False

    async def subscribe(self) -> AsyncGenerator[Change, None]:
        if not self.lost:
            self.lost = True
            if self.error:
                raise self.error
            return
        async for change in super().subscribe():
            yield change


@pytest.mark.parametrize("error", [BackendUnavailableError(), ZeroDivisionError(), None])
async def test_changes_are_listened_to_again_after_a_break(
    error: Exception | None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.residence._LISTEN_AGAIN_SECONDS", 0.05)
    signals = Deaf(error)
    async with open_gate(signals=signals) as gate:
        assert (await gate.get()).status == 200
        await until(lambda: signals.subscribers == 1)
        await gate.shop.disable()
        await asyncio.sleep(0.05)
        assert (await gate.get()).status == 404
    assert any("changes are not heard for now" in line for line in caplog.messages) == (error is not None)


async def test_a_change_between_a_lost_channel_and_the_next_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apikeychain.residence._LISTEN_AGAIN_SECONDS", 0.2)
    signals = MemorySignals()
    async with open_gate(signals=signals) as gate:
        assert (await gate.get()).status == 200
        signals.reachable = False
        signals._mailboxes.put(Change(gate.shop.id))
        await until(lambda: not signals.subscribers)
        assert (signals.subscribers, (await gate.get()).status) == (0, 200)
        signals.reachable = True
        await gate.shop.disable()
        await until(lambda: signals.subscribers)
        await asyncio.sleep(0.02)
        assert (signals.subscribers, (await gate.get()).status) == (1, 404)


async def test_where_it_is_not_known_what_changed_what_is_open_stays_until_a_project_is_found_changed() -> None:
    """Else one word on the channel would close every gate while the key service is down."""
    signals, keys = MemorySignals(), MemoryKeyService()
    async with open_gate(signals=signals, key_service=keys) as gate:
        assert (await gate.get()).status == 200
        vault, snapshots = gate.keychain._office.vault, gate.residence._snapshots
        keys.reachable = False
        await signals.publish(Change(None))
        await asyncio.sleep(0.05)
        assert snapshots.fresh(gate.shop.id) is None
        assert (await gate.get()).status == 200
        assert len(vault._secrets) == 1
        keys.reachable = True
        signals.reachable = False
        await gate.shop.configure(quota="5/minute")
        snapshots.forget(None)
        await snapshots.load(gate.shop.id)
        assert len(vault._secrets) == 0


async def test_what_was_opened_does_not_outlive_the_keychain() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
        vault = gate.keychain._office.vault
        assert (len(vault._secrets), len(vault._keys)) == (1, 2)
    assert (len(vault._secrets), len(vault._keys)) == (0, 0)


async def test_a_store_that_is_lost_in_mid_flight_closes_the_gate() -> None:
    store = MemoryStore()
    async with open_gate(store=store) as gate:
        assert (await gate.get()).status == 200
        store.reachable = False
        with pytest.raises(BackendUnavailableError):
            await gate.shop.enable()
        gate.residence._snapshots.forget(gate.shop.id)
        answer = await gate.get()
        assert (answer.status, answer.code) == (503, "backend-unavailable")
        store.reachable = True
        assert (await gate.get()).status == 200
