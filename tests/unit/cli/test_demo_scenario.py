"""The parts of the demo, also where something does not hold."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator, Callable
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from apikeychain.cli.demo import ledger, once, serving
from apikeychain.cli.demo.house import House
from apikeychain.cli.demo.once import Step, scenario
from apikeychain.cli.demo.running import running
from apikeychain.cli.demo.weather import WeatherProvider
from apikeychain.errors import SetupError
from apikeychain.testing.local_provider import Received


@pytest.fixture
async def house() -> AsyncGenerator[House, None]:
    async with running(None, 0) as house:
        yield house


def test_a_step_holds_when_what_happened_was_expected() -> None:
    assert Step("a call", "200", "200").holds
    assert not Step("a call", "200", "403").holds


async def test_a_gate_that_is_switched_off_fails_the_steps_and_breaks_none(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(once, "PATIENCE_SECONDS", 0.3)
    await house.project.disable()
    steps = {step.deed: step for step in await scenario(house)}
    assert not steps["Call from the allowed origin"].holds
    assert steps["A stream of events"].happened == "0 events, in a heap"
    assert steps["The route is suspended, then lifted"].happened == "404 not-found, then 404"
    assert not steps["Verifying the ledger"].holds
    assert steps["Reading the secret back"].holds
    assert steps["One byte changed in a copy of the ledger"].holds


async def test_a_step_that_breaks_is_told(house: House) -> None:
    async with httpx.AsyncClient(base_url="http://127.0.0.1:1") as client:
        visitor = once.Visitor(house, client, 0)
        step = await once._taken("a call", visitor.call)
    assert not step.holds
    assert step.happened.startswith("ConnectError: ")


async def test_a_copy_in_which_nothing_was_changed_holds(house: House) -> None:
    assert await ledger.verdict_on_tampered_copy(house, seq=10_000) is None


async def test_the_ledger_is_shown_newest_first(house: House) -> None:
    async with httpx.AsyncClient(headers={"origin": house.own}) as client:
        await client.get(house.api + house.project.url("weather"), params={"q": "1"})
    await asyncio.sleep(0.5)
    shown = await ledger.newest(house)
    assert shown["size"] == 13
    entries = shown["entries"]
    assert isinstance(entries, list)
    assert [entry["seq"] for entry in entries] == [13, 12, 11, 10, 9, 8, 7]
    assert (entries[0]["kind"], entries[0]["what"]) == ("call", "weather 400 parameter-refused")


async def test_the_page_shows_what_the_provider_saw_and_where_a_copy_breaks(house: House) -> None:
    async with httpx.AsyncClient(headers={"origin": house.own}) as client:
        addresses = (await client.get(f"{house.own}/addresses.json")).json()
        await client.get(addresses["routes"]["weather"], params={"q": "Lisbon"})
        seen = (await client.get(f"{house.own}/seen.json")).json()
        tampered = (await client.post(f"{house.own}/tampered.json")).json()
    assert addresses["allow"].endswith(f"origin allow {house.project.id} {house.foreign}")
    assert (seen["calls"], seen["notes"][0]["key"]) == (1, "right")
    assert tampered["verdict"].startswith(f"the ledger of 'demo' is broken at entry {tampered['seq']}: ")


async def test_the_page_may_run_its_own_scripts_and_call_the_gate_and_no_more(house: House) -> None:
    async with httpx.AsyncClient() as client:
        own, foreign = [
            (await client.get(page)).headers["content-security-policy"] for page in (house.own, house.foreign)
        ]
    for policy in (own, foreign):
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert f"connect-src 'self' {house.api};" in policy
        assert "unsafe" not in policy
    assert f"frame-src {house.foreign};" in own
    assert own.endswith("frame-ancestors 'none'")
    assert foreign.endswith(f"frame-ancestors {house.own}")


async def test_the_weather_provider_answers_only_to_its_key(house: House) -> None:
    wrong = b"/data/2.5/weather?q=Lisbon&appid=wrong"
    local = house.weather._local
    async with httpx.AsyncClient(verify=_trust(house)) as client:
        base = f"https://127.0.0.1:{urlsplit(house.weather.provider.base_url).port}"
        for path in ("/data/2.5/weather", "/data/2.5/forecast", "/echo"):
            reply = await client.get(
                f"{base}{path}?q=Lisbon&appid=wrong",
                headers={"host": "weather.localhost"},
                extensions={"sni_hostname": "weather.localhost"},
            )
            assert reply.status_code == 401
    assert local.requests[0].target == wrong
    assert not house.weather.saw_key()
    assert {note["key"] for note in house.weather.notes()} == {"wrong"}


async def test_a_secret_that_the_provider_does_not_know_is_told_without_its_answer(house: House) -> None:
    house.weather._key = "another-one"
    async with httpx.AsyncClient(headers={"origin": house.own}) as client:
        reply = await client.get(house.api + house.project.url("weather"), params={"q": "Lisbon"})
    assert (reply.status_code, reply.headers["x-apikeychain-error"]) == (502, "credential-refused")


def test_the_key_is_found_in_every_spelling_and_is_masked_in_the_notes() -> None:
    weather = WeatherProvider()
    key = weather.key.reveal()
    assert not weather.leaks_into(b"nothing of it")
    spellings: list[Callable[[bytes], bytes]] = [
        bytes,
        base64.b64encode,
        lambda raw: base64.b64encode(b"{" + raw + b"}"),
        lambda raw: base64.b64encode(b"::" + raw),
        lambda raw: raw.hex().upper().encode(),
        lambda raw: "".join(f"%{byte:02X}" for byte in raw).encode(),
    ]
    for spelling in spellings:
        assert weather.leaks_into(b"before " + spelling(key) + b" after")
    weather._local.requests.append(Received("GET", b"/?appid=" + key, ((b"x", key),), 0))
    (note,) = weather.notes()
    assert (note["target"], note["headers"], note["key"]) == ("/?appid=" + "•" * 12, ["x: " + "•" * 12], "right")


async def test_a_server_that_does_not_start_is_told() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    with serving.bound(0) as (listener, *_), pytest.raises(SetupError, match="did not start"):
        async with serving.served(app, listener):
            pytest.fail("it started")


def _trust(house: House) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(house.weather._local.ca_pem_path))
