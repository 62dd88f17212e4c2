import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apikeychain.errors import InvalidValueError, UpstreamRefusedError
from apikeychain.model.answer_transforms import AnswerTransform, DropFields, KeepFields, RenameField
from apikeychain.model.call import Reply, has_body
from apikeychain.rules.answer import shape_of, shaped
from apikeychain.rules.answer_transforms import MAX_SHAPED_BYTES, AnswerShape, read
from exchange import Chunks, a_route

USERS = (
    b'{"total": 2, "items": [{"id": 1, "name": "Ada", "email": "a@x", "home": {"city": "Paris", "street": "x"}},'
    b' {"id": 2, "name": "Bob", "email": "b@x", "home": null}]}'
)


def _shaped(raw: bytes, *transforms: AnswerTransform) -> Any:
    return json.loads(_text(raw, *transforms))


def _text(raw: bytes, *transforms: AnswerTransform) -> bytes:
    return AnswerShape(transforms).shape(raw)


def test_nothing_but_the_kept_fields_is_left() -> None:
    kept = _shaped(USERS, KeepFields(["total", "items.id", "items.home.city"]))
    assert kept == {"total": 2, "items": [{"id": 1, "home": {"city": "Paris"}}, {"id": 2}]}


def test_a_kept_field_is_kept_with_all_that_is_in_it() -> None:
    assert _shaped(b'{"a": {"b": [1, {"c": null}]}, "d": 1}', KeepFields("a")) == {"a": {"b": [1, {"c": None}]}}


def test_what_is_kept_and_not_there_is_not_made_up() -> None:
    assert _shaped(b'{"a": 1}', KeepFields(["b", "c.d"])) == {}


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ('{"a": "secret"}', {}),
        ('{"a": 7}', {}),
        ('{"a": null}', {}),
        ('{"a": ["secret", 7, null, {"b": 1, "c": 2}]}', {"a": [{"b": 1}]}),
        ('{"a": [["secret"], [{"b": 1, "c": 2}]]}', {"a": [[], [{"b": 1}]]}),
        ('{"a": {"b": {"c": 1}}}', {"a": {"b": {"c": 1}}}),
        ('{"a": {}}', {"a": {}}),
        ('{"a": []}', {"a": []}),
        ('["secret", {"a": {"b": 1}, "b": 2}]', [{"a": {"b": 1}}]),
        ("[]", []),
    ],
)
def test_a_value_where_a_kept_path_goes_deeper_is_left_out(raw: str, left: object) -> None:
    assert _shaped(raw.encode(), KeepFields("a.b")) == left


def test_dropped_fields_are_gone_and_all_else_stays() -> None:
    left = _shaped(USERS, DropFields(["items.email", "items.home.street", "none", "total.none"]))
    assert left == {
        "total": 2,
        "items": [{"id": 1, "name": "Ada", "home": {"city": "Paris"}}, {"id": 2, "name": "Bob", "home": None}],
    }


def test_a_drop_goes_through_arrays_of_arrays_and_past_what_is_no_object() -> None:
    assert _shaped(b'[[{"a": 1, "b": 2}], 3, "a", null]', DropFields("a")) == [[{"b": 2}], 3, "a", None]


def test_a_renamed_field_keeps_its_place_and_its_value() -> None:
    raw = b'{"items":[{"id":1,"mail":{"x":1.0},"z":2},{"id":2},7],"mail":3}'
    text = _text(raw, RenameField("items.mail", "email"))
    assert text == b'{"items":[{"id":1,"email":{"x":1.0},"z":2},{"id":2},7],"mail":3}'


def test_a_new_name_that_stands_there_already_is_refused() -> None:
    with pytest.raises(UpstreamRefusedError) as refused:
        _text(b'[{"a": 1}, {"a": 1, "b": 2}]', RenameField("a", "b"))
    assert "field of the name that another one gets" in refused.value.hint
    assert _shaped(b'[{"b": 1}]', RenameField("a", "b")) == [{"b": 1}]


def test_transforms_run_in_the_order_in_which_they_are_written() -> None:
    raw = b'{"a": 1, "b": 2}'
    assert _shaped(raw, DropFields("b"), RenameField("a", "b")) == {"b": 1}
    assert _shaped(raw, KeepFields("a"), RenameField("a", "c"), KeepFields("a")) == {}


@pytest.mark.parametrize(
    "number",
    [
        "0",
        "-0",
        "1.0",
        "1e2",
        "1E+2",
        "-0.0",
        "0.10",
        "12345678901234567890",
        "1.00000000000000000001",
        "9" * 300,
        "1e-999",
    ],
)
def test_a_number_keeps_its_spelling(number: str) -> None:
    raw = f'{{"a":[{number},{{"b":{number}}}],"c":{number}}}'.encode()
    assert _text(raw, DropFields("x")) == raw


@pytest.mark.parametrize(
    "text", ['"\\"1.0\\""', '"1"', '"[\\"]"', '"\\\\"', '"\\u0000"', '"é😀"', '"\\u2028"', "true", "false", "null"]
)
def test_every_other_value_says_what_it_said(text: str) -> None:
    raw = f'{{"a": {text}, {text if text[0] == chr(34) else chr(34) * 2}: 1}}'.encode()
    assert _shaped(raw, DropFields("x")) == json.loads(raw)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c", "d.e"]), inner),
    max_leaves=20,
)


