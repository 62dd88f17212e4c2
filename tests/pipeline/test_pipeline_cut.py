"""A suspension that cuts ends what is under way; another lets it run out.

contracts 7: 403 `suspended`, told only after admission; streams under way run out unless `cut=True`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from apikeychain import APIKeyChainSettings, ProxyRoute
from apikeychain.backends.memory_signals import MemorySignals
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.errors import BackendUnavailableError
from apikeychain.ledger.passage import Passage
from apikeychain.model.suspension import Scope
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Visit
from apikeychain.watch import under_way
from gate import APP, KEY, WEATHER, Answer, Gate, open_gate
from still_clock import GoingClock
from wire import request, served

pytestmark = pytest.mark.usefixtures("left")
OTHER_APP = "https://other.example.com"
STREAM = [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")]
ADDRESS, NEIGHBOUR = "203.0.113.9", "203.0.113.10"
FEED = ProxyRoute("feed", provider="weather", path="/feed")
SLOW = ProxyRoute("slow", provider="weather", path="/slow")


class Feed:
    """A provider whose streams go on until it is told to end them."""

    def __init__(self) -> None:
        self.begun = self.gone = 0
        self.go_on = asyncio.Event()

    async def __call__(self, visit: Visit) -> None:
        await visit.head(200, STREAM)
        await visit.chunk(b"data: 1\n\n")
        self.begun += 1
        gone = asyncio.ensure_future(visit.gone())
        told = asyncio.ensure_future(self.go_on.wait())
        await asyncio.wait({gone, told}, return_when=asyncio.FIRST_COMPLETED)
        self.gone += not self.go_on.is_set()
        for waiting in (gone, told):
            waiting.cancel()
        if self.go_on.is_set():
            await visit.chunk(b"")


@asynccontextmanager
async def feeding(**more: Any) -> AsyncGenerator[tuple[Gate, Feed], None]:
    feed = Feed()
    async with open_gate(routes=[WEATHER, FEED, SLOW], **more) as gate:
        await gate.shop.allow_origin(OTHER_APP)
        gate.provider.on("/feed", feed)
        yield gate, feed


def follow(gate: Gate, origin: str = APP, address: str = ADDRESS, route: str = "feed") -> "asyncio.Task[Answer]":
    url, lines = gate.shop.url(route), [(b"origin", origin.encode())]
    return asyncio.create_task(gate.call(url, headers=lines, scope={"client": (address, 4711)}))


def held(gate: Gate) -> dict[str, dict[int, Passage]]:
    """The calls that can be cut."""
    assert gate.residence.pipeline is not None
    return gate.residence.pipeline._under_way._passages


async def pseudonym_of(gate: Gate) -> str:
    """What stands in the ledger for the address of the callers."""
    assert (await gate.get()).status == 200
    return str((await gate.told("call"))[0]["caller"])


@pytest.mark.parametrize(
    ("scope", "value", "count"),
    [
        ("project", "", 3),
        ("route", "feed", 3),
        ("route", "weather", 0),
        ("origin", APP, 2),
        ("caller", ADDRESS, 2),
        ("caller", "", 2),
    ],
    ids=["project", "route", "another route", "origin", "caller", "pseudonym"],
)
async def test_what_it_names_is_cut_within_a_second_and_nothing_else_is(scope: Scope, value: str, count: int) -> None:
    async with feeding() as (gate, feed):
        value = value or (await pseudonym_of(gate) if scope == "caller" else "")
        streams = [follow(gate), follow(gate, OTHER_APP), follow(gate, address=NEIGHBOUR)]
        await until(lambda: feed.begun == len(streams))
        await gate.shop.suspend(scope, value, reason="an incident", cut=True)
        await until(lambda: feed.gone == count, 1)
        await asyncio.sleep(0.1)
        assert feed.gone == count
        feed.go_on.set()
        answers = [await stream for stream in streams]
        assert {(answer.status, answer.body) for answer in answers} == {(200, b"data: 1\n\n")}
        assert sum(not answer.ended for answer in answers) == count
        told = [call["refusal"] for call in await gate.told("call") if call["route"] == "feed"]
        assert sorted(told, key=str) == [None] * (3 - count) + ["suspended"] * count


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks so often that a tenth of a second is many looks."""
    monkeypatch.setattr(under_way, "LOOK_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
async def test_another_suspension_lets_it_run_out() -> None:
    async with feeding() as (gate, feed):
        stream = follow(gate)
        await until(lambda: feed.begun)
        await gate.shop.suspend(reason="a test")
        await asyncio.sleep(0.2)
        assert (await gate.get()).code == "suspended"
        feed.go_on.set()
        assert (await stream).ended
        assert [call["refusal"] for call in await gate.told("call")] == [None]


@pytest.mark.usefixtures("quick")
async def test_one_that_is_over_or_lifted_cuts_nothing() -> None:
    async with feeding() as (gate, feed):
        await gate.shop.suspend(reason="a test", seconds=0.05, cut=True)
        await gate.shop.suspend("route", "feed", reason="a test", cut=True)
        await gate.shop.lift("route", "feed")
        await asyncio.sleep(0.1)
        stream = follow(gate)
        await until(lambda: feed.begun)
        await gate.shop.configure(quota="500/minute")
        await asyncio.sleep(0.1)
        feed.go_on.set()
        assert (await stream).ended


@pytest.mark.usefixtures("quick")
async def test_a_call_that_has_no_answer_yet_is_refused_once_there_is_one() -> None:
    async with feeding() as (gate, feed):
        come, answer_now = asyncio.Event(), asyncio.Event()

        async def slow(visit: Visit) -> None:
            come.set()
            await answer_now.wait()
            await feed(visit)

        gate.provider.on("/slow", slow)
        call = follow(gate, route="slow")
        await come.wait()
        await gate.shop.suspend(reason="an incident", cut=True)
        (passage,) = held(gate)[gate.shop.id].values()
        await until(lambda: passage.is_cut)
        answer_now.set()
        answer = await call
        assert (answer.status, answer.code) == (403, "suspended")
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        await gate.provider.until_left()
        assert [call["refusal"] for call in await gate.told("call")] == ["suspended"]


@pytest.mark.usefixtures("quick")
async def test_it_is_found_within_thirty_seconds_where_no_change_is_heard() -> None:
    signals, clock = MemorySignals(), GoingClock()
    async with feeding(signals=signals, clock=clock) as (gate, feed):
        stream = follow(gate)
        await until(lambda: feed.begun)
        await gate.until_written()
        signals.reachable = False
        await gate.shop.suspend(reason="an incident", cut=True)
        await asyncio.sleep(0.1)
        assert not stream.done()
        clock.ahead += 30
        assert not (await asyncio.wait_for(stream, 5)).ended


@pytest.mark.usefixtures("quick")
async def test_while_the_store_is_away_nothing_is_cut_and_afterwards_it_is() -> None:
    store, clock = MemoryStore(), GoingClock()
    async with feeding(store=store, clock=clock) as (gate, feed):
        stream = follow(gate)
        await until(lambda: feed.begun)
        await gate.shop.suspend("route", "weather", reason="another", cut=True)
        store.reachable = False
        clock.ahead += 60
        await asyncio.sleep(0.1)
        with pytest.raises(BackendUnavailableError):
            await gate.shop.suspend(reason="an incident", cut=True)
        assert not stream.done()
        store.reachable = True
        await gate.shop.suspend(reason="an incident", cut=True)
        assert not (await asyncio.wait_for(stream, 5)).ended


async def test_what_is_over_is_held_no_more() -> None:
    async with feeding() as (gate, feed):
        feed.go_on.set()
        for answer in [await follow(gate) for _ in range(3)] + [await gate.get()]:
            assert answer.ended
        assert held(gate) == {}


async def _read(port: int, sent: bytes, heard: Callable[[], None]) -> bytes:
    """All that comes on a connection until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    came = await reader.readuntil(b"data: 1\n\n")
    heard()
    came += await reader.read()
    writer.close()
    return came


async def test_on_the_wire_it_has_no_end() -> None:
    settings = APIKeyChainSettings(trusted_proxies=("127.0.0.1",))
    async with feeding(settings=settings) as (gate, _), served(gate.app) as port:
        heard = asyncio.Event()
        lines = [(b"origin", APP.encode()), (b"x-forwarded-proto", b"https"), (b"x-forwarded-for", ADDRESS.encode())]
        reading = asyncio.create_task(_read(port, request("GET", gate.shop.url("feed"), lines), heard.set))
        await heard.wait()
        await gate.shop.suspend(reason="an incident", cut=True)
        came = await asyncio.wait_for(reading, 5)
        assert came.startswith(b"HTTP/1.1 200 ")
        assert not came.endswith(b"0\r\n\r\n")
        assert KEY.encode() not in came
