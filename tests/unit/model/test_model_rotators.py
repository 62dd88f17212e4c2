"""Descriptions of rotations: what cannot be sent, or would be filled with something unknown, is refused."""

import re
from typing import Any

import pytest

from apikeychain.errors import InvalidValueError
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.rotators import AWSIAMRotation, HostRotation, HTTPRotation, OAuth2Rotation

PROBE = Step(method="GET", path="/me")
CREATE = Step(method="POST", path="/keys", body='{"name": "{label}"}')
REVOKE = Step(method="DELETE", path="/keys/{id}")
SEARCH = Search(step=Step(method="GET", path="/keys"), keys="data", label="name", id="id")


def _http(**given: Any) -> HTTPRotation:
    usual: dict[str, Any] = {"create": CREATE, "key": "key", "id": "id", "verify": PROBE, "revoke": REVOKE}
    return HTTPRotation(**{"provider": "p", "credential": "admin", **usual, **given})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"path": "keys"}, "path of a step"),
        ({"path": "/a?b=c"}, "path of a step"),
        ({"path": "/a/../b"}, "path of a step"),
        ({"path": "/./b"}, "path of a step"),
        ({"path": "/keys/{name}"}, "no other braces"),
        ({"path": "/keys/{id"}, "no other braces"),
        ({"path": "/keys/{{id}}"}, "no other braces"),
        ({"query": (("a", "{key}"),)}, "no other braces"),
        ({"query": (("", "x"),)}, "not a name"),
        ({"query": (("a{id}", "x"),)}, "not a name"),
        ({"query": (("a b", "x"),)}, "not a name"),
        ({"headers": (("Host", "x"),)}, "not a header"),
        ({"headers": (("X-A", "a\r\nb"),)}, "header value"),
        ({"headers": (("X-A", "{id}"),)}, "cannot stand in a header"),
        ({"body": "{label}"}, "JSON document"),
        ({"body": '{"a": NaN}'}, "JSON document"),
        ({"body": "[" * 100_000}, "JSON document"),
        ({"body": '{"a": [{"b": "{secret}"}]}'}, "no other braces"),
        ({"body": "{}", "form": (("a", "b"),)}, "not both"),
        ({"form": (("a", "{x}"),)}, "no other braces"),
        ({"form": (("", "x"),)}, "not a name"),
        ({"method": "GET", "body": "{}"}, "has no body"),
        ({"method": "GET", "form": (("a", "b"),)}, "has no body"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, dict) else "",
)
def test_a_step_that_cannot_be_sent_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(told)):
        Step(**({"method": "POST", "path": "/keys"} | given))


def test_a_step_knows_what_it_uses() -> None:
    step = Step(
        method="POST", path="/{id}", query=(("a", "b"),), headers=(("x-a", "1"),), body='{"a": ["{label}", 1, null]}'
    )
    assert step.placeholders == {"id", "label"}
    assert PROBE.placeholders == frozenset()


def test_the_name_of_a_member_stands_as_it_is() -> None:
    assert Step(method="POST", path="/", body='{"{x}": 1}').placeholders == frozenset()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"keys": "a..b"}, "place of a field"),
        ({"label": ""}, "place of a field"),
        ({"id": "a[0]"}, "place of a field"),
        ({"page": "p", "after": "a"}, "not both"),
        ({"page": "a&b"}, "query parameter"),
        ({"after": "a b"}, "query parameter"),
        ({"step": REVOKE}, "the step 'search' cannot know {id}"),
    ],
    ids=lambda value: repr(value)[:40] if isinstance(value, dict) else "",
)
def test_a_search_that_finds_nothing_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(told)):
        Search(**{"step": PROBE, "keys": "", "label": "name", "id": "id", **given})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"provider": "P!"}, "provider"),
        ({"credential": ""}, "secret"),
        ({"key": "a:b:c"}, "place of a field"),
        ({"key": ":b"}, "place of a field"),
        ({"id": "a b"}, "place of a field"),
        ({"id": "key"}, "it cannot be where the key is: 'key'"),
        ({"key": "id:data.key", "id": "data.key"}, "it cannot be where the key is: 'data.key'"),
        ({"idempotency": "Content-Length"}, "not a header"),
        ({"create": REVOKE}, "the step 'create' cannot know {id}"),
        ({"create": PROBE, "search": SEARCH}, "the step 'create' must name {label}"),
        ({"verify": CREATE}, "the step 'verify' cannot know {label}"),
        ({"revoke": PROBE}, "the step 'revoke' must name {id}"),
        ({"revoke": CREATE}, "the step 'revoke' cannot know {label}"),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, dict) else "",
)
def test_a_description_that_would_be_filled_with_something_unknown_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(told)):
        _http(**given)


def test_a_key_may_stand_in_two_places() -> None:
    assert _http(key="sid:secret.text", search=SEARCH, idempotency="Idempotency-Key").key == "sid:secret.text"


def test_a_key_without_a_label_is_taken_where_nobody_looks_for_it() -> None:
    assert _http(create=PROBE).search is None


@pytest.mark.parametrize("user", ["", "a b", "a/b", "x" * 65])
def test_what_is_no_iam_user_is_refused(user: str) -> None:
    with pytest.raises(InvalidValueError, match="IAM user"):
        AWSIAMRotation(provider="iam", credential="admin", user=user, verify=PROBE)


def test_the_trial_of_an_access_key_knows_nothing_of_it() -> None:
    with pytest.raises(InvalidValueError, match=re.escape("'verify' cannot know {id}")):
        AWSIAMRotation(provider="iam", credential="admin", user="shop", verify=REVOKE)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"grant": "refresh_token"}, "refresh="),
        ({"refresh": "r"}, "refresh="),
        ({"refresh": "R!", "grant": "refresh_token"}, "secret"),
        ({"path": "/to/../ken"}, "path of a step"),
        ({"path": "/{id}"}, "no braces"),
        ({"scope": "a  b"}, "not a scope"),
        ({"scope": 'a"b'}, "not a scope"),
        ({"verify": REVOKE}, "cannot know {id}"),
    ],
    ids=lambda value: repr(value)[:50] if isinstance(value, dict) else "",
)
def test_a_grant_that_no_server_takes_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=re.escape(told)):
        OAuth2Rotation(**({"provider": "idp", "credential": "client", "path": "/token"} | given))


def test_a_rotator_of_the_hosts_own_has_a_name() -> None:
    with pytest.raises(InvalidValueError, match="rotator"):
        HostRotation(name="no name")
