"""Readiness: each plug that fails or hangs is told, within the time, and nothing of what a bug says."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Self

import pytest

import canary
from apikeychain import APIKeyChain, readiness
from apikeychain.backends.memory_assets import MemoryAssets
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_limiter import MemoryRateLimiter
from apikeychain.backends.memory_replay_guard import MemoryReplayGuard
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.embedded import Instead, memory_plugs
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.asset import AssetPrefix
from apikeychain.model.ids import TenantId
from apikeychain.model.keys import KeyContext
from apikeychain.model.quota import Balance, Spend
from apikeychain.ports.replay_guard import Claim
from apikeychain.ports.signals import Change
from apikeychain.readiness import Asking, Readiness
from apikeychain.vault.key_services import KeyServices
from opened_plugs import Serving, a_keychain

_BUG = canary.secret("bug")
_PLUGS = ("store", "key_service", "rate_limiter", "replay_guard", "signals", "asset_store")


class Hanging(MemoryStore):
    """A store that hangs from now on, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.asked, self.cancelled = False, 0, 0

    async def tenants(self, after: str, limit: int) -> Sequence[TenantId]:
        self.asked += 1
        if self.hangs:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return await super().tenants(after, limit)


def ill(found: Readiness) -> dict[str, str]:
    return {plug.name: plug.why for plug in found.plugs if not plug.ok}


async def test_an_open_keychain_is_ready_and_a_closed_one_is_not() -> None:
    keychain = APIKeyChain.in_memory()
    assert list(ill(await keychain.ready())) == ["keychain"]
    async with keychain:
        await asyncio.sleep(0)
        found = await keychain.ready()
        assert found.ok
        assert tuple(plug.name for plug in found.plugs) == _PLUGS
        assert ill(found) == {}
    assert not (await keychain.ready()).ok


class _Refusing(MemoryRateLimiter):
    async def spend(self, spends: Sequence[Spend]) -> tuple[Balance, ...]:
        msg = "the limiter is down"
        raise BackendUnavailableError(msg)


class _Buggy(MemoryReplayGuard):
    async def claim(self, token: bytes, timestamp: int) -> Claim:
        raise RuntimeError(_BUG)


class _Lying(MemoryKeyService):
    async def unwrap(self, wrapped: bytes, context: KeyContext) -> bytes:
        return bytes(32)


class _Deaf(MemorySignals):
    async def subscribe(self) -> AsyncGenerator[Change, None]:
        if True:
            raise BackendUnavailableError
        yield Change(None)


class _Unreachable(MemoryAssets):
    async def list(self, prefix: AssetPrefix, after: str, limit: int) -> Sequence[str]:
        msg = "the bucket is gone"
        raise BackendUnavailableError(msg)


@pytest.mark.parametrize(
    ("plug", "told", "is_ok"),
    [
        ({"rate_limiter": _Refusing()}, {"rate_limiter": "the limiter is down"}, False),
        ({"replay_guard": _Buggy()}, {"replay_guard": "it failed: RuntimeError"}, False),
        ({"key_service": _Lying()}, {"key_service": "what it unwraps is not what was wrapped"}, False),
        ({"signals": _Deaf()}, {"signals": "changes are not heard for now: they take effect within 30 s"}, True),
        ({"asset_store": _Unreachable()}, {"asset_store": "the bucket is gone"}, True),
    ],
    ids=["refuses", "a bug", "lies", "deaf", "no assets"],
)
async def test_each_plug_is_told_by_itself(plug: Instead, told: dict[str, str], is_ok: bool) -> None:
    async with APIKeyChain.in_memory(**plug) as keychain:
        found = await keychain.ready()
    assert ill(found) == told
    assert found.ok == is_ok


class _Absent(MemoryKeyService):
    async def __aenter__(self) -> Self:
        raise BackendUnavailableError

    async def __aexit__(self, *_: object) -> None: ...


async def test_each_key_service_is_told_by_its_name_and_only_the_default_counts() -> None:
    beside = {"good": MemoryKeyService(), "lying": _Lying(), "absent": _Absent()}
    async with APIKeyChain.in_memory(key_services=beside) as keychain:
        found = await keychain.ready()
    assert tuple(plug.name for plug in found.plugs) == (*_PLUGS, *(f"key_services.{name}" for name in beside))
    assert ill(found) == {
        "key_services.lying": "what it unwraps is not what was wrapped",
        "key_services.absent": "the key service 'absent' is not open yet: it did not answer",
    }
    assert found.ok


async def test_who_cannot_serve_is_not_ready() -> None:
    serving = Serving()
    async with a_keychain(serving=serving) as keychain:
        serving.taken = True
        assert ill(await keychain.ready()) == {"replay_guard": "another process serves"}


async def test_signals_that_were_lost_are_told_until_they_are_back(tmp_path: Path) -> None:
    async with APIKeyChain.embedded(tmp_path) as keychain:
        async with asyncio.timeout(10):
            while True:
                if not ill(await keychain.ready()):
                    break
                await asyncio.sleep(0.05)
        assert keychain._residence is not None
        keychain._residence._snapshots.hear(is_heard=False)
        await asyncio.sleep(1.1)
        assert list(ill(await keychain.ready())) == ["signals"]


async def test_a_plug_that_hangs_is_told_in_time_and_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "READY_SECONDS", 0.05)
    store, now = Hanging(), 0.0
    async with APIKeyChain.in_memory(store=store) as keychain:
        plugs = memory_plugs(Instead(store=store))
        asking = Asking(plugs, KeyServices(plugs.key_service), lambda: True, lambda: now)
        assert (await asking.ask()).ok
        before, store.hangs = store.asked, True
        assert (await asking.ask()).ok
        assert store.asked == before
        for now in (2.0, 4.0):  # noqa: B007  # read by the clock
            assert ill(await asking.ask()) == {"store": "it does not answer within 2 s"}
        assert store.asked == before + 1
        await asking.close()
        assert store.cancelled == 1
        store.hangs = False
        now = 6.0
        assert (await asking.ask()).ok
        await asking.close()
        assert (await keychain.ready()).ok


async def test_who_asks_while_the_keychain_closes_is_answered() -> None:
    store = Hanging()
    keychain = APIKeyChain.in_memory(store=store)
    async with keychain:
        store.hangs = True
        asked = asyncio.ensure_future(keychain.ready())
        await asyncio.sleep(0.01)
    assert ill(await asked)["store"] == "it is being closed"


async def test_many_who_ask_at_once_cost_one_question() -> None:
    store = Hanging()
    async with APIKeyChain.in_memory(store=store) as keychain:
        before = store.asked
        assert all(found.ok for found in await asyncio.gather(*(keychain.ready() for _ in range(50))))
    assert store.asked == before + 1
