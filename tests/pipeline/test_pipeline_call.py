"""One proxied call, from a raw ASGI scope to a real provider and back."""

import asyncio
import json
from dataclasses import replace

import pytest

from apikeychain import (
    APIKeyChainSettings,
    FormBody,
    FormParameter,
    HeaderCredential,
    JSONBody,
    JSONField,
    Network,
    Provider,
    ProxyRoute,
    RawBody,
    Secret,
)
from apikeychain.errors import BackendUnavailableError
from apikeychain.model.quota import Balance, Spend
from apikeychain.model.records import Tenant
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY, open_gate


async def test_the_secret_goes_up_and_never_comes_back() -> None:
    async with open_gate() as gate:
        answer = await gate.get()
        assert answer.status == 200
        assert answer.ended
        assert answer.body == b'{"temp": 21, "echo": "[redacted]*********"}'
        assert gate.provider.requests[0].target == b"/data/2.5/weather?q=Paris&appid=" + KEY.encode()


async def test_an_answer_names_the_origin_and_no_other() -> None:
    async with open_gate() as gate:
        answer = await gate.get()
        assert answer.headers.all(b"access-control-allow-origin") == (APP.encode(),)
        assert answer.headers.get(b"vary") == b"Origin"
        assert answer.headers.get(b"ratelimit-policy") == b'"address";q=60;w=60, "project";q=600;w=60'


async def test_a_foreign_origin_is_refused_and_nothing_goes_up() -> None:
    async with open_gate() as gate:
        answer = await gate.get(origin="https://evil.example")
        assert (answer.status, answer.code) == (403, "origin-refused")
        assert b"access-control-allow-origin" not in answer.headers
        assert gate.provider.requests == []


async def test_a_refused_origin_is_named_in_the_log_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async with open_gate() as gate:
        for _ in range(3):
            await gate.get(origin="https://evil.example")
    named = [record for record in caplog.records if "https://evil.example" in record.getMessage()]
    assert len(named) == 1
    assert "apikeychain origin allow" in named[0].getMessage()


async def test_a_hint_is_told_in_development_only() -> None:
    async with open_gate(settings=APIKeyChainSettings(development=True)) as gate:
        assert "https://evil.example" in (await gate.get(origin="https://evil.example")).problem["hint"]
    async with open_gate() as gate:
        assert "hint" not in (await gate.get(origin="https://evil.example")).problem


async def test_a_preflight_is_answered_here() -> None:
    async with open_gate() as gate:
        answer = await gate.get(method="OPTIONS", headers=[(b"access-control-request-method", b"GET")])
        assert answer.status == 204
        assert answer.headers.get(b"access-control-allow-methods") == b"GET, OPTIONS"
        assert gate.provider.requests == []


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        (b"q=Paris1", 400, "parameter-refused"),
        (b"", 400, "parameter-refused"),
        (b"q=Paris&appid=mine", 400, "parameter-refused"),
        (b"q=a&q=b", 400, "parameter-refused"),
    ],
)
async def test_bad_parameters_go_nowhere(query: bytes, status: int, code: str) -> None:
    async with open_gate() as gate:
        answer = await gate.get(query)
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        assert gate.provider.requests == []


async def test_unknown_places_are_not_found() -> None:
    async with open_gate() as gate:
        base = f"/api/apikeychain/{gate.shop.id}"
        for path in (
            "/api/apikeychain",
            "/api/apikeychain/",
            base,
            base + "/proxy",
            base + "/proxy/nothing",
            base + "/elsewhere/weather",
            "/api/apikeychain/p_aaaaaaaaaaaaaaaaaaaa/proxy/weather",
            "/api/apikeychain/%70_x/proxy/weather",
        ):
            answer = await gate.call(path, headers=[(b"origin", APP.encode())])
            assert (answer.status, answer.code) == (404, "not-found"), path
        assert gate.provider.requests == []


