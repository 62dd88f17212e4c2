"""What a provider's sanitizers say, on every route and in every place."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, NotFoundError, ParameterRefusedError
from apikeychain.model.network import PUBLIC
from apikeychain.model.route import (
    MIB,
    FormBody,
    FormParameter,
    HeaderParameter,
    JSONBody,
    JSONField,
    PathParameter,
    ProxyRoute,
    QueryParameter,
)
from apikeychain.model.sanitizers import AcceptedCall, AcceptedValue, Place, Sanitizer
from apikeychain.rules.routing import CompiledRoute, compile_route, fill
from apikeychain.rules.sanitizers import Sanitizing, compile_sanitizers, parse_sanitizers
from exchange import BY_HEADER, a_call, a_route, goes_up, posted

FORM = b"application/x-www-form-urlencoded"
CITY = Sanitizer("city", pattern="[a-z]{1,9}")


def _sanitizing(*rules: Sanitizer) -> Sanitizing:
    found = compile_sanitizers(replace(BY_HEADER, sanitizers=rules))
    assert found is not None
    return found


def _fits(rule: Sanitizer, value: object, place: Place = "json") -> bool:
    try:
        _sanitizing(rule).judge_value(AcceptedValue(place, rule.name, value))
    except ParameterRefusedError:
        return False
    return True


def _route(*rules: Sanitizer, **options: Any) -> CompiledRoute:
    return a_route(replace(BY_HEADER, sanitizers=rules), **options)


def _asked(function: Callable[[AcceptedCall], Any], **options: Any) -> CompiledRoute:
    route = ProxyRoute("weather", provider="weather", **options)
    return compile_route(route, BY_HEADER, network=PUBLIC, body_limit=MIB, sanitizer=function)


# contracts 4: providers add sanitizers as declarations (name, pattern, bounds, denied)
@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("paris", True),
        ("", False),
        ("Paris", False),
        ("paris\n", False),
        ("paris&", False),
        (["a", "b"], True),
        (["a", ["b", "C"]], False),
        ([], True),
        ({"a": "a"}, False),
        (5, False),
        (None, False),
        (True, False),
    ],
)
def test_a_pattern_matches_the_whole_of_every_value(value: object, fits: bool) -> None:
    assert _fits(CITY, value) is fits


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ("1", True),
        ("5.0", True),
        ("0.99", False),
        ("5.01", False),
        (" 5", False),
        ("+5", False),
        ("05", False),
        ("1_0", False),
        ("NaN", False),
        ("Infinity", False),
        ("\u0665", False),
        ("", False),
        (1, True),
        (5.0, True),
        (0, False),
        (6, False),
        ([1, 5], True),
        ([1, 6], False),
        (True, False),
        (None, False),
        ({}, False),
    ],
    ids=repr,
)
def test_a_number_is_judged_on_its_text_and_stands_within_its_bounds(value: object, fits: bool) -> None:
    assert _fits(Sanitizer("n", minimum=1, maximum=5), value) is fits


@pytest.mark.parametrize("value", ["1e999", "9", 9, float("inf")], ids=repr)
def test_one_bound_is_enough_and_no_number_is_endless(value: object) -> None:
    endless = value in {"1e999", float("inf")}
    assert _fits(Sanitizer("n", minimum=9), value) is not endless
    assert _fits(Sanitizer("n", maximum=9), value) is not endless
    assert not _fits(Sanitizer("n", minimum=9.5), value)
    assert not _fits(Sanitizer("n", maximum=8.5), value)


@pytest.mark.parametrize(
    ("denied", "value", "fits"),
    [
        ("..", "a.b.c", True),
        ("..", "a/../b", False),
        ("..", "\uff0e\uff0e", False),
        ("drop", "a DROP b", False),
        ("DROP", "a drop b", False),
        ("x", ["a", {"b": "xy"}], False),
        ("x", {"x": 1}, False),
        ("x", {"a": ["b", 1, None]}, True),
        ("a\nb", ["a\nb"], False),
        ("a\nb", {"c": "a\nb"}, False),
        ("13", 2130, False),
        ("13", 21, True),
    ],
)
def test_what_is_denied_is_nowhere_in_the_value(denied: str, value: object, fits: bool) -> None:
    assert _fits(Sanitizer("q", denied=("never", denied)), value) is fits


def test_a_plus_of_a_query_is_read_both_ways() -> None:
    rule = Sanitizer("q", denied=("drop table", "1+1"))
    assert not _fits(rule, "drop+table", "query")
    assert not _fits(rule, "1+1", "query")
    assert _fits(rule, "drop+table", "form")
    assert not _fits(rule, "drop table", "form")


def test_all_rules_of_a_name_hold_and_those_of_another_do_not() -> None:
    both = _sanitizing(CITY, Sanitizer("CITY", denied=("b",)), Sanitizer("n", minimum=1))
    both.judge_value(AcceptedValue("query", "City", "a"))
    both.judge_value(AcceptedValue("query", "other", "B"))
    for value, named in (("B", "city"), ("b", "CITY")):
        with pytest.raises(ParameterRefusedError) as refused:
            both.judge_value(AcceptedValue("query", "City", value))
        assert refused.value.parameter == named


def test_a_rule_holds_in_every_place_declared_or_forwarded() -> None:
    path = _route(CITY, path="/{city}", parameters=[PathParameter("city")])
    query = _route(CITY, parameters=[QueryParameter("city", many=True)])
    other = _route(CITY, undeclared="forward")
    header = _route(CITY, parameters=[HeaderParameter("City")], headers=["x-more"])
    passed = _route(Sanitizer("x-more", pattern="[a-z]+"), headers=["x-more"])
    calls: list[Callable[[str], object]] = [
        lambda city: goes_up(path, f"weather/{city}".encode()),
        lambda city: goes_up(query, b"weather", f"city={city}".encode()),
        lambda city: goes_up(query, b"weather", f"city=paris&city={city}".encode()),
        lambda city: goes_up(other, b"weather", f"a=1&City={city}".encode()),
        lambda city: goes_up(header, b"weather", b"", (b"city", city.encode())),
        lambda city: goes_up(passed, b"weather", b"", (b"x-more", city.encode())),
    ]
    for call in calls:
        assert call("paris")
        with pytest.raises(ParameterRefusedError):
            call("PARIS")


def test_a_rule_holds_in_every_kind_of_declared_body() -> None:
    form = _route(CITY, methods=["POST"], body=FormBody([FormParameter("city")], undeclared="forward"))
    json = _route(CITY, methods=["POST"], body=JSONBody([JSONField("city")]))
    free = _route(CITY, methods=["POST"], body=JSONBody(undeclared="forward"))
    assert posted(form, b"city=paris", FORM).body == b"city=paris"
    assert posted(json, b'{"city" : "paris"}').body == b'{"city" : "paris"}'
    for route, body, kind in (
        (form, b"city=PARIS", FORM),
        (form, b"CITY=PARIS", FORM),
        (json, b'{"city": "PARIS"}', b"application/json"),
        (free, b'{"City": "PARIS"}', b"application/json"),
        (free, b'{"city": null}', b"application/json"),
    ):
        with pytest.raises(ParameterRefusedError) as refused:
            posted(route, body, kind)
        assert refused.value.parameter in {"city", "CITY", ""}


def test_what_the_route_sends_by_itself_is_judged_too() -> None:
    with pytest.raises(ParameterRefusedError):
        goes_up(_route(CITY, parameters=[QueryParameter("city", fixed="PARIS")]))


def test_a_pattern_that_does_not_compile_is_told_with_its_owner() -> None:
    told = "the pattern of the sanitizer of 'q' of the provider 'weather' does not compile"
    with pytest.raises(InvalidValueError, match=told):
        _route(Sanitizer("q", pattern="(?=a)"))


def test_a_provider_without_any_has_none() -> None:
    assert compile_sanitizers(BY_HEADER) is None
    assert a_route().sanitizing is None


# contracts 4: code only through `APIKeyChain(sanitizers={provider: function})`
def test_the_hosts_function_sees_all_that_was_accepted_in_order() -> None:
    seen: list[AcceptedCall] = []
    route = _asked(
        seen.append,
        path="/{user}",
        tail=True,
        methods=["POST"],
        parameters=[
            PathParameter("user"),
            QueryParameter("q"),
            QueryParameter("units", fixed="metric"),
            HeaderParameter("X-V"),
        ],
        body=JSONBody([JSONField("n", type="integer"), JSONField("list", type="array")]),
    )
    lines = ((b"x-v", b"2"), (b"accept", b"*/*"), (b"cookie", b"a=b"), (b"content-type", b"application/json"))
    call = a_call(b"weather/an%6e/a%20b", b"q=%41", *lines, method="POST")
    fill(call, route, b'{"n": 1, "list": [2]}')
    (accepted,) = seen
    assert (accepted.route, accepted.method) == ("weather", "POST")
    assert [tuple(value) for value in accepted.values] == [
        ("path", "user", "ann"),
        ("tail", "", "a b"),
        ("query", "q", "A"),
        ("query", "units", "metric"),
        ("header", "accept", "*/*"),
        ("header", "x-v", "2"),
        ("json", "n", 1),
        ("json", "list", [2]),
    ]


def test_a_form_is_seen_as_it_goes_up() -> None:
    seen: list[AcceptedCall] = []
    route = _asked(
        seen.append, methods=["POST"], body=FormBody([FormParameter("a"), FormParameter("b", default="x y")])
    )
    posted(route, b"a=1+2%2B3", FORM)
    assert seen[0].values == (AcceptedValue("form", "a", "1 2+3"), AcceptedValue("form", "b", "x y"))


def test_the_hosts_function_comes_last_and_can_refuse() -> None:
    def refuse(call: AcceptedCall) -> None:
        raise ParameterRefusedError(call.values[0].name)

    with pytest.raises(ParameterRefusedError) as refused:
        goes_up(_asked(refuse, undeclared="forward"), b"weather", b"who=me")
    assert refused.value.parameter == "who"
    rules = replace(BY_HEADER, sanitizers=(CITY,))
    found = compile_sanitizers(rules, refuse)
    assert found is not None
    with pytest.raises(ParameterRefusedError) as refused:
        found.judge(AcceptedCall("r", "GET", (AcceptedValue("query", "who", "a"), AcceptedValue("query", "city", "A"))))
    assert refused.value.parameter == "city"


def test_whatever_else_it_does_is_a_bug_and_lets_nothing_pass() -> None:
    def asks(_: AcceptedCall) -> None:
        raise NotFoundError

    def breaks(call: AcceptedCall) -> None:
        raise KeyError(call.route)

    with pytest.raises(TypeError, match=r"^a sanitizer raised an answer other than ParameterRefusedError$"):
        goes_up(_asked(asks))
    with pytest.raises(KeyError):
        goes_up(_asked(breaks))
    told = r"^a sanitizer returned something: it returns None, or raises ParameterRefusedError$"
    for answer in (False, True, 0, ""):
        with pytest.raises(TypeError, match=told):
            goes_up(_asked(lambda _, answer=answer: answer))  # type: ignore[misc]  # what a host may get wrong


def test_functions_are_given_by_the_names_of_providers() -> None:
    def good(_: AcceptedCall) -> None:
        return None

    assert parse_sanitizers(None) == {}
    assert parse_sanitizers({"weather": good}) == {"weather": good}
    given = {"weather": good}
    kept = parse_sanitizers(given)
    given.clear()
    assert kept == {"weather": good}
    with pytest.raises(InvalidValueError, match=r"^not a provider name: 'No Name'"):
        parse_sanitizers({"No Name": good})


def test_what_is_no_plain_function_is_told() -> None:
    async def later(_: AcceptedCall) -> None:
        await asyncio.sleep(0)

    for wrong in (later, None, "rule"):
        with pytest.raises(InvalidValueError) as refused:
            parse_sanitizers({"weather": wrong})  # type: ignore[dict-item]  # what a host may get wrong
        told = "the sanitizer of the provider 'weather' is not a plain function: it is called, and never awaited"
        assert str(refused.value) == told
