"""How a route shapes what was accepted, and that the result passes the same rules."""

from typing import Any

import pytest

from apikeychain.errors import (
    HeaderRefusedError,
    InvalidValueError,
    ParameterRefusedError,
    PathRefusedError,
    TypeRefusedError,
)
from apikeychain.model.headers import Line
from apikeychain.model.provider import Provider
from apikeychain.model.request_transforms import (
    DefaultParameter,
    DropParameter,
    RenameParameter,
    RequestTransform,
    SetParameter,
)
from apikeychain.model.route import (
    FormBody,
    FormParameter,
    HeaderParameter,
    JSONBody,
    PathParameter,
    ProxyRoute,
    QueryParameter,
    RawBody,
)
from apikeychain.rules.request_transforms import caller_headers
from apikeychain.rules.routing import CompiledRoute, fill
from exchange import BY_HEADER, BY_QUERY, a_call, a_route, goes_up, posted

FORM = b"application/x-www-form-urlencoded"
Q = QueryParameter("q", pattern="[A-Za-z +]{1,9}")


def _route(*transforms: RequestTransform, provider: Provider = BY_HEADER, **options: Any) -> CompiledRoute:
    return a_route(provider, request_transforms=transforms, **options)


def _query(route: CompiledRoute, query: bytes) -> bytes:
    return goes_up(route, b"weather", query).query


def _lines(route: CompiledRoute, *lines: Line) -> list[Line]:
    ours = {b"user-agent", b"accept-encoding"}
    return [line for line in goes_up(route, b"weather", b"", *lines).headers if line[0] not in ours]


def _refused(route: CompiledRoute, query: bytes) -> str:
    with pytest.raises(ParameterRefusedError) as refused:
        _query(route, query)
    return refused.value.parameter


def test_a_route_without_transforms_shapes_nothing() -> None:
    assert a_route().shaping is None


def test_a_renamed_parameter_goes_up_as_the_providers_own() -> None:
    route = _route(RenameParameter("city", "q"), parameters=[Q, QueryParameter("a")])
    assert _query(route, b"city=Paris&a=1") == b"q=Paris&a=1"
    assert _query(route, b"a=1&c%69ty=New+Y%6Frk") == b"a=1&q=New+York"
    assert _query(route, b"q=Paris") == b"q=Paris"
    assert _query(route, b"") == b""


def test_a_renamed_parameter_is_judged_by_the_providers_declaration() -> None:
    route = _route(RenameParameter("city", "q"), parameters=[Q])
    assert _refused(route, b"city=Paris1") == "q"
    assert _refused(route, b"city=Paris&q=Paris") == "q"
    assert _refused(route, b"city=Paris&city=Paris") == "q"
    assert _refused(route, b"City=Paris") == "City"
    assert _refused(route, b"city") == "q"
    required = _route(RenameParameter("city", "q"), parameters=[QueryParameter("q", required=True)])
    assert _query(required, b"city=%C3%A9") == b"q=%C3%A9"
    assert _refused(required, b"") == "q"
    many = _route(RenameParameter("city", "q[]"), parameters=[QueryParameter("q[]", many=True)])
    assert _query(many, b"city=a&city=b&q%5B%5D=c") == b"q%5B%5D=a&q%5B%5D=b&q[]=c".replace(b"[]", b"%5B%5D")
    bare = _route(RenameParameter("flag", "f"), undeclared="forward")
    assert _query(bare, b"flag&g=a%3Db") == b"f&g=a%3Db"


def test_a_dropped_parameter_may_come_and_never_goes_up() -> None:
    route = _route(DropParameter("_"), parameters=[Q])
    assert _query(route, b"_=1%00&q=a&_=2") == b"q=a"
    assert _query(route, b"_") == b""
    assert _refused(route, b"__=1") == "__"


def test_a_set_parameter_replaces_what_the_caller_sends() -> None:
    route = _route(SetParameter("q", "A+ b"), parameters=[Q, QueryParameter("a")])
    assert _query(route, b"") == b"q=A%2B%20b"
    assert _query(route, b"q=mine&a=1") == b"a=1&q=A%2B%20b"
    assert _refused(route, b"q=5&a=1") == "q"
    assert _refused(route, b"q=mine&q=mine") == "q"


def test_a_default_is_sent_where_the_caller_sends_none() -> None:
    required = QueryParameter("q", required=True)
    route = _route(DefaultParameter("q", "b"), RenameParameter("city", "q"), parameters=[required])
    assert _query(route, b"") == b"q=b"
    assert _query(route, b"q=a") == b"q=a"
    assert _query(route, b"city=c") == b"q=c"
    assert _query(route, b"q=") == b"q="


