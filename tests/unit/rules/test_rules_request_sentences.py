"""What leaves us, sentence by sentence of the contracts: nothing that a caller sends ends a line, a name or a path."""

import pytest

from apikeychain.errors import (
    HeaderRefusedError,
    ParameterRefusedError,
    PathRefusedError,
    RefusalError,
    TypeRefusedError,
)
from apikeychain.model.route import FormBody, FormParameter, HeaderParameter, JSONBody, QueryParameter, RawBody
from apikeychain.rules.injection import inject
from apikeychain.rules.routing import fill
from apikeychain.secret import Secret
from exchange import BY_QUERY, NOW, a_call, a_route, goes_up, posted

SECRET = Secret("s3cret-key")
FORM = b"application/x-www-form-urlencoded"
# CR, LF, NUL, DEL and obs-text (RFC 9110, section 5.5): what some reader takes for the end of a line, or for nothing.
SPLITTING = [b"a\r\nx-evil: 1", b"a\rb", b"a\nb", b"a\0b", b"a\x7fb", b"a\x80b", b"\xff"]


@pytest.mark.parametrize("value", SPLITTING)
def test_no_header_of_a_caller_splits_a_request(value: bytes) -> None:
    # contracts 4: request headers forwarded
    route = a_route(headers=["x-more"], parameters=[HeaderParameter("x-declared")])
    for name in (b"accept", b"x-more", b"x-declared", b"if-none-match"):
        with pytest.raises((HeaderRefusedError, ParameterRefusedError)):
            goes_up(route, b"weather", b"", (name, value))


@pytest.mark.parametrize("value", SPLITTING)
@pytest.mark.parametrize("name", [b"x-iso-user", b"x-iso-other", b"cookie", b"referer", b"x-api-key", b"authorization"])
def test_what_never_goes_up_does_not_go_up_whatever_it_holds(name: bytes, value: bytes) -> None:
    # contracts 4: never cookie, authorization, origin, referer, x-iso-*; an injected name always wins
    request = inject(goes_up(a_route(), b"weather", b"", (name, value)), SECRET, NOW)
    assert [line for line in request.headers if line[0] == name] in ([], [(b"x-api-key", b"s3cret-key")])
    assert value not in dict(request.headers).values()


@pytest.mark.parametrize("value", SPLITTING)
def test_no_raw_byte_of_a_path_or_a_query_splits_a_request(value: bytes) -> None:
    # contracts 4: control and non-ASCII bytes
    route = a_route(tail=True, undeclared="forward")
    for path, query in ((b"weather/" + value, b""), (b"weather", b"q=" + value), (b"weather", value + b"=1")):
        with pytest.raises(PathRefusedError):
            goes_up(route, path, query)


@pytest.mark.parametrize("escape", [b"%0d%0a", b"%0A", b"%00", b"%7f"])
def test_an_encoded_control_byte_is_none_of_a_path_and_stays_encoded_in_a_query(escape: bytes) -> None:
    # contracts 4: each decoded once and encoded anew
    route = a_route(tail=True, undeclared="forward")
    with pytest.raises(PathRefusedError):
        goes_up(route, b"weather/a" + escape)
    request = inject(goes_up(route, b"weather", b"q=a" + escape + b"b"), SECRET, NOW)
    assert request.target == b"/v1?q=a" + escape.upper() + b"b"


@pytest.mark.parametrize(
    "name", [b"appid", b"APPID", b"AppId", b"app%69d", b"%41%50%50%49%44", b"%61ppid", b"%EF%BD%81ppid", b"app%C4%B1d"]
)
def test_the_injected_name_is_refused_in_every_spelling(name: bytes) -> None:
    # contracts 4: a name equal to the injected one without regard to case is refused
    for route in (a_route(BY_QUERY, undeclared="forward"), a_route(BY_QUERY, parameters=[QueryParameter("q")])):
        for query in (name + b"=x", name, b"q=1&" + name + b"="):
            with pytest.raises(ParameterRefusedError) as refused:
                goes_up(route, b"weather", query)
            # As any other name that is not declared.
            assert refused.value.parameter in {"appid", "APPID", "AppId", ""}
            assert refused.value.hint == "the route declares no parameter of this name"


