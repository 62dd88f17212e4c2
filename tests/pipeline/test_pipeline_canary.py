"""The secret is in no log record, no ledger entry and no repr, whatever goes wrong (pitfalls 37 and 38)."""

import asyncio
import gc
import gzip
import logging
from collections.abc import Awaitable, Callable
from typing import Self

import pytest

from apikeychain import HeaderCredential, Provider, Secret
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.errors import InvalidValueError
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.headers import Headers
from apikeychain.ports.upstream import Guard
from apikeychain.testing.local_provider import Visit
from gate import KEY, Gate, echo_key, open_gate

PATH = "/data/2.5/weather"


def told(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged: the text, and whatever else a handler could write of a record."""
    return caplog.text + "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)


async def cut(visit: Visit) -> None:
    visit.cut()


async def breaks(visit: Visit) -> None:
    await visit.head(200, [(b"content-length", b"100"), (b"etag", KEY.encode())])
    await visit.write(KEY.encode())
    visit.cut()


async def nonsense(visit: Visit) -> None:
    await visit.write(b"%s\r\n\r\n" % KEY.encode())
    visit.cut()


async def moves(visit: Visit) -> None:
    await visit.answer(302, [(b"location", b"https://elsewhere.example/?k=" + KEY.encode())])


async def packed(visit: Visit) -> None:
    await visit.answer(200, [(b"content-encoding", b"gzip")], gzip.compress(KEY.encode()))


async def refuses(visit: Visit) -> None:
    await visit.answer(401, body=KEY.encode())


TROUBLES: list[Callable[[Visit], Awaitable[None]]] = [cut, breaks, nonsense, moves, packed, refuses]


async def troubled(gate: Gate, store: MemoryStore, keys: MemoryKeyService) -> None:
    """A good call, and every kind of trouble."""
    await gate.get()
    await gate.get(b"q=1")
    await gate.get(origin="https://evil.example")
    for does in TROUBLES:
        gate.provider.on(PATH, does)
        await gate.get()
    gate.provider.on(PATH, Visit.gone)
    await gate.get(leave_after=0.2)
    gate.provider.on(PATH, echo_key)
    with pytest.raises(InvalidValueError) as raised:
        await gate.shop.configure(secrets={"weather": Secret(KEY + "\n")})
    assert KEY not in str(raised.value)
    await gate.shop.configure(secrets={"weather": Secret(KEY + "-new")})
    keys.reachable = False
    await gate.get()
    keys.reachable, store.reachable = True, False
    await gate.get()
    store.reachable = True
    await gate.shop.register_provider(Provider("weather", "https://other.example", HeaderCredential("x-key")))
    await asyncio.sleep(0.05)
    await gate.get()


@pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])
async def test_no_log_record_holds_the_secret_even_at_debug(
    upstream: UpstreamFactory, caplog: pytest.LogCaptureFixture
) -> None:
    store, keys = MemoryStore(), MemoryKeyService()
    with caplog.at_level(logging.DEBUG):
        async with open_gate(store=store, key_service=keys, upstream=upstream) as gate:
            await troubled(gate, store, keys)
            await gate.until_written()
            written = b"".join([entry.payload for entry in await gate.acme.entries(0, 1000)])
    assert caplog.records
    assert KEY not in told(caplog)
    assert written.count(b'"kind":"call"') == 11
    assert KEY.encode() not in written


class Careless:
    """An upstream that breaks its contract: what it raises holds the whole request.

    Attributes:
        seen: the reprs of everything of ours that was alive when it was called.
    """

    def __init__(self, _guard: Guard) -> None:
        self.in_body = False
        self.seen: list[str] = []
        self._text = ""

    async def send(self, request: UpstreamRequest) -> UpstreamReply:
        self.seen += [repr(thing) for thing in gc.get_objects() if _is_ours(thing)]
        self._text = request.url
        if self.in_body:
            return UpstreamReply(200, Headers(), self)
        raise ValueError(self._text) from ConnectionError(self._text)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        raise ValueError(self._text)

    async def aclose(self) -> None:
        """Nothing to close."""


def _is_ours(thing: object) -> bool:
    module = str(type(thing).__module__)
    return module.startswith("apikeychain.") and not module.startswith("apikeychain.testing")


async def test_a_plug_that_raises_the_whole_request_is_logged_without_its_words(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # contracts 4: no exception of a plug leaves it, text, args or cause
    async with open_gate(upstream=Careless) as gate:
        residence = gate.residence
        answer = await gate.get()
        assert (answer.status, answer.code) == (500, "internal")
        assert KEY.encode() not in answer.body
        assert "ConnectionError\nled to:\n" in caplog.text
        residence.pipeline._upstream.in_body = True  # type: ignore[union-attr]  # it is Careless
        answer = await gate.get()
        assert (answer.status, answer.ended) == (200, False)
        assert [record.getMessage().split("\n")[0] for record in caplog.records if record.levelname == "ERROR"] == [
            "the gate failed",
            "an answer under way was cut",
        ]
        assert "ValueError" in caplog.records[-1].getMessage()
    assert KEY not in told(caplog)


async def test_no_repr_of_anything_in_a_call_holds_the_secret() -> None:
    async with open_gate(upstream=Careless) as gate:
        residence = gate.residence
        await gate.get()
        seen = "\n".join(residence.pipeline._upstream.seen)  # type: ignore[union-attr]  # it is Careless
    for kind in ("Passage(", "UpstreamRequest(", "Target(", "Secret(", "SealedSecret(", "Call("):
        assert kind in seen
    assert KEY not in seen
