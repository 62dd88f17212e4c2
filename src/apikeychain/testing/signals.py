"""The contract of Signals, for whoever writes them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import ClassVar

import pytest

from apikeychain.errors import BackendUnavailableError
from apikeychain.model.ids import ProjectId
from apikeychain.ports.signals import Change, Signals

SHOP = Change(ProjectId("p_" + "a" * 20))
BLOG = Change(ProjectId("p_" + "b" * 20))


class SignalsContract(ABC):
    """One test for each clause of `apikeychain.ports.signals.Signals`.

    A subclass has a fixture ``signals``, says how many subscribers there are and how the plug is pulled.

    Attributes:
        capacity: how many changes a subscriber can be behind without missing one.
    """

    capacity: ClassVar[int] = 1000

    @abstractmethod
    def subscribers(self, signals: Signals) -> int:
        """How many subscribers `signals` keeps."""
        ...

    @abstractmethod
    async def pull_plug(self, signals: Signals) -> None:
        """Make the channel of `signals` unreachable."""
        ...

    async def test_g1_every_subscriber_hears_what_is_published(self, signals: Signals) -> None:
        """G1: within a second, in order, also that it is not known what changed, which comes first of all."""
        changes = [SHOP, BLOG, Change(None), SHOP]
        async with aclosing(signals.subscribe()) as beginner:
            assert await anext(beginner) == Change(None)
            await signals.publish(SHOP)
            assert await asyncio.wait_for(anext(beginner), 1.5) == SHOP
        async with subscribed(signals) as one, subscribed(signals) as other:
            for change in changes:
                await signals.publish(change)
            for heard in (one, other):
                assert [await soon(heard) for _ in changes] == changes

    async def test_g2_a_subscriber_that_left_is_forgotten(self, signals: Signals) -> None:
        """G2: and the others still hear."""
        async with subscribed(signals) as stays:
            async with subscribed(signals):
                assert self.subscribers(signals) == 2  # noqa: PLR2004  # the one that stays and the one that leaves
            assert self.subscribers(signals) == 1
            await signals.publish(SHOP)
            assert await soon(stays) == SHOP
        assert self.subscribers(signals) == 0

    async def test_g3_a_slow_subscriber_keeps_nobody_waiting(self, signals: Signals) -> None:
        """G3: and hears that it missed something."""
        generator = signals.subscribe()
        assert await anext(generator) == Change(None)
        slow = asyncio.ensure_future(anext(generator))
        async with subscribed(signals) as quick:
            await signals.publish(SHOP)
            assert await asyncio.wait_for(slow, 1) == SHOP
            for _ in range(self.capacity + 10):
                await asyncio.wait_for(signals.publish(BLOG), 1)
                await soon(quick)
        async with heard_from(generator) as late:
            await missed(late)

    async def test_g4_a_channel_that_is_down_says_so(self, signals: Signals) -> None:
        """G4: both verbs, in our words."""
        await self.pull_plug(signals)
        with pytest.raises(BackendUnavailableError):
            await signals.publish(SHOP)
        with pytest.raises(BackendUnavailableError):
            await anext(signals.subscribe())


@asynccontextmanager
async def subscribed(signals: Signals) -> AsyncGenerator["asyncio.Queue[Change]", None]:
    """What a new subscriber hears."""
    changes = signals.subscribe()
    assert await anext(changes) == Change(None)
    async with heard_from(changes) as heard:
        yield heard


@asynccontextmanager
async def heard_from(changes: AsyncGenerator[Change, None]) -> AsyncGenerator["asyncio.Queue[Change]", None]:
    """A queue of what comes; the generator has said its first word before, and is closed afterwards."""
    heard: asyncio.Queue[Change] = asyncio.Queue()

    async def listen() -> None:
        async for change in changes:
            heard.put_nowait(change)

    task = asyncio.ensure_future(listen())
    await asyncio.sleep(0)
    yield heard
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def missed(heard: "asyncio.Queue[Change]") -> None:
    """Wait until it is said that something was missed."""
    change: Change | None = None
    while change != Change(None):
        change = await soon(heard)


async def soon(heard: "asyncio.Queue[Change]") -> Change:
    """The next change, within a second and a little for a slow machine."""
    return await asyncio.wait_for(heard.get(), 1.5)
