"""What is looked for, to the byte, and how finds that overlap or cross a chunk are one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.call import Reply
from apikeychain.model.headers import Line
from apikeychain.model.provider import BasicCredential, HeaderCredential, Provider, QueryCredential
from apikeychain.rules.redaction import needles, scrub
from apikeychain.rules.scrubbing import Needles, Scrubber
from apikeychain.secret import MIN_BYTES, Secret

HALF = "h" * MIN_BYTES


def _texts(secret: str, username: str | None = None) -> set[bytes]:
    place = BasicCredential(username)
    return set(needles(Provider("weather", "https://a.example", place), Secret(secret)).texts)


def test_each_half_of_a_basic_credential_that_is_long_enough_is_looked_for() -> None:
    assert {HALF.encode(), b"p" * MIN_BYTES} <= _texts(f"{HALF}:{'p' * MIN_BYTES}")
    short = _texts(f"{HALF[1:]}:{'p' * 20}")
    assert HALF[1:].encode() not in short
    assert b"p" * 20 in short


def test_a_password_begins_behind_the_first_colon() -> None:
    texts = _texts(f"{HALF}:pass:word:long")
    assert {HALF.encode(), b"pass:word:long"} <= texts
    assert f"{HALF}:pass:word".encode() not in texts


def test_of_a_secret_with_its_scheme_the_token_and_its_halves_are_looked_for() -> None:
    bare = Provider("weather", "https://a.example", HeaderCredential("authorization"))

    def texts(secret: str) -> set[str]:
        return {text.decode() for text in needles(bare, Secret(secret)).texts} - {secret}

    assert texts("ApiKey one-two-three:four-five-six:seven") == {
        *("one-two-three:four-five-six:seven", "one-two-three", "four-five-six:seven")
    }
    assert texts("ApiKey one-two-three four-five-six") == {"one-two-three four-five-six"}
    assert texts("ApiKey seven:one-two-three") == {"seven:one-two-three", "one-two-three"}
    assert texts("one-two-three-four") == set()


def test_with_a_username_the_secret_is_no_pair() -> None:
    assert HALF.encode() not in _texts(f"{HALF}:{'p' * 20}", "ann")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 40])
@pytest.mark.parametrize(
    ("needle", "sent", "left"),
    [
        ((b"ababab",), b"xabababab.", b"x[redacte."),
        ((b"abcdefgh", b"cd"), b"abcdefgh-cd-abcd", b"[redacte-[r-ab[r"),
        ((b"abcd", b"cdefgh"), b"abcdefgh-", b"[redacte-"),
        ((b"abcd",), b"abcdabcdab", b"[red[redab"),
        ((b"aab",), b"aaab-aa", b"a[re-aa"),
    ],
)
def test_finds_that_overlap_are_one_in_chunks_of_any_size(
    needle: tuple[bytes, ...], sent: bytes, left: bytes, size: int
) -> None:
    scrubber = Scrubber(Needles(needle))
    chunks = [sent[at : at + size] for at in range(0, len(sent), size)]
    assert b"".join([*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()]) == left


LONG = Needles((b"s" * 100,))
ROOM = 22 * 100


@pytest.mark.parametrize("byte", [*range(0x20), *range(0x7F, 0x100)])
def test_behind_a_byte_that_no_form_holds_everything_before_it_leaves(byte: int) -> None:
    scrubber = Scrubber(LONG)
    assert scrubber.feed(b"sss") == b""
    assert scrubber.feed(b"s%cs" % byte) == b"ssss%c" % byte
    assert scrubber.flush() == b"s"


def test_no_more_is_held_back_than_the_longest_form_and_an_eighth_of_it() -> None:
    scrubber = Scrubber(LONG)
    assert scrubber.feed(b"." * ROOM) == b""
    assert scrubber.feed(b"." * (ROOM // 8 - 1)) == b""
    assert scrubber.feed(b".") == b"." * (ROOM // 8)
    assert scrubber.feed(b"." * ROOM) == b"." * ROOM
    assert scrubber.flush() == b"." * ROOM


def test_the_longest_text_says_how_much_is_held_back() -> None:
    assert (Needles((b"abc", b"a" * 10, b"ab")).longest, LONG.longest) == (220, ROOM)


BYTES = st.lists(st.sampled_from([b"s", b"sk-0123+4567", b"%73", b"c2st", b"736b", b"&#", b"Bearer s", b".", b"x y"]))


@given(BYTES, BYTES, st.lists(st.integers(0, 2000), max_size=3), st.lists(st.integers(0, 2000), max_size=8))
def test_when_something_leaves_tells_nothing_of_what_it_is(
    one: list[bytes], other: list[bytes], breaks: list[int], cuts: list[int]
) -> None:
    bodies = [bytearray(b"".join(pieces) * 20)[:2000].ljust(2000, b".") for pieces in (one, other)]
    for body in bodies:
        for at in breaks:
            body[at : at + 1] = b"\n"
    places = sorted(cuts)
    left = [
        [len(scrubber.feed(bytes(body[a:b]))) for a, b in zip([0, *places], [*places, 2000], strict=True)]
        for body in bodies
        for scrubber in [Scrubber(Needles((b"sk-0123+456789", b"Bearer sk-0123+456789")))]
    ]
    assert left[0] == left[1]


UPPER = Secret("ABCDefgh1234IJKL")
BEARER = Provider("weather", "https://api.weather.example", HeaderCredential("Authorization", "Bearer "))


def _scrubbed(*lines: Line) -> tuple[Line, ...]:
    return scrub(Reply(200, lines, b""), needles(BEARER, UPPER)).headers


def test_needles_are_in_order_and_each_is_there_once() -> None:
    basic = Provider("mail", "https://api.mail.example", BasicCredential())
    texts = needles(basic, Secret("someuser:somepassword"), Secret("someuser:otherpassword")).texts
    assert texts == tuple(sorted(set(texts)))
    assert {b"someuser", b"somepassword", b"otherpassword"} <= set(texts)


def test_a_header_named_like_the_secret_is_dropped_in_any_case_and_the_others_stay() -> None:
    other = (b"etag", b"1")
    assert _scrubbed(other, (b"x-abcdefgh1234ijkl", b"2")) == (other,)
    assert _scrubbed((b"x-" + UPPER.reveal().hex().encode(), b"2"), other) == (other,)
    assert _scrubbed(other, (b"x-abcdefgh1234", b"2")) == (other, (b"x-abcdefgh1234", b"2"))


def test_a_header_named_like_a_secret_that_goes_in_the_query_is_dropped_too() -> None:
    query = Provider("maps", "https://maps.example", QueryCredential("key"))
    lines = ((b"x-abcdefgh1234ijkl", b"2"), (b"etag", b"1"))
    assert scrub(Reply(200, lines, b""), needles(query, UPPER)).headers == lines[1:]


def test_a_location_without_the_secret_passes_beside_a_line_that_holds_it() -> None:
    place = (b"location", b"/elsewhere")
    assert _scrubbed(place, (b"x-echo", UPPER.reveal())) == (place, (b"x-echo", b"[redacted]******"))


def test_needles_show_nothing_of_themselves_and_are_equal_by_their_texts() -> None:
    found = Needles((b"aSecret99",))
    assert repr(found) == "Needles()"
    assert found == Needles((b"aSecret99",))
    assert found != Needles((b"aSecret98",))
