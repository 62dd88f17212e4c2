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
BASE = "appABCDEFGHIJ1234/tblABCDEFGHIJ1234"
UUID = "2f26ee68-df30-4251-aad4-8ddc420cba3d"
ZONE = "0a1b2c3d" * 4
SERVICE = "/VA" + "0a1b2c3d" * 4
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
        ("zones", "name=example.com&status=active&per_page=50&account.id=" + "0a" * 16, b"/client/v4/zones"),
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
        ("zones", "per_page=51"),
        ("zones", "name=example.com/dns"),
        ("zones", "account.id=mine"),
    ],
)
def test_what_a_route_does_not_declare_is_refused(name: str, query: str) -> None:
    with pytest.raises(ParameterRefusedError):
        _target(name, query=query)


def test_a_repository_and_its_issues_are_named_in_the_path() -> None:
    assert _target("repository", "/encode/starlette").path == b"/repos/encode/starlette"
    assert _target("issues", "/encode/starlette", "state=open&per_page=10").path == b"/repos/encode/starlette/issues"


@pytest.mark.parametrize(
    ("name", "tail", "query", "path"),
    [
        ("records", f"/{BASE}", "pageSize=100&fields[]=Name&fields[]=Photo&view=Grid%20view", f"/v0/{BASE}"),
        ("records", f"/{BASE}", "sort[0][field]=Name&sort[0][direction]=desc&offset=itrSJ/recX", f"/v0/{BASE}"),
        ("record", f"/{BASE}/recABCDEFGHIJ1234", "cellFormat=json", f"/v0/{BASE}/recABCDEFGHIJ1234"),
        ("notion-page", f"/{UUID}", "filter_properties[]=title", f"/v1/pages/{UUID}"),
        ("notion-page", f"/{UUID.replace('-', '')}", "", f"/v1/pages/{UUID.replace('-', '')}"),
        ("dns-records", f"/{ZONE}", "type=A&name=*.example.com", f"/client/v4/zones/{ZONE}/dns_records"),
    ],
)
def test_what_is_named_in_the_path_is_read(name: str, tail: str, query: str, path: str) -> None:
    assert _target(name, tail, query).path == path.encode()


@pytest.mark.parametrize(
    ("name", "tail", "query"),
    [
        ("records", "/appABCDEFGHIJ1234/Secret%20table", ""),
        ("records", "/meta/bases", ""),
        ("records", f"/{BASE}", "filterByFormula=SECRET()"),
        ("records", f"/{BASE}", "pageSize=101"),
        ("record", f"/{BASE}/listRecords", ""),
        ("notion-page", "/me", ""),
        ("dns-records", f"/{ZONE}", "per_page=5000"),
        ("dns-records", "/all", ""),
    ],
)
def test_what_is_no_name_of_theirs_is_refused(name: str, tail: str, query: str) -> None:
    with pytest.raises(RefusalError):
        _target(name, tail, query)


@pytest.mark.parametrize("tail", ["/encode", "/-encode/starlette", "/encode/..", "/encode/.git", "/encode/a/b"])
def test_what_is_no_repository_is_refused(tail: str) -> None:
    with pytest.raises(RefusalError):
        _target("repository", tail)


