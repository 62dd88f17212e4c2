"""In what ways a buffer may have each part of a text."""

import pytest

from apikeychain.rules.parts import Way, parts
from spellings import every_spelling

ESCAPES = sorted({escape for byte in range(0x20, 0x7F) for escape in every_spelling(byte)[1:]} - {b"\\\\"})


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (b"zzz", []),
        (b"a", []),
        (b"az", [1]),
        (b"41z", [1, 2]),
        (b"81z", [1]),
        (b"Fz", [1]),
        (b"fz", [1]),
        (b"g", []),
        (b"u0041z", [2, 3, 4, 5]),
        (b"u00041", [2, 3, 4]),
        (b"uu", []),
        (b"07F.", [1, 2, 3]),
        (b"007F.", [1, 2, 3, 4]),
        (b'"z', [1]),
        (b"//", [1]),
        (b'""z', [1]),
        (b";z", [1]),
        (b";;;", [1]),
        (b"zz;z", [3]),
        (b"#x41;.", [5]),
        (b"#Zz09;.", [6]),
        (b"-;z", []),
        (b"z" * 20 + b";z", [21]),
        (b"z" * 21 + b";z", []),
    ],
)
def test_the_first_part_may_begin_behind_what_an_escape_ends_in(text: bytes, sizes: list[int]) -> None:
    first, *_ = parts(text)
    assert first[1:] == [Way(text[size:], before=text[:size]) for size in sizes]


def _begins(special: bytes) -> list[Way]:
    return [Way(special), Way(b"", after=special)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"z", [[Way(b"z")]]),
        (b"z%z&-z", [[Way(b"z%z&-z")]]),
        (b"z%7gz%8fz", [[Way(b"z%7gz%8fz")]]),
        (b"z%41", [[Way(b"z")], [Way(b"%41"), Way(b"A", b"%41", 1)], [Way(b"")]]),
        (b"%41z", [[Way(b"")], [Way(b"%41"), Way(b"A", b"%41", 1)], [Way(b"z")]]),
        (
            b"z%41%42z",
            [
                [Way(b"z")],
                [Way(b"%41"), Way(b"A", b"%41", 1)],
                [Way(b"")],
                [Way(b"%42"), Way(b"B", b"%42", 1)],
                [Way(b"z")],
            ],
        ),
        (b"z\\z", [[Way(b"z")], [Way(b"\\"), Way(b"\\\\", b"\\\\", 2)], [Way(b"z")]]),
        (
            b"z\\/z",
            [
                [Way(b"z")],
                [Way(b"\\/"), Way(b"/", b"\\/", 1), Way(b"\\\\/", b"\\\\", 2), Way(b"\\/", b"\\\\/", 2)],
                [Way(b"z")],
            ],
        ),
        (
            b"z\\",
            [
                [Way(b"z")],
                [*_begins(b"\\"), Way(b"\\\\", b"\\\\", 2), Way(b"\\", b"\\", 1, after=b"\\")],
                [Way(b"")],
            ],
        ),
        (b"z%%4", [[Way(b"z%")], _begins(b"%4"), [Way(b"")]]),
        (b"z&z&z", [[Way(b"z&z")], _begins(b"&z"), [Way(b"")]]),
    ],
    ids=[
        *("letter", "leads", "no-escapes", "escape-last", "escape-first", "escapes", "backslash", "solidus"),
        *("backslash-last", "beginning", "beginning-of-a-name"),
    ],
)
def test_a_part_is_had_plainly_or_with_an_escape_in_it(text: bytes, found: list[list[Way]]) -> None:
    assert parts(text) == found


@pytest.mark.parametrize("escape", ESCAPES)
def test_each_beginning_of_an_escape_may_be_one_and_the_whole_is_one(escape: bytes) -> None:
    for size in range(1, len(escape)):
        first, special, _ = parts(b"z" + escape[:size])
        assert (first, special[:2]) == ([Way(b"z")], _begins(escape[:size]))
    _, special, _ = parts(b"z" + escape)
    assert [(way.plain, way.width) for way in special[:2]] == [(b"", 0), (escape, 1)]


@pytest.mark.parametrize("last", [b"%8", b"%4.", b"\\n", b"\\u1", b"\\u000", b"&" + b"z" * 21, b"&z."])
def test_what_no_escape_begins_with_is_said_as_it_stands(last: bytes) -> None:
    assert not any(way.after for part in parts(b"z" + last) for way in part)


def test_a_way_shows_nothing_of_itself() -> None:
    assert "secret" not in repr(Way(b"secret", b"secret", 1, b"secret", b"secret"))
