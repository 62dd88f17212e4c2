"""Which request headers go up."""

import pytest

from apikeychain import __version__
from apikeychain.errors import HeaderRefusedError, ParameterRefusedError
from apikeychain.model.headers import Line
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import HeaderParameter, RawBody
from apikeychain.rules.routing import fill
from exchange import a_call, a_route, goes_up

CONSTANT = {b"user-agent": f"apikeychain/{__version__}".encode(), b"accept-encoding": b"identity"}


def test_a_bare_call_carries_our_name_and_asks_for_no_coding() -> None:
    assert dict(goes_up(a_route()).headers) == CONSTANT


@pytest.mark.parametrize(
    "name", [b"accept", b"accept-language", b"last-event-id", b"if-match", b"if-none-match", b"if-modified-since"]
)
def test_the_usual_headers_go_up_as_they_came(name: bytes) -> None:
    lines = ((name, b"one"), (name, b"two"))
    assert [line for line in goes_up(a_route(), b"weather", b"", *lines).headers if line[0] == name] == list(lines)


@pytest.mark.parametrize(
    "name",
    [
        *(b"cookie", b"authorization", b"origin", b"referer", b"forwarded", b"x-forwarded-for", b"x-iso-user"),
        *(b"x-http-method-override", b"x-original-url", b"x-signature", b"x-timestamp", b"host", b"te", b"trailer"),
        *(b"upgrade", b"connection", b"keep-alive", b"proxy-connection", b"expect", b"transfer-encoding"),
        *(b"x-api-key", b"x_api_key", b"user-agent", b"range", b"if-range", b"sec-fetch-mode", b"x-anything"),
        *(b"content-type", b"content-length", b"accept-charset", b"http2-settings"),
    ],
)
def test_no_other_header_goes_up(name: bytes) -> None:
    value = b"0" if name == b"content-length" else b"kept-alive"
    if name == b"transfer-encoding":
        route = a_route(methods=("POST",), body=RawBody())
        lines = ((name, value), (b"content-type", b"application/octet-stream"))
        names = dict(fill(a_call(b"weather", b"", *lines, method="POST"), route, None).headers)
        assert name not in names
        return
    headers = dict(goes_up(a_route(), b"weather", b"", (name, value)).headers)
    assert headers == CONSTANT


def test_a_route_adds_headers_and_ranges() -> None:
    lines = ((b"x-more", b"1"), (b"range", b"bytes=0-1"), (b"if-range", b"e"))
    headers = dict(goes_up(a_route(headers=("X-More",), ranges=True), b"weather", b"", *lines).headers)
    assert headers == {**CONSTANT, b"x-more": b"1", b"range": b"bytes=0-1", b"if-range": b"e"}


def test_what_connection_lists_is_dropped() -> None:
    route = a_route(headers=("X-More",), parameters=(HeaderParameter("X-Version"),))
    lines: tuple[Line, ...] = (
        (b"connection", b"close, X-More"),
        (b"connection", b"accept,x-version"),
        (b"x-more", b"1"),
        (b"accept", b"a"),
        (b"x-version", b"1"),
    )
    assert dict(goes_up(route, b"weather", b"", *lines).headers) == CONSTANT


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\0b", b"\x7f", b"caf\xc3\xa9"])
def test_a_value_that_could_split_a_line_is_refused(value: bytes) -> None:
    with pytest.raises(HeaderRefusedError):
        goes_up(a_route(), b"weather", b"", (b"accept", value))


def test_a_provider_names_itself_and_sets_lines_that_no_caller_replaces() -> None:
    provider = Provider(
        "weather",
        "https://a.example",
        HeaderCredential("X-Api-Key"),
        user_agent="partner/1",
        headers=(("Accept", "application/vnd.a+json"), ("X-Version", "3")),
    )
    headers = goes_up(
        a_route(provider, headers=("x-version",)), b"weather", b"", (b"accept", b"x"), (b"x-version", b"1")
    )
    assert sorted(headers.headers) == [
        (b"accept", b"application/vnd.a+json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"partner/1"),
        (b"x-version", b"3"),
    ]


def test_a_header_parameter_is_judged_and_sent() -> None:
    route = a_route(
        parameters=(
            HeaderParameter("X-Version", pattern="[0-9]+", required=True),
            HeaderParameter("X-Default", default="d"),
            HeaderParameter("X-Fixed", fixed="f"),
            HeaderParameter("X-Many", many=True),
        )
    )
    lines = ((b"x-version", b" 7\t"), (b"x-many", b"a"), (b"x-many", b"b"))
    sent = [line for line in goes_up(route, b"weather", b"", *lines).headers if line[0] not in CONSTANT]
    assert sent == [
        (b"x-version", b"7"),
        (b"x-default", b"d"),
        (b"x-fixed", b"f"),
        (b"x-many", b"a"),
        (b"x-many", b"b"),
    ]


@pytest.mark.parametrize(
    ("parameter", "lines"),
    [
        (HeaderParameter("X-A", pattern="[0-9]+"), [b"x"]),
        (HeaderParameter("X-A"), [b"1", b"2"]),
        (HeaderParameter("X-A"), [b"caf\xe9"]),
        (HeaderParameter("X-A"), [b"a\0"]),
        (HeaderParameter("X-A", fixed="f"), [b"f"]),
        (HeaderParameter("X-A", required=True), []),
    ],
)
def test_a_header_parameter_that_does_not_fit_is_named(parameter: HeaderParameter, lines: list[bytes]) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        goes_up(a_route(parameters=(parameter,)), b"weather", b"", *((b"x-a", line) for line in lines))
    assert refused.value.parameter == "X-A"
