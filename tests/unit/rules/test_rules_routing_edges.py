"""A route at its limits: what it says when it cannot be, and what goes up to the last header."""

from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, ParameterRefusedError, PathRefusedError, TypeRefusedError
from apikeychain.model.headers import Line
from apikeychain.model.provider import QueryCredential
from apikeychain.model.route import (
    MIB,
    FormBody,
    HeaderParameter,
    JSONBody,
    JSONField,
    PathParameter,
    ProxyRoute,
    QueryParameter,
    RawBody,
)
from apikeychain.rules.bodies import MAX_JUDGED_BYTES
from apikeychain.rules.routing import body_cap, compile_route, fill
from exchange import BY_HEADER, BY_QUERY, a_call, a_route, goes_up, posted

JSON = (b"content-type", b"application/json")


def _refusal(*arguments: Any, **options: Any) -> str:  # whatever a route may have
    with pytest.raises(InvalidValueError) as refused:
        a_route(*arguments, **options)
    return str(refused.value)


def _compiled(provider: str = "weather", *, limit: int = 100, most: int = 100) -> None:
    route = ProxyRoute("forecast", provider=provider, max_body_bytes=most)
    compile_route(route, BY_HEADER, network=a_route().network, body_limit=limit)


def test_a_route_takes_one_byte_up_to_all_that_any_may() -> None:
    _compiled(most=1)
    _compiled(most=100)
    for most in (0, 101, -1):
        with pytest.raises(InvalidValueError) as refused:
            _compiled(most=most)
        assert str(refused.value) == f"the route 'forecast' may take 1 to 100 bytes, not {most}"


def test_a_route_of_another_provider_names_both() -> None:
    with pytest.raises(InvalidValueError) as refused:
        _compiled("maps")
    assert str(refused.value) == "the route 'forecast' is of the provider 'maps', not of 'weather'"


def test_a_parameter_that_cannot_be_is_named_with_its_route() -> None:
    q = QueryParameter
    assert _refusal(parameters=(q("b"), q("q"), q("q"))) == "the route 'weather' declares the parameter 'q' twice"
    doubled = (HeaderParameter("X-A"), HeaderParameter("x-a"))
    assert _refusal(parameters=doubled) == "the route 'weather' declares the parameter 'x-a' twice"
    once = "the path parameter 'id' is always sent once: no many, fixed or default"
    for options in ({"many": True}, {"fixed": "1"}, {"default": "1"}, {"fixed": ""}, {"default": ""}):
        assert _refusal(parameters=(PathParameter("id", **options),), path="/{id}") == once
    credential = "the route 'weather' cannot have the query parameter 'AppID': the credential goes there"
    assert _refusal(BY_QUERY, parameters=(q("city"), q("AppID"))) == credential
    assert _refusal(parameters=(q("q", pattern="("),)).startswith("the pattern of the route 'weather'")
    assert "'weather'" in _refusal(tail=("(",))


def test_only_what_is_sent_once_by_its_nature_may_not_be_many_fixed_or_defaulted() -> None:
    parameters = (
        QueryParameter("a", many=True),
        QueryParameter("b", fixed="1"),
        HeaderParameter("x-c", default="1"),
    )
    assert goes_up(a_route(parameters=parameters), b"weather", b"a=1&a=2").query == b"a=1&a=2&b=1"


def test_only_a_query_parameter_can_stand_in_the_place_of_a_query_credential() -> None:
    assert isinstance(BY_QUERY.credential, QueryCredential)
    parameters = (HeaderParameter(BY_QUERY.credential.parameter), QueryParameter("city"))
    assert len(a_route(BY_QUERY, parameters=parameters).parameters.declared) == 2


def test_queries_differ_by_case_and_headers_do_not() -> None:
    parameters = (QueryParameter("Q"), QueryParameter("q"))
    assert goes_up(a_route(parameters=parameters), b"weather", b"q=1&Q=2").query == b"q=1&Q=2"


def test_the_name_of_the_credential_is_refused_where_other_names_pass() -> None:
    route = a_route(BY_QUERY, undeclared="forward")
    assert goes_up(route, b"weather", b"city=Bern").query == b"city=Bern"
    with pytest.raises(ParameterRefusedError):
        goes_up(route, b"weather", b"appid=mine")
    assert goes_up(a_route(undeclared="forward"), b"weather", b"appid=mine").query == b"appid=mine"


