r"""What a buffer says, place by place."""

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.escapes import LONGEST, Reading, pieces
from apikeychain.rules.fixed_forms import FixedForm
from spellings import every_spelling

# What stands there, and what it says. No escape is made of letters from x to z and of what stands beside them.
Parts = list[tuple[bytes, bytes]]
SPELLINGS = sorted({(spelling, bytes([byte])) for byte in range(0x20, 0x7F) for spelling in every_spelling(byte)[1:]})
ESCAPES = [(spelling, said) for spelling, said in SPELLINGS if spelling != b"\\\\"]
LETTERS = [(b"x", b"x"), (b"y", b"y"), (b"z", b"z")]
SEVERAL = [
    *((b"x", b"x"), (b"%41", b"A"), (b"%7a", b"z"), (b"%7A", b"z"), (b"\\u0041", b"A"), (b"\\u007a", b"z")),
    *((b"y", b"y"), (b"z", b"z"), (b"&lt;", b"<"), (b"&#65;", b"A"), (b"&#x00041;", b"A"), (b'\\"', b'"')),
    *((b"\\/", b"/"), (b"x", b"x"), (b"%25", b"%"), (b"%26", b"&"), (b"x", b"x")),
]


@pytest.mark.parametrize(
    ("buffer", "parts"),
    [
        (b"", [b""]),
        (b"none", [b"none"]),
        (b"%41", [b"", b"%41", b""]),
        (b"a%41%7fb", [b"a", b"%41%7f", b"b"]),
        (b"%41.%41", [b"", b"%41", b".", b"%41", b""]),
        (b"%18%80%4g%G4", [b"%18%80%4g%G4"]),
        (b"\\u0041\\u007E", [b"", b"\\u0041\\u007E", b""]),
        (b"\\u0018\\u0080\\u0141\\u1041\\U0041", [b"\\u0018\\u0080\\u0141\\u1041\\U0041"]),
        (b'\\"\\/', [b"", b'\\"', b"", b"\\/", b""]),
        (b"\\n\\\\", [b"\\n\\\\"]),
        (b"&lt;&#65;", [b"", b"&lt;", b"", b"&#65;", b""]),
        (b"&gt;a&quot;", [b"", b"&gt;", b"a", b"&quot;", b""]),
        (b"&#32;&#126;", [b"", b"&#32;", b"", b"&#126;", b""]),
        (b"&#39;&#99;&#119;", [b"", b"&#39;", b"", b"&#99;", b"", b"&#119;", b""]),
        (b"&#31;&#127;&#200;&lt&LESS;&nbsp;&#;", [b"&#31;&#127;&#200;&lt&LESS;&nbsp;&#;"]),
        (b"&l;&am;&quo;&fjlig;&bne;", [b"&l;&am;&quo;&fjlig;&bne;"]),
        (b"&#x20;&#X7e;", [b"", b"&#x20;", b"", b"&#X7e;", b""]),
        (b"&#x1f;&#x80;&#x141;&#x;", [b"&#x1f;&#x80;&#x141;&#x;"]),
        (b"%41\\u0041&#65;", [b"", b"%41", b"", b"\\u0041", b"", b"&#65;", b""]),
        (b"&#%36%35;&lt;", [b"&#", b"%36%35", b";", b"&lt;", b""]),
        (b"\\%75", [b"\\", b"%75", b""]),
    ],
)
def test_a_buffer_is_what_is_no_escape_and_escapes_of_one_length_in_turns(buffer: bytes, parts: list[bytes]) -> None:
    assert pieces(buffer) == parts


@pytest.mark.parametrize("zeros", [0, 1, 15, 16])
def test_the_zeros_of_an_entity_are_sixteen_at_most(zeros: int) -> None:
    for number, said in ((b"65", b"A"), (b"126", b"~"), (b"x7e", b"~"), (b"X7E", b"~")):
        digits = number.lstrip(b"xX")
        escape = b"&#" + number.removesuffix(digits) + b"0" * zeros + digits + b";"
        assert Reading(escape).said == said
        more = escape.replace(digits, b"0" * (17 - zeros) + digits)
        assert pieces(more) == [more]


@pytest.mark.parametrize(("spelling", "said"), SPELLINGS)
def test_an_escape_says_its_byte(spelling: bytes, said: bytes) -> None:
    assert len(spelling) <= LONGEST
    for size in range(1, len(spelling)):
        assert Reading(b"z" + spelling[:size]).said == b"z" + spelling[:size]
    if spelling != b"\\\\":
        assert Reading(b"z" + spelling + b"z").said == b"z" + said + b"z"


def _reads_as(parts: Parts) -> None:
    reading = Reading(b"".join(spelling for spelling, _ in parts))
    places = list(accumulate((len(spelling) for spelling, _ in parts), initial=0))
    escapes = [
        (start, (start + len(spelling), said[0]))
        for start, (spelling, said) in zip(places, parts, strict=False)
        if spelling != said
    ]
    assert reading.said == b"".join(said for _, said in parts)
    assert bool(reading) == bool(escapes)
    assert [reading.place(at) for at in range(len(parts) + 1)] == places
    assert list(reading.escapes(frozenset(range(256)) - {0x5C}).items()) == [
        escape for escape in escapes if escape[1][1] != ord("\\")
    ]
    assert list(reading.escapes(frozenset(b"Az\\")).items()) == [
        escape for escape in escapes if escape[1][1] in b"Az\\"
    ]


def test_each_byte_of_what_is_said_has_its_place_and_its_escape() -> None:
    _reads_as(SEVERAL)
    _reads_as(SEVERAL[::-1])
    _reads_as([(b"%41", b"A")] * 3)
    _reads_as([])


@given(st.lists(st.sampled_from(LETTERS) | st.sampled_from(ESCAPES), max_size=12))
def test_each_byte_has_its_place_in_any_buffer(parts: Parts) -> None:
    _reads_as(parts)


@pytest.mark.parametrize("buffer", [b"%41", b".\\\\.", b"\\u0041z", b"&lt;"])
def test_a_reading_is_true_of_a_buffer_that_may_say_something_else(buffer: bytes) -> None:
    assert Reading(buffer)


@pytest.mark.parametrize("buffer", [b"", b".", b"100% sure", b"a\\b", b"Smith & Co", b"%4.", b"%4", b"&am"])
def test_a_reading_is_false_of_a_buffer_that_says_what_it_is(buffer: bytes) -> None:
    assert not Reading(buffer)


def test_each_two_backslashes_are_an_escape_of_one_in_order_with_the_others() -> None:
    backslash = frozenset(b"\\")
    assert list(Reading(b"\\\\\\").escapes(backslash).items()) == [(0, (2, 0x5C)), (1, (3, 0x5C))]
    reading = Reading(b"z\\\\.\\\\\\u005c%5cz")
    others = [(6, (12, 0x5C)), (12, (15, 0x5C))]
    assert list(reading.escapes(backslash).items()) == [(1, (3, 0x5C)), (4, (6, 0x5C)), (5, (7, 0x5C)), *others]
    assert reading.escapes(frozenset(b"z")) == {}


def test_what_goes_with_a_literal_goes_where_it_stands() -> None:
    form = FixedForm(b"bb", before=b"ax", after=b"cx")
    assert list(form.finds(b"bb")) == [(0, 2)]
    assert list(form.finds(b"abbc.xbbx")) == [(0, 4), (5, 9)]
    assert list(form.finds(b"cbba")) == [(1, 3)]
    assert list(form.finds(b"bbca")) == [(0, 3)]
