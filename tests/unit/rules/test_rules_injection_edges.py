"""A request to send holds all of what goes up, and stands where its provider is."""

from dataclasses import replace

import pytest

from apikeychain.errors import InternalError
from apikeychain.model.provider import HeaderCredential, Provider
from apikeychain.model.route import JSONBody, Timeouts
from apikeychain.rules.injection import inject
from apikeychain.secret import Secret
from exchange import BY_HEADER, NOW, a_route, goes_up, posted

SECRET = Secret("s3cret-key")


def test_a_request_carries_body_length_and_timeouts() -> None:
    timeouts = Timeouts(first_byte=7)
    request = inject(posted(a_route(methods=("POST",), body=JSONBody(), timeouts=timeouts), b"{}"), SECRET, NOW)
    assert (request.method, request.body, request.content_length) == ("POST", b"{}", 2)
    assert (request.timeouts, request.scheme, request.host, request.port) == (
        timeouts,
        "https",
        "api.weather.example",
        443,
    )


@pytest.mark.parametrize("path", [b"/v1", b"/v1/", b"/v1/a/b"])
def test_a_request_stands_under_its_base(path: bytes) -> None:
    assert inject(replace(goes_up(a_route(BY_HEADER)), path=path), SECRET, NOW).target == path


@pytest.mark.parametrize("path", [b"", b"x", b"?a=1"])
def test_a_request_without_a_path_is_a_bug_also_where_the_base_has_none(path: bytes) -> None:
    route = a_route(Provider("weather", "https://a.example", HeaderCredential("x-key")))
    with pytest.raises(InternalError):
        inject(replace(goes_up(route), path=path), SECRET, NOW)
