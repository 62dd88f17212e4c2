"""JSON bodies at their limits: levels, long numbers, names that look alike, and what a refusal says."""

from typing import Any

import pytest

from apikeychain.errors import InvalidValueError, ParameterRefusedError
from apikeychain.model.route import JSONBody, JSONField, Undeclared
from apikeychain.rules.json_objects import JSONRule, read_json
from apikeychain.rules.parameters import LONGEST_NAME


def _rule(*fields: JSONField, undeclared: Undeclared = "refuse") -> JSONRule:
    return JSONRule(JSONBody(fields=fields, undeclared=undeclared), "it")


def _refused(rule: JSONRule, raw: bytes) -> str:
    with pytest.raises(ParameterRefusedError) as refused:
        rule.judge(raw)
    return refused.value.hint or refused.value.parameter


WHOLE = "the body as a whole cannot be taken"


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_64_levels_are_taken_and_one_more_is_not(opened: bytes, closed: bytes) -> None:
    read_json(opened * 64 + b"1" + closed * 64)
    with pytest.raises(ParameterRefusedError):
        read_json(opened * 65 + b"1" + closed * 65)


@pytest.mark.parametrize("text", [b'"[\\"[["', b'"\\\\"', b'"a\\\n["', b'"]"', b'"\xc3\xbf["'])
def test_levels_are_counted_outside_of_texts_only(text: bytes) -> None:
    flat = b"[" + b",".join([b"[]", b"{}"] * 40) + b"]"
    assert read_json(flat)
    deep = b"[" * 65 + b"1" + b"]" * 65
    if b"\n" not in text:
        assert read_json(b"[" + b",".join([text] * 70) + b"," + b"[" * 63 + b"]" * 63 + b"]")
    with pytest.raises(ParameterRefusedError):
        read_json(b"[" + text + b"," + deep + b"]")


@pytest.mark.parametrize("pair", [b"[]", b"{}"])
def test_a_level_that_is_closed_counts_no_more(pair: bytes) -> None:
    many = b",".join([pair] * 70)
    assert read_json(b"[" + many + b"]")
    with pytest.raises(ParameterRefusedError):
        read_json(b"[" + many + b"," + b"[" * 64 + b"]" * 64 + b"]")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1" * 19, int("1" * 19)),
        (b"-" + b"1" * 18, -int("1" * 18)),
        (b"1" * 20, float("1" * 20)),
        (b"1.5", 1.5),
        (b"-1e3", -1000.0),
        (b"1" * 300, float("1" * 300)),
    ],
)
def test_a_number_is_what_it_says_and_a_long_integer_is_a_float(raw: bytes, value: object) -> None:
    read = read_json(raw)
    assert (type(read), read) == (type(value), value)


@pytest.mark.parametrize("raw", [b"1e999", b"-1e999", b"1" * 400, b"NaN", b"Infinity", b"-Infinity"])
def test_a_number_without_end_is_none(raw: bytes) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        read_json(raw)
    assert refused.value.hint == WHOLE


@pytest.mark.parametrize("raw", [b'"\\ud800"', b'"\\uDFFF"', b'{"\\ud800": 1}', b'"\\udc00\\ud800"', b'"\xed\xa0\x80"'])
def test_half_a_character_is_none(raw: bytes) -> None:
    with pytest.raises(ParameterRefusedError):
        read_json(raw)
    assert read_json(b'"\\ud83d\\ude00 \\\\ud800"') == "\U0001f600 \\ud800"


@pytest.mark.parametrize(
    "raw", [b"[]", b'"a"', b"1", b"null", b"", b"{", b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}']
)
def test_a_body_is_one_object_with_each_name_once(raw: bytes) -> None:
    assert _refused(_rule(undeclared="forward"), raw) == WHOLE


def test_other_members_pass_where_they_are_forwarded_and_look_like_no_other() -> None:
    field = JSONField("model", choices=("small",))
    _rule(field, undeclared="forward").judge(b'{"model": "small", "top": 1, "other": 2}')
    _rule(field).judge(b'{"model": "small"}')
    with pytest.raises(ParameterRefusedError, match="the route declares no parameter of this name") as refused:
        _rule(field).judge(b'{"model": "small", "top": 1, "zoom": 2}')
    assert refused.value.parameter == "top"
    for names in (b'"Model": "large"', b'"top": 1, "TOP": 2', b'"model": "small", "MODEL": "large"'):
        assert _refused(_rule(field, undeclared="forward"), b"{" + names + b"}") == WHOLE
    assert _refused(_rule(field, undeclared="forward"), b'{"model": "large", "top": 1}') == "model"
    _rule(undeclared="forward").judge(b'{"%b": 1}' % (b"a" * LONGEST_NAME))
    assert _refused(_rule(undeclared="forward"), b'{"%b": 1}' % (b"a" * (LONGEST_NAME + 1))) == WHOLE


def test_a_member_that_is_required_is_missed_also_without_a_body() -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        _rule(JSONField("b"), JSONField("a", required=True)).judge_absence()
    assert refused.value.parameter == "a"
    _rule(JSONField("a")).judge_absence()


@pytest.mark.parametrize("options", [{"default": ""}, {"fixed": ""}, {"many": True}, {"default": "x"}, {"fixed": "x"}])
def test_a_member_cannot_be_sent_by_itself(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError) as refused:
        _rule(JSONField("a"), JSONField("b", **options))
    assert str(refused.value) == (
        "it: 'b' cannot be default, fixed or many, since a JSON body goes out unchanged: "
        "write choices=('value',), required=True, or type='array'"
    )


def test_a_member_that_cannot_be_is_named_with_its_owner() -> None:
    with pytest.raises(InvalidValueError, match=r"^it: the parameter 'a' has bounds"):
        _rule(JSONField("a", minimum=1))
