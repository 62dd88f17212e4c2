"""Request bodies: judged where they are declared, counted where they are streams, refused where there is none to be."""

from collections.abc import AsyncIterable
from typing import Any

import pytest

from apikeychain.errors import (
    BodyTooLargeError,
    InvalidValueError,
    ParameterRefusedError,
    TypeRefusedError,
)
from apikeychain.model.headers import Line
from apikeychain.model.route import FormBody, FormParameter, JSONBody, JSONField, RawBody
from apikeychain.rules.bodies import MAX_JUDGED_BYTES, is_announced, read, require_size, takes_body
from apikeychain.rules.pairs import MAX_PAIRS
from apikeychain.rules.routing import CompiledRoute, Target, fill
from exchange import a_call, a_route, posted

FORM = b"application/x-www-form-urlencoded"
MESSAGE = JSONBody(
    (
        JSONField("model", pattern="[a-z]+", required=True),
        JSONField("n", type="integer", minimum=1, maximum=3),
        JSONField("t", type="number", choices=("0.5", "1")),
        JSONField("stream", type="boolean"),
        JSONField("messages", type="array"),
        JSONField("extra", type="object"),
    )
)
ALL = ("GET", "POST", "DELETE")


def _json(body: JSONBody = MESSAGE, **options: Any) -> CompiledRoute:  # whatever a route may have
    return a_route(methods=ALL, body=body, **options)


def _sent(route: CompiledRoute, *lines: Line, method: str = "POST", body: bytes | None = None) -> Target:
    return fill(a_call(b"weather", b"", *lines, method=method, chunks=(b"ab", b"cd")), route, body)


async def _all(body: object) -> bytes:
    assert isinstance(body, AsyncIterable)
    return b"".join([chunk async for chunk in body])


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"gpt"}',
        b' {"n" : 3,"model":\t"gpt", "t":1.0}\n',
        b'{"model":"gpt","stream":true,"messages":[{"a":[1,null,1e3]}],"extra":{"b":12345678901234567890123}}',
        b'{"model":"\\u0067pt","extra":{"emoji":"\\ud83d\\ude00","raw":"\xf0\x9f\x98\x80"}}',
    ],
)
def test_a_json_body_goes_out_byte_for_byte(body: bytes) -> None:
    target = posted(_json(), body)
    assert (target.body, target.content_length) == (body, len(body))
    assert (b"content-type", b"application/json") in target.headers


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        (b"{}", "model"),
        (b'{"model":"GPT"}', "model"),
        (b'{"model":1}', "model"),
        (b'{"model":null}', "model"),
        (b'{"model":"gpt","n":4}', "n"),
        (b'{"model":"gpt","n":1.0}', "n"),
        (b'{"model":"gpt","n":true}', "n"),
        (b'{"model":"gpt","n":"1"}', "n"),
        (b'{"model":"gpt","n":12345678901234567890123}', "n"),
        (b'{"model":"gpt","t":0.7}', "t"),
        (b'{"model":"gpt","t":[1]}', "t"),
        (b'{"model":"gpt","t":true}', "t"),
        (b'{"model":"gpt","stream":1}', "stream"),
        (b'{"model":"gpt","messages":{}}', "messages"),
        (b'{"model":"gpt","extra":[]}', "extra"),
        (b'{"model":"gpt","other":1}', "other"),
        (b"[]", ""),
        (b'"model"', ""),
        (b"null", ""),
        (b"", ""),
    ],
)
def test_a_member_that_does_not_fit_is_refused_by_its_declared_name(body: bytes, parameter: str) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        posted(_json(), body)
    assert refused.value.parameter == parameter


@pytest.mark.parametrize("options", [{"default": "a"}, {"fixed": "a"}, {"many": True}])
def test_a_json_field_sends_nothing_by_itself(options: dict[str, Any]) -> None:
    field = JSONField("model", **options)
    with pytest.raises(InvalidValueError, match="goes out unchanged"):
        _json(JSONBody((field,)))


