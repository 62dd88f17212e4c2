import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped]  # it comes without types
import pytest
from backports import zstd

from apikeychain.errors import MissingExtraError, UpstreamRefusedError
from apikeychain.model.call import ByteStream, Reply
from apikeychain.model.headers import Line
from apikeychain.rules.decoders import PIECE_BYTES
from apikeychain.rules.decoding import MOST_TIMES, decode
from apikeychain.rules.filtered import WholeStream
from exchange import Chunks, an_answer

Encode = Callable[[bytes], bytes]
CODINGS: dict[bytes, Encode] = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": lambda data: bytes(brotli.compress(data, quality=5)),
    b"zstd": zstd.compress,
}
TEXT = b'{"temp": 21, "wind": "north"}\n' * 40
each_coding = pytest.mark.parametrize(("coding", "encode"), CODINGS.items())


def _reply(*lines: Line, body: Chunks, coding: bytes = b"gzip", status: int = 200, method: str = "GET") -> Reply:
    upstream = an_answer((b"content-encoding", coding), *lines, status=status, body=body)
    return decode(Reply(status, lines, upstream.body), upstream, method)


def _stream(reply: Reply) -> ByteStream:
    assert not isinstance(reply.body, bytes)
    return reply.body


async def _read(reply: Reply) -> list[bytes]:
    return [piece async for piece in _stream(reply)]


async def _decoded(coding: bytes, *chunks: bytes) -> bytes:
    return b"".join(await _read(_reply(body=Chunks(*chunks), coding=coding)))


async def _cut(coding: bytes, *chunks: bytes) -> bytes:
    """What left before the stream broke; it breaks for good."""
    stream = _stream(_reply(body=Chunks(*chunks), coding=coding))
    left: list[bytes] = []
    with pytest.raises(UpstreamRefusedError):
        await _read_into(left, stream)
    with pytest.raises(UpstreamRefusedError):
        await anext(stream)
    return b"".join(left)


async def _read_into(left: list[bytes], stream: ByteStream) -> None:
    async for piece in stream:
        left.append(piece)  # noqa: PERF401 - what came before the break is asked for


@each_coding
@pytest.mark.parametrize("size", [1, 7, 1000, 100_000])
async def test_what_was_encoded_comes_out_whole_however_it_was_cut(coding: bytes, encode: Encode, size: int) -> None:
    packed = encode(TEXT)
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert await _decoded(coding, *chunks) == TEXT


@each_coding
async def test_a_body_that_is_there_at_once_is_decoded_too(coding: bytes, encode: Encode) -> None:
    line = (b"content-encoding", coding)
    reply = decode(Reply(200, (line,), encode(TEXT)), an_answer(line), "GET")
    assert b"".join(await _read(reply)) == TEXT
    await _stream(reply).aclose()
    cut = decode(Reply(200, (line,), encode(TEXT)[:-1]), an_answer(line), "GET")
    with pytest.raises(UpstreamRefusedError):
        await _read(cut)
    plain = Reply(200, (), TEXT)
    assert decode(plain, an_answer((b"content-encoding", b"identity")), "GET") is plain


async def test_a_stream_of_what_was_there_is_closed_like_any() -> None:
    stream = WholeStream(b"ab")
    await stream.aclose()
    assert [piece async for piece in stream] == []


@each_coding
async def test_nothing_encoded_is_nothing(coding: bytes, encode: Encode) -> None:
    assert await _decoded(coding, encode(b"")) == b""


@each_coding
async def test_chunks_of_nothing_are_no_end_and_no_beginning(coding: bytes, encode: Encode) -> None:
    packed = encode(TEXT)
    assert await _decoded(coding, b"", packed[:9], b"", packed[9:], b"", b"") == TEXT


@each_coding
async def test_the_name_of_a_coding_is_read_in_any_case(coding: bytes, encode: Encode) -> None:
    assert await _decoded(b" " + coding.upper() + b"\t", encode(TEXT)) == TEXT
    assert await _decoded(b"identity, " + coding, encode(TEXT)) == TEXT


@each_coding
async def test_a_body_that_ends_before_its_coding_does_has_no_end(coding: bytes, encode: Encode) -> None:
    packed = encode(TEXT)
    for end in range(len(packed)):
        assert TEXT.startswith(await _cut(coding, packed[:end]))


