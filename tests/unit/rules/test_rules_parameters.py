"""Declared parameters: what fits goes up as it was accepted, anything else is refused and never echoed."""

from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError, ParameterRefusedError, PathRefusedError
from apikeychain.model.route import FormParameter, JSONField, Parameter, QueryParameter
from apikeychain.rules.pairs import split_form
from apikeychain.rules.parameters import Declarations
from exchange import BY_QUERY, a_route, goes_up


def _query(query: bytes, *parameters: QueryParameter, **options: Any) -> bytes:  # whatever a route may have
    return goes_up(a_route(parameters=parameters, **options), b"weather", query).query


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (QueryParameter("p"), ["", "a", "a+b", "%0A", "%E2%82%AC", "x=y", "=", "a" * 1024]),
        (QueryParameter("p", pattern="a+|b"), ["a", "aa", "b"]),
        (QueryParameter("p", choices=("a", "b c")), ["a", "b%20c"]),
        (QueryParameter("p", max_length=2), ["ab", "%C3%A9%C3%A9"]),
        (QueryParameter("p", type="integer"), ["0", "-0", "-7", "999999999999999999", "%31"]),
        (QueryParameter("p", type="integer", minimum=-1, maximum=2.5), ["-1", "2"]),
        (QueryParameter("p", type="integer", choices=("1", "2")), ["2"]),
        (QueryParameter("p", type="number"), ["0", "-1.5", "1e3", "1E-3", "12345678901234567890"]),
        (QueryParameter("p", type="number", minimum=-90, maximum=90), ["-90", "90.0"]),
        (QueryParameter("p", type="number", choices=("0.5", "1")), ["1", "0.5", "1.0"]),
        (QueryParameter("p", type="boolean"), ["true", "false"]),
    ],
)
def test_what_fits_goes_up(parameter: QueryParameter, values: list[str]) -> None:
    for value in values:
        sent = _query(b"p=" + value.encode(), parameter)
        assert sent.startswith(b"p=")
        assert unquote_to_bytes(sent) == unquote_to_bytes(b"p=" + value.encode())


@pytest.mark.parametrize(
    ("parameter", "values"),
    [
        (QueryParameter("p", pattern="a+|b"), ["", "ab", "xa", "a%0A", "A"]),
        (QueryParameter("p", choices=("a", "b")), ["", "A", "a%20", "c"]),
        (QueryParameter("p", max_length=2), ["abc"]),
        (QueryParameter("p"), ["a" * 1025]),
        (
            QueryParameter("p", type="integer"),
            ["", "+5", "%205", "5%20", "5.0", "1_0", "05", "1e3", "0x1", "-", "%D9%A1", "1000000000000000000", "5%0A"],
        ),
        (QueryParameter("p", type="integer", minimum=-1, maximum=2.5), ["-2", "3"]),
        (QueryParameter("p", type="integer", choices=("1", "2")), ["3"]),
        (QueryParameter("p", type="number"), ["", ".5", "5.", "1e999", "NaN", "inf", "-Infinity", "01", "+1", "1_0"]),
        (QueryParameter("p", type="number", minimum=-90, maximum=90), ["-90.01", "91"]),
        (QueryParameter("p", type="number", max_length=3), ["1.00"]),
        (QueryParameter("p", type="boolean"), ["", "1", "True", "on"]),
    ],
)
def test_what_does_not_fit_is_refused_by_name(parameter: QueryParameter, values: list[str]) -> None:
    for value in values:
        with pytest.raises(ParameterRefusedError) as refused:
            _query(b"p=" + value.encode(), parameter)
        assert refused.value.parameter == "p"


def test_a_refusal_never_holds_the_value() -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        _query(b"p=canary-value", QueryParameter("p", pattern="x"))
    assert "canary" not in repr(refused.value) + str(refused.value)
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_the_query_keeps_the_callers_order_and_ends_with_what_sends_itself() -> None:
    parameters = (
        QueryParameter("f", fixed="x y+"),
        QueryParameter("d", default="d&"),
        QueryParameter("b"),
        QueryParameter("a", many=True),
    )
    assert _query(b"a=2&b=1&a=1", *parameters) == b"a=2&b=1&a=1&f=x%20y%2B&d=d%26"
    assert _query(b"d=e", *parameters) == b"d=e&f=x%20y%2B"
    assert _query(b"b", *parameters) == b"b&f=x%20y%2B&d=d%26"


def test_a_name_is_compared_after_one_decoding() -> None:
    assert _query(b"%61=1;b=2", QueryParameter("a")) == b"a=1%3Bb%3D2"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        (b"b=1", "b"),
        (b"A=1", "A"),
        (b"a=1&", ""),
        (b"&a=1", ""),
        (b"=1", ""),
        (b"a=1&a=2", "a"),
        (b"a=1&f=x", "f"),
        (b"", "a"),
    ],
)
def test_undeclared_repeated_fixed_and_missing_names_are_refused(query: bytes, parameter: str) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        _query(query, QueryParameter("a", required=True), QueryParameter("f", fixed="x"))
    assert refused.value.parameter == parameter


