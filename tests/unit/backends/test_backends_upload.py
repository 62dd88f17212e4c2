from collections.abc import AsyncGenerator

import pytest

from apikeychain.backends.upload import SLICE, Upload
from apikeychain.errors import CallerGoneError, UpstreamRefusedError
from apikeychain.model.call import UpstreamRequest


async def stream(*chunks: bytes, then: Exception | None = None) -> AsyncGenerator[bytes, None]:
    for chunk in chunks:
        yield chunk
    if then is not None:
        raise then


def upload(body: bytes | AsyncGenerator[bytes, None] | None, length: int | None = None) -> Upload | None:
    return Upload.of(
        UpstreamRequest(
            method="POST",
            scheme="https",
            host="api.provider.test",
            port=443,
            target=b"/",
            headers=(),
            body=body,
            content_length=length,
        )
    )


async def sent(body: bytes | AsyncGenerator[bytes, None], length: int | None = None) -> list[bytes]:
    found = upload(body, length)
    assert found is not None
    return [chunk async for chunk in found]


def test_no_body_is_no_upload() -> None:
    assert upload(None) is None


async def test_bytes_are_sliced_and_their_length_is_known() -> None:
    assert await sent(b"") == []
    assert await sent(b"x" * (SLICE + 1)) == [b"x" * SLICE, b"x"]
    found = upload(b"abc")
    assert found is not None
    assert found.length == 3


@pytest.mark.parametrize("length", [None, 4])
async def test_chunks_pass_as_they_are_and_empty_ones_do_not(length: int | None) -> None:
    assert await sent(stream(b"", b"ab", b"", b"cd", b""), length) == [b"ab", b"cd"]


async def test_an_end_stays_an_end() -> None:
    found = Upload(stream(b"ab"), 2)
    assert [chunk async for chunk in found] == [b"ab"]
    with pytest.raises(StopAsyncIteration):
        await anext(found)


@pytest.mark.parametrize("chunks", [(b"abc",), (b"abcd", b"e"), (b"abcde",)])
async def test_another_length_than_announced_is_a_failure(chunks: tuple[bytes, ...]) -> None:
    found = Upload(stream(*chunks), 4)
    with pytest.raises(UpstreamRefusedError):
        [chunk async for chunk in found]
    assert isinstance(found.failure, UpstreamRefusedError)


async def test_the_chunk_that_completes_a_body_is_held_back_until_its_source_has_ended() -> None:
    gone = CallerGoneError()
    found = Upload(stream(b"ab", b"cd", then=gone), 4)
    assert await anext(found) == b"ab"
    with pytest.raises(CallerGoneError):
        await anext(found)
    assert found.failure is gone


@pytest.mark.parametrize("is_late", [False, True])
async def test_a_failure_cuts_the_connection_once_whoever_comes_first(is_late: bool) -> None:
    cuts: list[str] = []
    found = Upload(stream(then=CallerGoneError()), None)
    if not is_late:
        found.cut(lambda: cuts.append("cut"))
    with pytest.raises(CallerGoneError):
        await anext(found)
    if is_late:
        found.cut(lambda: cuts.append("cut"))
    assert cuts == ["cut"]


async def test_whose_turn_it_is_is_told_each_time_that_it_changes() -> None:
    turns: list[str] = []
    found = Upload(stream(b"ab", b"", b"cd"), 4)
    found.turn = turns.append
    assert [chunk async for chunk in found] == [b"ab", b"cd"]
    assert turns == ["source", "provider", "source", "provider", "source", "end"]