def test_what_comes_of_it_is_judged_with_what_is_declared() -> None:
    route = _route(SetParameter("a", "1"), parameters=[QueryParameter("a"), QueryParameter("b", required=True)])
    assert _query(route, b"b=2") == b"b=2&a=1"
    assert _refused(route, b"a=2") == "b"
    own = _route(DropParameter("_"), parameters=[QueryParameter("u", fixed="m"), QueryParameter("d", default="e")])
    assert _query(own, b"_=1") == b"u=m&d=e"
    assert _refused(own, b"u=m&_=1") == "u"


def test_where_others_are_forwarded_no_two_names_are_one() -> None:
    route = _route(RenameParameter("city", "town"), SetParameter("n", "1"), undeclared="forward")
    assert _query(route, b"city=a&x=1") == b"town=a&x=1&n=1"
    assert _query(route, b"n=2") == b"n=1"
    for query, name in ((b"city=a&Town=b", "Town"), (b"CITY=a", "CITY"), (b"N=2", "n"), (b"city=a&city=b", "town")):
        assert _refused(route, query) == name


def test_the_injected_name_is_refused_before_and_after() -> None:
    route = _route(RenameParameter("city", "q"), provider=BY_QUERY, undeclared="forward")
    told = [_refused(route, query) for query in (b"appid=1", b"APPID=1", b"app%69d=1", b"city=a&AppId=1")]
    assert told == ["appid", "APPID", "appid", "AppId"]


def test_a_query_that_grows_too_long_is_refused() -> None:
    route = _route(RenameParameter("c", "q" * 64), undeclared="forward")
    fits = b"c=" + b"a" * (8192 - 64 - len(b"weather") - 1)
    assert len(_query(route, fits)) == 8192 - len(b"weather")
    with pytest.raises(PathRefusedError):
        _query(route, fits + b"a")


@pytest.mark.parametrize("query", [b"city=%", b"city=%ff", b"%=1"])
def test_a_broken_escape_is_refused(query: bytes) -> None:
    with pytest.raises(PathRefusedError):
        _query(_route(RenameParameter("city", "q"), parameters=[Q]), query)


def test_headers_are_renamed_dropped_set_and_defaulted() -> None:
    route = _route(
        RenameParameter("X-Mine", "X-Theirs", place="header"),
        DropParameter("Accept-Language", place="header"),
        SetParameter("Accept", "text/plain", place="header"),
        DefaultParameter("X-Version", "2", place="header"),
        headers=["x-more"],
        parameters=[HeaderParameter("x-theirs", choices=["a", "b"]), HeaderParameter("X-Version", type="integer")],
    )
    assert _lines(route, (b"x-mine", b"a"), (b"accept-language", b"fr"), (b"accept", b"*/*"), (b"x-more", b"m")) == [
        (b"x-more", b"m"),
        (b"accept", b"text/plain"),
        (b"x-theirs", b"a"),
        (b"x-version", b"2"),
    ]
    assert (b"x-version", b"3") in _lines(route, (b"x-version", b"3"))
    for lines in ([(b"x-mine", b"c")], [(b"x-mine", b"a"), (b"x-theirs", b"a")], [(b"x-version", b"x")]):
        with pytest.raises(ParameterRefusedError):
            _lines(route, *lines)


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\0b", b"a\x80b", b"\xff", b"a\x7f"])
@pytest.mark.parametrize("name", [b"x-mine", b"x-gone", b"x-theirs", b"accept"])
def test_no_line_break_or_foreign_byte_gets_through_a_transform(name: bytes, value: bytes) -> None:
    # contracts 4: header injection; also where the line would be replaced or dropped
    route = _route(
        RenameParameter("x-mine", "x-theirs", place="header"),
        DropParameter("x-gone", place="header"),
        SetParameter("accept", "a", place="header"),
        parameters=[HeaderParameter("x-theirs")],
    )
    with pytest.raises((HeaderRefusedError, ParameterRefusedError)):
        _lines(route, (name, value))


def test_what_connection_lists_is_gone_before_and_takes_nothing_that_is_set() -> None:
    route = _route(
        RenameParameter("x-mine", "x-theirs", place="header"),
        SetParameter("accept", "a", place="header"),
        parameters=[HeaderParameter("x-theirs"), HeaderParameter("x-own")],
    )
    lines = ((b"connection", b"x-mine, accept, X-Own, if-match"), (b"x-mine", b"1"), (b"x-own", b"2"))
    assert _lines(route, *lines, (b"if-match", b'"1"')) == [(b"accept", b"a")]


