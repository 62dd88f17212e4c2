"""No caller byte leaves the provider's base path."""

from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import ParameterRefusedError, PathRefusedError, RefusalError
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import PathParameter, QueryParameter
from apikeychain.rules.injection import inject
from apikeychain.rules.paths import MAX_URL_BYTES, Template, encode_query, encode_query_anew
from apikeychain.secret import Secret
from exchange import BY_HEADER, NOW, a_route, goes_up
from outside import cases

OPEN = a_route(tail=True, undeclared="forward")


@pytest.mark.parametrize(
    ("tail", "path"),
    [
        (b"", b"/v1"),
        (b"/", b"/v1/"),
        (b"/a", b"/v1/a"),
        (b"/a/b//c/", b"/v1/a/b//c/"),
        (b"/r%C3%A9sum%c3%a9.pdf", b"/v1/r%C3%A9sum%C3%A9.pdf"),
        (b"/%61%2e", b"/v1/a."),
        (b"/models/gemini:generateContent", b"/v1/models/gemini:generateContent"),
        (b"/-._~!$&'()*+,;=:@", b"/v1/-._~!$&'()*+,;=:@"),
        (b'/a<b>"[c]', b"/v1/a%3Cb%3E%22%5Bc%5D"),
        (b"/a%20b%3f%23", b"/v1/a%20b%3F%23"),
        (b"/%252e%252e%252fadmin", b"/v1/%252e%252e%252fadmin"),
        (b"/...", b"/v1/..."),
        (b"/https:evil.test", b"/v1/https:evil.test"),
    ],
)
def test_each_segment_is_decoded_once_and_encoded_anew(tail: bytes, path: bytes) -> None:
    assert goes_up(OPEN, b"weather" + tail).path == path


@pytest.mark.parametrize(
    "tail",
    [
        *(b"/..", b"/.", b"/a/../b", b"/%2e%2e", b"/.%2E/a", b"/%2e", b"/..;/a", b"/.;x=1", b"/%2e%2e;x"),
        *(b"/a%2fb", b"/a%2Fb", b"/a%5cb", b"/a\\b", b"/%00", b"/a%0d%0ab", b"/%7f", b"/a b", b"/a\tb", b"/a\nb"),
        *(b"/\xc3\xa9", b"/a#b", b"//a", b"///", b"/%c0%ae%c0%ae", b"/%ff", b"/a%", b"/a%2", b"/a%zz", b"/%u002e"),
    ],
)
def test_what_could_mean_more_than_a_name_is_refused(tail: bytes) -> None:
    with pytest.raises(PathRefusedError):
        goes_up(OPEN, b"weather" + tail)


@pytest.mark.parametrize("end", [b"%", b"%2", b"%zz"])
def test_a_broken_escape_is_refused_however_long_the_text_before_it(end: bytes) -> None:
    # A pattern that could split that text in many ways would go through all of them before it gives up.
    for raw in (b"a" * 8000 + end, b"%41a" * 2000 + end):
        with pytest.raises(PathRefusedError):
            goes_up(OPEN, b"weather/" + raw)
        with pytest.raises(PathRefusedError):
            goes_up(OPEN, b"weather", b"q=" + raw)


@pytest.mark.parametrize("query", [b"a=b c", b"a=\xe2\x82\xac", b"a=%", b"a=%f", b"%zz=1", b"a=b#c", b"a=\\", b"a=%ff"])
def test_a_query_that_cannot_be_read_is_refused(query: bytes) -> None:
    with pytest.raises(PathRefusedError):
        goes_up(OPEN, b"weather", query)


def test_path_and_query_have_a_length() -> None:
    room = MAX_URL_BYTES - len(b"weather/")
    assert len(goes_up(OPEN, b"weather/" + b"a" * room).path) == len(b"/v1/") + room
    with pytest.raises(PathRefusedError):
        goes_up(OPEN, b"weather/" + b"a" * (room - 2), b"a=b")


@pytest.mark.parametrize("tail", [b"/", b"/a"])
def test_a_segment_too_many_is_refused_without_a_tail(tail: bytes) -> None:
    with pytest.raises(PathRefusedError):
        goes_up(a_route(path="/now"), b"weather" + tail)


def test_placeholders_take_segments_in_their_order() -> None:
    route = a_route(
        path="/models/{model}:run/{user}",
        parameters=(PathParameter("user"), PathParameter("model", pattern="[a-z/]+")),
        tail=True,
    )
    assert goes_up(route, b"weather/gem/ann%20b/x/y").path == b"/v1/models/gem:run/ann%20b/x/y"
    with pytest.raises(ParameterRefusedError) as refused:
        goes_up(route, b"weather/GEM/ann")
    assert refused.value.parameter == "model"


@pytest.mark.parametrize("path", [b"weather", b"weather/", b"weather/..", b"weather/a/b"])
def test_a_placeholder_needs_one_segment_that_is_not_empty(path: bytes) -> None:
    with pytest.raises(PathRefusedError):
        goes_up(a_route(path="/{id}", parameters=(PathParameter("id"),)), path)


