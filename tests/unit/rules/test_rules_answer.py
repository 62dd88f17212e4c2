"""What of a provider's answer is passed on."""

import pytest

from apikeychain.errors import CredentialRefusedError, UpstreamRefusedError
from apikeychain.model.network import Network
from apikeychain.model.route import PathParameter
from apikeychain.rules.answer import pass_on
from apikeychain.rules.routing import CompiledRoute
from exchange import BY_QUERY, LOCATION_BASE, Chunks, a_route, an_answer

NO_STORE = (b"cache-control", b"no-store")
CDN = Network(redirect_hosts=("cdn.example",))


def _location(route: CompiledRoute, location: bytes, status: int = 302) -> bytes | None:
    answer = pass_on(an_answer((b"location", location), status=status), route, LOCATION_BASE)
    return dict(answer.headers).get(b"location")


def test_status_body_and_the_allowed_headers_pass() -> None:
    lines = (
        *((b"content-type", b"text/plain"), (b"content-length", b"3"), (b"content-language", b"en")),
        *((b"content-disposition", b"inline"), (b"content-range", b"bytes */3"), (b"accept-ranges", b"bytes")),
        *((b"etag", b'"e"'), (b"last-modified", b"now"), (b"retry-after", b"1"), (b"x-request-id", b"caf\xe9")),
        *((b"x-ratelimit-remaining", b"1"), (b"x-ratelimit-reset", b"2")),
    )
    body = Chunks()
    answer = pass_on(an_answer(*lines, status=404, body=body), a_route(), LOCATION_BASE)
    assert (answer.status, answer.headers, answer.body) == (404, (*lines, NO_STORE), body)


@pytest.mark.parametrize(
    "name",
    [
        *(b"set-cookie", b"access-control-allow-origin", b"cache-control", b"x-apikeychain-error", b"vary", b"server"),
        *(b"content-security-policy", b"strict-transport-security", b"location", b"link", b"transfer-encoding"),
        *(b"www-authenticate", b"refresh", b"service-worker-allowed", b"x-ratelimitless", b"trailer", b"connection"),
        *(b"x-ratelimit-", b"x-ratelimit-%41bc", b"x-ratelimit-a.b", b"x-ratelimit-a_b", b"x-ratelimit-a&#41"),
    ],
)
def test_no_other_header_passes(name: bytes) -> None:
    assert pass_on(an_answer((name, b"x")), a_route(), LOCATION_BASE).headers == (NO_STORE,)


def test_an_answer_that_never_has_a_body_tells_of_none() -> None:
    lines = ((b"content-length", b"5"), (b"etag", b'"e"'))
    assert pass_on(an_answer(*lines, status=204), a_route(), LOCATION_BASE).headers == (lines[1], NO_STORE)
    assert pass_on(an_answer(*lines, status=304), a_route(), LOCATION_BASE).headers == (*lines, NO_STORE)


def test_a_route_lets_more_headers_pass() -> None:
    lines = ((b"link", b"<a>; rel=next"), (b"link", b"<b>"))
    answer = pass_on(an_answer(*lines), a_route(answer_headers=("Link",)), LOCATION_BASE)
    assert answer.headers == (*lines, NO_STORE)


@pytest.mark.parametrize(("status", "cached"), [(200, True), (204, True), (304, True), (404, False), (500, False)])
def test_a_good_answer_may_be_kept_by_its_caller(status: int, cached: bool) -> None:
    line = dict(pass_on(an_answer(status=status), a_route(cache_seconds=60), LOCATION_BASE).headers)[b"cache-control"]
    assert line == (b"private, max-age=60" if cached else b"no-store")


@pytest.mark.parametrize("status", [401, 407])
def test_our_refused_credential_is_no_answer_of_the_callers(status: int) -> None:
    with pytest.raises(CredentialRefusedError):
        pass_on(an_answer(status=status), a_route(), LOCATION_BASE)


@pytest.mark.parametrize("status", [100, 101, 199, 206, 600, 999])
def test_a_status_that_nobody_asked_for_does_not_pass(status: int) -> None:
    with pytest.raises(UpstreamRefusedError):
        pass_on(an_answer(status=status), a_route(), LOCATION_BASE)


def test_a_part_passes_where_ranges_do() -> None:
    assert pass_on(an_answer(status=206), a_route(ranges=True), LOCATION_BASE).status == 206