def test_each_of_many_is_judged() -> None:
    many = QueryParameter("a", type="integer", many=True, choices=("1", "2"))
    assert _query(b"a=1&a=2", many) == b"a=1&a=2"
    with pytest.raises(ParameterRefusedError):
        _query(b"a=1&a=3", many)


def test_an_undeclared_name_has_at_most_256_characters() -> None:
    name = "\u00e9".encode() * 256
    assert _query(quote(name).encode() + b"=1", undeclared="forward").startswith(b"%C3%A9")
    with pytest.raises(ParameterRefusedError):
        _query(quote(name).encode() + b"x=1", undeclared="forward")


def test_a_route_may_forward_what_it_does_not_declare_each_name_once() -> None:
    assert _query(b"x=%41&a=1&y", QueryParameter("a"), undeclared="forward") == b"x=A&a=1&y"
    with pytest.raises(ParameterRefusedError):
        _query(b"x=1&x=2", undeclared="forward")


@pytest.mark.parametrize("query", [b"A=1", b"a=1&A=1", b"x=1&X=2", b"%EF%BD%81=1", b"%C5%BF=1&s=2"])
def test_a_forwarded_name_is_no_other_one_in_another_case(query: bytes) -> None:
    assert _query(b"a=1&x=1&xx=2", QueryParameter("a"), undeclared="forward")
    with pytest.raises(ParameterRefusedError):
        _query(query, QueryParameter("a"), undeclared="forward")


@pytest.mark.parametrize(
    "query",
    [b"appid=mine", b"AppID=mine", b"%61ppid", b"a=1&appi%44=2", b"app%C4%B1d=mine", b"%EF%BD%81ppid=mine"],
)
def test_the_name_of_the_credential_is_never_the_callers(query: bytes) -> None:
    route = a_route(BY_QUERY, parameters=(QueryParameter("a"),), undeclared="forward")
    with pytest.raises(ParameterRefusedError):
        goes_up(route, b"weather", query)


@pytest.mark.parametrize(
    "parameter",
    [
        QueryParameter("p", type="integer", pattern="x"),
        QueryParameter("p", minimum=1),
        QueryParameter("p", type="boolean", maximum=1),
        QueryParameter("p", type="boolean", choices=("true",)),
        QueryParameter("p", type="integer", choices=("one",)),
        QueryParameter("p", pattern="("),
        QueryParameter("p", pattern="a", default="b"),
        QueryParameter("p", choices=("a",), fixed="b"),
        QueryParameter("p", type="integer", default="1.0"),
        QueryParameter("p", type="integer", maximum=3, many=True, default="4"),
        JSONField("p", type="object", choices=("a",)),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_with_its_name(parameter: Parameter) -> None:
    with pytest.raises(InvalidValueError, match="'p'"):
        Declarations((parameter,), "the route 'weather'")


def test_a_declaration_with_a_default_of_many_is_taken() -> None:
    assert _query(b"", QueryParameter("p", many=True, default="4")) == b"p=4"
    assert _query(b"", QueryParameter("p", type="integer", choices=("4",), default="4")) == b"p=4"


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        (b"a=b+c&d=%2B", [("a", "b c", b"a=b%20c"), ("d", "+", b"d=%2B")]),
        (b"a+b=%20", [("a b", " ", b"a%20b=%20")]),
        (b"a=%2B+%2b", [("a", "+ +", b"a=%2B%20%2B")]),
        (b"a=b c", [("a", "b c", b"a=b%20c")]),
        (b"", []),
    ],
)
def test_a_form_reads_plus_as_a_space_and_sends_it_as_one(raw: bytes, pairs: list[tuple[str, str, bytes]]) -> None:
    assert [(pair.name, pair.value, pair.encoded) for pair in split_form(raw)] == pairs


@pytest.mark.parametrize("raw", [b"a=%", b"a=%ff", b"a=\xff", b"=", b"&"])
def test_a_form_that_cannot_be_read_is_refused_as_a_whole(raw: bytes) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        split_form(raw)
    assert refused.value.parameter == ""


@given(st.text(max_size=20))
def test_any_integer_that_passes_is_one(text: str) -> None:
    declarations = Declarations((FormParameter("p", type="integer"),), "the route 'weather'")
    try:
        declarations.judge_texts({"p0": [text]})
    except ParameterRefusedError:
        return
    assert str(int(text)) == text or text == "-0"


def test_a_broken_escape_in_a_name_or_value_is_a_fault_of_the_url() -> None:
    with pytest.raises(PathRefusedError):
        _query(b"a=%4", QueryParameter("a"))
