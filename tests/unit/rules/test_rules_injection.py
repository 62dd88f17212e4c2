"""The credential is injected last, wins, and goes to its provider only."""

import base64
from dataclasses import replace

import pytest

from apikeychain.errors import InternalError, SecretUnavailableError
from apikeychain.model.network import Network
from apikeychain.model.provider import BasicCredential, Credential, HeaderCredential, Provider, QueryCredential
from apikeychain.model.route import QueryParameter
from apikeychain.rules.injection import credential, inject
from apikeychain.secret import Secret
from exchange import BY_QUERY, NOW, a_route, goes_up

SECRET = Secret("s3cret+/=&%: key")


def _provider(place: Credential) -> Provider:
    return Provider("weather", "https://api.weather.example:8443/v1", place)


def test_a_header_carries_the_secret_behind_its_prefix() -> None:
    route = a_route(_provider(HeaderCredential("Authorization", "Bearer ")), network=Network(private=True))
    request = inject(goes_up(route), SECRET, NOW)
    assert request.headers[-1] == (b"authorization", b"Bearer s3cret+/=&%: key")
    assert request.url == "https://api.weather.example:8443/v1"
    assert (request.method, request.network, request.timeouts) == ("GET", route.network, route.timeouts)


def test_a_query_carries_the_secret_last_and_encoded() -> None:
    route = a_route(BY_QUERY, parameters=(QueryParameter("q"),))
    encoded = b"appid=s3cret%2B/%3D%26%25:%20key"
    assert inject(goes_up(route), SECRET, NOW).target == b"/v1?" + encoded
    assert inject(goes_up(route, b"weather", b"q=1"), SECRET, NOW).target == b"/v1?q=1&" + encoded


@pytest.mark.parametrize(("username", "plain"), [(None, b"s3cret+/=&%: key"), ("ann", b"ann:s3cret+/=&%: key")])
def test_basic_is_username_and_secret_or_the_secret_alone(username: str | None, plain: bytes) -> None:
    request = inject(goes_up(a_route(_provider(BasicCredential(username)))), SECRET, NOW)
    assert request.headers[-1] == (b"authorization", b"Basic " + base64.b64encode(plain))


def test_an_injected_name_always_wins() -> None:
    target = goes_up(a_route(_provider(HeaderCredential("X-Key"))))
    forged = replace(target, headers=((b"x-key", b"mine"), (b"accept", b"a"), (b"x-key", b"mine too")))
    assert inject(forged, SECRET, NOW).headers == ((b"accept", b"a"), (b"x-key", SECRET.reveal()))


@pytest.mark.parametrize("broken", [b"abcdefgh\r\nx: y", b"abcdefgh\n", b"abcdefgh\0", b"caf\xc3\xa9 abcdef", b""])
@pytest.mark.parametrize("place", [HeaderCredential("X-Key"), QueryCredential("key"), BasicCredential()])
def test_a_secret_that_could_split_a_line_is_never_sent(broken: bytes, place: Credential) -> None:
    secret = Secret("abcdefgh")
    secret._value = broken
    with pytest.raises(SecretUnavailableError):
        inject(goes_up(a_route(_provider(place))), secret, NOW)


def test_a_prefix_that_could_split_a_line_is_never_sent() -> None:
    place = HeaderCredential("X-Key")
    object.__setattr__(place, "prefix", "a\r\n")
    with pytest.raises(SecretUnavailableError):
        credential(_provider(place), SECRET)


@pytest.mark.parametrize(
    "path", [b"", b"/v2", b"/v1evil", b"/v1/a b", b"/v1/a#b", b"/v1/\r\n", b"//evil.test/v1", b"@evil/v1"]
)
def test_a_request_that_left_its_place_is_a_bug_and_is_not_sent(path: bytes) -> None:
    target = goes_up(a_route(BY_QUERY))
    with pytest.raises(InternalError):
        inject(replace(target, path=path), SECRET, NOW)


def test_a_request_shows_nothing_of_the_secret() -> None:
    for place in (HeaderCredential("X-Key"), QueryCredential("key"), BasicCredential("ann")):
        assert "s3cret" not in repr(inject(goes_up(a_route(_provider(place))), SECRET, NOW))
