"""Alerts in a whole keychain: who delivers them, to which sinks, and what may be asked of it."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import pytest

from alert_house import Sink, filed, waiting
from apikeychain import APIKeyChain
from apikeychain.alerts import delivery
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import InvalidValueError
from apikeychain.rules.chain import PLATFORM
from apikeychain.testing.eventually import until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "LOOK_SECONDS", 0.01)


class Opened(Sink):
    """One that is entered."""

    opened = 0

    async def __aenter__(self) -> Self:
        self.opened += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.opened -= 1


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def keychain(store: MemoryStore, **sinks: Any) -> APIKeyChain:
    return APIKeyChain.in_memory(store=store, alert_sinks=sinks)


@pytest.fixture
async def serving(store: MemoryStore) -> AsyncGenerator[Opened, None]:
    sink = Opened()
    served = keychain(store, mine=sink)
    await served.serve()
    yield sink
    await served.close()
    assert sink.opened == 0


async def test_one_that_serves_delivers_to_sinks_that_it_entered(store: MemoryStore, serving: Opened) -> None:
    ids = await filed(store, datetime.now(UTC))
    await until(lambda: serving.taken == ids)
    assert serving.opened == 1


async def test_one_that_is_only_opened_takes_no_alert_away(store: MemoryStore) -> None:
    """A script may have other sinks than the server."""
    sink = Sink()
    async with keychain(store, other=sink) as script:
        ids = await filed(store, datetime.now(UTC))
        await asyncio.sleep(0.2)
        assert [each.alert.id for each in await script.waiting_alerts()] == ids
    assert sink.asked == 0


async def test_a_test_goes_to_every_sink_and_tells_who_took_it(store: MemoryStore) -> None:
    up, down = Sink(), Sink(is_down=True)
    async with keychain(store, up=up, down=down) as script:
        assert await script.test_alert() == {"up": "", "down": "it was pulled"}
        (left,) = await script.waiting_alerts()
        assert (left.alert.topic, left.alert.tenant, left.sent, up.taken) == (
            *("alert.test", PLATFORM),
            *(("up",), [left.alert.id]),
        )
        down.is_down = False
    await until_empty(store, keychain(store, up=up, down=down))
    assert down.taken == up.taken


async def test_whoever_serves_leaves_a_test_to_who_makes_it(store: MemoryStore, serving: Opened) -> None:
    slow = Sink()
    slow.passing.clear()
    async with keychain(store, slow=slow) as script:
        testing = asyncio.create_task(script.test_alert())
        await until(lambda: slow.waits == 1)
        await asyncio.sleep(0.2)
        (left,) = await script.waiting_alerts()
        assert left.after == left.alert.at + timedelta(seconds=60)
        slow.passing.set()
        assert await testing == {"slow": ""}
    assert serving.asked == 0


async def test_a_test_that_all_took_is_gone(store: MemoryStore) -> None:
    async with keychain(store, up=Sink()) as script:
        assert await script.test_alert() == {"up": ""}
        assert await script.waiting_alerts() == []


async def until_empty(store: MemoryStore, served: APIKeyChain) -> None:
    await served.serve()

    async def is_empty() -> bool:
        return not await waiting(store, PLATFORM)

    await until(is_empty)
    await served.close()


@pytest.mark.parametrize("sinks", [None, {}], ids=["nothing", "none"])
async def test_without_sinks_they_go_to_the_log(
    store: MemoryStore, sinks: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    served = APIKeyChain.in_memory(store=store, alert_sinks=sinks)
    await served.serve()
    (one,) = await filed(store, datetime.now(UTC))
    await until(lambda: one in caplog.text)
    await served.close()


def test_the_name_of_a_sink_is_one() -> None:
    with pytest.raises(InvalidValueError, match="alert sink"):
        APIKeyChain.in_memory(alert_sinks={"My Sink": Sink()})
