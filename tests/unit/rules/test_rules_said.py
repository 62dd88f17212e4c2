"""A text is found in what a buffer says, in each way in which the buffer may have its parts, to the byte."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeychain.rules.escapes import Reading
from apikeychain.rules.fixed_forms import Span
from apikeychain.rules.said import SaidText
from spellings import every_spelling, joined, mixed_spans, spelled, united


def _found(text: bytes, buffer: bytes) -> list[Span]:
    """With what a plain search of the buffer finds."""
    literal = {(at, at + len(text)) for at in range(len(buffer)) if buffer.startswith(text, at)}
    return sorted({*SaidText(text).finds(Reading(buffer)), *literal})


@pytest.mark.parametrize(
    ("buffer", "spans"),
    [
        (b"41zz", [(0, 4)]),
        (b".%41zz", [(2, 6)]),
        (b".%34%31zz", [(1, 9)]),
        (b"%241zz", [(2, 6)]),
        (b"\\u0041zz41z%7a", [(4, 8), (8, 14)]),
        (b"%4241zz", [(3, 7)]),
        (b"&#41;zz", []),
        (b"%42zz", []),
        (b"Azz", []),
        (b"1zz", []),
        (b"%31zz", []),
    ],
)
def test_a_text_is_found_where_it_begins_inside_of_an_escape(buffer: bytes, spans: list[Span]) -> None:
    assert _found(b"41zz", buffer) == spans


def test_a_text_is_found_behind_the_name_of_an_entity() -> None:
    assert _found(b";zz", b"&lt;zz.&LESS;zz") == [(3, 6), (12, 15)]


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"zz%41", b"%7az%41", [(0, 7)]),
        (b"zz%41", b"zzA", []),
        (b"zz%41", b"zz%34%31", []),
        (b"zz%41", b"zz\\u0041", []),
        (b"zz%41", b"zz%2541", [(0, 7)]),
        (b"zz%41", b"%7azA.%41", []),
        (b"%41zz%41", b"%41zz%2541.Azz%41.%41zzA", [(0, 10)]),
        (b"z&amp;z", b"z&amp;%7a.z&z", [(0, 9)]),
        (b"z\\/z", b"z\\\\\\/z.z\\\\/z.z\\/%7a", [(0, 6), (7, 12), (13, 19)]),
    ],
)
def test_what_looks_like_an_escape_in_a_text_is_read_where_it_stands(
    text: bytes, buffer: bytes, spans: list[Span]
) -> None:
    assert _found(text, buffer) == spans


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"z%4", b"%7a%41", [(0, 5)]),
        (b"z%4", b"%7a%34%31", []),
        (b"z%4", b"%7a%254", [(0, 7)]),
        (b"z&am", b"%7a&amp;", [(0, 6)]),
        (b"z&", b"%7a&amp;", [(0, 8)]),
        (b"z\\", b"z\\u0041", [(0, 2)]),
        (b"z\\", b"%7a\\u0041", [(0, 4)]),
        (b"z\\", b"z\\\\u0041", [(0, 3)]),
        (b"z\\u00", b"%7a\\\\u0041", [(0, 8)]),
        (b"1z%4", b"%31z%41", [(0, 6)]),
    ],
)
def test_a_text_is_found_where_it_ends_inside_of_an_escape(text: bytes, buffer: bytes, spans: list[Span]) -> None:
    assert united(_found(text, buffer)) == united(spans)


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"z\\z", b"z\\\\z", [(0, 4)]),
        (b"z\\z", b"z\\\\\\z", []),
        (b"z\\z", b"z\\\\u005cz", []),
        (b"\\zz", b"\\\\u005czz", [(1, 9)]),
        (b"z\\\\z", b"z\\\\\\z.z\\\\\\\\z.z\\%5cz", [(0, 5), (6, 12), (13, 19)]),
        (b"z\\u0041", b"z\\\\u0041.z\\\\%750041.zA.z\\\\A", [(0, 8), (9, 19)]),
    ],
)
def test_a_backslash_stands_alone_or_as_two(text: bytes, buffer: bytes, spans: list[Span]) -> None:
    assert united(_found(text, buffer)) == united(spans)


@pytest.mark.parametrize(
    ("text", "buffer", "spans"),
    [
        (b"aaa", b"%61" * 9, [(0, 27)]),
        (b"aaa", b".%61" * 3 + b"%61" * 3, [(9, 21)]),
        (b"baa", b"%61b%61a%61b%61a", [(3, 8), (11, 16)]),
        (b"1aa", b"1%61%61a", [(0, 7), (3, 8)]),
        (b"aaa", b"%6aa%61%61", [(2, 7), (3, 10)]),
        (b"aaa", b"%6a%61%61%61a", [(2, 9), (3, 13)]),
        (b"1a1a", b"%51a1%611a", [(2, 8), (4, 10)]),
        (b"4;4;4;", b"&#x34;;%34;4;", [(0, 13)]),
        (b"35zz", b"%73%35zz", [(2, 8), (4, 8)]),
        (b"a%a%", b"a%a%%61%61", [(0, 4), (2, 8)]),
        (b"aa%41", b"%61a%61a%41%61", [(4, 11)]),
        (b"11%4", b"11%31%41", [(1, 7)]),
    ],
)
def test_a_text_that_overlaps_itself_is_found_once_in_a_run(text: bytes, buffer: bytes, spans: list[Span]) -> None:
    assert _found(text, buffer) == spans


@pytest.mark.parametrize("many", [6, 7, 40])
def test_a_text_with_many_ways_is_found_as_one_with_few(many: int) -> None:
    text = b"zz" + b"%41" * many
    assert united(_found(text, b"%7az" + b"%41" * many + b".%7az%2541" + b"%41" * (many - 1))) == [
        [0, 4 + 3 * many],
        [5 + 3 * many, 11 + 6 * many],
    ]
    assert _found(text, b"%7az" + b"A" * many + b"%41") == []


def _agrees(text: bytes, buffer: bytes) -> None:
    found, every = _found(text, buffer), mixed_spans(buffer, text)
    starts, stops = ({span[end] for span in every} for end in (0, 1))
    assert (text, buffer, united(found)) == (text, buffer, united(every))
    wrong = [(start, stop) for start, stop in found if start not in starts or stop not in stops or start >= stop]
    assert (text, buffer, wrong) == (text, buffer, [])


@pytest.mark.parametrize(
    ("texts", "buffers"),
    [
        (
            [*joined(b"%", b"3", b"1", longest=3), b"x%31", b"1%31x", b"%31%31", b"1%31%3"],
            joined(b"%31", b"%33", b"%25", b"%", b"3", b"1", b"x", longest=3),
        ),
        (
            [*joined(b"\\", b"x", longest=4), b"\\\\\\\\\\"],
            joined(b"\\\\", b"\\", b"x", b"%5c", b"\\u005c", longest=4),
        ),
        (
            [*joined(b"\\", b"u00", b"\\u0041", longest=2), b"x\\u0041\\", b"\\\\u0041x", b"41\\u00"],
            joined(b"\\", b"\\u0041", b"u00", b"41", b"%75", b"%5c", b"x", b"A", longest=3),
        ),
        (
            joined(b"\\", b'"', b"/", longest=3),
            joined(b"\\", b'"', b"/", b"%22", b"\\u002f", b"%5C", longest=3),
        ),
        (
            [b"&lt;", b"<&lt;", b"t;&", b"x&lt", b";&lt;&", b"&&amp;", b"lt;x"],
            joined(b"&lt;", b"&amp;", b"&#60;", b"&", b"lt", b";", b"<", b"x", longest=3),
        ),
        (
            [b"%\\u0041", b'\\"%41', b"%41\\", b"&#37;41", b"1%&", b"\\%41\\%4", b"%4\\u0041&", b"41\\", b"0041%"],
            joined(b"%", b"\\", b"41", b"u00", b"A", b"%41", b"&#37;", b"&#92;", b'"', longest=3),
        ),
    ],
    ids=["percent", "backslash", "backslash-and-code", "short", "entity", "each"],
)
def test_nothing_is_missed_and_nothing_else_is_found(texts: list[bytes], buffers: list[bytes]) -> None:
    for text, buffer in product(filter(None, texts), buffers):
        _agrees(text, buffer)


TOKENS = [
    *(b"%", b"\\", b"&", b"u", b"0", b"4", b"1", b";", b'"', b"A", b"\\\\", b"5c", b"amp"),
    *(b"%41", b"\\u0041", b"&#65;", b"%25", b"%5c", b"&amp;", b"%30", b"\\u0025", b'\\"', b"%75"),
]


@settings(deadline=None)
@given(st.data(), st.lists(st.sampled_from(TOKENS), min_size=1, max_size=6).map(b"".join))
def test_a_text_of_leads_is_found_in_any_buffer(data: st.DataObject, text: bytes) -> None:
    whole = st.one_of(spelled(text), st.just(text))
    part = st.builds(lambda form, first, last: form[first:last], whole, st.integers(0, 6), st.integers(1, 20))
    letters = st.sampled_from(sorted({spelling for byte in text for spelling in every_spelling(byte)}))
    pieces = st.lists(st.one_of(whole, part, letters, st.sampled_from(TOKENS)), min_size=1, max_size=6)
    _agrees(text, b"".join(data.draw(pieces)))
