"""The rules of the catalogue's routes, tried with what pages really send and with what they must not."""

from collections.abc import AsyncGenerator

import pytest

from apikeychain.errors import ParameterRefusedError, PathRefusedError, RefusalError
from apikeychain.model.call import Call
from apikeychain.model.headers import Headers
from apikeychain.model.network import PUBLIC
from apikeychain.model.route import MIB
from apikeychain.providers import CATALOGUE
from apikeychain.rules.routing import CompiledRoute, Target, compile_route, fill

COMPILED: dict[str, CompiledRoute] = {
    route.name: compile_route(route, entry.provider, network=PUBLIC, body_limit=100 * MIB)
    for entry in CATALOGUE
    for route in entry.routes
}
JSON, FORM = b"application/json", b"application/x-www-form-urlencoded"


def _target(name: str, tail: str = "", query: str = "", body: bytes | None = None, kind: bytes = JSON) -> Target:
    async def chunks() -> AsyncGenerator[bytes, None]:
        yield body or b""

    route = COMPILED[name]
    lines = [(b"content-type", kind), (b"content-length", str(len(body)).encode())] if body else []
    call = Call(
        method="POST" if body else "GET",
        scheme="https",
        project="p_made_up",
        area="proxy",
        path=f"{name}{tail}".encode(),
        query=query.encode(),
        headers=Headers(lines),
        peer="203.0.113.7",
        body=chunks(),
    )
    return fill(call, route, body)


@pytest.mark.parametrize(
    ("name", "query", "path"),
    [
        ("weather", "q=Lisbon,PT&units=metric", b"/data/2.5/weather"),
        ("weather", "q=S%C3%A3o%20Paulo", b"/data/2.5/weather"),
        ("weather", "lat=38.72&lon=-9.14&lang=pt_br", b"/data/2.5/weather"),
        ("weather", "zip=94040,us", b"/data/2.5/weather"),
        ("weather", "id=2172797", b"/data/2.5/weather"),
        ("forecast", "q=Porto&cnt=8", b"/data/2.5/forecast"),
        ("places", "q=Faro&limit=5", b"/geo/1.0/direct"),
        ("geocode", "address=1600%20Amphitheatre%20Parkway&region=us&language=en-GB", b"/maps/api/geocode/json"),
        ("geocode", "components=postal_code:1000%7Ccountry:PT", b"/maps/api/geocode/json"),
        ("geocode", "address=Faro&bounds=34.1,-118.6%7C34.2,-118.5", b"/maps/api/geocode/json"),
        ("reverse-geocode", "latlng=40.714224,-73.961452&location_type=ROOFTOP", b"/maps/api/geocode/json"),
        ("geocode-forward", "q=Faro&proximity=ip&limit=10&country=pt,es", b"/search/geocode/v6/forward"),
        ("geocode-forward", "q=Faro&bbox=-9.5,36.9,-6.2,42.2", b"/search/geocode/v6/forward"),
        ("geocode-reverse", "longitude=-77.05&latitude=38.889", b"/search/geocode/v6/reverse"),
        ("prices", "active=true&lookup_keys[]=basic&lookup_keys[]=pro", b"/v1/prices"),
    ],
)
def test_what_a_page_asks_for_goes_up(name: str, query: str, path: bytes) -> None:
    assert _target(name, query=query).path == path


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("weather", "q=Lisbon&mode=html"),
        ("weather", "q=Lisbon&appid=mine"),
        ("weather", "q=%3Cscript%3E"),
        ("weather", "lat=91&lon=0"),
        ("forecast", "q=Porto&cnt=41"),
        ("places", "limit=5"),
        ("geocode", "address=Faro&key=mine"),
        ("geocode", "components=country"),
        ("reverse-geocode", "latlng=north"),
        ("geocode-forward", "q=a%3Bb"),
        ("geocode-forward", "q=Faro&permanent=true"),
        ("geocode-forward", "q=Faro&limit=11"),
        ("geocode-reverse", "longitude=181&latitude=0"),
        ("prices", "expand[]=data.product"),
    ],
)
def test_what_a_route_does_not_declare_is_refused(name: str, query: str) -> None:
    with pytest.raises(ParameterRefusedError):
        _target(name, query=query)


def test_a_repository_and_its_issues_are_named_in_the_path() -> None:
    assert _target("repository", "/encode/starlette").path == b"/repos/encode/starlette"
    assert _target("issues", "/encode/starlette", "state=open&per_page=10").path == b"/repos/encode/starlette/issues"


@pytest.mark.parametrize("tail", ["/encode", "/-encode/starlette", "/encode/..", "/encode/.git", "/encode/a/b"])
def test_what_is_no_repository_is_refused(tail: str) -> None:
    with pytest.raises(RefusalError):
        _target("repository", tail)


@pytest.mark.parametrize(
    ("name", "tail", "path", "body"),
    [
        ("chat", "", b"/v1/chat/completions", b'{"model":"gpt-4o-mini","messages":[],"stream":true}'),
        ("openai", "/chat/completions", b"/v1/chat/completions", b'{"model":"gpt-4o","messages":[],"temperature":0.5}'),
        ("messages", "", b"/v1/messages", b'{"model":"claude-sonnet-4-5","messages":[],"max_tokens":100}'),
        ("anthropic", "/v1/messages", b"/v1/messages", b'{"model":"claude-sonnet-4-5","messages":[],"max_tokens":9}'),
    ],
)
def test_a_conversation_goes_up_byte_for_byte(name: str, tail: str, path: bytes, body: bytes) -> None:
    target = _target(name, tail, body=body)
    assert (target.path, target.body) == (path, body)


@pytest.mark.parametrize("tail", ["", "/chat", "/embeddings", "/chat/completions/more", "/files/completions"])
def test_the_route_for_the_sdk_reaches_nothing_but_conversations(tail: str) -> None:
    with pytest.raises(PathRefusedError):
        _target("openai", tail, body=b'{"model":"gpt-4o","messages":[]}')


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("chat", b'{"messages":[]}'),
        ("chat", b'{"model":"gpt-4o","messages":[],"max_completion_tokens":100000}'),
        ("chat", b'{"model":"gpt-4o","messages":[],"n":5}'),
        ("chat", b'{"model":"gpt-4o","messages":[],"store":true}'),
        ("messages", b'{"model":"claude-sonnet-4-5","messages":[]}'),
        ("messages", b'{"model":"claude-sonnet-4-5","messages":[],"max_tokens":100000}'),
    ],
)
def test_a_conversation_that_costs_or_keeps_more_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(ParameterRefusedError):
        _target(name, body=body)


def test_a_payment_goes_up_as_a_form() -> None:
    body = b"amount=2000&currency=usd&automatic_payment_methods%5Benabled%5D=true"
    target = _target("payment-intent", body=body, kind=FORM)
    assert target.path == b"/v1/payment_intents"
    assert isinstance(target.body, bytes)
    assert min(target.body.split(b"&")) == b"amount=2000"


@pytest.mark.parametrize(
    "body", [b"amount=0&currency=usd", b"amount=20.5&currency=usd", b"amount=20", b"amount=1&currency=US"]
)
def test_what_is_no_payment_is_refused(body: bytes) -> None:
    with pytest.raises(ParameterRefusedError):
        _target("payment-intent", body=body, kind=FORM)


def test_the_headers_that_a_provider_asks_for_go_up() -> None:
    lines = dict(_target("repository", "/encode/starlette").headers)
    assert lines[b"user-agent"] == b"apikeychain"
    assert lines[b"x-github-api-version"] == b"2022-11-28"
