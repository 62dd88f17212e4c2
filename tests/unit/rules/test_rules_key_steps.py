"""Steps filled and answers read: nothing that is filled in leaves its place."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.rotators import HTTPRotation
from apikeychain.rules.key_steps import filled, key_of, listed, outcome, page_of, read, split_pair, text_at
from apikeychain.rules.scrubbing import Needles
from apikeychain.secret import Secret

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40).filter(lambda text: text not in {".", ".."})
EVERYWHERE = Step(
    method="POST",
    path="/v1/{id}/keys-{id}-{label}",
    query=(("q", "x{id}y"), ("r", "{label}")),
    headers=(("X-Label", "a {label} b"),),
    body='{"names": ["{label}", {"id": "<{id}>"}], "n": 1, "on": true, "none": null}',
)


@settings(deadline=None)
@given(TEXTS)
def test_an_id_stays_in_its_place(key_id: str) -> None:
    asked = filled(EVERYWHERE, label="l-1", key_id=key_id)
    segments = asked.path.decode().split("/")
    assert [unquote(segment) for segment in segments] == ["", "v1", key_id, f"keys-{key_id}-l-1"]
    assert asked.path.isascii()
    query = asked.query.replace(b"+", b"%2B").decode()
    assert parse_qsl(query, keep_blank_values=True) == [("q", f"x{key_id}y"), ("r", "l-1")]
    assert asked.body is not None
    assert json.loads(asked.body) == {"names": ["l-1", {"id": f"<{key_id}>"}], "n": 1, "on": True, "none": None}
    assert asked.headers == ((b"x-label", b"a l-1 b"),)
    assert asked.content_type == b"application/json"


@settings(deadline=None)
@given(TEXTS)
def test_a_text_stays_in_its_place_in_a_form(key_id: str) -> None:
    asked = filled(Step(method="POST", path="/", form=(("a", "{id}"), ("b", "c d&e"))), key_id=key_id)
    assert asked.body is not None
    assert parse_qsl(asked.body.decode(), keep_blank_values=True) == [("a", key_id), ("b", "c d&e")]
    assert asked.content_type == b"application/x-www-form-urlencoded"


def test_what_is_filled_in_is_not_filled_again() -> None:
    step = Step(method="POST", path="/", form=(("a", "{label}{id}"),))
    assert filled(step, label="{id}", key_id="{label}").body == b"a=%7Bid%7D%7Blabel%7D"


@pytest.mark.parametrize("key_id", [".", ".."])
def test_an_id_that_would_go_up_is_refused(key_id: str) -> None:
    with pytest.raises(RotationRefusedError, match="by hand"):
        filled(Step(method="DELETE", path="/keys/{id}"), key_id=key_id)


def test_a_step_without_a_body_has_no_type() -> None:
    asked = filled(Step(method="GET", path="/me"))
    assert (asked.body, asked.content_type, asked.query) == (None, b"", b"")


def test_pages_are_counted_or_go_on_behind_the_last_key() -> None:
    step = Step(method="GET", path="/keys", query=(("n", "2"),))
    usual: dict[str, Any] = {"step": step, "keys": "", "label": "name", "id": "id"}
    assert page_of(Search(**usual), "l", 1, "").query == b"n=2"
    assert page_of(Search(**usual, page="p"), "l", 3, "k&1").query == b"n=2&p=3"
    assert page_of(Search(**usual, after="a"), "l", 1, "").query == b"n=2"
    assert page_of(Search(**usual, after="a"), "l", 2, "k&1").query == b"n=2&a=k%261"


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (200, "done"),
        (204, "done"),
        (299, "done"),
        (301, "unknown"),
        (303, "unknown"),
        (400, "refused"),
        (401, "refused"),
        (403, "refused"),
        (404, "gone"),
        (408, "unknown"),
        (409, "refused"),
        (410, "gone"),
        (422, "refused"),
        (425, "unknown"),
        (429, "unknown"),
        (499, "refused"),
        (500, "unknown"),
        (503, "unknown"),
    ],
)
def test_a_status_tells_what_came_of_it(status: int, told: str) -> None:
    assert outcome(status) == told


DOCUMENT = {"a": {"b": "text", "n": 17, "none": None, "yes": True, "empty": "", "list": []}}


def test_a_text_or_an_integer_is_read_at_its_place() -> None:
    assert text_at(DOCUMENT, "a.b") == "text"
    assert text_at(DOCUMENT, "a.n") == "17"


@pytest.mark.parametrize("place", ["a", "a.c", "a.none", "a.yes", "a.empty", "a.list", "a.b.c", "x.y"])
def test_what_is_no_text_is_not_read(place: str) -> None:
    with pytest.raises(BackendUnavailableError, match=f"no text at '{place}'"):
        text_at(DOCUMENT, place)


@pytest.mark.parametrize("body", [b"", b"{", b"<html>", b'{"a":1,"a":2}', b"\xff", b"[" * 100])
def test_an_answer_that_can_be_read_in_two_ways_is_not_read(body: bytes) -> None:
    with pytest.raises(BackendUnavailableError, match="cannot be read"):
        read(body)


def _how(key: str, key_id: str = "id") -> HTTPRotation:
    return HTTPRotation(
        provider="p",
        credential="admin",
        create=Step(method="POST", path="/keys"),
        key=key,
        id=key_id,
        verify=Step(method="GET", path="/me"),
        revoke=Step(method="DELETE", path="/keys/{id}"),
    )


def test_a_key_is_read_from_one_place_or_two() -> None:
    document = {"id": 5, "sid": "SK1", "data": {"secret": "s"}}
    assert key_of(document, _how("data.secret")) == ("s", "5")
    assert key_of(document, _how("sid:data.secret", "sid")) == ("SK1:s", "SK1")


NO_IDS = pytest.mark.parametrize("key_id", ["x" * 513, "a\nb", "\u202eab", "\xe4"], ids=ascii)


@NO_IDS
def test_an_id_that_nobody_gives_is_not_taken(key_id: str) -> None:
    with pytest.raises(BackendUnavailableError, match="has no id: 1 to 512"):
        key_of({"id": key_id, "key": "k"}, _how("key"))
    with pytest.raises(BackendUnavailableError, match="has no id: 1 to 512"):
        listed({"data": {"keys": [{"id": key_id, "meta": {"name": "l"}}]}}, SEARCH)


@pytest.mark.parametrize(
    ("key_id", "key"),
    [
        ("a-made-up-key", "a-made-up-key"),
        ("id-of-a-made-up-key", "a-made-up-key"),
        ("made-up-key", "a-made-up-key"),
    ],
    ids=["same", "around", "most"],
)
def test_an_id_that_tells_the_key_is_not_taken(key_id: str, key: str) -> None:
    with pytest.raises(BackendUnavailableError, match="in the place of its id") as error:
        key_of({"id": key_id, "sid": "S", "key": key}, _how("sid:key"))
    assert key not in str(error.value)


def test_a_key_may_hold_its_id() -> None:
    document = {"id": "0001", "key": "SG.0001.a-made-up-key"}
    assert key_of(document, _how("key")) == ("SG.0001.a-made-up-key", "0001")


def test_what_was_struck_from_an_answer_is_taken_for_nothing() -> None:
    needles = Needles((b"a-secret", b"a-made-up-credential"))
    for text in ("a-secret", "a-made-up-credential", "x-a-secret-y"):
        struck = needles.scrub(text.encode()).decode()
        with pytest.raises(BackendUnavailableError, match="repeats at 'key' what it was asked with"):
            key_of({"id": "1", "key": struck}, _how("key"))


SEARCH = Search(step=Step(method="GET", path="/keys"), keys="data.keys", label="meta.name", id="id")


def test_a_list_is_read_with_keys_that_have_no_label() -> None:
    items = [{"id": "1", "meta": {"name": "l"}}, {"id": 2}, {"id": "3", "meta": {"name": None}}]
    assert listed({"data": {"keys": items}}, SEARCH) == [("1", "l"), ("2", ""), ("3", "")]


@pytest.mark.parametrize(
    "document", [{}, {"data": {"keys": {}}}, [], {"data": {"keys": [{}]}}, {"data": {"keys": [1]}}]
)
def test_what_is_no_list_of_keys_is_not_taken_for_an_empty_one(document: object) -> None:
    with pytest.raises(BackendUnavailableError):
        listed(document, SEARCH)


def test_a_pair_is_split_at_its_first_colon() -> None:
    assert split_pair(Secret("name:with:colons")) == ("name", "with:colons")


@pytest.mark.parametrize("text", ["no-colon-in-it", ":nothing-before", "nothing-behind:"])
def test_what_is_no_pair_is_refused_and_not_told(text: str) -> None:
    with pytest.raises(RotationRefusedError) as refused:
        split_pair(Secret(text))
    assert text not in str(refused.value)
