"""Declared parameters at their limits, and what is said of one that cannot be."""

from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, ParameterRefusedError
from apikeychain.model.route import JSONField, Parameter, QueryParameter
from apikeychain.rules.parameters import Declarations, folded


def _refused(values: dict[str, object], *parameters: Parameter) -> str:
    with pytest.raises(ParameterRefusedError) as refused:
        Declarations(parameters, "it").judge(values)
    return refused.value.parameter


def _texts_refused(texts: dict[str, list[str]], *parameters: Parameter) -> str:
    with pytest.raises(ParameterRefusedError) as refused:
        Declarations(parameters, "it").judge_texts(texts)
    return refused.value.parameter


def test_integers_have_up_to_18_digits_in_a_text_and_in_json() -> None:
    texts, members = QueryParameter("a", type="integer"), JSONField("a", type="integer")
    for sign in (1, -1):
        largest = sign * (10**18 - 1)
        Declarations([texts], "it").judge_texts({"p0": [str(largest)]})
        Declarations([members], "it").judge({"p0": largest})
        assert _texts_refused({"p0": [str(sign * 10**18)]}, texts) == "a"
        assert _refused({"p0": sign * 10**18}, members) == "a"
    bounded = JSONField("a", type="integer", minimum=-1e30, maximum=1e30)
    assert _refused({"p0": 10**18}, bounded) == "a"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("object", {"a": [1]}, []),
        ("array", [{"a": 1}, "b", None], {}),
        ("boolean", True, 1),
        ("boolean", False, "false"),
        ("integer", 1, True),
        ("integer", 1, 1.0),
        ("integer", 1, "1"),
        ("number", 1.5, "1.5"),
        ("string", "1", 1),
        ("string", "", None),
    ],
)
def test_a_member_is_of_its_type_and_is_not_converted(kind: Any, good: object, bad: object) -> None:  # any JSON type
    field = JSONField("a", type=kind)
    Declarations([field], "it").judge({"p0": good})
    assert _refused({"p0": bad}, field) == "a"


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("integer", "true"),
        ("integer", "1.0"),
        ("number", "true"),
        ("boolean", "1"),
        ("boolean", "1.5"),
        ("boolean", ""),
    ],
)
def test_a_text_is_written_in_the_grammar_of_its_own_type(kind: Any, bad: str) -> None:  # any type
    assert _texts_refused({"p0": [bad]}, QueryParameter("a", type=kind)) == "a"


def test_a_number_is_as_long_as_a_text_may_be() -> None:
    number = QueryParameter("a", type="number", max_length=4)
    Declarations([number], "it").judge_texts({"p0": ["1.25"]})
    assert _texts_refused({"p0": ["1.250"]}, number) == "a"


def test_the_first_parameter_that_does_not_fit_is_named() -> None:
    one, two, three = (JSONField(name, type="integer") for name in ("a", "b", "c"))
    assert _refused({"p0": 1, "p1": "x", "p2": "y"}, one, two, three) == "b"
    many = QueryParameter("b", type="number", many=True, maximum=1)
    assert _texts_refused({"p1": ["1", "2"]}, QueryParameter("a"), many) == "b"


def test_a_key_of_no_parameter_is_not_taken() -> None:
    with pytest.raises((ParameterRefusedError, StopIteration)):
        Declarations([JSONField("a")], "it").judge({"p9": 1})


@pytest.mark.parametrize("value", [{}, [], [[]], [{"a": 1}], None])
def test_what_is_no_plain_value_is_no_choice(value: object) -> None:
    assert _refused({"p0": value if value != [] else [[]]}, JSONField("a", choices=("x",))) == "a"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"type": "integer", "pattern": "1"}, "it: the parameter 'a' has a pattern, which is for strings"),
        ({"minimum": 1}, "it: the parameter 'a' has bounds, which are for integers and numbers"),
        ({"maximum": 1}, "it: the parameter 'a' has bounds, which are for integers and numbers"),
        (
            {"type": "boolean", "choices": ("true",)},
            "it: the parameter 'a' has choices, which are for strings, integers and numbers",
        ),
        ({"type": "integer", "choices": ("x",)}, "it: the parameter 'a' has a choice that is no integer"),
        *(
            (
                {kind: "x", "type": "integer"},
                "it: the value that the parameter 'a' sends by itself is not one it may have",
            )
            for kind in ("default", "fixed")
        ),
        *(
            (options, "it: the value that the parameter 'a' sends by itself is not one it may have")
            for options in (
                {"default": "b", "choices": ("a",)},
                {"default": "aa", "max_length": 1},
                {"default": "b", "pattern": "a"},
                {"default": "2", "type": "number", "maximum": 1},
            )
        ),
    ],
)
def test_a_parameter_that_cannot_be_says_why(options: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Declarations([QueryParameter("a", **options)], "it")
    assert str(refused.value) == told


def test_a_pattern_that_does_not_compile_is_named_with_its_parameter() -> None:
    with pytest.raises(InvalidValueError, match=r"^the pattern of it: the parameter 'a' does not compile"):
        Declarations([QueryParameter("a", pattern="(")], "it")


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("Name", "name"),
        ("\u0130d", "id"),
        ("\u0131d", "id"),
        ("\uff49d", "id"),
        ("\ufb01x", "fix"),
        ("stra\u00dfe", "strasse"),
    ],
)
def test_names_that_some_reader_takes_for_the_same_are_the_same(name: str, same: str) -> None:
    assert folded(name) == folded(same) == same


def test_marks_in_another_order_are_the_same() -> None:
    assert folded("a\u0302\u0323") == folded("a\u0323\u0302") == folded("\u1ead")
    assert folded("\u4e2da\u0315\u0300") == folded("\u4e2d\u00e0\u0315")


@pytest.mark.parametrize("one", ["\ufdfa", "\u0315\u0300", "\u3316", "\u0130"])
def test_a_long_text_is_read_in_pieces_and_none_is_lost(one: str) -> None:
    assert folded(one * 10_000).count(folded("\u4e2d")) == 0
    assert folded(one * 10_000 + "\u4e2dx").endswith("\u4e2dx")
    assert len(folded(one * 10_000)) == len(folded(one)) * 10_000


def test_a_refused_value_is_in_no_text_of_its_errors() -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        Declarations([QueryParameter("a", pattern="[a-z]{3}")], "it").judge({"p0": "s3cr3t"})
    assert refused.value.__context__ is not None
    assert "s3cr3t" not in f"{refused.value} {refused.value.__context__}"