@each_coding
@pytest.mark.parametrize("rest", [b"\0", b"x", b"garbage" * 9])
async def test_what_comes_behind_the_end_of_the_coding_breaks_it(coding: bytes, encode: Encode, rest: bytes) -> None:
    packed = encode(TEXT)
    assert TEXT.startswith(await _cut(coding, packed + rest))
    assert await _cut(coding, packed, rest) == TEXT


@each_coding
async def test_a_body_that_was_never_encoded_breaks(coding: bytes, encode: Encode) -> None:
    assert await _cut(coding, b"\xff\xff" + TEXT) == b""


async def test_a_sum_that_does_not_hold_breaks_the_body() -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[-6] ^= 1
    await _cut(b"gzip", bytes(packed))


async def test_a_deflate_body_without_its_zlib_head_is_not_guessed_at() -> None:
    bare = zlib.compressobj(wbits=-15)
    await _cut(b"deflate", bare.compress(TEXT) + bare.flush())


@pytest.mark.parametrize("coding", [b"gzip", b"zstd"])
@pytest.mark.parametrize("size", [1, 30, 100_000])
async def test_members_in_a_row_are_one_body(coding: bytes, size: int) -> None:
    encode = CODINGS[coding]
    packed = encode(b"one ") + encode(b"") + encode(b"two ") + encode(b"three") + encode(b"")
    chunks = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert await _decoded(coding, *chunks) == b"one two three"


@pytest.mark.parametrize("coding", [b"gzip", b"zstd"])
async def test_members_of_nothing_in_a_row_are_broken(coding: bytes) -> None:
    encode = CODINGS[coding]
    assert await _cut(coding, encode(b"one"), encode(b""), encode(b""), encode(b"two")) == b"one"


@pytest.mark.parametrize("coding", [b"deflate", b"br"])
async def test_a_coding_without_members_ends_with_the_first(coding: bytes) -> None:
    encode = CODINGS[coding]
    await _cut(coding, encode(b"one") + encode(b"two"))
    assert await _cut(coding, encode(b"one"), encode(b"two")) == b"one"


@each_coding
async def test_no_piece_is_longer_than_64_kib(coding: bytes, encode: Encode) -> None:
    # Each line in its own words, or it would be a bomb.
    text = b"".join(b"%d %x\n" % (n * n, n * n * n) for n in range(30_000))
    pieces = await _read(_reply(body=Chunks(encode(text)), coding=coding))
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) <= PIECE_BYTES == 64 * 1024


