"""Requests that others wrote down to confuse proxies, by their heads alone: the rules in their order, as the most
lenient server would hand them on. Where the folder of cases is absent there are no tests.
"""

from typing import Any

import pytest

from apikeychain.errors import RefusalError
from apikeychain.model.call import Call, UpstreamRequest
from apikeychain.model.route import RawBody
from apikeychain.rules import forwarding, headers
from apikeychain.rules.bodies import takes_body
from apikeychain.rules.injection import inject
from apikeychain.rules.routing import fill, match
from apikeychain.secret import Secret
from exchange import NOW, a_call, a_route
from http_cases import ABUSES, sent

KEY = b"sk-0123456789abcdef"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ROUTE = a_route(methods=METHODS, path="/here", tail=True, body=RawBody(("application/octet-stream",)))
MUST_GO_UP = {"secret_still_injected", "stripped", "serve"}
OWN = {b"content-type", b"user-agent", b"accept-encoding", b"x-api-key"}


class Project:
    """One with one route."""

    routes = {b"weather": ROUTE}  # noqa: RUF012  # read only


def _read(raw: bytes) -> Call:
    """The head of a request, by a reader that takes every line with a colon."""
    first, *lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    method, target, *_ = first.split(b" ")
    path, _, query = target.partition(b"?")
    pairs = [(name, value.strip()) for name, colon, value in (line.partition(b":") for line in lines) if colon]
    return a_call(path.removeprefix(b"/"), query, *pairs, method=method.decode())


def _goes_up(call: Call) -> UpstreamRequest:
    headers.require_single(call.headers)
    headers.require_framing(call.headers)
    headers.require_destination(call.headers)
    route = match(call, Project())
    takes_body(call, route.body)
    return inject(fill(call, route, None), Secret(KEY.decode()), NOW)


if ABUSES:

    @pytest.mark.parametrize(
        "case", [case for case in ABUSES if case["template_b64"] is not None], ids=lambda case: case["id"]
    )
    def test_a_head_that_others_tried_goes_up_clean_or_not_at_all(case: dict[str, Any]) -> None:
        call, expected = _read(sent(case, b"/weather")), case["expect"]
        if expected in {"reject", "4xx"}:
            with pytest.raises(RefusalError):
                _goes_up(call)
            return
        try:
            request = _goes_up(call)
        except RefusalError:
            assert expected not in MUST_GO_UP
            return
        assert {name for name, _ in request.headers} <= OWN | forwarding.ALWAYS
        assert [value for name, value in request.headers if name == b"x-api-key"] == [KEY]
        assert request.url.startswith("https://api.weather.example/v1/here")
        assert request.method == call.method


# What the lists of others say nothing about.
@pytest.mark.parametrize(
    "lines",
    [
        [(b"transfer_encoding", b"chunked")],
        [(b"content-length", b"4"), (b"Content_Length", b"40")],
        [(b"transfer-encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")],
        [(b"content-length", b"4"), (b"content-length", b"4")],
        [(b"host", b"another.example")],
    ],
)
def test_a_second_reading_of_a_head_is_refused(lines: list[tuple[bytes, bytes]]) -> None:
    kind = (b"content-type", b"application/octet-stream")
    assert _goes_up(a_call(b"weather", b"", (b"host", b"host.example"), kind, method="POST")).body is not None
    with pytest.raises(RefusalError):
        _goes_up(a_call(b"weather", b"", (b"host", b"host.example"), kind, *lines, method="POST"))


@pytest.mark.parametrize("listed", [b"accept", b"Accept", b"close,ACCEPT", b"x, accept\t", b" accept ,,"])
def test_a_name_that_connection_lists_never_goes_up(listed: bytes) -> None:
    route = a_route(headers=("X-Trace",))
    lines = [(b"accept", b"a/b"), (b"x-trace", b"1"), (b"connection", b"keep-alive, x-trace"), (b"connection", listed)]
    target = fill(a_call(b"weather", b"", *lines), route, None)
    assert not {b"accept", b"x-trace", b"connection"} & {name for name, _ in target.headers}
    assert (b"x-api-key", KEY) in inject(target, Secret(KEY.decode()), NOW).headers
