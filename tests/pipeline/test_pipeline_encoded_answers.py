"""Answers that come encoded although identity was asked for: decoded on their way, searched for the secret, or cut."""

import asyncio
import gzip
import logging
import sys
import zlib
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped]  # it comes without types
import pytest
from backports import zstd
from starlette.types import Message

from apikeychain import ProxyRoute
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.testing.local_provider import Handler, Visit
from gate import APP, KEY, open_gate, scope_of

PATH = "/data/2.5/weather"
Encode = Callable[[bytes], bytes]
CODINGS: dict[bytes, Encode] = {
    b"gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": brotli.compress,
    b"zstd": zstd.compress,
}
each_coding = pytest.mark.parametrize(("coding", "encode"), CODINGS.items())
each_upstream = pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])
CHUNKED = (b"transfer-encoding", b"chunked")
MARK = b"[redacted]".ljust(len(KEY), b"*")


def _answers(coding: bytes, body: bytes, *lines: tuple[bytes, bytes], status: int = 200) -> Handler:
    async def answer(visit: Visit) -> None:
        await visit.answer(status, [(b"content-encoding", coding), *lines], body)

    return answer


def _dribbles(coding: bytes, body: bytes, size: int) -> Handler:
    async def answer(visit: Visit) -> None:
        await visit.head(200, [(b"content-encoding", coding), CHUNKED])
        for at in range(0, len(body), size):
            await visit.chunk(body[at : at + size])
        await visit.chunk(b"")

    return answer


@each_coding
@each_upstream
async def test_an_encoded_answer_leaves_decoded_without_the_lines_of_the_other(
    coding: bytes, encode: Encode, upstream: UpstreamFactory
) -> None:
    # contracts 4: an encoded answer is decoded by us; content-length passes unless decoded
    async with open_gate(upstream=upstream) as gate:
        body = b'{"temp": 21, "wind": "north"}'
        gate.provider.on(PATH, _answers(coding, encode(body), (b"etag", b'"a"'), (b"x-request-id", b"7")))
        answer = await gate.get()
        assert (answer.status, answer.body, answer.ended) == (200, body, True)
        assert not {b"content-encoding", b"content-length", b"etag"} & {name for name, _ in answer.headers}
        assert answer.headers.get(b"x-request-id") == b"7"
        assert gate.provider.requests[0].headers.all(b"accept-encoding") == (b"identity",)


@each_coding
@pytest.mark.parametrize("size", [1, 100_000])
async def test_a_secret_inside_of_an_encoded_answer_does_not_come_back(
    coding: bytes, encode: Encode, size: int
) -> None:
    body = b"".join(b"%d: %s, " % (n * n * n, KEY.encode()) for n in range(8000))
    assert len(body) > 3 * 64 * 1024
    sent = body if size > 1 else body[:2000].rpartition(b",")[0]
    async with open_gate() as gate:
        gate.provider.on(PATH, _dribbles(coding, encode(sent), size))
        answer = await gate.get()
        assert answer.ended
        assert answer.body == sent.replace(KEY.encode(), MARK)


@pytest.mark.parametrize("status", [400, 404, 429, 500])
async def test_an_encoded_error_is_decoded_and_scrubbed_too(status: int) -> None:
    async with open_gate() as gate:
        gate.provider.on(PATH, _answers(b"gzip", gzip.compress(b"bad key " + KEY.encode()), status=status))
        answer = await gate.get()
        assert (answer.status, answer.body) == (status, b"bad key " + MARK)


@pytest.mark.parametrize("coding", [b"compress", b"gzip, br", b"x-secret"])
async def test_an_unknown_coding_is_502(coding: bytes) -> None:
    # contracts 4: an unknown coding is 502
    async with open_gate() as gate:
        gate.provider.on(PATH, _answers(coding, KEY.encode()))
        answer = await gate.get()
        assert (answer.status, answer.code) == (502, "upstream-refused")
        assert [entry["status"] for entry in await gate.told("call")] == [502]


async def test_an_encoded_part_is_502() -> None:
    async with open_gate(routes=[ProxyRoute("weather", provider="weather", path=PATH, ranges=True)]) as gate:
        part = (b"content-range", b"bytes 0-1/9")
        gate.provider.on(PATH, _answers(b"gzip", gzip.compress(b"ab"), part, status=206))
        assert (await gate.get(b"")).code == "upstream-refused"


