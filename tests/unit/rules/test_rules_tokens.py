"""What a token endpoint is asked, and what its answer gives."""

import json
from datetime import timedelta

import pytest

from apikeychain.errors import BackendUnavailableError, RotationRefusedError
from apikeychain.model.rotators import OAuth2Rotation
from apikeychain.rules.scrubbing import Needles
from apikeychain.rules.tokens import grant, granted
from apikeychain.secret import Secret
from sample_project import NOW

CLIENT = Secret("shop:a-made-up&secret")


def _granted(**fields: object) -> bytes:
    return json.dumps({"access_token": "a-made-up-token", "token_type": "Bearer", **fields}).encode()


def test_client_credentials_are_asked_for_with_a_scope() -> None:
    how = OAuth2Rotation(provider="idp", credential="c", path="/token", scope="a b")
    asked = grant(how, CLIENT, None)
    assert (asked.method, asked.path, asked.body) == ("POST", b"/token", b"grant_type=client_credentials&scope=a%20b")


def test_a_client_goes_into_the_form_where_the_server_wants_it() -> None:
    how = OAuth2Rotation(provider="idp", credential="c", path="/token", client="body")
    text = b"grant_type=client_credentials&client_id=shop&client_secret=a-made-up%26secret"
    assert grant(how, CLIENT, None).body == text


def test_a_refresh_token_is_sent() -> None:
    how = OAuth2Rotation(provider="idp", credential="c", path="/token", grant="refresh_token", refresh="r")
    asked = grant(how, CLIENT, Secret("a-made-up/refresh"))
    assert asked.body == b"grant_type=refresh_token&refresh_token=a-made-up%2Frefresh"


@pytest.mark.parametrize("seconds", [3600, "3600", 3600.0, 3600.9, "3600.5", "3.6e3"], ids=repr)
def test_a_token_ends_as_long_after_it_was_asked_for_as_the_server_says(seconds: object) -> None:
    assert granted(_granted(expires_in=seconds), NOW).expires == NOW + timedelta(hours=1)


@pytest.mark.parametrize("seconds", [None, 10**12, 10**30, "1e999"], ids=ascii)
def test_a_token_whose_end_is_not_told_or_beyond_all_days_has_none(seconds: object) -> None:
    assert granted(_granted(expires_in=seconds), NOW).expires is None
    assert granted(_granted(), NOW).expires is None


@pytest.mark.parametrize(
    "seconds", ["", -1, -1.5, 0, True, "soon", "\u0663", "1_000", " 60", "nan", "inf", [60], {}], ids=ascii
)
def test_a_token_that_says_its_end_in_no_number_has_ended(seconds: object) -> None:
    assert granted(_granted(expires_in=seconds), NOW).expires == NOW


def test_a_new_refresh_token_is_read() -> None:
    given = granted(_granted(refresh_token="a-made-up-refresh-2", token_type="bearer"), NOW)
    assert given.token.matches(Secret("a-made-up-token"))
    assert given.refresh is not None
    assert given.refresh.matches(Secret("a-made-up-refresh-2"))
    assert "made-up" not in repr(given)
    assert granted(_granted(), NOW).refresh is None


def test_what_is_sent_in_the_form_is_named_so_that_it_does_not_come_back() -> None:
    how = OAuth2Rotation(
        provider="idp", credential="c", path="/token", grant="refresh_token", refresh="r", client="body"
    )
    asked = grant(how, CLIENT, Secret("a-made-up/refresh"))
    assert asked.secrets == (b"a-made-up&secret", b"a-made-up/refresh")
    assert grant(how, Secret("shop-client:short"), None).secrets == (b"shop-client:short",)
    assert "made-up" not in repr(asked)


def test_a_refresh_token_that_came_back_is_the_one_that_was_sent() -> None:
    struck = Needles((b"a-made-up-refresh",)).scrub(b"a-made-up-refresh").decode()
    assert granted(_granted(refresh_token=struck), NOW).refresh is None
    with pytest.raises(BackendUnavailableError, match="repeats at 'access_token'"):
        granted(_granted(access_token=struck), NOW)


def test_a_token_of_another_type_is_refused() -> None:
    with pytest.raises(RotationRefusedError, match="another type"):
        granted(_granted(token_type="DPoP"), NOW)


@pytest.mark.parametrize(
    "fields", [{"access_token": "short"}, {"refresh_token": "short"}, {"access_token": "a\nbcdefgh"}]
)
def test_a_token_that_no_secret_can_hold_is_not_taken_and_not_told(fields: dict[str, object]) -> None:
    with pytest.raises(BackendUnavailableError, match="no secret can hold"):
        granted(_granted(**fields), NOW)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"access_token": "a-made-up-token"}'])
def test_what_is_no_answer_of_a_token_endpoint_is_not_read(body: bytes) -> None:
    with pytest.raises(BackendUnavailableError):
        granted(body, NOW)
