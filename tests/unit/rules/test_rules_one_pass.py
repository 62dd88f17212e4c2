"""What is judged, read or searched in one pass comes out as if it were so piece by piece."""

import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apikeychain.errors import AnswerError, PathRefusedError, UpstreamRefusedError
from apikeychain.model.call import Reply
from apikeychain.model.headers import Line
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import LONGEST_SECONDS, STREAMS, PathParameter, Timeouts
from apikeychain.rules.answer import pass_on
from apikeychain.rules.answer_plan import ALWAYS
from apikeychain.rules.escapes import Reading, may_escape
from apikeychain.rules.forwarding import dropped_names
from apikeychain.rules.pairs import joined, split_query
from apikeychain.rules.paths import MAX_URL_BYTES, encode_query_anew, read_text, require_sound_url
from apikeychain.rules.redaction import needles, scrub
from apikeychain.rules.scrubbing import PIECE, Needles
from apikeychain.secret import Secret
from exchange import LOCATION_BASE, a_call, a_route, an_answer, goes_up
from spellings import every_spelling

RAW = st.lists(
    st.sampled_from([b"a", b"Z", b"9", b"=", b"&", b"+", b"%20", b"%2B", b"%41", b"%C3%BC", b"%C3", b"%", b"%4"])
    | st.binary(min_size=1, max_size=1).filter(re.compile(rb"[\x21-\x7e]").fullmatch),
    max_size=12,
).map(b"".join)


def _by_piece(raw: bytes) -> list[tuple[str, str, bytes]] | None:
    """The pairs, each decoded and encoded by itself, or None where one of them cannot be."""
    found: list[tuple[str, str, bytes]] = []
    for piece in raw.split(b"&") if raw else ():
        name, equals, value = piece.partition(b"=")
        if not name:
            return None
        try:
            encoded = encode_query_anew(name) + equals + encode_query_anew(value)
            found.append((read_text(name), read_text(value), encoded))
        except PathRefusedError:
            return None
    return found


@given(RAW)
@example(b"a=b=c")
@example(b"a=&b&c=+")
@example(b"a&&b")
@example(b"&a")
@example(b"a&")
@example(b"=a")
def test_a_query_is_split_in_one_pass_as_piece_by_piece(raw: bytes) -> None:
    pairs = _by_piece(raw)
    if pairs is None:
        with pytest.raises(AnswerError):
            split_query(raw)
    else:
        split = split_query(raw)
        assert [(pair.name, pair.value, pair.encoded) for pair in split] == pairs
        assert joined(split) == b"&".join(encoded for _, _, encoded in pairs)


@pytest.mark.parametrize("byte", range(256))
def test_a_byte_that_no_url_may_hold_is_refused_in_path_and_query(byte: int) -> None:
    is_sound = 0x20 < byte < 0x7F and byte not in b"#\\"
    for parts in ((b"a%cb" % byte, b"c"), (b"a", b"b%cc" % byte)):
        if is_sound:
            require_sound_url(*parts)
        else:
            with pytest.raises(PathRefusedError):
                require_sound_url(*parts)


def test_path_and_query_share_one_bound() -> None:
    require_sound_url(b"a" * (MAX_URL_BYTES - 3), b"bcd")
    for parts in ((b"a" * (MAX_URL_BYTES - 2), b"bcd"), (b"a" * (MAX_URL_BYTES + 1), b""), (b"", b"a" * 9000)):
        with pytest.raises(PathRefusedError):
            require_sound_url(*parts)


def test_a_path_without_the_callers_say_is_always_the_same() -> None:
    for template in ("", "/here", "/here/there"):
        route = a_route(path=template)
        assert goes_up(route).path == b"/v1" + template.encode()
        for more in (b"/", b"/x", b"/x/y", b"/%2e"):
            with pytest.raises(PathRefusedError):
                goes_up(route, b"weather" + more)
    assert goes_up(a_route(Provider("weather", "https://a.example", HeaderCredential("x-key")))).path == b"/"


def test_what_goes_beyond_the_template_is_told_as_it_came() -> None:
    route = a_route(path="/{city}", tail=True, parameters=(PathParameter("city"),))
    assert [route.tail_of(a_call(path)) for path in (b"weather", b"weather/a", b"weather/a/b%20/", b"weather/a/b")] == [
        *("", "", "/b%20/", "/b"),
    ]


CONNECTIONS = st.lists(st.sampled_from([b"keep-alive", b"close", b"Close", b"", b" TE ", b"a,b", b"keep-alive, x"]))


@given(CONNECTIONS)
def test_the_names_that_connection_lists_are_those_of_every_line(values: list[bytes]) -> None:
    call = a_call(b"weather", b"", *((b"connection", value) for value in values))
    assert dropped_names(call.headers) == {name.strip().lower() for value in values for name in value.split(b",")}