def _bomb() -> bytes:
    return gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"".join(b"%d, " % (n * n) for n in range(999)))[:2000],
        gzip.compress(b"hello")[:-1],
        gzip.compress(b"hello") + b"more",
        b"never encoded",
        b"\x1f\x8b\x08",
        _bomb(),
    ],
    ids=["half", "all-but-a-byte", "garbage-behind", "plain", "head-only", "bomb"],
)
@pytest.mark.parametrize("is_counted", [True, False])
async def test_what_does_not_decode_is_cut_and_never_ends(body: bytes, is_counted: bool) -> None:
    # contracts 4: decoded, streaming, to at most 100 times its size; 1: a failure cuts, never a clean end
    async with open_gate() as gate:
        gate.provider.on(PATH, _answers(b"gzip", body) if is_counted else _dribbles(b"gzip", body, 4096))
        answer = await gate.get()
        assert answer.status == 200
        assert not answer.ended
        assert len(answer.body) <= 100 * len(body)
        (entry,) = await gate.told("call")
        assert (entry["refusal"], entry["bytes_out"]) == ("upstream-refused", len(answer.body))


@pytest.mark.parametrize("status", [200, 304])
async def test_the_answer_to_a_head_has_lines_and_no_length(status: int) -> None:
    async with open_gate() as gate:
        gate.provider.on(PATH, _answers(b"gzip", gzip.compress(b"hello"), (b"etag", b'"a"'), status=status))
        answer = await gate.get(method="HEAD")
        assert (answer.status, answer.body, answer.ended) == (status, b"", True)
        assert not {b"content-length", b"etag", b"content-encoding"} & {name for name, _ in answer.headers}


async def test_an_encoded_redirect_without_a_body_passes() -> None:
    async with open_gate() as gate:
        gate.provider.on(PATH, _answers(b"gzip", b"", (b"location", b"/data/2.5/weather?q=Rome"), status=302))
        answer = await gate.get()
        assert (answer.status, answer.ended) == (302, True)


@each_upstream
async def test_an_event_of_an_encoded_stream_leaves_as_it_comes(upstream: UpstreamFactory) -> None:
    # contracts 4: no SSE event waits
    read = asyncio.Event()
    pieces: list[bytes] = []

    async def events(visit: Visit) -> None:
        packer = zlib.compressobj(wbits=31)
        await visit.head(200, [(b"content-encoding", b"gzip"), (b"content-type", b"text/event-stream"), CHUNKED])
        for n in range(5):
            read.clear()
            await visit.chunk(packer.compress(b"data: %d %s\n\n" % (n, KEY.encode())) + packer.flush(zlib.Z_SYNC_FLUSH))
            await asyncio.wait_for(read.wait(), 5)
        await visit.chunk(packer.flush())
        await visit.chunk(b"")

    async def send(message: Message) -> None:
        if message.get("body"):
            pieces.append(message["body"])
            read.set()

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        return {}

    async with open_gate(upstream=upstream) as gate:
        gate.provider.on(PATH, events)
        messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
        scope = scope_of(gate.shop.url("weather"), b"q=Paris", headers=[(b"origin", APP.encode())])
        await asyncio.wait_for(gate.app(scope, receive, send), 10)
    assert pieces == [b"data: %d %s\n\n" % (n, MARK) for n in range(5)]


async def test_a_caller_that_leaves_a_long_encoded_answer_closes_the_provider_within_a_second() -> None:
    gone = asyncio.Event()

    async def endless(visit: Visit) -> None:
        packer = zlib.compressobj(wbits=31)
        await visit.head(200, [(b"content-encoding", b"gzip"), CHUNKED])
        await visit.chunk(packer.compress(b"first\n") + packer.flush(zlib.Z_SYNC_FLUSH))
        await visit.gone()
        gone.set()

    async with open_gate() as gate:
        gate.provider.on(PATH, endless)
        answer = await gate.get(leave_after=0.2)
        await asyncio.wait_for(gone.wait(), 1)
        assert (answer.body, answer.ended) == (b"first\n", False)
        assert [entry["refusal"] for entry in await gate.told("call")] == ["caller-gone"]


@pytest.mark.parametrize(("coding", "module"), [(b"br", "brotli"), (b"zstd", "backports.zstd")])
async def test_a_missing_package_is_502_and_named_in_the_log_once(
    coding: bytes, module: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, module, absent)
    async with open_gate() as gate:
        gate.provider.on(PATH, _answers(coding, CODINGS[coding](b"hello")))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            for _ in range(3):
                answer = await gate.get()
                assert (answer.status, answer.code) == (502, "upstream-refused")
    (told,) = [record.getMessage() for record in caplog.records]
    asked = f"project {gate.shop.id}: a provider's answer in the content coding {coding.decode()}"
    assert told == f"{asked} needs more packages: pip install 'apikeychain[encodings]'"
