"""Where each kind of form stands in a buffer, to the byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.rules.fixed_forms import FixedForm, fixed_forms
from apikeychain.rules.scrubbing import Needles


@pytest.mark.parametrize(
    ("text", "buffer", "runs"),
    [
        (b"ab", b"", []),
        (b"aa", b"a", []),
        (b"ab", b"abxab", [[0], [3]]),
        (b"ab", b"abab", [[0], [2]]),
        (b"ab", b"ab.abab", [[0], [3], [5]]),
        (b"aa", b"aaaaxaa", [[0, 1, 2], [5]]),
        (b"aaa", b"aaaaa.aaa", [[0, 1, 2], [6]]),
        (b"aa", b"aaa.aa.aa", [[0, 1], [4], [7]]),
        (b"aba", b"xababaxaba", [[1, 3], [7]]),
        (b"abab", b"abababab.abab", [[0, 2, 4], [9]]),
        (b"aab", b"aaabaab", [[1], [4]]),
        (b"aab", b"abaa", []),
        (b"abaab", b"abaabaabab", [[0, 3]]),
        (b"abaaba", b"abaabaabaaba", [[0, 3, 6]]),
        (b"aabaa", b"aabaabaaabaa", [[0, 3], [7]]),
        (b"aabaa", b"aabaaabaabaa", [[0, 4], [7]]),
        (b"aaba", b"aaaabaabaa", [[2, 5]]),
        (b"abacaba", b"abacabacabaabacaba", [[0, 4], [11]]),
    ],
)
def test_a_literal_begins_in_each_of_its_places(text: bytes, buffer: bytes, runs: list[list[int]]) -> None:
    found = list(FixedForm(text).runs(buffer))
    assert [list(places) for places in found] == runs
    assert [places.step for places in found if len(places) == 1] == [1 for places in runs if len(places) == 1]
    assert list(FixedForm(text).finds(buffer)) == [(places[0], places[-1] + len(text)) for places in runs]


@pytest.mark.parametrize("more", [*range(20), 62, 63, 64, 65, 66])
@pytest.mark.parametrize("text", [b"aa", b"aba", b"abcab"])
def test_a_run_of_any_length_is_followed_to_its_end(text: bytes, more: int) -> None:
    period = text[: text.rindex(text[:1]) or 1] if text != b"abcab" else b"abc"
    for behind in (b"", period[:-1], b".", b"." + text):
        buffer = b"." + period * more + text + behind
        run, *others = FixedForm(text).runs(buffer)
        assert run == range(1, 2 + len(period) * more, len(period) if more else 1)
        assert others == ([range(len(buffer) - len(text), len(buffer) - len(text) + 1)] if behind[1:] == text else [])


@given(st.text("ab", min_size=1, max_size=5), st.text("ab", max_size=40))
def test_a_literal_that_overlaps_itself_is_missed_nowhere(text: str, buffer: str) -> None:
    starts = [at for at in range(len(buffer)) if buffer.startswith(text, at)]
    runs = list(FixedForm(text.encode()).runs(buffer.encode()))
    assert [at for places in runs for at in places] == starts
    assert all(places.step < len(text) or len(places) == 1 for places in runs)


def test_what_goes_with_a_run_goes_with_its_ends() -> None:
    form = FixedForm(b"aa", before=b"ab", after=b"ac")
    for buffer, spans in {
        b"aaaa": [(0, 4)],
        b"baaaac": [(0, 6)],
        b".aaaa.": [(1, 5)],
        b"caaaab": [(1, 5)],
        b"baaa.aac": [(0, 4), (5, 8)],
    }.items():
        assert list(form.finds(buffer)) == spans


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


@pytest.mark.parametrize("buffer", [b"%79%zzx", b"x\xff%79%zz", b"%78\xff%79%zz", b"%79%zz%7"])
def test_what_stands_at_the_other_end_is_not_what_stands_before(buffer: bytes) -> None:
    assert Needles((b"xy%zz",)).scrub(buffer) == buffer