@each_coding
async def test_a_bomb_is_cut_at_a_hundred_times_its_size_and_never_held(coding: bytes, encode: Encode) -> None:
    packed = encode(bytes(30_000_000))
    assert len(packed) * MOST_TIMES < 30_000_000
    tracemalloc.start()
    left = await _cut(coding, packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(left) <= MOST_TIMES * len(packed)
    assert peak < 8_000_000


async def test_a_hundred_times_its_size_is_let_through_and_a_byte_more_is_not() -> None:
    def packed(size: int) -> bytes:
        # The name in the head of a gzip is of no meaning, so that a body can be as long as the case needs.
        whole = gzip.compress(bytes(size), mtime=0)
        head, rest = bytearray(whole[:10]), whole[10:]
        head[3] = 8
        name = b"n" * (size // MOST_TIMES - len(whole) - 1) + b"\0"
        return bytes(head) + name + rest

    assert len(packed(50_000)) == 500
    assert len(await _decoded(b"gzip", packed(50_000))) == 50_000
    whole = packed(50_001)
    assert len(whole) == 500
    await _cut(b"gzip", whole)


async def test_what_came_earlier_pays_for_what_comes_later() -> None:
    lines = b"".join(b"%x\n" % (n * n * n) for n in range(300))
    packed = zlib.compress(lines + bytes(100_000))
    # By itself the second half is a bomb.
    assert len(zlib.compress(bytes(100_000))) * MOST_TIMES < 100_000 < len(packed) * MOST_TIMES
    assert await _decoded(b"deflate", packed) == lines + bytes(100_000)


def _gzip_events() -> tuple[Encode, Callable[[], bytes]]:
    packer = zlib.compressobj(wbits=31)
    return lambda event: packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH), packer.flush


def _br_events() -> tuple[Encode, Callable[[], bytes]]:
    packer = brotli.Compressor()
    return lambda event: packer.process(event) + packer.flush(), packer.finish


def _zstd_events() -> tuple[Encode, Callable[[], bytes]]:
    packer = zstd.ZstdCompressor()
    return lambda event: packer.compress(event, mode=packer.FLUSH_BLOCK), packer.flush


@pytest.mark.parametrize(("coding", "packer"), [(b"gzip", _gzip_events), (b"br", _br_events), (b"zstd", _zstd_events)])
async def test_an_event_leaves_as_soon_as_it_was_flushed(
    coding: bytes, packer: Callable[[], tuple[Encode, Callable[[], bytes]]]
) -> None:
    pack, end = packer()
    events = [b"data: %d\n\n" % n for n in range(20)]
    chunks = [pack(event) for event in events]
    assert await _read(_reply(body=Chunks(*chunks, end()), coding=coding)) == events


async def test_a_frame_of_zstd_that_asks_for_more_than_8_mib_is_broken() -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
    await _cut(b"zstd", packer.compress(TEXT) + packer.flush())


@pytest.mark.parametrize("coding", [b"compress", b"", b"gzip, gzip", b"gzip, br", b"gzip;q=1", b"gzip,"])
def test_a_coding_that_cannot_be_undone_is_refused(coding: bytes) -> None:
    body = Chunks(b"x")
    with pytest.raises(UpstreamRefusedError) as refused:
        _reply(body=body, coding=coding)
    assert "content coding" in refused.value.hint


def test_two_lines_are_two_codings() -> None:
    upstream = an_answer((b"content-encoding", b"gzip"), (b"content-encoding", b"gzip"))
    with pytest.raises(UpstreamRefusedError):
        decode(Reply(200, (), upstream.body), upstream, "GET")


@pytest.mark.parametrize("coding", [b"identity", b"IDENTITY", b" identity ", b"IDENTITY\t", b"identity, identity"])
def test_identity_is_no_coding(coding: bytes) -> None:
    line, body = (b"content-length", b"1"), Chunks(b"x")
    reply = _reply(line, body=body, coding=coding)
    assert reply.headers == (line,)
    assert reply.body is body


def test_an_answer_that_names_no_coding_passes_as_it_is() -> None:
    upstream = an_answer((b"etag", b'"a"'), body=Chunks(b"x"))
    reply = Reply(206, ((b"etag", b'"a"'),), upstream.body)
    assert decode(reply, upstream, "GET") is reply


def test_an_encoded_part_is_refused() -> None:
    with pytest.raises(UpstreamRefusedError):
        _reply(body=Chunks(b"x"), status=206)


def test_what_was_true_of_the_encoded_body_is_not_told_of_the_decoded_one() -> None:
    stale = [b"content-length", b"etag", b"accept-ranges", b"content-digest", b"repr-digest", b"digest", b"content-md5"]
    kept = ((b"content-type", b"text/plain"), (b"last-modified", b"Sun, 06 Nov 1994 08:49:37 GMT"))
    reply = _reply(*kept, *[(name, b"1") for name in stale], body=Chunks(gzip.compress(b"x")))
    assert reply.headers == kept


@pytest.mark.parametrize(("method", "status", "length"), [("HEAD", 200, b"9"), ("GET", 304, b"9"), ("GET", 204, b"0")])
def test_lines_without_a_body_lose_what_is_not_true_of_it(method: str, status: int, length: bytes) -> None:
    body = Chunks()
    lines = ((b"content-length", length), (b"etag", b'"a"'), (b"x-request-id", b"1"))
    reply = _reply(*lines, body=body, status=status, method=method)
    assert reply.headers == ((b"x-request-id", b"1"),)
    assert reply.body is body


def test_a_body_that_is_announced_as_nothing_has_nothing_to_decode() -> None:
    body = Chunks()
    assert _reply((b"content-length", b"0"), body=body, status=302).body is body


async def test_closing_closes_what_is_wrapped_once_and_nothing_follows() -> None:
    body = Chunks(gzip.compress(TEXT))
    stream = _stream(_reply(body=body))
    assert aiter(stream) is stream
    await stream.aclose()
    await stream.aclose()
    assert body.closed == 1
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_what_breaks_upstream_breaks_as_it_did() -> None:
    stream = _stream(_reply(body=Chunks(error=UpstreamRefusedError("cut"))))
    with pytest.raises(UpstreamRefusedError, match="cut"):
        await anext(stream)


@pytest.mark.parametrize(("coding", "module"), [(b"br", "brotli"), (b"zstd", "backports.zstd")])
def test_a_missing_package_is_named_with_what_brings_it(
    coding: bytes, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent: Any = None
    monkeypatch.setitem(sys.modules, module, absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'apikeychain\[encodings\]'") as missing:
        _reply(body=Chunks(), coding=coding)
    assert coding.decode() in str(missing.value)
