"""Nothing is kept of what was read or opened before a change was heard, however slow the key service is."""

import asyncio
from collections.abc import Sequence

from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.model.keys import KeyContext
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.signals import Change
from gate import Gate, open_gate


class Gated:
    """Lets nobody through while it is closed."""

    def __init__(self) -> None:
        self.gate, self.waiting = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def passed(self) -> None:
        self.waiting.set()
        await self.gate.wait()


class SlowKeys(MemoryKeyService):
    """Unwraps when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.door = Gated()

    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        await self.door.passed()
        return await super().unwrap(wrapped, context)


class SlowLimiter(MemoryRateLimiter):
    """Admits when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.door = Gated()

    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        await self.door.passed()
        return await super().spend(spends)


def held(gate: Gate) -> list[object]:
    """What is held of the project: its snapshot, its keys and its secrets."""
    residence = gate.residence
    vault = residence.office.vault
    opened = [label[1] for values in (vault._keys, vault._secrets) for label in values._entries if label[1]]
    return [*residence._snapshots._held, *opened]


async def a_change_during_a_call(gate: Gate, signals: MemorySignals, door: Gated) -> None:
    door.gate.clear()
    door.waiting.clear()
    call = asyncio.create_task(gate.get())
    await door.waiting.wait()
    await signals.publish(Change(gate.shop.id))
    await asyncio.sleep(0.02)
    door.gate.set()
    assert (await call).status == 200


async def test_a_secret_that_was_being_opened_when_its_project_changed_is_not_kept() -> None:
    signals, keys = MemorySignals(), SlowKeys()
    async with open_gate(signals=signals, key_service=keys) as gate:
        assert (await gate.get()).status == 200
        await signals.publish(Change(gate.shop.id))
        await asyncio.sleep(0.02)
        await a_change_during_a_call(gate, signals, keys.door)
        assert held(gate) == []
        assert (await gate.get()).status == 200
        assert held(gate) == [gate.shop.id] * 3


async def test_a_secret_that_is_opened_for_a_call_from_before_a_change_is_not_kept() -> None:
    signals, limiter = MemorySignals(), SlowLimiter()
    async with open_gate(signals=signals, rate_limiter=limiter) as gate:
        await a_change_during_a_call(gate, signals, limiter.door)
        assert held(gate) == []
        assert (await gate.get()).status == 200
        assert held(gate) == [gate.shop.id] * 3