@pytest.mark.parametrize("development", [True, False])
async def test_why_a_route_is_not_served_is_for_the_log_and_for_development(
    *, development: bool, caplog: pytest.LogCaptureFixture
) -> None:
    settings = APIKeyChainSettings(development=development)
    async with open_gate(settings=settings, network=Network(private=True, tenants=frozenset({"other"}))) as gate:
        for _ in range(2):
            answer = await gate.get()
            assert (answer.status, answer.code) == (404, "not-found")
        base = f"https://weather.localhost:{gate.provider.port}"
        why = f"The route 'weather' is not served: {base} is dialled only where the host's code names it in `network`."
        assert answer.problem.get("hint", "") == (why if development else "")
        assert caplog.text.count(f"{gate.shop.id}: {why}") == 1
        other = await gate.call(gate.shop.url("weather") + "2", headers=[(b"origin", APP.encode())])
        assert "hint" not in other.problem


async def test_a_disabled_project_is_not_found_and_an_enabled_one_is_again() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
        await gate.shop.disable()
        await asyncio.sleep(0.05)
        answer = await gate.get()
        assert answer.status == 404
        assert b"access-control-allow-origin" not in answer.headers
        await gate.shop.enable()
        await asyncio.sleep(0.05)
        assert (await gate.get()).status == 200


async def test_an_origin_that_was_removed_is_refused_within_a_second() -> None:
    async with open_gate() as gate:
        assert (await gate.get()).status == 200
        await gate.shop.remove_origin(APP)
        await asyncio.sleep(0.05)
        assert (await gate.get()).code == "origin-refused"


async def test_a_method_that_the_route_lacks_is_refused_with_allow() -> None:
    async with open_gate() as gate:
        answer = await gate.get(method="POST")
        assert (answer.status, answer.headers.get(b"allow")) == (405, b"GET, HEAD")


async def test_head_is_served_without_a_body() -> None:
    async with open_gate() as gate:
        answer = await gate.get(method="HEAD")
        assert (answer.status, answer.body) == (200, b"")
        assert (await gate.get(b"q=1", method="HEAD")).body == b""


async def test_the_quota_of_an_address_ends_with_429() -> None:
    async with open_gate() as gate:
        await gate.shop.configure(address_quota="2/minute")
        await asyncio.sleep(0.05)
        assert [(await gate.get()).status for _ in range(3)] == [200, 200, 429]
        refused = await gate.get()
        assert refused.code == "rate-limited"
        assert int(refused.headers.get(b"retry-after") or b"0") >= 1
        assert refused.headers.get(b"access-control-allow-origin") == APP.encode()
        other = await gate.get(scope={"client": ("203.0.113.10", 1)})
        assert other.status == 200


async def test_a_suspension_stops_and_a_lift_lets_go() -> None:
    async with open_gate() as gate:
        for scope, value in (
            ("project", ""),
            ("route", "weather"),
            ("origin", APP),
            ("caller", "203.0.113.9"),
        ):
            await gate.shop.suspend(scope, value, reason="a test", seconds=60)  # type: ignore[arg-type]  # of the table
            await asyncio.sleep(0.05)
            assert (await gate.get()).code == "suspended"
            await gate.shop.lift(scope, value)  # type: ignore[arg-type]  # likewise
            await asyncio.sleep(0.05)
            assert (await gate.get()).status == 200
        written = [e.payload for e in await gate.acme.entries(0, 1000) if e.kind.startswith("suspension")]
        assert len(written) == 8
        assert not any(b"203.0.113.9" in payload for payload in written)


async def test_plain_http_is_refused_outside_development() -> None:
    async with open_gate() as gate:
        assert (await gate.get(scope={"scheme": "http"})).code == "https-required"


async def test_doubled_and_twinned_headers_are_refused() -> None:
    async with open_gate() as gate:
        assert (await gate.get(headers=[(b"origin", APP.encode())])).code == "header-refused"
        assert (await gate.get(headers=[(b"x_iso_user", b"u")])).code == "header-refused"
        assert gate.provider.requests == []


