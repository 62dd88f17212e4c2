"""A find of which a part has left already: what comes behind it goes on with its mark."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apikeychain.rules.scrubbing import Needles, Scrubber
from spellings import every_spelling, slow_scrub

FOUND = Needles((b"abcd",))
# So much of a buffer is held back, and it is looked at again when an eighth has come.
ROOM, PART = 88, 11
MARK = b"[redacted]" + b"*" * 200


def _left(*chunks: bytes) -> list[bytes]:
    scrubber = Scrubber(FOUND)
    return [*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()]


def test_a_find_leaves_in_two_parts_and_its_mark_goes_on() -> None:
    after = b"." * (ROOM - 2)
    assert _left(b"." * 10 + b"abcd" + after) == [b"." * 10 + b"[r", b"ed" + after]
    assert _left(b"." * 10 + b"abcd" + after, b"\n.") == [b"." * 10 + b"[r", b"ed" + after + b"\n", b"."]


def test_finds_behind_one_that_has_left_in_part_have_marks_of_their_own() -> None:
    two = b"." * 10 + b"abcdabcd." + b"." * (ROOM - 7)
    assert _left(two) == [b"." * 10 + b"[r", b"ed[red" + b"." * (ROOM - 6)]


def test_the_longest_form_leaves_in_many_parts() -> None:
    form = b"".join(b"&#x%s%02x;" % (b"0" * 16, byte) for byte in b"abcd")
    assert len(form) == ROOM
    parts = [b"." * PART] * 9
    assert _left(form, *parts) == [
        b"",
        *(MARK[at : at + PART] for at in range(0, ROOM, PART)),
        b"." * PART,
        b"." * ROOM,
    ]


def test_less_than_an_eighth_is_no_reason_to_look_again() -> None:
    assert _left(b"." * ROOM, b"." * (PART - 1), b".", b".") == [b"", b"", b"." * PART, b"", b"." * (ROOM + 1)]
    assert _left(b"." * ROOM, b"", b"\n", b"") == [b"", b"", b"." * ROOM + b"\n", b"", b""]


def test_a_mark_that_has_left_in_part_is_forgotten_when_its_find_ends() -> None:
    after = b"." * (ROOM - 2)
    scrubber = Scrubber(FOUND)
    assert scrubber.feed(b"." * 10 + b"abcd" + after) == b"." * 10 + b"[r"
    assert scrubber.feed(b"\n") == b"ed" + after + b"\n"
    assert scrubber.feed(b"abcd\nab\n") == b"[red\nab\n"


@pytest.mark.parametrize("size", [1, 2, 7, PART, 50])
def test_overlapping_finds_have_one_mark_whatever_the_chunks(size: int) -> None:
    body = b"." * 30 + b"aba" * 3 + b"ba" * 40 + b"." * 100
    found = Needles((b"aba",))
    scrubber = Scrubber(found)
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    out = b"".join([*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()])
    assert out == found.scrub(body) == slow_scrub(body, [b"aba"])


TEXTS = st.sampled_from([b"xy", b"xx", b"%x", b"xyx", b"\\\\", b"4x"])


@settings(deadline=None)
@given(st.data(), TEXTS, st.integers(1, 40))
@example(None, b"xx", 1)
def test_a_long_line_leaves_in_parts_as_the_slow_matcher_has_it(
    data: st.DataObject | None, text: bytes, size: int
) -> None:
    pieces = [*every_spelling(text[0]), *every_spelling(text[-1]), b".", text, text * 9, b"%4"]
    drawn = data.draw(st.lists(st.sampled_from(pieces), min_size=10, max_size=40)) if data else pieces * 2
    body = b"".join(drawn)
    scrubber = Scrubber(Needles((text,)))
    chunks = [body[at : at + size] for at in range(0, len(body), size)]
    assert b"".join([*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()]) == slow_scrub(body, [text])
