import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apikeychain.backends.exchange import Exchange
from apikeychain.backends.tls import client_context
from apikeychain.errors import UpstreamRefusedError, UpstreamTimeoutError
from apikeychain.model.call import UpstreamReply, UpstreamRequest
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.route import Timeouts
from apikeychain.testing.local_provider import LocalProvider
from apikeychain.testing.upstream_scene import chunks
from hurried_loop import at, hurried

REQUEST = UpstreamRequest(
    method="POST", scheme="https", host="api.provider.test", port=443, target=b"/v1?x=1", headers=((b"x-a", b"1"),)
)
CHUNKED = (b"transfer-encoding", b"chunked")


async def test_host_comes_first_and_the_length_last() -> None:
    assert Exchange(replace(REQUEST, body=b"abc")).lines == [
        (b"host", b"api.provider.test"),
        (b"x-a", b"1"),
        (b"content-length", b"3"),
    ]
    assert Exchange(replace(REQUEST, port=8443)).lines[0] == (b"host", b"api.provider.test:8443")


@pytest.mark.parametrize(
    ("method", "length"), [("POST", b"0"), ("PUT", b"0"), ("PATCH", b"0"), ("GET", None), ("DELETE", None)]
)
async def test_no_body_has_a_length_where_one_is_expected(method: str, length: bytes | None) -> None:
    assert dict(Exchange(replace(REQUEST, method=method)).lines).get(b"content-length") == length


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "http"},
        *({"method": method} for method in ("CONNECT", "TRACE", "GET /x HTTP/1.1\r\nhost: evil.test\r\n\r\nGET")),
        *({"host": host} for host in ("", "127.0.0.1", "127.1", "[::1]", "0x7f.1", "A.test", "a.test:1")),
        *({"target": target} for target in (b"", b"*", b"x", b"/a b", b"/a\r\n", b"/a#b", b"/caf\xc3\xa9")),
        *(
            {"headers": ((name, b"1"),)}
            for name in (b"host", b"Content-Length", b"transfer-encoding", b"connection", b"te", b"expect", b"upgrade")
        ),
        *({"headers": ((name, b"1"),)} for name in (b"", b"a b", b"a:b", b"a\r\nb", b"caf\xc3\xa9")),
        *({"headers": ((b"x-a", value),)} for value in (b"a\r\nb: c", b"a\n", b"a\x00", b" a", b"a ", b"\x7f")),
    ],
    ids=repr,
)
async def test_what_could_be_read_as_another_request_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(UpstreamRefusedError, match="not one that can be sent"):
        Exchange(replace(REQUEST, **change))


async def paused(*pauses: float) -> AsyncGenerator[bytes, None]:
    for pause in pauses:
        await asyncio.sleep(pause)
        yield b"x"


def sending(timeouts: Timeouts, *pauses: float) -> Exchange:
    return Exchange(replace(REQUEST, body=paused(*pauses), timeouts=timeouts))


async def take(exchange: Exchange, *, chunk: float = 0.0, head: float = 0.0) -> str:
    """What a client does that needs so long to send each chunk, and then to get the head."""
    assert exchange.upload is not None
    async for _ in exchange.upload:
        await asyncio.sleep(chunk)
    await asyncio.sleep(head)
    return "head"


@pytest.mark.parametrize(
    ("timeouts", "pause", "chunk", "head", "is_late"),
    [
        (Timeouts(idle=0.2), 0.3, 0.0, 0.0, False),
        (Timeouts(idle=0.2), 0.0, 5.0, 0.0, True),
        (Timeouts(idle=0.1, first_byte=2), 0.0, 0.0, 0.3, False),
        (Timeouts(idle=0.1, first_byte=0.1), 0.0, 0.0, 5.0, True),
        (Timeouts(total=0.1), 0.0, 5.0, 0.0, True),
        (Timeouts(total=0.1), 5.0, 0.0, 0.0, True),
    ],
    ids=["slow source", "slow provider", "slow head", "no head", "total of a provider", "total of a source"],
)
async def test_the_provider_is_waited_for_and_the_source_is_not_counted(
    timeouts: Timeouts, pause: float, chunk: float, head: float, is_late: bool
) -> None:
    exchange = sending(timeouts, pause, pause)
    expected = pytest.raises(UpstreamTimeoutError) if is_late else contextlib.nullcontext()
    async with asyncio.timeout(3):
        with expected:
            assert await exchange.head(take(exchange, chunk=chunk, head=head)) == "head"