async def test_a_signing_header_is_not_taken_for_decoration() -> None:
    async with open_gate() as gate:
        answer = await gate.get(headers=[(b"x-signature", b"v1=00")])
        assert (answer.status, answer.code) == (401, "signature-refused")
        assert answer.headers.get(b"www-authenticate") == b"APIKeyChain-HMAC"


async def test_a_page_cannot_be_navigated_to_the_answer() -> None:
    async with open_gate() as gate:
        assert (await gate.get(headers=[(b"sec-fetch-dest", b"document")])).code == "destination-refused"


async def test_what_the_caller_holds_of_credentials_stays_here() -> None:
    async with open_gate() as gate:
        await gate.get(headers=[(b"cookie", b"session=1"), (b"authorization", b"Bearer mine"), (b"x-iso-user", b"u")])
        sent = gate.provider.requests[0].headers
        assert not {b"cookie", b"authorization", b"x-iso-user", b"origin"} & {name for name, _ in sent}
        assert sent.get(b"accept-encoding") == b"identity"


async def test_a_key_that_the_provider_refuses_shows_nothing_of_its_answer() -> None:
    async with open_gate() as gate:
        await gate.shop.configure(secrets={"weather": Secret("another-key-123")})
        await asyncio.sleep(0.05)
        answer = await gate.get()
        assert (answer.status, answer.code) == (502, "credential-refused")
        assert b"another-key" not in answer.body


async def test_a_missing_secret_is_told_as_503() -> None:
    async with open_gate() as gate:
        await gate.shop.remove_secret("weather")
        await asyncio.sleep(0.05)
        assert (await gate.get()).code == "secret-unavailable"
        assert gate.provider.requests == []


async def test_a_secret_that_was_put_for_another_address_does_not_open() -> None:
    async with open_gate() as gate:
        other = Provider("weather", "https://other.example", HeaderCredential("x-key"))
        await gate.shop.register_provider(other)
        await asyncio.sleep(0.05)
        assert (await gate.get()).code == "secret-unavailable"


async def test_a_json_body_goes_up_unchanged() -> None:
    route = ProxyRoute(
        "ask", provider="weather", path="/ask", methods=["POST"], body=JSONBody([JSONField("prompt", required=True)])
    )
    async with open_gate(routes=[route]) as gate:

        async def ask(visit: Visit) -> None:
            await visit.answer(200, body=b"answered")

        gate.provider.on("/ask", ask)
        headers = [(b"origin", APP.encode()), (b"content-type", b"application/json")]
        sent = [b'{ "prompt"', b': "hi" }']
        answer = await gate.call(gate.shop.url("ask"), method="POST", headers=headers, body=sent)
        assert answer.body == b"answered"
        assert bytes(gate.provider.requests[0].body) == b"".join(sent)
        for wrong, code in (
            (b'{"prompt": "a", "prompt": "b"}', "parameter-refused"),
            (b"{}", "parameter-refused"),
            (b'{"prompt": 1}', "parameter-refused"),
            (b'{"prompt": "hi", "model": "x"}', "parameter-refused"),
            (b" " * (1 << 20) + b"x", "body-too-large"),
        ):
            refused = await gate.call(gate.shop.url("ask"), method="POST", headers=headers, body=[wrong])
            assert refused.code == code, wrong[:40]
        assert len(gate.provider.requests) == 1
        assert (await gate.told("call"))[0]["bytes_in"] == 18


async def test_a_form_is_rebuilt_from_what_was_accepted() -> None:
    body = FormBody([FormParameter("amount", type="integer", required=True)])
    route = ProxyRoute("charge", provider="weather", path="/charge", methods=["POST"], body=body)
    async with open_gate(routes=[route]) as gate:

        async def charge(visit: Visit) -> None:
            await visit.answer(201)

        gate.provider.on("/charge", charge)
        headers = [(b"origin", APP.encode()), (b"content-type", b"application/x-www-form-urlencoded")]
        url = gate.shop.url("charge")
        assert (await gate.call(url, method="POST", headers=headers, body=[b"amount=%31"])).status == 201
        assert bytes(gate.provider.requests[0].body) == b"amount=1"
        assert (await gate.call(url, method="POST", headers=headers, body=[b"amount=1_0"])).status == 400