LINES = st.lists(
    st.tuples(
        st.sampled_from([*sorted(ALWAYS), b"x-ratelimit-left", b"x-ratelimit-", b"x-ratelimit-A", b"server", b"x"]),
        st.binary(max_size=6),
    ),
    max_size=5,
)


@given(LINES)
def test_the_lines_of_an_answer_pass_together_as_one_by_one(lines: list[Line]) -> None:
    names = [name for name, _ in lines]
    doubled = any(names.count(name) > 1 for name in (b"content-type", b"content-length", b"location"))
    sound = all(byte == 9 or (byte >= 32 and byte != 127) for _, value in lines for byte in value)
    if doubled or not sound:
        with pytest.raises(UpstreamRefusedError):
            pass_on(an_answer(*lines), a_route(), LOCATION_BASE)
        return
    passed = [
        (name.lower(), value)
        for name, value in lines
        if name in ALWAYS or re.fullmatch(rb"x-ratelimit-[a-z0-9-]+", name.lower())
    ]
    assert pass_on(an_answer(*lines), a_route(), LOCATION_BASE).headers[:-1] == tuple(passed)


SPACES = st.text(" \t\r\n\x0b\x0c\x1c", max_size=2).map(str.encode)
TYPES = st.sampled_from([*sorted(STREAMS), b"text/event-streams", b"application/json", b"x", b""])


@given(
    SPACES, TYPES, st.sampled_from([bytes.lower, bytes.upper]), SPACES, st.sampled_from([b"", b";", b"; a=\n", b"a"])
)
def test_a_content_type_is_that_of_a_stream_in_any_case_and_with_parameters(
    before: bytes, media_type: bytes, spelled: Callable[[bytes], bytes], after: bytes, rest: bytes
) -> None:
    written = before + spelled(media_type) + after + rest
    is_stream = written.partition(b";")[0].strip().lower() in STREAMS
    assert Timeouts(total=7).lasting(written) == (LONGEST_SECONDS if is_stream else 7)


def test_without_a_total_every_answer_may_last_the_longest() -> None:
    assert [Timeouts(total=None).lasting(given) for given in (None, b"", b"text/plain")] == [LONGEST_SECONDS] * 3
    assert [Timeouts(total=7).lasting(given) for given in (None, b"")] == [7, 7]


@given(st.lists(st.sampled_from([b"%41", b"\\u0041", b"&lt;", b'\\"', b"\\\\", b"a", b"&", b"%", b"\\"])).map(b"".join))
def test_what_cannot_begin_an_escape_says_what_it_is(buffer: bytes) -> None:
    if not may_escape(buffer):
        assert not Reading(buffer)
        assert Reading(buffer).said == buffer


TEXT = b"sk-0123+4567"
PROVIDER = Provider("weather", "https://api.weather.example", HeaderCredential("authorization", "Bearer "))
FOUND = needles(PROVIDER, Secret(TEXT.decode()))
SAID = b"".join(every_spelling(byte)[1] for byte in TEXT)
FORMS = st.sampled_from(
    [TEXT, TEXT.lower(), TEXT.hex().upper().encode(), SAID, TEXT[:6], TEXT[6:], b"%", b"&lt;", b"x"]
)


def _each(lines: Sequence[Line], found: Needles) -> list[Line]:
    return [
        (name, found.scrub(value))
        for name, value in lines
        if found.scrub(name) == name and not any(text.lower() in name for text in found.texts)
    ]


@given(
    st.lists(st.tuples(st.sampled_from([b"etag", b"x-sk-0123+4567", b"x-a"]), FORMS), max_size=3),
    st.lists(FORMS | st.just(b"\n"), max_size=4).map(b"".join),
)
def test_a_whole_answer_is_searched_at_once_and_scrubbed_part_by_part(lines: list[Line], body: bytes) -> None:
    reply = Reply(201, tuple(lines), body, idle_seconds=3, total_seconds=4)
    scrubbed = scrub(reply, FOUND)
    assert scrubbed == Reply(201, tuple(_each(lines, FOUND)), FOUND.scrub(body), idle_seconds=3, total_seconds=4)
    assert (scrubbed is reply) == (scrubbed == reply)


def test_what_begins_in_a_header_does_not_end_in_the_body() -> None:
    reply = Reply(200, ((b"x-a", TEXT[:6]),), TEXT[6:])
    assert scrub(reply, FOUND) is reply


@pytest.mark.parametrize("size", [PIECE - len(TEXT), PIECE, PIECE + 1, 3 * PIECE])
def test_a_whole_body_of_any_size_is_scrubbed(size: int) -> None:
    clean = b"." * size
    assert scrub(Reply(200, (), clean), FOUND).body == clean
    assert scrub(Reply(200, (), clean + TEXT), FOUND).body == clean + b"[redacted]**"