@pytest.mark.parametrize(
    "lines",
    [
        ((b"content-length", b"1"), (b"content-length", b"2")),
        ((b"content-type", b"a/b"), (b"content-type", b"a/c")),
        ((b"location", b"/v1"), (b"location", b"/v1")),
        ((b"x-request-id", b"a\r\nset-cookie: b"),),
        ((b"x-request-id", b"\0"),),
    ],
)
def test_an_answer_with_two_readings_does_not_pass(lines: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(UpstreamRefusedError):
        pass_on(an_answer(*lines), a_route(), LOCATION_BASE)


@pytest.mark.parametrize(
    ("location", "own"),
    [
        (b"/v1/users/ann", b"/ann"),
        (b"/v1/users/ann/x/y?a=1&b#part", b"/ann/x/y?a=1&b"),
        (b"https://api.weather.example/v1/users/%C3%A9/", b"/%C3%A9/"),
        (b"https://API.weather.example:443/v1/users/ann?", b"/ann"),
        (b"/v1/users/ann?AppId=key&q=2", b"/ann?q=2"),
    ],
)
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_location_under_the_route_is_rewritten_to_ours(location: bytes, own: bytes, status: int) -> None:
    route = a_route(BY_QUERY, path="/users/{user}", parameters=(PathParameter("user"),), tail=True)
    assert _location(route, location, status) == LOCATION_BASE + own


@pytest.mark.parametrize(
    "location",
    [
        *(b"/v1/people/ann", b"/v2/users/ann", b"/v1/users", b"/v1/users/../admin", b"/v1/users/%2e%2e", b"/"),
        *(b"//evil.test/v1/users/ann", b"https://evil.test/v1/users/ann", b"http://api.weather.example/v1/users/ann"),
        *(b"https://api.weather.example:8443/v1/users/ann", b"https://api.weather.example@evil.test/v1/users/ann"),
        *(b"https://cdn.example:8443/a", b"https://xcdn.example/a", b"http://cdn.example/a", b"https:cdn.example"),
        *(
            b"users/ann",
            b"?a=1",
            b"",
            b"/v1/users/a b",
            b"/v1/users/\\a",
            b"/v1/users/\xc3\xa9",
            b"javascript:alert(1)",
        ),
        *(b"/v1/users/" + b"a" * 8192, b"https://api.weather.example", b"/v1/users/ann/x//../y"),
    ],
)
def test_any_other_location_does_not_pass(location: bytes) -> None:
    route = a_route(path="/users/{user}", parameters=(PathParameter("user"),), tail=True, network=CDN)
    with pytest.raises(UpstreamRefusedError):
        _location(route, location)


@pytest.mark.parametrize("root", [b"/sub", b"/a/~b.c-d_1", b"/@a:b"])
def test_a_location_is_rewritten_to_below_the_root_of_the_server(root: bytes) -> None:
    answer = pass_on(an_answer((b"location", b"/v1/now"), status=302), a_route(path="/now"), root + LOCATION_BASE)
    assert dict(answer.headers)[b"location"] == root + LOCATION_BASE


@pytest.mark.parametrize(
    "root",
    [b"sub", b"/", b"//evil.test", b"/\\evil.test", b"/a//b", b"/a b", b"/a\nb", b"/?", b"/#", b"/%2f", b"/\xe9"],
)
def test_below_a_root_that_is_no_plain_path_no_location_is_rewritten(root: bytes) -> None:
    route = a_route(path="/now", network=CDN)
    with pytest.raises(UpstreamRefusedError) as refused:
        pass_on(an_answer((b"location", b"/v1/now"), status=302), route, root + LOCATION_BASE)
    assert refused.value.hint == "the server's root path is none that a Location could begin with"
    answer = pass_on(an_answer((b"location", b"https://cdn.example"), status=302), route, root + LOCATION_BASE)
    assert dict(answer.headers)[b"location"] == b"https://cdn.example"


@pytest.mark.parametrize(
    "location", [b"https://cdn.example/a?b=c#d", b"https://CDN.example:443/", b"https://cdn.example"]
)
def test_a_location_on_an_allowed_host_passes_unchanged(location: bytes) -> None:
    assert _location(a_route(network=CDN), location) == location


def test_a_route_without_a_tail_is_not_left_by_a_location() -> None:
    assert _location(a_route(path="/now"), b"/v1/now") == LOCATION_BASE
    with pytest.raises(UpstreamRefusedError):
        _location(a_route(path="/now"), b"/v1/now/then")


def test_a_redirect_without_a_location_and_a_304_pass() -> None:
    assert pass_on(an_answer(status=300), a_route(), LOCATION_BASE).headers == (NO_STORE,)
    assert _location(a_route(), b"https://evil.test/", status=304) is None
    assert _location(a_route(), b"https://evil.test/", status=201) is None