UPLOAD = ProxyRoute("up", provider="weather", path="/up", methods=["POST"], body=RawBody(), max_body_bytes=100)
RAW = [(b"origin", APP.encode()), (b"content-type", b"application/octet-stream")]


async def test_an_upload_streams_and_is_counted() -> None:
    async with open_gate(routes=[UPLOAD]) as gate:

        async def take(visit: Visit) -> None:
            await visit.answer(200)

        gate.provider.on("/up", take)
        url = gate.shop.url("up")
        assert (await gate.call(url, method="POST", headers=RAW, body=[b"a" * 60, b"b" * 40])).status == 200
        assert gate.provider.requests[0].body_bytes == 100
        too_much = await gate.call(url, method="POST", headers=RAW, body=[b"a" * 60, b"b" * 41])
        assert too_much.code == "body-too-large"
        written = await gate.told("call")
        assert [entry["bytes_in"] for entry in written] == [100, 101]
        assert not gate.provider.requests[-1].is_whole or len(gate.provider.requests) == 1


async def test_a_caller_that_leaves_in_an_upload_leaves_no_whole_request() -> None:
    async with open_gate(routes=[UPLOAD]) as gate:

        async def take(visit: Visit) -> None:
            await visit.answer(200)

        gate.provider.on("/up", take)
        headers = [*RAW, (b"content-length", b"50")]
        answer = await gate.call(gate.shop.url("up"), method="POST", headers=headers, body=[b"a" * 20], cut_body=True)
        assert answer.status == 0
        await gate.provider.until_left()
        assert not any(request.is_whole for request in gate.provider.requests)
        assert [entry["refusal"] for entry in await gate.told("call")] == ["caller-gone"]


async def test_a_caller_that_leaves_before_the_head_closes_the_provider_within_a_second() -> None:
    async with open_gate() as gate:

        async def sleep(visit: Visit) -> None:
            await visit.gone()

        gate.provider.on("/data/2.5/weather", sleep)
        answer = await gate.get(leave_after=0.2)
        assert answer.status == 0
        await gate.provider.until_left()
        (entry,) = await gate.told("call")
        assert (entry["status"], entry["refusal"]) == (499, "caller-gone")


async def test_a_caller_that_leaves_in_the_body_closes_the_provider_within_a_second() -> None:
    async with open_gate() as gate:

        async def drip(visit: Visit) -> None:
            await visit.head(200, [(b"transfer-encoding", b"chunked"), (b"content-type", b"text/event-stream")])
            await visit.chunk(b"data: 1\n\n")
            await visit.gone()

        gate.provider.on("/data/2.5/weather", drip)
        answer = await gate.get(leave_after=0.2)
        assert (answer.status, answer.body, answer.ended) == (200, b"data: 1\n\n", False)
        await gate.provider.until_left()
        (entry,) = await gate.told("call")
        assert (entry["status"], entry["refusal"], entry["bytes_out"]) == (200, "caller-gone", 9)


async def test_events_pass_as_they_come() -> None:
    async with open_gate() as gate:
        seen = asyncio.Event()

        async def drip(visit: Visit) -> None:
            await visit.head(200, [(b"transfer-encoding", b"chunked"), (b"content-type", b"text/event-stream")])
            for number in range(3):
                await visit.chunk(b"data: %d %s\n\n" % (number, KEY.encode()))
                await asyncio.sleep(0.05)
            await visit.chunk(b"")
            seen.set()

        gate.provider.on("/data/2.5/weather", drip)
        answer = await gate.get()
        events = [chunk for chunk in answer.chunks if chunk]
        assert events == [b"data: %d [redacted]*********\n\n" % number for number in range(3)]
        assert seen.is_set()


