"""JSON texts: read in the one way that every parser agrees on, or not at all."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import ParameterRefusedError
from apikeychain.model.route import JSONBody
from apikeychain.rules.json_objects import MAX_JSON_DEPTH, read_json
from exchange import a_route, posted

FORWARDING = a_route(methods=("POST",), body=JSONBody(undeclared="forward"))


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"\\u0061":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 400 + b"}",
        b'{"a":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"a":"\xed\xa0\x80"}',
        b'{"a":"\xff"}',
        b'\xef\xbb\xbf{"a":1}',
        '{"a":1}'.encode("utf-16"),
        b"{'a':1}",
        b'{"a":1}x',
        b'{"a":01}',
        b'{"a":"\n"}',
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a":"' + b'\\"' * 100,
    ],
)
def test_what_two_parsers_could_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(ParameterRefusedError) as refused:
        posted(FORWARDING, body)
    assert refused.value.parameter == ""


def test_64_levels_pass_and_brackets_in_texts_do_not_count() -> None:
    body = b'{"a":' + b"[" * (MAX_JSON_DEPTH - 1) + b'"' + b'[{\\"' * 99 + b'"' + b"]" * (MAX_JSON_DEPTH - 1) + b"}"
    assert posted(FORWARDING, body).body == body


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=20,
)


@given(JSON_VALUES, st.booleans())
def test_whatever_json_writes_is_read(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    read_json(text.encode())


@given(st.binary(max_size=40))
def test_any_other_bytes_are_refused_in_one_way(raw: bytes) -> None:
    try:
        read_json(raw)
    except ParameterRefusedError as refused:
        parameter = refused.parameter
    else:
        json.loads(raw)
        return
    assert parameter == ""


def test_brackets_in_texts_are_no_levels() -> None:
    raw = json.dumps(["[{" * 200, '"[\\"' * 200, "\\" * 99 + "["]).encode()
    assert read_json(raw) == json.loads(raw)
    assert read_json(json.dumps("[" * 200).encode()) == "[" * 200
