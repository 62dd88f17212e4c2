"""Answer transforms over whole calls: of a provider's JSON leaves what the route says, else nothing."""

import asyncio
import gzip

import pytest

from apikeychain import DropFields, KeepFields, ProxyRoute, RenameField
from apikeychain.backends.upstream_aiohttp import AiohttpUpstream
from apikeychain.backends.upstream_httpx import HttpxUpstream
from apikeychain.embedded import UpstreamFactory
from apikeychain.model.headers import Line
from apikeychain.model.route import Timeouts
from apikeychain.testing.local_provider import Handler, Visit
from gate import APP, KEY, open_gate

PATH = "/data/2.5/weather"
ROUTE = ProxyRoute(
    "weather",
    provider="weather",
    path=PATH,
    methods=["GET", "DELETE"],
    answer_transforms=[
        KeepFields(["items.id", "items.mail", "total"]),
        DropFields("items.mail.private"),
        RenameField("items.mail", "email"),
    ],
)
JSON: Line = (b"content-type", b"application/json")
CHUNKED: Line = (b"transfer-encoding", b"chunked")
BODY = b'{"total": 2.0, "password": "x", "items": [{"id": 7, "mail": {"work": "a@x", "private": "b@x"}, "age": 9}]}'
SHAPED = b'{"total":2.0,"items":[{"id":7,"email":{"work":"a@x"}}]}'
MARK = b"[redacted]".ljust(len(KEY), b"*")
each_upstream = pytest.mark.parametrize("upstream", [AiohttpUpstream, HttpxUpstream])


def _answers(body: bytes, *lines: Line, status: int = 200) -> Handler:
    async def answer(visit: Visit) -> None:
        await visit.answer(status, [JSON, *lines], body)

    return answer


@each_upstream
async def test_the_caller_gets_what_the_route_makes_of_the_answer(upstream: UpstreamFactory) -> None:
    # amendment 9: answer transforms after decoding, before redaction, without Content-Length and ETag
    async with open_gate(routes=[ROUTE], upstream=upstream) as gate:
        gate.provider.on(PATH, _answers(BODY, (b"etag", b'"a"'), (b"x-request-id", b"7")))
        answer = await gate.get(b"")
        assert (answer.status, answer.body, answer.ended) == (200, SHAPED, True)
        assert answer.headers.all(b"content-length") == (b"%d" % len(SHAPED),)
        assert b"etag" not in answer.headers
        assert answer.headers.get(b"x-request-id") == b"7"
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        (entry,) = await gate.told("call")
        assert (entry["status"], entry["answered"], entry["bytes_out"]) == (200, "provider", len(SHAPED))
        assert (await gate.get(b"")).body == SHAPED
        assert gate.provider.connections == 1


async def test_an_encoded_answer_is_decoded_first_and_scrubbed_last() -> None:
    escaped = b"".join(b"\\u%04x" % byte for byte in KEY.encode())
    body = b'{"total": 1, "items": [{"id": "%s", "mail": "%s"}]}' % (KEY.encode(), escaped)
    async with open_gate(routes=[ROUTE]) as gate:
        gate.provider.on(PATH, _answers(gzip.compress(body), (b"content-encoding", b"gzip")))
        answer = await gate.get(b"")
        assert answer.body == b'{"total":1,"items":[{"id":"%s","email":"%s"}]}' % (MARK, MARK)
        assert answer.headers.get(b"content-length") == b"%d" % len(answer.body)
        assert b"content-encoding" not in answer.headers