async def test_an_answer_that_breaks_is_cut_and_has_no_end() -> None:
    async with open_gate() as gate:

        async def broken(visit: Visit) -> None:
            await visit.head(200, [(b"content-length", b"100")])
            await visit.write(b"half")
            visit.cut()

        gate.provider.on("/data/2.5/weather", broken)
        answer = await gate.get()
        assert (answer.status, answer.ended) == (200, False)
        (entry,) = await gate.told("call")
        assert entry["refusal"] == "upstream-refused"


async def test_every_passed_call_leaves_one_entry_and_refusals_are_counted() -> None:
    async with open_gate() as gate:
        await gate.get()
        await gate.get(b"q=1")
        for _ in range(5):
            await gate.get(origin="https://evil.example")
        first, second = await gate.told("call")
        assert (first["answered"], first["query"], first["refusal"]) == ("provider", ["q"], None)
        assert (second["answered"], second["refusal"]) == ("gate", "parameter-refused")
        text = json.dumps([first, second])
        assert KEY not in text
        assert "203.0.113.9" not in text
        assert "Paris" not in text
        acme = gate.acme
        await gate.keychain.close()
        await gate.keychain.open()
        (refusals,) = [json.loads(e.payload)["data"] for e in await acme.entries(0, 100) if e.kind == "refusals"]
        assert (refusals["code"], refusals["count"]) == ("origin-refused", 5)
        assert (await acme.verify_ledger()).size == len(await acme.entries(0, 1000))


async def test_without_the_pseudonym_key_no_call_is_made_since_none_could_be_written_down() -> None:
    async with open_gate() as gate:
        store = gate.keychain._office.store
        async with store.tenant(gate.acme.id) as records:
            tenant = await records.get(Tenant, ())
            assert tenant is not None
            await records.replace(replace(tenant, wrapped_pseudonym_key=b"x", generation=2), 1)
        await gate.shop.configure(quota="500/minute")
        await asyncio.sleep(0.05)
        assert (await gate.get()).code == "ledger-unavailable"
        assert gate.provider.requests == []


class Down:
    """A limiter that is down."""

    async def spend(self, spends: tuple[Spend, ...]) -> tuple[Balance, ...]:
        raise BackendUnavailableError


class Buggy:
    """A limiter that breaks its contract."""

    async def spend(self, spends: tuple[Spend, ...]) -> tuple[Balance, ...]:
        msg = "a bug"
        raise ZeroDivisionError(msg)


async def test_a_limiter_that_is_down_closes_the_gate() -> None:
    async with open_gate(rate_limiter=Down()) as gate:
        assert (await gate.get()).code == "backend-unavailable"
        assert gate.provider.requests == []


async def test_a_bug_is_a_500_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with open_gate(rate_limiter=Buggy()) as gate:
        answer = await gate.get()
        assert (answer.status, answer.code) == (500, "internal")
        assert b"a bug" not in answer.body
        assert answer.headers.get(b"x-content-type-options") == b"nosniff"
        # contracts 2: an actual answer after admission, ours or the provider's, and none before it
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        assert b"X-APIKeyChain-Error" in (answer.headers.get(b"access-control-expose-headers") or b"")
        gate.residence.pipeline._snapshots = None  # type: ignore[union-attr]  # it is open
        early = await gate.get()
        assert (early.status, b"access-control-allow-origin" in early.headers) == (500, False)
    assert "ZeroDivisionError" in caplog.text


async def test_the_host_is_left_alone() -> None:
    async with open_gate() as gate:
        answer = await gate.call("/api/apikeychainx")
        assert (answer.body, answer.headers.get(b"x-host")) == (b"the host", b"yes")


async def test_a_private_address_without_a_network_entry_is_not_dialled() -> None:
    async with open_gate(network=Network()) as gate:
        assert (await gate.get()).code == "upstream-refused"
        assert gate.provider.requests == []