def test_a_form_is_rebuilt_from_what_was_accepted() -> None:
    fields = (
        FormParameter("amount", type="integer", required=True),
        FormParameter("currency", fixed="eur"),
        FormParameter("items[]", many=True),
    )
    route = a_route(methods=ALL, body=FormBody(fields))
    target = posted(route, b"items[]=a+b&amount=12&items[]=%C3%A9", FORM + b";charset=UTF-8")
    assert target.body == b"items%5B%5D=a%20b&amount=12&items%5B%5D=%C3%A9&currency=eur"
    assert target.content_length == len(target.body)
    for body in (b"amount=x", b"", b"amount=1&currency=usd", b"amount=1&other=2"):
        with pytest.raises(ParameterRefusedError):
            posted(route, body, FORM)


@pytest.mark.parametrize(
    "content_type",
    [
        *(b"", b"text/plain", b"application/json, text/plain", b"application/jsonp", b"application/*", b"*/*"),
        *(b"application/json;charset=utf-16", b'application/json; charset="latin-1"', b"application/json;charset"),
        *(b"application/json\r\nx: y", FORM),
    ],
)
def test_another_type_is_refused(content_type: bytes) -> None:
    with pytest.raises(TypeRefusedError):
        posted(_json(), b'{"model":"gpt"}', content_type)


def test_a_type_is_compared_without_its_parameters_and_sent_with_them() -> None:
    for content_type in (
        b"Application/JSON",
        b"application/json; charset=UTF-8",
        b'application/json;v="a;b";charset=utf8',
    ):
        assert (b"content-type", content_type) in posted(_json(), b'{"model":"gpt"}', content_type).headers


def test_a_type_that_connection_lists_is_none() -> None:
    with pytest.raises(TypeRefusedError):
        _sent(_json(), (b"content-type", b"application/json"), (b"connection", b"content-type"), body=b'{"model":"a"}')


async def test_an_opaque_body_is_streamed_as_it_comes() -> None:
    route = a_route(methods=ALL, body=RawBody(("multipart/form-data", "image/*")), max_body_bytes=4)
    kind = (b"content-type", b"multipart/form-data; boundary=----x")
    known = _sent(route, kind, (b"content-length", b"4"))
    assert (known.content_length, await _all(known.body)) == (4, b"abcd")
    unknown = _sent(route, (b"content-type", b"image/png"), (b"transfer-encoding", b"chunked"))
    assert (unknown.content_length, await _all(unknown.body)) == (None, b"abcd")
    assert dict(known.headers)[b"content-type"] == kind[1]


async def test_a_stream_that_grows_beyond_the_cap_is_cut_before_the_bytes_leave() -> None:
    route = a_route(methods=ALL, body=RawBody(("image/png",)), max_body_bytes=3)
    target = _sent(route, (b"content-type", b"image/png"))
    assert isinstance(target.body, AsyncIterable)
    chunks = aiter(target.body)
    assert await anext(chunks) == b"ab"
    with pytest.raises(BodyTooLargeError):
        await anext(chunks)


def test_an_empty_opaque_body_is_no_stream() -> None:
    route = a_route(methods=ALL, body=RawBody(("image/png",)))
    target = _sent(route, (b"content-type", b"image/png"), (b"content-length", b"0"))
    assert (target.body, target.content_length) == (b"", 0)


async def test_a_body_is_read_whole_up_to_a_cap() -> None:
    assert await read(a_call(chunks=(b"ab", b"", b"cd")).body, 4) == b"abcd"
    with pytest.raises(BodyTooLargeError):
        await read(a_call(chunks=(b"ab", b"cd")).body, 3)


@pytest.mark.parametrize("body", [None, MESSAGE, RawBody(("application/json",))])
def test_what_says_that_it_is_too_large_is_refused_at_once(body: JSONBody | RawBody | None) -> None:
    route = a_route(methods=ALL, body=body, max_body_bytes=10)
    with pytest.raises(BodyTooLargeError):
        _sent(route, (b"content-type", b"application/json"), (b"content-length", b"11"))


