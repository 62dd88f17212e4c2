"""Bodies at their limits: when none is one, which type and framing count, and what a refusal says."""

from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, ParameterRefusedError, TypeRefusedError
from apikeychain.model.call import Call
from apikeychain.model.headers import Line
from apikeychain.model.route import Body, FormBody, FormParameter, JSONBody, JSONField, RawBody
from apikeychain.model.sanitizers import AcceptedValue
from apikeychain.rules.bodies import NOTHING, BodyPlan, Filled, fill_body, takes_body
from exchange import a_call, a_route

JSON, FORM, TEXT = b"application/json", b"application/x-www-form-urlencoded", b"text/plain"
LENGTH = (b"content-length", b"2")
CHUNKED = (b"transfer-encoding", b"chunked")


def _plan(body: Body | None, method: str = "POST") -> BodyPlan:
    return a_route(methods=(method,), body=body).body


def _call(*lines: Line, method: str = "POST") -> Call:
    return a_call(b"weather", b"", *lines, method=method)


def _refusal(**options: Any) -> str:  # whatever a route may have
    with pytest.raises(InvalidValueError) as refused:
        a_route(methods=("POST",), **options)
    return str(refused.value)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_method_that_has_no_body_takes_none_from_any_route(method: str) -> None:
    for body in (RawBody(), JSONBody(), FormBody()):
        assert not takes_body(_call(method=method), _plan(body))
        for line in (LENGTH, CHUNKED):
            with pytest.raises(TypeRefusedError) as refused:
                takes_body(_call(line, method=method), _plan(body))
            assert refused.value.hint == "this route takes no body with this method"


def test_an_encoded_body_is_told_how_one_is_taken() -> None:
    with pytest.raises(TypeRefusedError) as refused:
        takes_body(_call((b"content-encoding", b"gzip")), _plan(RawBody()))
    assert refused.value.hint == "a body is taken without Content-Encoding only"


def test_a_route_without_a_body_takes_no_type_at_all() -> None:
    assert _plan(None).types == frozenset()


def test_a_field_that_cannot_be_is_named_with_its_route() -> None:
    owner = "the body of the route 'weather'"
    for body in (JSONBody(fields=(JSONField("a", pattern="("),)), FormBody(fields=(FormParameter("a", pattern="("),))):
        assert _refusal(body=body).startswith(f"the pattern of {owner}: the parameter 'a' does not compile")
    assert _refusal(body=JSONBody(), max_body_bytes=9 << 20) == (
        f"{owner} is judged as a whole, so it takes at most 8388608 bytes, not 9437184: "
        "declare a RawBody, which is passed on as it comes"
    )


@pytest.mark.parametrize(
    "charset",
    [
        *(b"charset=latin-1", b"CHARSET=latin-1", b'charset="latin-1"', b"a=b;charset=x"),
        *(b"charset*=utf-16''x", b"charset*0=utf-", b"charset*0*=utf-16''x"),
    ],
)
def test_a_judged_body_is_utf_8_and_an_opaque_one_is_what_it_is(charset: bytes) -> None:
    with pytest.raises(TypeRefusedError):
        fill_body(_call(), _plan(JSONBody()), b"{}", JSON + b";" + charset)
    opaque = fill_body(_call(), _plan(RawBody(types=("text/plain",))), b"x", TEXT + b";" + charset)
    assert opaque.content_type == TEXT + b";" + charset


def test_a_parameter_that_only_ends_in_charset_is_none() -> None:
    assert fill_body(_call(), _plan(JSONBody()), b"{}", JSON + b"; xcharset=latin-1").body == b"{}"


def test_a_form_forwards_other_names_where_it_says_so() -> None:
    filled = fill_body(_call(), _plan(FormBody(undeclared="forward")), b"a=1", FORM)
    assert filled == Filled(b"a=1", FORM, 3, (AcceptedValue("form", "a", "1"),))
    with pytest.raises(ParameterRefusedError):
        fill_body(_call(), _plan(FormBody()), b"a=1", FORM)


def test_a_body_that_did_not_come_is_judged_as_an_empty_one() -> None:
    assert fill_body(_call(), _plan(FormBody()), None, FORM) == Filled(b"", FORM, 0)
    with pytest.raises(ParameterRefusedError):
        fill_body(_call(), _plan(JSONBody()), None, JSON)
    raw = _plan(RawBody(types=("text/plain",)))
    assert fill_body(_call((b"content-length", b"0")), raw, None, TEXT) == Filled(b"", TEXT, 0)


@pytest.mark.parametrize("body", [RawBody(), JSONBody(), FormBody()])
def test_a_delete_needs_no_body_and_another_method_does(body: Body) -> None:
    assert fill_body(_call(method="DELETE"), _plan(body, "DELETE"), None, None) is NOTHING
    with pytest.raises(TypeRefusedError):
        fill_body(_call(), _plan(body), None, None)


@pytest.mark.parametrize(
    ("lines", "body", "content_type"),
    [((LENGTH,), None, None), ((CHUNKED,), None, None), ((), b"{}", None), ((), None, b"text/html")],
)
def test_a_delete_that_announces_a_body_in_any_way_is_held_to_it(
    lines: tuple[Line, ...], body: bytes | None, content_type: bytes | None
) -> None:
    with pytest.raises(TypeRefusedError):
        fill_body(_call(*lines, method="DELETE"), _plan(JSONBody(), "DELETE"), body, content_type)
