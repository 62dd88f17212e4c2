import pytest

from apikeychain.model.call import UpstreamRequest
from sample_project import APP, a_call

ORIGIN = (b"origin", APP.encode())
ASK = (b"access-control-request-method", b"GET")


def test_a_preflight_is_options_with_origin_and_the_method_asked_for() -> None:  # contracts 2
    assert a_call(ORIGIN, ASK, method="OPTIONS").is_preflight
    for other in (
        a_call(ORIGIN, ASK, method="GET"),
        a_call(ORIGIN, ASK, method="options"),
        a_call(ORIGIN, method="OPTIONS"),
        a_call(ASK, method="OPTIONS"),
    ):
        assert not other.is_preflight


@pytest.mark.parametrize(
    ("scheme", "port", "url"),
    [
        ("https", 443, "https://api.example/v1/a?x=1"),
        ("https", 8443, "https://api.example:8443/v1/a?x=1"),
        ("https", 80, "https://api.example:80/v1/a?x=1"),
        ("http", 80, "http://api.example/v1/a?x=1"),
        ("http", 443, "http://api.example:443/v1/a?x=1"),
    ],
)
def test_the_url_of_a_request_leaves_out_the_default_port_alone(scheme: str, port: int, url: str) -> None:
    request = UpstreamRequest(
        method="GET",
        scheme=scheme,
        host="api.example",
        port=port,
        target=b"/v1/a?x=1",
        headers=(),
    )
    assert request.url == url


def test_what_a_request_holds_of_secrets_is_not_shown() -> None:
    request = UpstreamRequest(
        method="POST",
        scheme="https",
        host="api.example",
        port=443,
        target=b"/token?key=canary",
        headers=((b"authorization", b"canary"),),
        body=b"client_secret=canary",
    )
    assert "canary" not in repr(request)
