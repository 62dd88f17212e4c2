"""Which route a call takes, and what goes up for it."""

from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, MethodRefusedError, NotFoundError
from apikeychain.model.network import PUBLIC, Network
from apikeychain.model.provider import BasicCredential, HeaderCredential, Provider, QueryCredential
from apikeychain.model.route import (
    HeaderParameter,
    JSONBody,
    PathParameter,
    ProxyRoute,
    QueryParameter,
    RawBody,
    Timeouts,
)
from apikeychain.rules.routing import compile_route, fill, match
from exchange import BY_HEADER, BY_QUERY, a_call, a_route


def _project(**options: Any) -> Any:  # whatever a route may have, and a stand-in for a snapshot
    return SimpleNamespace(routes=MappingProxyType({b"weather": a_route(**options)}))


@pytest.mark.parametrize("path", [b"weather", b"weather/", b"weather/a/b"])
def test_a_route_is_found_by_the_first_segment(path: bytes) -> None:
    project = _project()
    assert match(a_call(path), project) is project.routes[b"weather"]


@pytest.mark.parametrize("path", [b"", b"/", b"forecast", b"%77eather", b"weather%2f", b"Weather", b"../weather"])
def test_any_other_name_is_not_found(path: bytes) -> None:
    with pytest.raises(NotFoundError):
        match(a_call(path), _project())


def test_get_includes_head_and_a_refused_method_is_told_what_there_is() -> None:
    project = _project(methods=("GET", "POST"))
    assert match(a_call(method="HEAD"), project).methods == {"GET", "HEAD", "POST"}
    with pytest.raises(MethodRefusedError) as refused:
        match(a_call(method="DELETE"), project)
    assert refused.value.headers == ((b"allow", b"GET, HEAD, POST"),)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "get", "OPTIONS", "HEAD"])
def test_a_method_that_was_not_declared_is_refused(method: str) -> None:
    with pytest.raises(MethodRefusedError):
        match(a_call(method=method), _project(methods=("POST",)))


def test_a_call_goes_up_as_path_query_headers_and_body() -> None:
    route = a_route(
        path="/users/{user}/posts",
        parameters=(
            PathParameter("user", pattern="[a-z]+"),
            QueryParameter("page", type="integer"),
            HeaderParameter("X-Version", choices=("1", "2")),
        ),
    )
    lines = ((b"x-version", b"2"), (b"cookie", b"a=b"), (b"accept", b"text/plain"))
    target = fill(a_call(b"weather/ann", b"page=3", *lines), route, None)
    assert (target.method, target.path, target.query) == ("GET", b"/v1/users/ann/posts", b"page=3")
    assert (b"accept", b"text/plain") in target.headers
    assert (b"x-version", b"2") in target.headers
    assert b"cookie" not in dict(target.headers)
    assert (target.body, target.content_length, target.route) == (None, None, route)


def test_a_stream_has_no_total_timeout() -> None:
    timeouts = Timeouts(first_byte=5)
    assert a_route(timeouts=timeouts).timeouts == timeouts
    assert a_route(timeouts=timeouts, stream=True).timeouts == Timeouts(first_byte=5, total=None)


@pytest.mark.parametrize(("body", "streams"), [(None, False), (RawBody(), True), (JSONBody(), False)])
def test_a_body_is_read_whole_where_its_fields_are_declared(body: RawBody | JSONBody | None, streams: bool) -> None:
    route = a_route(methods=("POST",), body=body, max_body_bytes=77)
    assert (route.body.raw, route.body.cap) == (streams, 77)


def test_what_the_host_says_about_the_network_goes_with_the_route() -> None:
    network = Network(private=True)
    assert a_route(network=network).network == network


@pytest.mark.parametrize(
    "options",
    [
        {"max_body_bytes": 0},
        {"max_body_bytes": 101 << 20},
        {"parameters": (QueryParameter("q", pattern="(?=a)"),)},
        {"parameters": (QueryParameter("q", pattern="a)|(?:b"),)},
        {"parameters": (QueryParameter("q", pattern="(?:a{1000}){1000}"),)},
        {"parameters": (QueryParameter("q"), QueryParameter("q"))},
        {"parameters": (HeaderParameter("X-A"), HeaderParameter("x-a"))},
        {"parameters": (HeaderParameter("x-api-key"),)},
        {"parameters": (PathParameter("id", many=True),), "path": "/{id}"},
        {"parameters": (PathParameter("id", fixed="1"),), "path": "/{id}"},
        {"parameters": (PathParameter("id", default="1"),), "path": "/{id}"},
        {"tail": ("(?=a)",)},
        {"headers": ("X-API-Key",)},
        {"headers": ("Authorization",)},
        {"headers": ("X-Forwarded-For",)},
        {"headers": ("X-HTTP-Method-Override",)},
        {"headers": ("X-Signature",)},
        {"answer_headers": ("Set-Cookie",)},
        {"answer_headers": ("Access-Control-Allow-Origin",)},
        {"cache_seconds": -1},
    ],
)
def test_a_route_that_cannot_be_is_refused_when_it_is_added(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError):
        a_route(**options)


def test_a_query_parameter_in_the_place_of_the_credential_is_refused_when_it_is_added() -> None:
    with pytest.raises(InvalidValueError, match="the credential goes there"):
        a_route(BY_QUERY, parameters=(QueryParameter("AppID"),))
    assert a_route(BY_HEADER, parameters=(QueryParameter("AppID"),)).parameters.declared


def test_equal_names_in_different_places_are_two_parameters() -> None:
    route = a_route(parameters=(QueryParameter("q", choices=("1",)), HeaderParameter("q", choices=("2",))))
    target = fill(a_call(b"weather", b"q=1", (b"q", b"2")), route, None)
    assert (target.query, dict(target.headers)[b"q"]) == (b"q=1", b"2")


def test_a_route_is_compiled_with_its_own_provider_only() -> None:
    other = Provider("maps", "https://maps.example", QueryCredential("key"))
    with pytest.raises(InvalidValueError, match="not of 'maps'"):
        compile_route(ProxyRoute("weather", provider="weather"), other, network=PUBLIC, body_limit=1 << 20)


@pytest.mark.parametrize("header", ["x-api-key", "User-Agent", "Accept-Encoding", "content-type"])
def test_a_provider_cannot_set_a_header_that_is_set_elsewhere(header: str) -> None:
    provider = Provider("weather", "https://a.example", HeaderCredential("X-Api-Key"), headers=((header, "x"),))
    with pytest.raises(InvalidValueError, match="cannot set the header"):
        a_route(provider)


def test_a_provider_with_basic_credentials_owns_the_authorization_header() -> None:
    provider = Provider("weather", "https://a.example", BasicCredential(), headers=(("Authorization", "x"),))
    with pytest.raises(InvalidValueError, match="the credential goes there"):
        a_route(provider)