async def test_an_upload_that_goes_on_while_its_call_ends_changes_nothing() -> None:
    """A client's writer may still run when the call is over: its answer came early, or it took too long."""
    exchange = sending(Timeouts(idle=0.1), 0, 0, 0)
    upload = exchange.upload
    assert upload is not None

    async def clings() -> None:
        await anext(upload)
        try:
            await asyncio.sleep(5)
        finally:
            await anext(upload)

    with pytest.raises(UpstreamTimeoutError):
        await exchange.head(clings())
    assert await anext(upload) == b"x"


class Answer:
    """An answer whose chunks are always there.

    Attributes:
        closed: how often it was.
    """

    def __init__(self) -> None:
        self.closed = 0

    async def read(self) -> bytes:
        return b"x"

    async def close(self) -> None:
        self.closed += 1

    async def reply(self, **timeouts: float) -> UpstreamReply:
        exchange = Exchange(replace(REQUEST, timeouts=Timeouts(**timeouts)))
        return await exchange.reply(200, (CHUNKED,), self.read, self.close)


@pytest.mark.parametrize("timeouts", [{"idle": 100}, {"idle": 900, "total": 100}], ids=repr)
@pytest.mark.parametrize("begun", [True, False])
def test_an_answer_that_nobody_reads_is_closed_and_raises(timeouts: dict[str, float], begun: bool) -> None:
    async def unread() -> None:
        answer = Answer()
        reply = await answer.reply(**timeouts)
        if begun:
            assert await anext(chunks(reply)) == b"x"
        await at(90)
        assert answer.closed == 0
        await at(101)
        assert answer.closed == 1
        for _ in range(2):
            with pytest.raises(UpstreamTimeoutError):
                await anext(chunks(reply))
        await chunks(reply).aclose()
        assert answer.closed == 1

    hurried(unread())


def test_an_answer_that_is_read_lasts_longer_than_either_side_may_idle() -> None:
    async def read() -> None:
        answer = Answer()
        reply = await answer.reply(idle=100, total=900)
        for seconds in (50, 100, 150, 200):
            await at(seconds)
            assert await anext(chunks(reply)) == b"x"
        assert answer.closed == 0
        await chunks(reply).aclose()
        await at(400)
        assert answer.closed == 1
        with pytest.raises(StopAsyncIteration):
            await anext(chunks(reply))

    hurried(read())


async def test_an_answer_that_ends_with_its_connection_is_closed_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = Answer()
    why = "its answer has no Content-Length and no chunks, so that nobody could tell if it were cut short"
    with pytest.raises(UpstreamRefusedError, match=why):
        await Exchange(REQUEST).reply(200, ((b"connection", b"close"),), answer.read, answer.close)
    assert answer.closed == 1
    assert caplog.messages == [f"api.provider.test is refused: {why}"]


def test_tls_is_verified_and_new_unless_the_network_says_otherwise() -> None:
    context = client_context(PUBLIC)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert client_context(Network(minimum_tls="1.2")).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_no_key_of_a_connection_is_written_where_the_environment_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(notes))
    async with LocalProvider("api.provider.test") as provider:
        context = client_context(provider.network)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", provider.port, ssl=context, server_hostname="api.provider.test"
        )
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
        writer.close()
        await writer.wait_closed()
    assert [line for line in notes.read_text().splitlines() if not line.startswith("#")] == []
