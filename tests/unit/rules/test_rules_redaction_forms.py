"""A secret is found in each of its forms, and nothing but it: compared with a slow matcher that reads by the letter."""

import base64
import html
import json
import re
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apikeychain.rules.scrubbing import Needles, Scrubber
from spellings import any_form, cut, every_spelling, slow_scrub, spelled

PLAIN = b'sk-Ab3/+"\\&%<z='
# Letters that escapes are written with, and those that overlap themselves.
ALPHABETS = ("%412", "&#;0146x", "\\u0/5c", '"\\/', "3", "ab", "aAbB4142", "&amp;l", "~}|o?", "%5c\\u02f/")
SECRETS = st.sampled_from(ALPHABETS).flatmap(lambda letters: st.text(letters, min_size=2, max_size=9)).map(str.encode)
_GLUE = [
    *b'%\\&;#"/\nxA0=',
    *(f"%{digit}".encode() for digit in "234567"),
    b"\\u00",
    b"&#",
    b"&#x0",
    b"&am",
    b"%4",
    b"\\\\",
]
GLUE = st.sampled_from([bytes([piece]) if isinstance(piece, int) else piece for piece in _GLUE])


def _streamed(needle: Needles, chunks: Sequence[bytes]) -> bytes:
    scrubber = Scrubber(needle)
    return b"".join([*(scrubber.feed(chunk) for chunk in chunks), scrubber.flush()])


def _stars(length: int) -> bytes:
    return (b"[redacted]" + b"*" * length)[:length]


@st.composite
def _bodies(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    texts = draw(st.lists(SECRETS, min_size=1, max_size=2, unique=True))
    form = st.sampled_from(texts).flatmap(any_form)
    part = st.builds(lambda whole, size: whole[:size], form, st.integers(1, 20))
    end = st.builds(lambda whole, size: whole[-size:], form, st.integers(1, 20))
    letters = st.sampled_from(texts).map(lambda text: text[:1])
    pieces = draw(st.lists(st.one_of(form, form, part, end, GLUE, letters), max_size=8))
    return texts, cut(draw, b"".join(pieces))


@settings(deadline=None)
@given(_bodies())
@example(([b"33"], [b"%3", b"33"]))
@example(([b"3333"], [b"%33", b"3333"]))
@example(([b"41%41"], [b"%41%2541", b"%41"]))
@example(([b"\\\\"], [b"\\", b"\\\\u005c"]))
@example(([b"aa"], [b"a%61aa", b"%61a"]))
@example(([b"/u0"], [b"\\\\/u\\u0030"]))
@example(([b"1A1"], [b"1%41%411"]))
def test_the_output_is_that_of_the_slow_matcher_whatever_the_chunks(given_: tuple[list[bytes], list[bytes]]) -> None:
    texts, chunks = given_
    whole, found = b"".join(chunks), Needles(tuple(texts))
    meant = slow_scrub(whole, texts)
    assert found.scrub(whole) == meant
    assert _streamed(found, chunks) == meant
    assert _streamed(found, [whole[at : at + 1] for at in range(len(whole))]) == meant


@settings(deadline=None)
@given(st.data(), st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=8, max_size=24))
def test_no_form_of_a_secret_comes_back(data: st.DataObject, secret: str) -> None:
    text = secret.encode()
    form = data.draw(any_form(text))
    whole = b"{\n" + form + b"\n}"
    out = _streamed(Needles((text,)), data.draw(st.composite(cut)(whole)))
    assert len(out) == len(whole)
    assert out == slow_scrub(whole, [text])
    assert out != whole


@pytest.mark.parametrize("at", range(len(PLAIN)))
def test_each_byte_is_found_in_each_spelling(at: int) -> None:
    for spelling in every_spelling(PLAIN[at]):
        form = PLAIN[:at] + spelling + PLAIN[at + 1 :]
        assert Needles((PLAIN,)).scrub(b"\n" + form + b"\n") == b"\n" + _stars(len(form)) + b"\n"


@pytest.mark.parametrize("byte", range(0x20, 0x7F))
def test_all_bytes_in_one_spelling_are_found(byte: int) -> None:
    text = bytes([byte]) * 8
    for spelling in every_spelling(byte):
        assert Needles((text,)).scrub(spelling * 8) == _stars(len(spelling) * 8)