def test_a_size_is_judged_before_a_byte_is_read() -> None:
    for length in (b"0", b"10"):
        require_size(a_call(b"weather", b"", (b"content-length", length)), 10)
    require_size(a_call(), 0)
    with pytest.raises(BodyTooLargeError):
        require_size(a_call(b"weather", b"", (b"content-length", b"11")), 10)


@pytest.mark.parametrize("coding", [b"gzip", b"identity", b""])
def test_an_encoded_body_is_refused(coding: bytes) -> None:
    with pytest.raises(TypeRefusedError):
        _sent(_json(), (b"content-type", b"application/json"), (b"content-encoding", coding), body=b'{"model":"a"}')


@pytest.mark.parametrize("line", [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")])
def test_a_route_or_method_without_a_body_takes_none(line: Line) -> None:
    for route, method in ((a_route(methods=ALL), "POST"), (_json(), "GET")):
        assert _sent(route, (b"content-length", b"0"), method=method).body is None
        with pytest.raises(TypeRefusedError):
            _sent(route, line, method=method)


@pytest.mark.parametrize(
    ("route", "method", "taken"),
    [
        (_json(), "POST", True),
        (_json(), "GET", False),
        (a_route(), "POST", False),
        (a_route(body=RawBody()), "PUT", True),
    ],
)
def test_only_what_may_have_a_body_is_read(route: CompiledRoute, method: str, taken: bool) -> None:
    assert takes_body(a_call(b"weather", b"", method=method), route.body) is taken


@pytest.mark.parametrize(
    ("method", "lines", "announced"),
    [
        ("GET", [], False),
        ("HEAD", [(b"content-length", b"0")], False),
        ("GET", [(b"content-length", b"1")], True),
        ("OPTIONS", [(b"transfer-encoding", b"chunked")], True),
        ("POST", [], True),
    ],
)
def test_a_body_may_follow_where_it_is_framed_or_where_the_method_has_one(
    method: str, lines: list[Line], announced: bool
) -> None:
    assert is_announced(a_call(b"weather", b"", *lines, method=method)) is announced


def test_a_body_that_was_read_for_another_reason_goes_up_whole() -> None:
    target = _sent(a_route(methods=ALL, body=RawBody()), (b"content-type", b"application/octet-stream"), body=b"abc")
    assert (target.body, target.content_length) == (b"abc", 3)


@pytest.mark.parametrize("body", [JSONBody(), FormBody()])
def test_what_is_judged_is_small_enough_to_be_parsed_between_two_calls(body: JSONBody | FormBody) -> None:
    assert a_route(methods=ALL, body=body, max_body_bytes=MAX_JUDGED_BYTES).body.cap == MAX_JUDGED_BYTES
    assert a_route(methods=ALL, body=RawBody(), max_body_bytes=MAX_JUDGED_BYTES + 1).body.cap > MAX_JUDGED_BYTES
    with pytest.raises(InvalidValueError, match=r"'weather'.*at most 8388608 bytes.*RawBody"):
        a_route(methods=ALL, body=body, max_body_bytes=MAX_JUDGED_BYTES + 1)


def test_a_form_has_at_most_a_thousand_pairs() -> None:
    route = a_route(methods=ALL, body=FormBody((FormParameter("a", many=True),)))
    assert posted(route, b"&".join([b"a=1"] * MAX_PAIRS), FORM).body
    with pytest.raises(ParameterRefusedError) as refused:
        posted(route, b"&".join([b"a=1"] * (MAX_PAIRS + 1)), FORM)
    assert refused.value.parameter == ""


def test_a_delete_may_leave_out_a_body_that_requires_nothing() -> None:
    optional = JSONBody((JSONField("reason"),))
    form = FormBody((FormParameter("reason"),))
    for body in (optional, form, RawBody()):
        target = _sent(a_route(methods=ALL, body=body), method="DELETE", body=b"")
        assert (target.body, dict(target.headers).get(b"content-type")) == (None, None)
    for required in (MESSAGE, FormBody((FormParameter("reason", required=True),))):
        with pytest.raises(ParameterRefusedError):
            _sent(a_route(methods=ALL, body=required), method="DELETE", body=b"")