@pytest.mark.parametrize(
    ("name", "tail", "path", "body"),
    [
        ("chat", "", b"/v1/chat/completions", b'{"model":"gpt-4o-mini","messages":[],"stream":true}'),
        ("openai", "/chat/completions", b"/v1/chat/completions", b'{"model":"gpt-4o","messages":[],"temperature":0.5}'),
        ("messages", "", b"/v1/messages", b'{"model":"a-model","messages":[],"max_tokens":100}'),
        ("anthropic", "/v1/messages", b"/v1/messages", b'{"model":"a-model","messages":[],"max_tokens":9}'),
        ("translate", "", b"/v2/translate", b'{"text":["Hello"],"target_lang":"ZH-HANS","formality":"prefer_less"}'),
        ("search-index", "/products", b"/1/indexes/products/query", b'{"query":"shoe","hitsPerPage":20,"page":0}'),
        ("notion-query", f"/{UUID}", f"/v1/data_sources/{UUID}/query".encode(), b'{"page_size":100,"filter":{}}'),
        (
            "send-mail",
            "",
            b"/v3/mail/send",
            b'{"personalizations":[{}],"from":{"email":"a@b.example"},"template_id":"d-%s"}' % (b"0a" * 16),
        ),
    ],
)
def test_a_json_body_goes_up_byte_for_byte(name: str, tail: str, path: bytes, body: bytes) -> None:
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
        ("messages", b'{"model":"a-model","messages":[]}'),
        ("messages", b'{"model":"a-model","messages":[],"max_tokens":100000}'),
    ],
)
def test_a_conversation_that_costs_or_keeps_more_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(ParameterRefusedError):
        _target(name, body=body)


@pytest.mark.parametrize(
    ("name", "tail", "body"),
    [
        ("translate", "", b'{"text":"Hello","target_lang":"DE"}'),
        ("translate", "", b'{"text":["Hello"],"target_lang":"German, and more"}'),
        ("translate", "", b'{"text":["Hello"],"target_lang":"DE","glossary_id":"../mine"}'),
        ("search-index", "/products", b'{"query":"shoe","hitsPerPage":1001}'),
        ("search-index", "/products", b'{"query":"shoe","similarQuery":"boot"}'),
        ("search-index", "/*", b'{"query":"shoe"}'),
        ("notion-query", f"/{UUID}", b'{"page_size":101}'),
        ("send-mail", "", b'{"personalizations":[{}],"from":{},"subject":"Buy","content":[]}'),
    ],
)
def test_a_json_body_that_asks_for_more_is_refused(name: str, tail: str, body: bytes) -> None:
    with pytest.raises(RefusalError):
        _target(name, tail, body=body)


def test_a_code_is_sent_and_judged_as_forms() -> None:
    sent = _target("start-verification", SERVICE, body=b"To=%2B351912345678&Channel=sms", kind=FORM)
    judged = _target("check-verification", SERVICE, body=b"To=%2B351912345678&Code=123456", kind=FORM)
    assert sent.path == f"/v2/Services{SERVICE}/Verifications".encode()
    assert judged.path == f"/v2/Services{SERVICE}/VerificationCheck".encode()


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("start-verification", b"To=%2B351912345678"),
        ("start-verification", b"To=someone@example.com&Channel=email"),
        ("start-verification", b"To=%2B351912345678&Channel=sms&CustomCode=1234"),
        ("check-verification", b"To=%2B351912345678"),
        ("check-verification", b"To=%2B351912345678&Code=1"),
    ],
)
def test_what_is_no_telephone_or_no_code_is_refused(name: str, body: bytes) -> None:
    with pytest.raises(ParameterRefusedError):
        _target(name, SERVICE, body=body, kind=FORM)


@pytest.mark.parametrize(
    ("name", "tail", "body"),
    [("stripe-prices", "/v1/prices", b""), ("stripe-payment-intents", "/v1/payment_intents", b"amount=1&currency=eur")],
)
def test_the_routes_for_the_package_of_stripe_reach_one_call_each(name: str, tail: str, body: bytes) -> None:
    assert _target(name, tail, body=body or None, kind=FORM).path == tail.encode()
    for other in ("", "/v1/customers", f"{tail}/one"):
        with pytest.raises(PathRefusedError):
            _target(name, other, body=body or None, kind=FORM)


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
    assert dict(_target("notion-page", f"/{UUID}").headers)[b"notion-version"] == b"2026-03-11"
    assert dict(_target("search-index", "/a", body=b"{}").headers)[b"x-algolia-application-id"] == b"APPLICATION-ID"
