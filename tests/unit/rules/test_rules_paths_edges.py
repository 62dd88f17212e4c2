"""Paths to the last character: what stays bare, what is encoded, how long they are, and how one is read back."""

import pytest

from apikeychain.errors import InvalidValueError, PathRefusedError
from apikeychain.rules.paths import (
    Template,
    compile_pattern,
    encode_query,
    encode_query_anew,
    encode_segment,
    read_text,
    require_sound_url,
)


def _template(path: str, *, prefix: str = "/v1", tail: bool | tuple[str, ...] = False) -> Template:
    return Template.compile(prefix, path, tail, "weather")


def test_path_and_query_have_8192_bytes_together() -> None:
    require_sound_url(b"a" * 8000, b"b" * 192)
    for path, query in ((b"a" * 8001, b"b" * 192), (b"a" * 8000, b"b" * 193)):
        with pytest.raises(PathRefusedError):
            require_sound_url(path, query)


@pytest.mark.parametrize("more", ["", " ", "\u20ac"])
def test_a_segment_keeps_what_it_may_hold_bare_and_nothing_else(more: str) -> None:
    bare = "Az09._~-!$&'()*+,;=:@"
    assert encode_segment(bare + more) == bare.encode() + {"": b"", " ": b"%20", "\u20ac": b"%E2%82%AC"}[more]
    assert encode_segment('/?#[]%"<>\\^`{|}X') == b"%2F%3F%23%5B%5D%25%22%3C%3E%5C%5E%60%7B%7C%7DX"


def test_a_query_keeps_what_it_may_hold_bare_and_nothing_else() -> None:
    bare = b"Az09._~-!$()*,:@/?"
    assert encode_query(bare + b" +&=;'#") == bare + b"%20%2B%26%3D%3B%27%23"
    assert encode_query_anew(bare + b"+%2b%20%41[") == bare + b"+%2B%20A%5B"


@pytest.mark.parametrize("raw", [b"%", b"%4", b"%4g", b"a%%41", b"%41%", b"%\n1"])
def test_a_broken_escape_is_no_text(raw: bytes) -> None:
    with pytest.raises(PathRefusedError):
        read_text(raw)


@pytest.mark.parametrize("pattern", ["(", "a)|(?:b", "(?=a)", r"(a)\1"])
def test_a_pattern_that_does_not_compile_is_named_with_its_reason(pattern: str) -> None:
    start = "the pattern of it does not compile (Rust syntax, no look-around, no back-references): "
    with pytest.raises(InvalidValueError) as refused:
        compile_pattern(pattern, "it")
    told = str(refused.value)
    assert told.startswith(start)
    assert told.removeprefix(start).startswith("error: ")
    assert "\n" not in told


def test_a_value_that_does_not_match_is_not_told() -> None:
    judge = compile_pattern("a+", "it")
    assert judge.validate_python("aa") == "aa"
    for value in ("b", "ab", "a\n", b"a", 1):
        with pytest.raises(ValueError, match="validation error") as refused:
            judge.validate_python(value)
        assert "input_value" not in str(refused.value)


def test_a_pattern_of_a_tail_is_named_with_its_route() -> None:
    with pytest.raises(InvalidValueError, match=r"^the pattern of the tail of the route 'weather' does not compile"):
        _template("/a", tail=("(",))


def test_each_placeholder_of_a_segment_has_its_value() -> None:
    template = _template("/{a}-{b}/x/{c}")
    assert template.names == ("a", "b", "c")
    values, tail = template.read([b"1", b"2%20", b"3"])
    assert (values, tail) == ({"a": "1", "b": "2 ", "c": "3"}, ())
    assert template.fill(values, tail) == b"/v1/1-2%20/x/3"


def test_a_literal_segment_goes_up_as_it_was_declared() -> None:
    assert _template("/a;b/%20c").fill({}, ()) == b"/v1/a;b/%20c"
    assert _template("", prefix="").fill({}, ()) == b"/"


@pytest.mark.parametrize(
    ("path", "whole", "segments"),
    [
        ("/users/{id}", b"/v1/users/7", (b"7",)),
        ("/users/{id}", b"/v1/users/7/a%20b/", (b"7", b"a%20b", b"")),
        ("/users/{id}", b"/v1/posts/7", None),
        ("/users/{id}", b"/v1/users/", None),
        ("/users/{id}", b"/v1/users", None),
        ("/users/{id}", b"/v2/users/7", None),
        ("/users/{id}", b"/v11/users/7", None),
        ("/{a}/{b}", b"/v1/1/2", (b"1", b"2")),
        ("/v{id}.json", b"/v1/v7.json", (b"7",)),
        ("/v{id}.json", b"/v1/v.json", None),
        ("/v{id}.json", b"/v1/w7.json", None),
        ("/v{id}.json", b"/v1/v7.xml!", None),
        ("/v{id}.json", b"/v1/7.json", None),
        ("/aba{id}aba", b"/v1/ababa", None),
        ("/{a}-{b}", b"/v1/1-2", None),
        ("/{a}.{b}", b"/v1/.", None),
        ("", b"/v1", ()),
        ("", b"/v1/x", (b"x",)),
        ("", b"/v1x", None),
    ],
)
def test_a_whole_path_is_read_back_where_it_is_the_routes(
    path: str, whole: bytes, segments: tuple[bytes, ...] | None
) -> None:
    assert _template(path, tail=True).recognise(whole) == segments


@pytest.mark.parametrize(("tail", "good"), [([b"a", b"1"], True), ([b"1", b"a"], False), ([b"a"], False), ([], False)])
def test_a_patterned_tail_is_as_long_as_its_patterns(tail: list[bytes], good: bool) -> None:
    template = _template("/{id}", tail=("[a-z]", "[0-9]"))
    if good:
        assert template.read([b"x", *tail])[1] == ("a", "1")
    else:
        with pytest.raises(PathRefusedError):
            template.read([b"x", *tail])
    with pytest.raises(PathRefusedError):
        template.read([b"x", b"a", b"1", b"2"])
