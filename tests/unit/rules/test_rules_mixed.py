"""A text of which a part can be taken for an escape is found in each of its readings, to the byte."""

from itertools import pairwise, product

import pytest

from apikeychain.rules.escapes import Reading
from apikeychain.rules.fixed_forms import Span
from apikeychain.rules.mixed import MixedText
from spellings import joined, mixed_spans, united


def _found(text: bytes, buffer: bytes) -> list[Span]:
    return list(MixedText(text).finds(Reading(buffer)))


@pytest.mark.parametrize(
    ("buffer", "spans"),
    [
        (b"", []),
        (b"a%b", []),
        (b"a%25b", [(0, 5)]),
        (b"a%25%62a%25b", [(0, 7), (7, 12)]),
        (b"%61%b", [(0, 5)]),
        (b"a%2561%b", []),
        (b"xa%&#98;x", [(1, 8)]),
        (b"%61%%62%61%%62", [(0, 7), (7, 14)]),
    ],
)
def test_a_text_with_an_escape_in_it_is_found_where_one_stands_for_a_byte_of_it(
    buffer: bytes, spans: list[Span]
) -> None:
    assert _found(b"a%b", buffer) == spans


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"Z%31", b"Z%2531", [(0, 6)]),
        (b"Z%31", b"%5a%31\xff", [(0, 6)]),
        (b"3", b"3%3313", [(2, 3), (1, 4)]),
        (b"x", b"x%78", [(1, 4)]),
        (b"%", b"%%25", [(1, 2), (1, 4)]),
    ],
)
def test_a_text_is_found_around_an_escape_and_nowhere_else(text: bytes, buffer: bytes, spans: list[Span]) -> None:
    assert _found(text, buffer) == spans


@pytest.mark.parametrize(
    ("text", "buffer"),
    [
        (b"%33", b"%33"),
        (b"%3", b"%33%33"),
        (b"BA%41", b"BA%41"),
        (b"%41BA", b"%41BAxB"),
    ],
)
def test_an_escape_that_no_reading_goes_through_is_left_to_a_plain_search(text: bytes, buffer: bytes) -> None:
    assert _found(text, buffer) == []


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"41A\\", b"41%41A%5c", [(3, 9)]),
        (b"41A\\", b"x" * 200 + b"41%41A%5c", [(203, 209)]),
        (b"1A\\", b"1%41A%5c", [(3, 8)]),
        (b"33\\", b"%33%5c", [(1, 6)]),
        (b"33\\", b"%333%5c", [(0, 7)]),
    ],
)
def test_a_text_begins_inside_of_an_escape_that_another_reading_goes_through(
    text: bytes, buffer: bytes, spans: list[Span]
) -> None:
    assert _found(text, buffer) == spans


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"11", b"%31111", [(0, 6)]),
        (b"AA%A%%", b"AA%%41%%25", [(0, 10)]),
        (b"\\\\", b"%5c\\%5c\\.x", [(0, 4), (3, 8)]),
        (b"\\\\", b"\\\\\\\\.%41\\%41\\\\", [(0, 4), (12, 14)]),
        (b"a%b", b"a%25%62a%25%62", [(0, 7), (7, 14)]),
    ],
)
def test_texts_whose_ends_are_nearer_than_a_text_is_long_are_one(text: bytes, buffer: bytes, spans: list[Span]) -> None:
    assert _found(text, buffer) == spans


def _texts(letters: bytes, longest: int) -> list[bytes]:
    return joined(*(bytes([letter]) for letter in letters), longest=longest)[1:]


@pytest.mark.parametrize(
    ("texts", "buffers"),
    [
        (_texts(b"%31", 3), joined(b"%31", b"%33", b"%25", b"%", b"3", b"1", longest=3)),
        ([b"x%31", b"1%31x", b"%31%31"], joined(b"%31", b"%25", b"%78", b"%", b"31", b"x", longest=4)),
        (_texts(b"\\x", 3), joined(b"\\\\", b"\\", b"x", b"%5c", b"\\u0078", longest=4)),
        ([b"&lt;", b"<&lt;", b"t;&"], joined(b"&lt;", b"&amp;", b"&#60;", b"&", b"lt", b";", b"<", longest=4)),
    ],
    ids=["percent", "percent beside a letter", "backslash", "entity"],
)
def test_nothing_is_missed_and_nothing_else_is_found(texts: list[bytes], buffers: list[bytes]) -> None:
    for text, buffer in product(texts, buffers):
        found, every = _found(text, buffer), mixed_spans(buffer, text)
        starts, stops = ({span[end] for span in every} for end in (0, 1))
        literal = {(start, stop) for start, stop in every if buffer[start:stop] == text}
        assert (text, buffer, united({*found, *literal})) == (text, buffer, united(every))
        assert (text, buffer, [at for at, stop in found if at not in starts or at >= stop]) == (text, buffer, [])
        assert (text, buffer, {stop for _, stop in found} - stops) == (text, buffer, set())
        assert all(later - stop >= len(text) for (_, stop), (_, later) in pairwise(found))
