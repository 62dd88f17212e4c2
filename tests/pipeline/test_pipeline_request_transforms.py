"""Request transforms over whole calls: the page speaks its own words, and the provider hears only its own."""

from apikeychain import (
    DefaultParameter,
    DropParameter,
    HeaderParameter,
    ProxyRoute,
    QueryParameter,
    RenameParameter,
    SetParameter,
)
from gate import APP, KEY, open_gate

ROUTE = ProxyRoute(
    "weather",
    provider="weather",
    path="/data/2.5/weather",
    parameters=[
        QueryParameter("q", pattern="[A-Za-z ]{1,20}", required=True),
        QueryParameter("units", choices=["metric", "imperial"]),
        QueryParameter("lang"),
        HeaderParameter("x-api-version"),
    ],
    request_transforms=[
        RenameParameter("city", "q"),
        DropParameter("_"),
        SetParameter("units", "metric"),
        DefaultParameter("lang", "en"),
        RenameParameter("X-Version", "x-api-version", place="header"),
        DropParameter("accept-language", place="header"),
    ],
)


async def test_what_goes_up_is_what_the_route_makes_of_it() -> None:
    # amendment 9: request transforms in `routing.fill`, validated again
    async with open_gate(routes=[ROUTE]) as gate:
        lines = [(b"x-version", b"7"), (b"accept-language", b"fr")]
        assert (await gate.get(b"_=123&city=New%20York&units=imperial", headers=lines)).status == 200
        (request,) = gate.provider.requests
        query = b"q=New%20York&units=metric&lang=en&appid=" + KEY.encode()
        assert request.target == b"/data/2.5/weather?" + query
        assert request.headers.get(b"x-api-version") == b"7"
        assert b"x-version" not in request.headers
        assert b"accept-language" not in request.headers


async def test_what_the_rules_refuse_is_refused_whatever_a_route_makes_of_it() -> None:
    async with open_gate(routes=[ROUTE]) as gate:
        for query, named in (
            (b"city=Paris1", "q"),
            (b"city=Paris&q=Rome", "q"),
            (b"_=1", "q"),
            (b"city=Paris&units=kelvin", "units"),
        ):
            answer = await gate.get(query)
            assert (answer.code, answer.problem["parameter"]) == ("parameter-refused", named)
            assert b"Paris" not in answer.body
        for query in (b"city=Paris&other=1", b"city=Paris&APPID=1", b"City=Paris"):
            assert (await gate.get(query)).code == "parameter-refused"
        assert (await gate.get(b"city=Paris", headers=[(b"x-version", b"a\r\nx-evil: 1")])).status == 400
        assert gate.provider.requests == []


async def test_a_preflight_allows_the_headers_that_a_caller_may_send() -> None:
    async with open_gate(routes=[ROUTE]) as gate:
        lines = [
            (b"access-control-request-method", b"GET"),
            (b"access-control-request-headers", b"x-version, accept-language"),
        ]
        answer = await gate.get(method="OPTIONS", headers=lines)
        assert answer.status == 204
        allowed = (answer.headers.get(b"access-control-allow-headers") or b"").decode().lower().split(", ")
        assert {"x-version", "accept-language"} <= {*allowed}


async def test_a_transformed_route_is_stored_and_comes_back() -> None:
    async with open_gate(routes=[ROUTE]) as gate:
        (added,) = await gate.shop.list_routes()
        assert added.route.request_transforms == ROUTE.request_transforms
        assert APP in [record.origin for record in await gate.shop.list_origins()]
