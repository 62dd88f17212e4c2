from hypothesis import given
from hypothesis import strategies as st

from apikeychain.model.headers import Headers

LINES = ((b"Accept", b"a"), (b"X-Key", b"secret"), (b"ACCEPT", b"b"))


def test_names_are_lower_case_and_lines_keep_their_order_and_values() -> None:
    headers = Headers(LINES)
    assert headers.lines == ((b"accept", b"a"), (b"x-key", b"secret"), (b"accept", b"b"))
    assert tuple(headers) == headers.lines


def test_a_look_up_finds_the_first_or_all_or_none() -> None:
    headers = Headers(LINES)
    assert headers.get(b"accept") == b"a"
    assert headers.all(b"accept") == (b"a", b"b")
    assert headers.get(b"origin") is None
    assert headers.all(b"origin") == ()
    assert b"accept" in headers
    assert b"Accept" not in headers


def test_equal_lines_are_equal_headers() -> None:
    assert Headers(LINES) == Headers(iter(LINES))
    assert hash(Headers(LINES)) == hash(Headers(LINES))
    assert Headers(LINES) != Headers(LINES[:2])
    assert Headers() != ()


def test_a_repr_shows_names_and_no_value() -> None:
    assert repr(Headers(LINES)) == "Headers(accept, x-key, accept)"
    assert repr(Headers([(b"\xff", b"")])) == "Headers(\xff)"


NAMES = (b"accept", b"Accept", b"ACCEPT", b"x-key", b"X-Key", b"cookie", b"x_key", b"")


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.binary(max_size=2)), max_size=8))
def test_every_look_up_finds_what_reading_the_lines_finds(lines: list[tuple[bytes, bytes]]) -> None:
    headers = Headers(lines)
    lower = tuple((name.lower(), value) for name, value in lines)
    assert headers.lines == lower
    for name in NAMES:
        values = tuple(value for other, value in lower if other == name)
        assert headers.all(name) == values
        assert headers.get(name) == headers.first.get(name) == (values[0] if values else None)
        assert (name in headers) == bool(values)
    assert headers.are_unique == (len({name for name, _ in lower}) == len(lower))