@pytest.mark.parametrize(
    ("path", "tail"),
    [
        (b"weather/ann", ""),
        (b"weather/ann/x", "/x"),
        (b"weather/ann/x/y%20z", "/x/y%20z"),
        (b"weather/ann/", "/"),
        (b"weather/ann/\xff", "/\xff"),
    ],
)
def test_a_tail_is_what_comes_after_the_templates_values(path: bytes, tail: str) -> None:
    route = a_route(path="/users/{user}", parameters=(PathParameter("user"),), tail=True)
    assert route.tail_of(a_call(path)) == tail


def test_what_is_read_before_admission_is_as_much_as_the_route_takes_and_judges() -> None:
    routes = {b"small": a_route(max_body_bytes=77), b"large": a_route(max_body_bytes=90 * MIB, body=RawBody())}
    project: Any = SimpleNamespace(routes=MappingProxyType(routes))  # a stand-in for a snapshot
    assert body_cap(a_call(b"small"), project) == 77
    assert body_cap(a_call(b"small/a/b"), project) == 77
    assert body_cap(a_call(b"large"), project) == MAX_JUDGED_BYTES
    assert body_cap(a_call(b"none/small"), project) == MIB


@pytest.mark.parametrize(("path", "query"), [(b"weather/\\", b""), (b"weather/a b", b""), (b"weather/a", b"q=#")])
def test_an_url_that_can_be_read_in_two_ways_goes_nowhere(path: bytes, query: bytes) -> None:
    with pytest.raises(PathRefusedError):
        goes_up(a_route(tail=True, undeclared="forward"), path, query)


def test_path_and_query_are_together_as_long_as_an_url_may_be() -> None:
    route = a_route(parameters=(QueryParameter("q", max_length=9000),))
    longest = 8192 - len(b"weather") - len(b"q=")
    assert goes_up(route, b"weather", b"q=" + b"a" * longest).query
    with pytest.raises(PathRefusedError):
        goes_up(route, b"weather", b"q=" + b"a" * (longest + 1))


@pytest.mark.parametrize(
    ("path", "query", "lines"),
    [(b"weather/ann9", b"", ()), (b"weather/ann", b"page=x", ()), (b"weather/ann", b"", ((b"x-version", b"3"),))],
)
def test_what_does_not_fit_its_declaration_goes_nowhere(path: bytes, query: bytes, lines: tuple[Line, ...]) -> None:
    route = a_route(
        path="/users/{user}",
        parameters=(
            PathParameter("user", pattern="[a-z]+"),
            QueryParameter("page", type="integer"),
            HeaderParameter("X-Version", choices=("1", "2")),
        ),
    )
    assert goes_up(route, b"weather/ann", b"page=1", (b"x-version", b"1")).path == b"/v1/users/ann"
    with pytest.raises(ParameterRefusedError):
        goes_up(route, path, query, *lines)


def test_a_body_that_was_read_goes_up_with_its_type_and_length() -> None:
    route = a_route(methods=("POST",), body=JSONBody(fields=(JSONField("a", type="integer"),)))
    target = posted(route, b'{"a": 1}')
    assert (target.body, target.content_length) == (b'{"a": 1}', 8)
    assert target.headers[-1] == JSON
    with pytest.raises(ParameterRefusedError):
        posted(route, b'{"a": "x"}')


def test_a_body_of_no_type_or_one_that_connection_lists_is_not_taken() -> None:
    route = a_route(methods=("POST",), body=JSONBody())
    for lines in ([], [JSON, (b"connection", b"content-type")]):
        with pytest.raises(TypeRefusedError):
            fill(a_call(b"weather", b"", *lines, method="POST"), route, b"{}")


def test_a_call_without_a_body_goes_up_without_a_type() -> None:
    assert b"content-type" not in dict(goes_up(a_route(), b"weather", b"", JSON).headers)
    form = a_route(methods=("DELETE",), body=FormBody())
    assert b"content-type" not in dict(fill(a_call(method="DELETE"), form, None).headers)


def test_a_route_knows_its_provider_and_the_base_that_it_is_read_as() -> None:
    route = a_route(BY_HEADER)
    assert (route.provider, route.base) == (BY_HEADER, BY_HEADER.address)