@given(st.lists(_VALUES) | st.dictionaries(st.text(), _VALUES))
def test_what_nothing_is_done_to_stays_the_same(value: object) -> None:
    assert _shaped(json.dumps(value).encode(), DropFields("not there"), RenameField("not there", "x")) == value


@given(st.lists(_VALUES) | st.dictionaries(st.sampled_from(["a", "b", "c"]), _VALUES))
def test_no_name_is_left_that_is_not_kept_nor_one_that_is_dropped(value: object) -> None:
    raw = json.dumps(value).encode()
    kept = _shaped(raw, KeepFields(["a.b", "c"]))
    assert _names(kept, through=True) <= {"a", "c"}
    assert "a" not in _names(_shaped(raw, DropFields("a")), through=True)
    assert _shaped(json.dumps(kept).encode(), KeepFields(["a.b", "c"])) == kept


def _names(value: Any, *, through: bool) -> set[str]:
    """The names of the first object on each way."""
    if isinstance(value, list):
        return {name for one in value for name in _names(one, through=through)}
    return set(value) if isinstance(value, dict) else set()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"hello",
        b"<html></html>",
        b'{"a": 1',
        b'{"a": 1} {"a": 2}',
        b'{"a": 1}\n{"a": 2}\n',
        b'{"a": 1, "a": 2}',
        b'{"b": [{"a": 1, "\\u0061": 2}]}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e999}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\ud8001.0"}',
        b'{"\\udc00": 1}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 01}',
        b'{"a": 1,}',
        b"{'a': 1}",
        '{"a": 1}'.encode("utf-16"),
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_is_not_json_in_one_reading_does_not_pass(raw: bytes) -> None:
    with pytest.raises(UpstreamRefusedError) as refused:
        _text(raw, DropFields("x"))
    assert "not JSON that every parser reads alike" in refused.value.hint
    assert refused.value.__suppress_context__


@pytest.mark.parametrize("raw", [b"1", b'"a"', b"null", b"true"])
def test_json_without_fields_does_not_pass(raw: bytes) -> None:
    with pytest.raises(UpstreamRefusedError, match="without fields"):
        _text(raw, KeepFields("x"))


def test_64_levels_pass() -> None:
    raw = b'{"a":' * 64 + b"1" + b"}" * 64
    assert _text(raw, DropFields("x")) == raw
    assert _text(raw, KeepFields(".".join(["a"] * 64))) == raw


async def test_an_answer_is_read_whole_up_to_2_mib() -> None:
    piece = b"x" * (MAX_SHAPED_BYTES // 4)
    assert await read(Chunks(*[piece] * 4)) == piece * 4
    assert await read(piece) == piece
    assert MAX_SHAPED_BYTES == 2 * 1024 * 1024
    with pytest.raises(UpstreamRefusedError, match="more than 2097152 bytes"):
        await read(Chunks(*[piece] * 4, b"x"))


def test_a_route_without_transforms_shapes_nothing() -> None:
    assert shape_of(Reply(200), a_route()) is None


@pytest.mark.parametrize(
    ("status", "is_shaped"), [(200, True), (201, True), (299, True), (300, False), (404, False), (500, False)]
)
def test_good_answers_are_shaped_and_errors_are_not(status: int, is_shaped: bool) -> None:
    route = a_route(answer_transforms=[KeepFields("a")])
    assert (shape_of(Reply(status), route) is not None) is is_shaped


@pytest.mark.parametrize("kind", [b"text/event-stream", b"Application/X-NDJSON; charset=utf-8", b"application/ndjson"])
def test_a_stream_is_not_waited_for(kind: bytes) -> None:
    reply = Reply(200, ((b"content-type", kind),))
    with pytest.raises(UpstreamRefusedError, match="it is a stream"):
        shape_of(reply, a_route(answer_transforms=[KeepFields("a")]))
    assert shape_of(reply, a_route()) is None


def test_a_shaped_reply_has_its_own_length_and_no_etag() -> None:
    lines = ((b"content-type", b"application/json"), (b"content-length", b"99"), (b"etag", b'"a"'))
    reply = shaped(Reply(200, lines, Chunks()), b"{}")
    assert reply.headers == ((b"content-type", b"application/json"), (b"content-length", b"2"))
    assert reply.body == b"{}"


@pytest.mark.parametrize(("status", "method", "has"), [(200, "GET", True), (200, "HEAD", False), (204, "GET", False)])
def test_some_answers_have_lines_only(status: int, method: str, has: bool) -> None:
    assert has_body(status, method) is has
    assert not has_body(304, method)


@pytest.mark.parametrize("option", [{"stream": True}, {"ranges": True}])
def test_what_is_not_read_whole_cannot_be_shaped(option: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match="cannot transform answers that stream or come in parts"):
        a_route(answer_transforms=[KeepFields("a")], **option)
    assert a_route(**option).answer.shape is None