@pytest.mark.parametrize("status", [400, 404, 422, 500, 503])
async def test_an_error_is_not_shaped_and_scrubbed_all_the_same(status: int) -> None:
    async with open_gate(routes=[ROUTE]) as gate:
        gate.provider.on(PATH, _answers(b'{"error": "%s"}' % KEY.encode(), (b"etag", b'"a"'), status=status))
        answer = await gate.get(b"")
        assert (answer.status, answer.body) == (status, b'{"error": "%s"}' % MARK)
        assert answer.headers.get(b"etag") == b'"a"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"password: x",
        b'{"password": "x"',
        b'{"password": "x", "password": "y"}',
        b'{"password": NaN}',
        b'{"password": ' + b"[" * 64 + b"]" * 64 + b"}",
        b'"password"',
        b'{"password": "' + b"x" * (2 << 20) + b'"}',
    ],
    ids=["empty", "text", "half", "twice", "nan", "deep", "scalar", "large"],
)
async def test_what_cannot_be_shaped_is_502_and_nothing_of_it_leaves(body: bytes) -> None:
    async with open_gate(routes=[ROUTE]) as gate:
        gate.provider.on(PATH, _answers(body))
        answer = await gate.get(b"")
        assert (answer.status, answer.code) == (502, "upstream-refused")
        assert b"password" not in answer.body
        (entry,) = await gate.told("call")
        assert (entry["status"], entry["answered"], entry["refusal"]) == (502, "gate", "upstream-refused")


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/x-ndjson"])
async def test_a_stream_on_such_a_route_is_502_before_it_is_read(kind: bytes) -> None:
    gone = asyncio.Event()

    async def stream(visit: Visit) -> None:
        await visit.head(200, [(b"content-type", kind), CHUNKED])
        await visit.gone()
        gone.set()

    async with open_gate(routes=[ROUTE]) as gate:
        gate.provider.on(PATH, stream)
        assert (await gate.get(b"")).code == "upstream-refused"
        await asyncio.wait_for(gone.wait(), 1)


async def test_an_answer_that_breaks_while_it_is_read_is_an_answer_of_ours() -> None:
    async def breaks(visit: Visit) -> None:
        await visit.head(200, [JSON, CHUNKED])
        await visit.chunk(b'{"total": 1')
        visit.cut()

    async with open_gate(routes=[ROUTE]) as gate:
        gate.provider.on(PATH, breaks)
        answer = await gate.get(b"")
        assert (answer.status, answer.code, answer.ended) == (502, "upstream-refused", True)


async def test_an_answer_that_dribbles_is_504_when_its_time_is_over() -> None:
    async def dribbles(visit: Visit) -> None:
        await visit.head(200, [JSON, CHUNKED])
        while True:
            await visit.chunk(b" ")
            await asyncio.sleep(0.02)

    slow = ProxyRoute(
        "weather", provider="weather", path=PATH, timeouts=Timeouts(total=0.5), answer_transforms=[KeepFields("a")]
    )
    async with open_gate(routes=[slow]) as gate:
        gate.provider.on(PATH, dribbles)
        answer = await gate.get(b"")
        assert (answer.status, answer.code) == (504, "upstream-timeout")


@pytest.mark.parametrize(
    ("method", "status", "length"), [("HEAD", 200, b"106"), ("DELETE", 204, None), ("HEAD", 404, b"106")]
)
async def test_an_answer_without_a_body_passes_with_the_lines_that_hold(
    method: str, status: int, length: bytes | None
) -> None:
    async def lines_only(visit: Visit) -> None:
        line = [(b"content-length", length)] if length else []
        await visit.head(status, [JSON, (b"etag", b'"a"'), *line])

    async with open_gate(routes=[ROUTE]) as gate:
        gate.provider.on(PATH, lines_only)
        answer = await gate.get(b"", method=method)
        assert (answer.status, answer.body, answer.ended) == (status, b"", True)
        told = {name for name, _ in answer.headers} & {b"content-length", b"etag"}
        assert told == (set() if status < 300 else {b"content-length", b"etag"})


@each_upstream
async def test_a_caller_that_leaves_while_the_answer_is_read_closes_the_provider_within_a_second(
    upstream: UpstreamFactory,
) -> None:
    gone = asyncio.Event()

    async def slowly(visit: Visit) -> None:
        await visit.head(200, [JSON, CHUNKED])
        await visit.chunk(b'{"total": 1,')
        await visit.gone()
        gone.set()

    async with open_gate(routes=[ROUTE], upstream=upstream) as gate:
        gate.provider.on(PATH, slowly)
        answer = await gate.get(b"", leave_after=0.3)
        await asyncio.wait_for(gone.wait(), 1)
        assert answer.status == 0
        (entry,) = await gate.told("call")
        assert (entry["status"], entry["refusal"], entry["bytes_out"]) == (499, "caller-gone", 0)


async def test_transforms_are_stored_and_come_back() -> None:
    async with open_gate(routes=[ROUTE]) as gate:
        (added,) = await gate.shop.list_routes()
        assert added.route.answer_transforms == ROUTE.answer_transforms
