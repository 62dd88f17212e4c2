"""Signals on a real server: the contract, and what is heard after a connection was lost."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from apikeychain.backends.valkey import ValkeySignals
from apikeychain.errors import BackendUnavailableError
from apikeychain.ports.signals import Change, Signals
from apikeychain.testing import fixtures
from apikeychain.testing.eventually import until
from apikeychain.testing.servers import valkey
from apikeychain.testing.signals import SHOP, SignalsContract, soon, subscribed
from gate import open_gate

valkey_server = fixtures.valkey_server
server = fixtures.valkey


class TestValkeySignals(SignalsContract):
    capacity = 5

    @pytest.fixture
    async def signals(self, server: valkey.ValkeyServer) -> AsyncGenerator[ValkeySignals, None]:
        self.server = server
        async with ValkeySignals(server.url, mailbox_size=5) as signals:
            yield signals

    def subscribers(self, signals: Signals) -> int:
        assert isinstance(signals, ValkeySignals)
        return signals.subscribers

    async def pull_plug(self, signals: Signals) -> None:
        self.server.stop()


async def next_of(changes: AsyncGenerator[Change, None]) -> Change:
    return await asyncio.wait_for(anext(changes), 3)


async def test_who_lost_its_connection_is_told_and_hears_again_when_it_subscribes_anew(
    server: valkey.ValkeyServer,
) -> None:
    async with ValkeySignals(server.url) as signals:
        async with aclosing(signals.subscribe()) as changes:
            assert await next_of(changes) == Change(None)
            server.ask("CLIENT", "KILL", "TYPE", "pubsub")
            with pytest.raises(BackendUnavailableError, match="valkey does not answer: ConnectionError"):
                await next_of(changes)
        assert signals.subscribers == 0
        async with aclosing(signals.subscribe()) as changes:
            assert await next_of(changes) == Change(None)
            await signals.publish(SHOP)
            assert await next_of(changes) == SHOP


async def test_who_leaves_at_once_leaves_no_connection(server: valkey.ValkeyServer) -> None:
    signals = ValkeySignals(server.url)
    async with aclosing(signals.subscribe()) as changes:
        assert await anext(changes) == Change(None)
    await until(lambda: b"apikeychain:changes" not in server.ask("PUBSUB", "CHANNELS"))


async def test_what_came_before_the_connection_was_lost_is_heard_first(server: valkey.ValkeyServer) -> None:
    async with ValkeySignals(server.url) as signals, aclosing(signals.subscribe()) as changes:
        assert await next_of(changes) == Change(None)
        await signals.publish(SHOP)
        await asyncio.sleep(0.1)
        server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await asyncio.sleep(0.1)
        assert await next_of(changes) == SHOP
        with pytest.raises(BackendUnavailableError):
            await next_of(changes)


async def test_a_connection_that_falls_silent_counts_as_lost(server: valkey.ValkeyServer) -> None:
    async with ValkeySignals(server.url, timeout_seconds=0.2) as signals, aclosing(signals.subscribe()) as changes:
        assert await next_of(changes) == Change(None)
        with server.silent(), pytest.raises(BackendUnavailableError, match="TimeoutError"):
            await next_of(changes)


async def test_a_connection_on_which_nothing_happens_is_kept(server: valkey.ValkeyServer) -> None:
    async with ValkeySignals(server.url, timeout_seconds=0.1) as signals, subscribed(signals) as heard:
        await asyncio.sleep(1)
        await signals.publish(SHOP)
        assert await soon(heard) == SHOP


@pytest.mark.parametrize("said", ["", "p_short", "P_" + "a" * 20, b"\xff\xfe", "*"])
async def test_a_message_that_names_no_project_may_mean_any(server: valkey.ValkeyServer, said: str) -> None:
    async with ValkeySignals(server.url) as signals, aclosing(signals.subscribe()) as changes:
        assert await next_of(changes) == Change(None)
        server.ask("PUBLISH", "apikeychain:changes", said)
        assert await next_of(changes) == Change(None)


async def test_another_process_hears_and_another_prefix_does_not(server: valkey.ValkeyServer) -> None:
    one, two, other = ValkeySignals(server.url), ValkeySignals(server.url), ValkeySignals(server.url, prefix="other")
    async with one, subscribed(two) as heard, subscribed(other) as elsewhere:
        await one.publish(SHOP)
        assert await soon(heard) == SHOP
        assert elsewhere.empty()


async def test_a_keychain_hears_again_after_its_connection_was_lost(server: valkey.ValkeyServer) -> None:
    """It drops what it holds, since it cannot know what changed meanwhile."""
    async with open_gate(signals=ValkeySignals(server.url)) as gate:
        held = gate.residence._snapshots
        await held.load(gate.shop.id)
        server.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: held.fresh(gate.shop.id) is None)
        assert (await gate.get()).status == 200
