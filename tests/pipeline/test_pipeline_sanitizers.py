"""Sanitizers of a provider over whole calls: what they refuse never reaches it, and no value is told."""

import asyncio
import logging

import pytest

from apikeychain import (
    AcceptedCall,
    FormBody,
    PathParameter,
    Provider,
    ProxyRoute,
    QueryCredential,
    QueryParameter,
    Sanitizer,
)
from apikeychain.errors import InvalidValueError, ParameterRefusedError
from gate import APP, KEY, WEATHER, open_gate

CITY = Sanitizer("q", pattern="[A-Za-z ]{1,20}", denied=("..",))
SANITIZED = Provider("weather", "https://a.example", QueryCredential("appid"), sanitizers=[CITY])
PAGE = [(b"origin", APP.encode())]


async def test_a_providers_rule_holds_on_each_of_its_routes() -> None:
    # contracts 4: providers add sanitizers as declarations (name, pattern, bounds, denied)
    routes = [
        ProxyRoute("free", provider="weather", path="/data/2.5/weather", undeclared="forward"),
        ProxyRoute("loose", provider="weather", path="/data/2.5/weather", parameters=[QueryParameter("q")]),
        ProxyRoute("path", provider="weather", path="/of/{q}", parameters=[PathParameter("q")]),
        ProxyRoute("form", provider="weather", path="/f", methods=["POST"], body=FormBody(undeclared="forward")),
    ]
    async with open_gate(routes=routes, provider=SANITIZED) as gate:
        urls = {name: gate.shop.url(name) for name in ("free", "loose", "path", "form")}
        form = [*PAGE, (b"content-type", b"application/x-www-form-urlencoded")]
        refused = [
            await gate.call(urls["free"], b"Q=Paris1", headers=PAGE),
            await gate.call(urls["loose"], b"q=%2e%2e", headers=PAGE),
            await gate.call(f"{urls['path']}/paris1", headers=PAGE),
            await gate.call(urls["form"], method="POST", headers=form, body=[b"q=paris1"]),
        ]
        for answer in refused:
            assert (answer.status, answer.code, answer.problem["parameter"]) == (400, "parameter-refused", "q")
            assert b"aris1" not in answer.body
        assert gate.provider.requests == []
        assert (await gate.call(urls["free"], b"q=Paris&n=1", headers=PAGE)).status == 200


async def test_a_rule_that_cannot_be_compiled_is_told_at_the_registration() -> None:
    broken = Provider("other", "https://a.example", QueryCredential("k"), sanitizers=[Sanitizer("q", pattern="(?=a)")])
    async with open_gate() as gate:
        with pytest.raises(InvalidValueError, match="the pattern of the sanitizer of 'q'"):
            await gate.shop.register_provider(broken)


async def test_a_rule_that_is_added_holds_for_the_next_call() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
        (registered,) = await gate.shop.list_providers()
        stored = registered.provider
        rules = [Sanitizer("q", denied=("par",))]
        await gate.shop.register_provider(Provider(stored.name, stored.base_url, stored.credential, sanitizers=rules))
        await asyncio.sleep(0.05)
        assert (await gate.get()).code == "parameter-refused"


async def test_the_hosts_function_sees_accepted_values_and_never_the_credential() -> None:
    # contracts 4: code only through `APIKeyChain(sanitizers={provider: function})`
    seen: list[AcceptedCall] = []

    def no_rome(call: AcceptedCall) -> None:
        seen.append(call)
        if ("query", "q", "Rome") in call.values:
            raise ParameterRefusedError(call.values[0].name)

    async with open_gate(sanitizers={"weather": no_rome, "other": seen.append}) as gate:
        assert (await gate.get(b"q=Paris")).status == 200
        answer = await gate.get(b"q=Rome")
        assert (answer.code, answer.problem["parameter"]) == ("parameter-refused", "q")
        assert (await gate.get(b"q=1")).code == "parameter-refused"
        assert len(gate.provider.requests) == 1
    assert [(call.route, call.method, {name: value for _, name, value in call.values}) for call in seen] == [
        ("weather", "GET", {"q": "Paris"}),
        ("weather", "GET", {"q": "Rome"}),
    ]
    assert KEY not in str([call.values for call in seen])


async def test_a_function_that_breaks_is_internal_and_nothing_is_sent(caplog: pytest.LogCaptureFixture) -> None:
    def breaks(call: AcceptedCall) -> None:
        raise KeyError(call.values[0].value)

    async with open_gate(sanitizers={"weather": breaks}) as gate:
        with caplog.at_level(logging.DEBUG):
            answer = await gate.get(b"q=Atlantis")
        assert (answer.status, answer.code) == (500, "internal")
        assert gate.provider.requests == []
    assert "breaks" in caplog.text
    assert "Atlantis" not in caplog.text + answer.body.decode()


async def test_a_function_of_no_provider_does_nothing() -> None:
    def breaks(call: AcceptedCall) -> None:
        raise KeyError(call.route)

    async with open_gate(sanitizers={"maps": breaks}, routes=[WEATHER]) as gate:
        assert (await gate.get()).status == 200
