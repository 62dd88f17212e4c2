"""Where each kind of form stands in a buffer, to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.escapes import Reading
from apikeychain.rules.fixed_forms import FixedForm, fixed_forms
from apikeychain.rules.mixed import MixedText
from apikeychain.rules.scrubbing import Needles
from apikeychain.rules.unescaped import UnescapedText, is_unescaped


@pytest.mark.parametrize(
    ("buffer", "spans"),
    [
        (b"41zz", [(0, 4)]),
        (b".%41zz", [(2, 6)]),
        (b".%34%31zz", [(1, 9), (3, 9)]),
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
def test_a_text_without_escapes_is_found_where_it_begins_inside_of_one(
    buffer: bytes, spans: list[tuple[int, int]]
) -> None:
    assert sorted(set(UnescapedText(b"41zz").finds(Reading(buffer)))) == spans
    assert list(UnescapedText(b";zz").finds(Reading(b"&lt;zz.&LESS;zz"))) == [(12, 15), (3, 6)]


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
    buffer: bytes, spans: list[tuple[int, int]]
) -> None:
    assert list(MixedText(b"a%b").finds(Reading(buffer))) == spans


@pytest.mark.parametrize(
    ("text", "buffer", "starts"),
    [
        (b"ab", b"", []),
        (b"ab", b"abxab", [0, 3]),
        (b"ab", b"abab", [0, 2]),
        (b"aa", b"aaaaxaa", [0, 1, 2, 5]),
        (b"aba", b"xababaxaba", [1, 3, 7]),
        (b"aab", b"aaabaab", [1, 4]),
        (b"abaab", b"abaabaabab", [0, 3]),
        (b"abaaba", b"abaabaabaaba", [0, 3, 6]),
        (b"aabaa", b"aabaabaaabaa", [0, 3, 7]),
        (b"abacaba", b"abacabacabaabacaba", [0, 4, 11]),
    ],
)
def test_a_literal_begins_in_each_of_its_places(text: bytes, buffer: bytes, starts: list[int]) -> None:
    assert list(FixedForm(text).starts(buffer)) == starts
    assert list(FixedForm(text).finds(buffer)) == [(at, at + len(text)) for at in starts]


@given(st.text("ab", min_size=1, max_size=5), st.text("ab", max_size=40))
def test_a_literal_that_overlaps_itself_is_missed_nowhere(text: str, buffer: str) -> None:
    starts = [at for at in range(len(buffer)) if buffer.startswith(text, at)]
    assert list(FixedForm(text.encode()).starts(buffer.encode())) == starts


def test_one_byte_beside_a_literal_goes_with_it() -> None:
    form = FixedForm(b"..", before=b"ab", after=b"cd")
    for buffer, spans in {
        b"..": [(0, 2)],
        b"a..c": [(0, 4)],
        b"b..d": [(0, 4)],
        b"c..a": [(1, 3)],
        b"aa..cc": [(1, 5)],
        b"a.a..c": [(2, 6)],
        b"..a..": [(0, 2), (2, 5)],
        b"..c..": [(0, 3), (3, 5)],
    }.items():
        assert list(form.finds(buffer)) == spans


def test_the_forms_of_a_text_are_each_there_once() -> None:
    assert list(fixed_forms(b"key")) == [
        FixedForm(b"key"),
        FixedForm(b"6b6579", folded=True),
        FixedForm(b"a2V5"),
        FixedForm(b"tle", before=b"GWm2", after=b"QRSTUVWXYZabcdef"),
        FixedForm(b"rZX", before=b"BFJNRVZdhlptx159", after=b"klmn"),
    ]
    assert list(fixed_forms(b">>?")) == [
        FixedForm(b">>?"),
        FixedForm(b"3e3e3f", folded=True),
        FixedForm(b"Pj4/"),
        FixedForm(b"Pj4_"),
        FixedForm(b"4+P", before=b"DTjz", after=b"wxyz0123456789+/"),
        FixedForm(b"4-P", before=b"DTjz", after=b"wxyz0123456789-_"),
        FixedForm(b"+Pj", before=b"AEIMQUYcgkosw048", after=b"89+/"),
        FixedForm(b"-Pj", before=b"AEIMQUYcgkosw048", after=b"89-_"),
    ]
    # The same letters, but for one that goes with them.
    assert FixedForm(b"4e", before=b"BFJNRVZdhlptx159", after=b"wxyz0123456789-_") in fixed_forms(b"x{")


def test_a_form_shows_nothing_of_itself() -> None:
    assert repr(FixedForm(b"key", before=b"ab", after=b"cd")) == "FixedForm(folded=False)"


def test_each_end_of_an_escape_counts_and_not_the_shortest_alone() -> None:
    assert not is_unescaped(b"azzzz;zz")
    assert is_unescaped(b"azzz;zzz")


@pytest.mark.parametrize("buffer", [b"%79%zzx", b"x\xff%79%zz", b"%78\xff%79%zz", b"%79%zz%7"])
def test_what_stands_at_the_other_end_is_not_what_stands_before(buffer: bytes) -> None:
    assert Needles((b"xy%zz",)).scrub(buffer) == buffer
