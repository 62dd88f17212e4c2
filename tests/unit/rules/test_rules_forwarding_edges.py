"""Request headers to the last name: which never go up whatever a route says, and what is said of them."""

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import BasicCredential, HeaderCredential, Provider
from apikeychain.model.route import HeaderParameter
from exchange import BY_QUERY, a_route, goes_up

NEVER = [
    *(
        "accept-encoding",
        "authorization",
        "content-encoding",
        "content-md5",
        "content-type",
        "date",
        "dnt",
        "forwarded",
    ),
    *("http2-settings", "if-range", "max-forwards", "range", "referer", "service-worker", "true-client-ip"),
    *("user-agent", "via", "x-content-sha256", "x-http-method", "x-http-method-override", "x-key-id"),
    *("x-method-override", "x-nonce", "x-original-host", "x-original-method", "x-original-url", "x-real-ip"),
    *("x-rewrite-url", "x-signature", "x-timestamp"),
    *("access-control-x", "proxy-x", "sec-x", "x-apikeychain-x", "x-forwarded-x", "x-iso-x"),
]


@pytest.mark.parametrize("name", NEVER)
def test_no_route_sends_it_up(name: str) -> None:
    for spelling in (name, name.title()):
        with pytest.raises(InvalidValueError) as refused:
            a_route(BY_QUERY, headers=("x-good", spelling))
        assert str(refused.value) == (
            f"the route 'weather' cannot forward the header {spelling!r}: it never goes to a provider"
        )


def test_no_parameter_sends_it_up_either() -> None:
    with pytest.raises(InvalidValueError, match="'X-Real-IP': it never goes to a provider"):
        a_route(parameters=(HeaderParameter("X-A"), HeaderParameter("X-Real-IP")))


@pytest.mark.parametrize(
    "name", ["Access-Controlled", "Proxying", "Second", "X-ApiKeyChained", "X-Forwardedly", "X-Isolated"]
)
def test_a_name_that_only_begins_alike_may_go_up(name: str) -> None:
    line = (name.lower().encode(), b"\t 1~")
    assert line in goes_up(a_route(headers=(name,)), b"weather", b"", line).headers


def test_the_header_of_the_credential_is_nobody_elses() -> None:
    with pytest.raises(InvalidValueError) as refused:
        a_route(headers=("X-API-Key",))
    assert str(refused.value) == (
        "the route 'weather' cannot forward the header 'X-API-Key': the credential goes there"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("X-Api-Key", "the credential goes there"),
        ("User-Agent", "write user_agent="),
        ("Accept-Encoding", "it is always identity"),
        ("Content-Type", "it is the body's"),
    ],
)
def test_a_header_that_a_provider_cannot_set_is_told_why(name: str, why: str) -> None:
    provider = Provider(
        "weather", "https://a.example", HeaderCredential("x-api-key"), headers=(("x-a", "1"), (name, "x"))
    )
    with pytest.raises(InvalidValueError) as refused:
        a_route(provider)
    assert str(refused.value) == f"the provider 'weather' cannot set the header {name.lower()!r}: {why}"


def test_a_caller_never_fills_the_header_of_the_credential() -> None:
    provider = Provider("weather", "https://a.example", HeaderCredential("If-Match"))
    assert b"if-match" not in dict(goes_up(a_route(provider), b"weather", b"", (b"if-match", b"mine")).headers)
    basic = Provider("weather", "https://a.example", BasicCredential())
    with pytest.raises(InvalidValueError, match="the credential goes there"):
        a_route(basic, headers=("Authorization",))


def test_ranges_go_up_where_a_route_has_them_only() -> None:
    lines = ((b"range", b"bytes=0-1"), (b"if-range", b"e"))
    assert not {b"range", b"if-range"} & dict(goes_up(a_route(), b"weather", b"", *lines).headers).keys()


@pytest.mark.parametrize("connection", [b"ACCEPT", b" accept ", b"close,accept", b"\taccept\t,x"])
def test_connection_lists_names_in_any_case_and_with_blanks(connection: bytes) -> None:
    lines = ((b"connection", connection), (b"accept", b"a"))
    assert b"accept" not in dict(goes_up(a_route(), b"weather", b"", *lines).headers)


def test_a_value_of_a_parameter_loses_the_blanks_around_it_and_nothing_else() -> None:
    route = a_route(parameters=(HeaderParameter("X-A"),))
    assert (b"x-a", b"Xa bX") in goes_up(route, b"weather", b"", (b"x-a", b"\t Xa bX \t")).headers


def test_a_default_gives_way_to_what_the_caller_sends() -> None:
    route = a_route(parameters=(HeaderParameter("X-A", default="own"),))
    lines = [line for line in goes_up(route, b"weather", b"", (b"x-a", b"sent")).headers if line[0] == b"x-a"]
    assert lines == [(b"x-a", b"sent")]


def test_a_credential_in_the_query_takes_no_header() -> None:
    lines = ((b"accept", b"a"), (b"x-more", b"1"))
    sent = goes_up(a_route(BY_QUERY, headers=("X-More",)), b"weather", b"", *lines).headers
    assert set(lines) <= set(sent)