def test_a_value_makes_no_dot_segment_with_the_text_around_it() -> None:
    route = a_route(path="/.{id}", parameters=(PathParameter("id"),))
    assert goes_up(route, b"weather/a").path == b"/v1/.a"
    with pytest.raises(PathRefusedError):
        goes_up(route, b"weather/.;")
    with pytest.raises(PathRefusedError):
        goes_up(route, b"weather/;")


def test_a_tail_may_have_a_pattern_for_each_segment() -> None:
    route = a_route(tail=("v1|v2", "[a-z]+"))
    assert goes_up(route, b"weather/v2/chat").path == b"/v1/v2/chat"
    for path in (b"weather", b"weather/v1", b"weather/v1/chat/x", b"weather/v3/chat", b"weather/v1/chat%0a"):
        with pytest.raises(PathRefusedError):
            goes_up(route, path)


def test_without_any_path_the_root_is_asked() -> None:
    provider = Provider("weather", "https://a.example", HeaderCredential("x-key"))
    assert goes_up(a_route(provider)).path == b"/"
    assert goes_up(a_route(provider, tail=True), b"weather/").path == b"/"


@pytest.mark.parametrize(
    ("raw", "anew"),
    [
        (b"a+b", b"a+b"),
        (b"a%2bb+c", b"a%2Bb+c"),
        (b"%61%26%3d%3B;'[]", b"a%26%3D%3B%3B%27%5B%5D"),
        (b"!$()*,:@/?", b"!$()*,:@/?"),
        (b"%0A", b"%0A"),
    ],
)
def test_a_query_value_keeps_its_meaning(raw: bytes, anew: bytes) -> None:
    assert encode_query_anew(raw) == anew


@given(st.binary())
def test_a_plain_value_is_encoded_so_that_one_decoding_gives_it_back(raw: bytes) -> None:
    assert unquote_to_bytes(encode_query(raw)) == raw


RAW = st.lists(
    st.sampled_from(
        [b"..", b".", b"/", b"\\", b"%2e", b"%2f", b"%5c", b"%", b";", b"a", b"%252e", b"@", b":", b"?", b"#"]
    )
    | st.binary(min_size=1, max_size=2),
    max_size=12,
).map(b"".join)


@given(RAW, RAW)
def test_whatever_a_caller_sends_stays_under_the_base(tail: bytes, query: bytes) -> None:
    try:
        target = goes_up(OPEN, b"weather/" + tail, query)
    except RefusalError:
        return
    url = inject(target, Secret("0123456789abcdef"), NOW).url
    assert url.startswith("https://api.weather.example/v1/")
    path, _, _ = url.removeprefix("https://api.weather.example").partition("?")
    segments = unquote_to_bytes(path).split(b"/")
    assert b"." not in segments
    assert b".." not in segments
    assert segments[1] == b"v1"
    assert unquote_to_bytes(path) == b"/v1/" + unquote_to_bytes(tail)


@pytest.mark.parametrize(
    ("path", "segments"),
    [
        ("/v1/users/ann/x.json", (b"ann",)),
        ("/v1/users/ann/x.json/a//b", (b"ann", b"a", b"", b"b")),
        ("/v1/users/ann", None),
        ("/v1/users//x.json", None),
        ("/v1/people/ann/x.json", None),
        ("/v1evil/users/ann/x.json", None),
        ("/v2", None),
        ("/v1", None),
    ],
)
def test_a_path_of_the_provider_is_recognised(path: str, segments: tuple[bytes, ...] | None) -> None:
    template = Template.compile("/v1", "/users/{user}/x.json", tail=True, route="weather")
    assert template.recognise(path.encode()) == segments


def test_a_segment_with_two_placeholders_is_not_recognised() -> None:
    template = Template.compile("", "/{a}-{b}", tail=False, route="weather")
    assert template.recognise(b"/x-y") is None
    assert template.fill({"a": "x", "b": "y"}, ()) == b"/x-y"


@pytest.mark.parametrize("case", [c for c in cases("ssrf_path") if not c.get("whole_target")], ids=lambda c: c["id"])
def test_outside_cases_stay_on_the_base_or_are_refused(case: dict[str, Any]) -> None:
    raw, _, query = bytes.fromhex(case["path_hex"]).partition(b"?")
    base = case["base"].rstrip("/")
    names = {unquote_to_bytes(pair.partition(b"=")[0]).decode("latin-1") for pair in query.split(b"&") if pair}
    provider = Provider("weather", base, BY_HEADER.credential)
    declared = tuple(QueryParameter(name, many=True) for name in sorted(names) if "#" not in name)
    allowed = {case["expect"], *case["also_ok"]}
    try:
        target = goes_up(a_route(provider, tail=True, parameters=declared), b"weather/" + raw, query)
    except RefusalError:
        assert "reject" in allowed
        return
    assert "stays_on_base" in allowed
    url = inject(target, Secret("0123456789abcdef"), NOW).url
    assert url.startswith(base + "/")
    sent = url.removeprefix(base + "/").encode()
    assert unquote_to_bytes(sent) == unquote_to_bytes(bytes.fromhex(case["path_hex"]))
