"""Sanitizers as data: what one is, and what none can be."""

from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.sanitizers import AcceptedCall, AcceptedValue, Sanitizer


def test_what_is_denied_is_kept_in_its_order() -> None:
    assert Sanitizer("q", denied=["b", "a"]).denied == ("b", "a")


def test_a_text_alone_is_denied_as_a_whole() -> None:
    assert Sanitizer("q", pattern=".*", denied="..").denied == ("..",)


@pytest.mark.parametrize(
    "rules", [{"minimum": 0.0}, {"maximum": 0.0}, {"minimum": 1.0, "maximum": 1.0}, {"pattern": ""}]
)
def test_one_rule_is_enough(rules: dict[str, Any]) -> None:
    assert Sanitizer("q[0].$a~-_", **rules).name == "q[0].$a~-_"


@pytest.mark.parametrize(
    ("name", "rules", "told"),
    [
        ("", {"minimum": 1}, "not a parameter name: ''"),
        ("a b", {"minimum": 1}, "not a parameter name: 'a b'"),
        ("a" * 65, {"minimum": 1}, "not a parameter name"),
        ("q", {}, "the sanitizer of 'q' needs a pattern, a minimum, a maximum or a list of denied texts"),
        ("q", {"denied": ""}, "the sanitizer of 'q' denies the empty text"),
        ("q", {"denied": ()}, "the sanitizer of 'q' needs"),
        ("q", {"denied": ("a", "")}, "the sanitizer of 'q' denies the empty text, which every value holds"),
        ("q", {"minimum": 2, "maximum": 1}, "the sanitizer of 'q' has bounds between which there is no number"),
        ("q", {"minimum": float("nan")}, "the sanitizer of 'q' has bounds"),
        ("q", {"maximum": float("inf")}, "the sanitizer of 'q' has bounds"),
    ],
)
def test_a_rule_that_means_nothing_is_told(name: str, rules: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Sanitizer(name, **rules)
    assert str(refused.value).startswith(told)


def test_a_provider_keeps_its_sanitizers() -> None:
    rule = Sanitizer("q", minimum=1)
    made = Provider("weather", "https://a.example", HeaderCredential("x-key"), sanitizers=[rule])
    assert made.sanitizers == (rule,)


def test_a_call_that_is_shown_holds_no_value() -> None:
    call = AcceptedCall("weather", "GET", (AcceptedValue("query", "q", "Paris"),))
    assert repr(call) == "AcceptedCall(route='weather', method='GET')"