@pytest.mark.parametrize(
    ("query", "told"),
    [(b"foo=1", "foo"), (b"a.b[0]$-_=1", "a.b[0]$-_"), (b"%3Cb%3E=1", ""), (b"f%20=1", ""), (b"a" * 65 + b"=1", "")],
)
def test_a_parameter_that_is_not_declared_is_named_where_its_name_is_plain(query: bytes, told: str) -> None:
    # contracts 1: parameter-refused names the parameter, never echoes a value
    with pytest.raises(ParameterRefusedError) as refused:
        goes_up(a_route(parameters=[QueryParameter("q")]), b"weather", b"q=value&" + query)
    assert refused.value.parameter == told


def test_the_query_is_rebuilt_in_the_callers_order_and_only_the_ampersand_separates() -> None:
    # contracts 4: the query is rebuilt from the accepted parameters in the caller's order; `&` is the only separator
    route = a_route(parameters=[QueryParameter("a"), QueryParameter("b"), QueryParameter("m", many=True)])
    sent = goes_up(route, b"weather", b"m=2&b=%41;a=1&m=1&a=%7e+%2b").query
    assert sent == b"m=2&b=A%3Ba%3D1&m=1&a=~+%2B"
    for query in (b"a=1&a=2", b"a=1&", b"&a=1", b"=1", b"A=1", b"a[]=1", b"c=1"):
        with pytest.raises(ParameterRefusedError):
            goes_up(route, b"weather", query)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\udc00\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        b"",
        b"[]",
        b'{"a":1}{"a":1}',
        b'{"a":01}',
        b'{"a":1,}',
        b"{'a':1}",
    ],
)
def test_a_json_body_that_two_parsers_read_differently_is_refused(body: bytes) -> None:
    # contracts 4: duplicate names, NaN, infinities, lone surrogates, bad UTF-8, more than 64 levels refused
    route = a_route(methods=["POST"], body=JSONBody(undeclared="forward"))
    with pytest.raises(ParameterRefusedError):
        posted(route, body)


def test_the_callers_bytes_of_a_json_body_go_out_unchanged() -> None:
    # contracts 4: the caller's bytes then go out unchanged
    route = a_route(methods=["POST"], body=JSONBody(undeclared="forward"))
    body = b' {"b" : 1.0e2,\r\n"a":"\\u00e9\\ud83d\\ude00", "c":' + b"[" * 63 + b"]" * 63 + b"}\n"
    assert posted(route, body).body is body


def test_a_form_is_rebuilt_from_what_was_accepted() -> None:
    # contracts 4: compiled to one model; an undeclared one is refused
    route = a_route(methods=["POST"], body=FormBody([FormParameter("a"), FormParameter("n", type="integer")]))
    assert posted(route, b"n=5&a=x+y%26z", FORM).body == b"n=5&a=x%20y%26z"
    for body in (b"n=5.0", b"a=1&a=2", b"b=1", b"a=%ff", b"n=+5", b"a=1&"):
        with pytest.raises(ParameterRefusedError):
            posted(route, body, FORM)


@pytest.mark.parametrize("kind", [b"multipart/form-data; boundary=----x", b'multipart/form-data; boundary="a b:c"'])
def test_multipart_passes_opaque_with_its_boundary(kind: bytes) -> None:
    # contracts 4: multipart passes opaque
    route = a_route(methods=["POST"], body=RawBody(["multipart/form-data"]))
    body = b'------x\r\ncontent-disposition: form-data; name="a"\r\n\r\n\0\xff\r\n------x--'
    target = posted(route, body, kind)
    assert target.body is body
    assert dict(target.headers)[b"content-type"] == kind
    for wrong in (b"multipart/mixed; boundary=x", b"application/json", kind + b"\r\nx-evil: 1", b""):
        with pytest.raises(TypeRefusedError):
            posted(route, body, wrong)


def test_a_route_that_declares_no_body_accepts_none() -> None:
    # contracts 4: a route that declares no body accepts none
    for lines in ([(b"content-length", b"1")], [(b"transfer-encoding", b"chunked")]):
        with pytest.raises(RefusalError):
            fill(a_call(b"weather", b"", *lines, method="POST"), a_route(methods=["POST"]), None)