def test_what_a_header_is_set_to_excuses_nothing_that_was_sent() -> None:
    route = _route(SetParameter("x-v", "1", place="header"), parameters=[HeaderParameter("x-v", type="integer")])
    assert _lines(route, (b"x-v", b"2")) == [(b"x-v", b"1")]
    with pytest.raises(ParameterRefusedError):
        _lines(route, (b"x-v", b"two"))


def test_a_content_type_that_connection_lists_is_none() -> None:
    route = _route(DropParameter("x-gone", place="header"), methods=["POST"], body=RawBody(["text/plain"]))
    lines = ((b"content-type", b"text/plain"), (b"connection", b"content-type"))
    with pytest.raises(TypeRefusedError):
        fill(a_call(b"weather", b"", *lines, method="POST"), route, b"abc")


def test_a_query_parameter_of_a_headers_name_is_of_another_place() -> None:
    route = _route(DropParameter("accept", place="header"), parameters=[QueryParameter("accept")])
    assert _lines(route, (b"accept", b"*/*")) == []
    assert _query(route, b"accept=a") == b"accept=a"


def test_a_form_without_transforms_is_not_shaped() -> None:
    route = _route(DropParameter("_"), methods=["POST"], body=FormBody([FormParameter("a")]))
    assert posted(route, b"a=1", FORM).body == b"a=1"


def test_the_framing_of_a_body_is_nobodys_to_transform() -> None:
    route = _route(DropParameter("x-gone", place="header"), methods=["POST"], body=RawBody(["text/plain"]))
    target = posted(route, b"abc", b"text/plain")
    assert (target.body, target.content_length) == (b"abc", 3)
    assert (b"content-type", b"text/plain") in target.headers


def test_a_form_is_shaped_and_rebuilt() -> None:
    route = _route(
        RenameParameter("cost", "amount", place="form"),
        DropParameter("csrf", place="form"),
        SetParameter("currency", "eur", place="form"),
        DefaultParameter("note", "a b+c", place="form"),
        methods=["POST"],
        body=FormBody(
            [
                FormParameter("amount", type="integer", required=True),
                FormParameter("currency", pattern="[a-z]{3}"),
                FormParameter("note"),
            ]
        ),
    )
    target = posted(route, b"csrf=x%26y&cost=5", FORM)
    assert target.body == b"amount=5&currency=eur&note=a%20b%2Bc"
    assert target.content_length == len(target.body)
    assert posted(route, b"amount=5&currency=usd&note=1+2%2B3", FORM).body == b"amount=5&note=1%202%2B3&currency=eur"
    for body in (b"cost=x", b"", b"cost=1&amount=1", b"cost=5&other=1", b"cost=5&currency=1"):
        with pytest.raises(ParameterRefusedError):
            posted(route, body, FORM)
    free = _route(RenameParameter("a", "b", place="form"), methods=["POST"], body=FormBody(undeclared="forward"))
    assert posted(free, b"a=1&c=2", FORM).body == b"b=1&c=2"


def test_a_callers_headers_are_those_that_are_renamed_or_dropped() -> None:
    route = ProxyRoute(
        "a",
        provider="a",
        request_transforms=[
            RenameParameter("X-Mine", "x-theirs", place="header"),
            DropParameter("x-gone", place="header"),
            SetParameter("x-set", "a", place="header"),
            DropParameter("q"),
        ],
    )
    assert [*caller_headers(route)] == ["X-Mine", "x-gone"]


@pytest.mark.parametrize("body", [None, JSONBody(), RawBody()])
def test_a_form_that_is_not_there_is_told(body: JSONBody | RawBody | None) -> None:
    with pytest.raises(InvalidValueError) as refused:
        _route(DropParameter("a", place="form"), body=body)
    told = "the route 'weather' transforms a form and declares none (any other body goes out as it came)"
    assert str(refused.value) == told


@pytest.mark.parametrize("name", ["authorization", "Referer", "x-forwarded-for", "x-iso-user", "x-signature"])
def test_a_header_that_never_goes_up_is_not_renamed_either(name: str) -> None:
    with pytest.raises(
        InvalidValueError, match=r"^the route 'weather' cannot forward the header .* it never goes to a provider$"
    ):
        _route(RenameParameter(name, "accept", place="header"))


def test_a_path_parameter_is_of_another_place() -> None:
    route = _route(DropParameter("user"), path="/{user}", parameters=[PathParameter("user")])
    assert goes_up(route, b"weather/ann", b"user=1").path == b"/v1/ann"


@pytest.mark.parametrize("name", ["x-api-key", "X-API-KEY"])
def test_the_header_of_the_credential_is_nobodys_to_transform(name: str) -> None:
    for transform in (SetParameter(name, "a", place="header"), DropParameter(name, place="header")):
        with pytest.raises(InvalidValueError, match=f"its header parameter {name!r} holds the credential"):
            _route(transform)
