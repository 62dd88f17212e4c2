"""Answers to the last header: which never pass whatever a route says, and how long one may take."""

import pytest

from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import PathParameter, Timeouts
from apikeychain.rules.answer import pass_on
from exchange import BY_QUERY, LOCATION_BASE, Chunks, a_route, an_answer

NEVER = [
    *("alt-svc", "cache-control", "clear-site-data", "content-encoding", "content-location", "content-security-policy"),
    *(
        "content-security-policy-report-only",
        "expires",
        "location",
        "nel",
        "origin-agent-cluster",
        "permissions-policy",
    ),
    *("pragma", "proxy-authenticate", "referrer-policy", "refresh", "report-to", "reporting-endpoints"),
    *("service-worker-allowed", "set-cookie", "set-cookie2", "sourcemap", "strict-transport-security"),
    *("timing-allow-origin", "vary", "www-authenticate", "x-content-type-options", "x-frame-options", "x-sourcemap"),
    *("edge-control", "no-vary-search", "set-login", "speculation-rules", "use-as-dictionary"),
    *("cdn-cache-control", "cloudflare-cdn-cache-control", "surrogate-control", "surrogate-key", "x-sendfile"),
    *("x-accel-redirect", "x-accel-expires", "x-lighttpd-send-file", "x-reproxy-url", "x-sendfile-temporary"),
    *("access-control-x", "cross-origin-opener-policy", "sec-x", "x-apikeychain-error"),
]


@pytest.mark.parametrize("name", NEVER)
def test_no_route_lets_it_pass(name: str) -> None:
    for spelling in (name, name.title()):
        with pytest.raises(InvalidValueError) as refused:
            a_route(answer_headers=("x-good", spelling))
        assert str(refused.value) == f"the route 'weather' cannot pass the answer's header {spelling!r}"


@pytest.mark.parametrize("name", ["Access-Controlled", "Cross-Originating", "Second", "X-ApiKeyChained", "Link"])
def test_a_name_that_only_begins_alike_may_pass(name: str) -> None:
    line = (name.lower().encode(), b"1")
    assert pass_on(an_answer(line), a_route(answer_headers=(name,)), LOCATION_BASE).headers[0] == line


def test_an_answer_may_be_kept_for_no_time_and_not_for_less() -> None:
    kept = pass_on(an_answer(), a_route(cache_seconds=0), LOCATION_BASE)
    assert kept.headers == ((b"cache-control", b"private, max-age=0"),)
    with pytest.raises(InvalidValueError) as refused:
        a_route(cache_seconds=-1)
    assert str(refused.value) == "the route 'weather' cannot be cached for -1 seconds"


def test_an_answer_may_take_as_long_as_its_route_says() -> None:
    timeouts = Timeouts(idle=7, total=11)
    answer = pass_on(an_answer(body=Chunks()), a_route(timeouts=timeouts), LOCATION_BASE)
    assert (answer.idle_seconds, answer.total_seconds) == (7, timeouts.lasting(None))
    stream = (b"content-type", b"text/event-stream")
    streamed = pass_on(an_answer(stream), a_route(timeouts=timeouts), LOCATION_BASE)
    assert streamed.total_seconds == timeouts.lasting(stream[1])


@pytest.mark.parametrize("status", [200, 299, 300, 399, 400, 599])
def test_each_status_that_is_one_passes(status: int) -> None:
    route = a_route(cache_seconds=5)
    reply = pass_on(an_answer((b"location", b"/v1"), status=status), route, LOCATION_BASE)
    assert reply.status == status
    assert (b"location" in dict(reply.headers)) == (300 <= status < 400)
    assert (dict(reply.headers)[b"cache-control"] == b"no-store") == (status >= 300)


@pytest.mark.parametrize("value", [b"", b"\t", b" ~", b"\x80\xff"])
def test_a_value_may_hold_all_that_splits_no_line(value: bytes) -> None:
    assert pass_on(an_answer((b"etag", value)), a_route(), LOCATION_BASE).headers[0] == (b"etag", value)


@pytest.mark.parametrize("byte", [0, 8, 10, 13, 0x1F, 0x7F])
def test_a_value_that_may_split_a_line_does_not_pass_in_any_header(byte: int) -> None:
    with pytest.raises(UpstreamRefusedError):
        pass_on(an_answer((b"x-dropped", bytes([byte]))), a_route(), LOCATION_BASE)


def test_a_location_is_as_long_as_an_url_may_be_and_visible() -> None:
    route = a_route(path="/users/{user}", parameters=(PathParameter("user", max_length=9000),), tail=True)
    longest = b"/v1/users/" + b"a" * (8192 - len(b"/v1/users/"))
    answer = pass_on(an_answer((b"location", longest), status=302), route, LOCATION_BASE)
    assert dict(answer.headers)[b"location"] == LOCATION_BASE + longest.removeprefix(b"/v1/users")
    for odd in (longest + b"a", b"/v1/users/\x7f", b"/v1/users/ ", b"/v1/users/\\"):
        with pytest.raises(UpstreamRefusedError):
            pass_on(an_answer((b"location", odd), status=302), route, LOCATION_BASE)
    for good in (b"!", b"~", b"[", b"]"):
        assert pass_on(an_answer((b"location", b"/v1/users/" + good), status=302), route, LOCATION_BASE).status == 302


@pytest.mark.parametrize(
    ("query", "own"),
    [
        (b"?appid", b""),
        (b"?appid=a=b&appid2=c", b"?appid2=c"),
        (b"?&a=1&&b=2&", b"?a=1&b=2"),
        (b"?=1", b"?=1"),
        (b"#a?b", b""),
    ],
)
def test_the_query_of_a_location_is_kept_without_the_credential(query: bytes, own: bytes) -> None:
    answer = pass_on(an_answer((b"location", b"/v1" + query), status=302), a_route(BY_QUERY), LOCATION_BASE)
    assert dict(answer.headers)[b"location"] == LOCATION_BASE + own


def _rewritten(location: bytes, base: str = "https://a.example") -> bytes:
    route = a_route(Provider("weather", base, HeaderCredential("x-key")), tail=True)
    return dict(pass_on(an_answer((b"location", location), status=302), route, LOCATION_BASE).headers)[b"location"]


@pytest.mark.parametrize(
    ("location", "own"),
    [
        (b"/", b"/"),
        (b"https://a.example", b""),
        (b"https://a.example/x", b"/x"),
        (b"https://a.example:00443/x", b"/x"),
        (b"https://a.example:443", b""),
    ],
)
def test_a_location_at_a_provider_without_a_base_path_is_ours(location: bytes, own: bytes) -> None:
    assert _rewritten(location) == LOCATION_BASE + own


@pytest.mark.parametrize(
    "location",
    [b"", b"//evil.test/x", b"x", b"https://a.example:/x", b"https://a.example:000443/x", b"https://a.example:8/"],
)
def test_a_location_that_only_begins_as_one_does_not_pass(location: bytes) -> None:
    with pytest.raises(UpstreamRefusedError):
        _rewritten(location)


def test_a_port_of_one_digit_is_a_port() -> None:
    assert _rewritten(b"https://a.example:8/x", "https://a.example:8") == LOCATION_BASE + b"/x"