@pytest.mark.parametrize(
    "form",
    [
        json.dumps(PLAIN.decode())[1:-1].encode(),
        json.dumps(PLAIN.decode())[1:-1].replace("/", "\\/").encode(),
        html.escape(PLAIN.decode()).encode(),
        quote(PLAIN, safe="").encode(),
        quote(PLAIN, safe="").lower().replace("ab3", "Ab3").encode(),
        "".join(f"\\u{byte:04x}" for byte in PLAIN).encode(),
        "".join(f"&#{byte};" for byte in PLAIN).encode(),
        "".join(f"&#X{byte:X};" for byte in PLAIN).encode(),
        PLAIN.hex().encode(),
        PLAIN.hex().upper().encode(),
        PLAIN.hex().encode()[:10] + PLAIN.hex().upper().encode()[10:],
    ],
)
def test_what_encoders_make_of_a_secret_is_found(form: bytes) -> None:
    assert Needles((PLAIN,)).scrub(b"<" + form + b">") == b"<" + _stars(len(form)) + b">"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", range(6))
@pytest.mark.parametrize("after", range(4))
def test_base64_is_found_at_each_alignment_and_no_bit_of_the_secret_stays(
    encode: object, before: int, after: int
) -> None:
    text = b"key>>>??~~~secret"
    assert callable(encode)
    lows, highs = (encode(filler * before + text + filler * after) for filler in (b"\0", b"\xff"))
    others = encode(bytes(before) + b"\0" * len(text) + bytes(after))
    mark = re.search(rb"\[redacted\]\*+", Needles((text,)).scrub(lows))
    assert mark
    start, end = mark.span()
    # What stays is what does not depend on the secret.
    assert (others[:start], others[end:]) == (lows[:start], lows[end:])
    assert Needles((text,)).scrub(highs)[start:end] == mark[0]
    assert end - start == -(-(before % 3 + len(text)) * 8 // 6) - before % 3 * 8 // 6


def test_a_character_beside_base64_stays_where_it_holds_no_bit_of_the_secret() -> None:
    found, text = Needles((b"123456789",)), base64.b64encode(b"123456789")
    assert found.scrub(b'"' + text + b'"') == b'"' + _stars(12) + b'"'
    assert found.scrub(b"A" + text + b"A") == b"A" + _stars(12) + b"A"
    inner = base64.b64encode(b"\0" + b"123456789")
    core = inner[2:13]
    assert found.scrub(b'"' + core + b'"') == b'"' + _stars(11) + b'"'


@pytest.mark.parametrize(
    "near",
    [
        b"sk-Ab3",
        PLAIN[1:],
        PLAIN[:-1],
        PLAIN.replace(b"3", b"%3"),
        PLAIN.replace(b"3", b"%333"),
        PLAIN.replace(b"3", b"\\u033"),
        PLAIN.replace(b"3", b"\\U0033"),
        PLAIN.replace(b"3", b"&#51"),
        PLAIN.replace(b"3", b"&#" + b"0" * 17 + b"51;"),
        PLAIN.replace(b"3", b"&#x" + b"0" * 17 + b"33;"),
        PLAIN.replace(b"3", b"\\3"),
        PLAIN.replace(b"<", b"&LESS;"),
        PLAIN.replace(b"<", b"&lt"),
        PLAIN.hex().encode()[1:],
        PLAIN.swapcase(),
    ],
)
def test_what_is_no_form_of_a_secret_stays(near: bytes) -> None:
    assert Needles((PLAIN,)).scrub(near) == near


def test_two_secrets_of_one_call_are_both_found_and_the_longest_secret_too() -> None:
    both = Needles((b"current-1", b"retiring"))
    assert both.scrub(b"current-1 %72etiring") == b"[redacted [redacted]"
    longest = bytes(0x21 + at % 90 for at in range(4096))
    form = b"".join(f"&#x{'0' * 16}{byte:x};".encode() for byte in longest)
    chunks = [form[at : at + 4096] for at in range(0, len(form), 4096)]
    assert _streamed(Needles((longest,)), [*chunks, b"!"]) == _stars(len(form)) + b"!"


@settings(deadline=None)
@given(st.data())
def test_everything_up_to_the_last_line_feed_leaves_at_once_in_any_form(data: st.DataObject) -> None:
    scrubber = Scrubber(Needles((PLAIN,)))
    form = data.draw(spelled(PLAIN))
    begun = form[: data.draw(st.integers(0, len(form)))]
    event = begun + b"\n\n"
    assert len(scrubber.feed(event)) == len(event)


@pytest.mark.parametrize("size", [65_530, 65_536, 131_072, 131_080])
def test_a_form_is_found_across_the_pieces_of_a_long_chunk(size: int) -> None:
    form = b"".join(b"%%%02x" % byte for byte in PLAIN)
    body = b"." * (size - 20) + form + b"." * 70_000
    meant = body.replace(form, _stars(len(form)))
    assert Needles((PLAIN,)).scrub(body) == meant
    assert _streamed(Needles((PLAIN,)), [body]) == meant
