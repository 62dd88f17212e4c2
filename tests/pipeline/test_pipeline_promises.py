"""Promises of the contracts that only a whole call shows."""

import asyncio
import gzip
import logging

import pytest

from apikeychain import APIKeyChainSettings, HeaderCredential, Provider, ProxyRoute, Secret
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import SealedSecret
from apikeychain.testing.local_provider import Visit
from gate import APP, KEY, WEATHER, Gate, open_gate

ALWAYS = {
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; sandbox",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"vary": b"Origin",
}


async def test_every_answer_is_no_document_and_no_cache_may_mix_origins() -> None:
    # contracts 2: every answer under the prefix
    async with open_gate() as gate:
        answers = [
            await gate.get(),
            await gate.get(b"q=1"),
            await gate.get(origin="https://evil.example"),
            await gate.get(method="OPTIONS", headers=[(b"access-control-request-method", b"GET")]),
            await gate.call("/api/apikeychain/nothing"),
        ]
        assert [answer.status for answer in answers] == [200, 400, 403, 204, 404]
        for answer in answers:
            for name, value in ALWAYS.items():
                assert answer.headers.all(name) == (value,)
            assert answer.headers.all(b"strict-transport-security") == (b"max-age=31536000",)


async def test_a_provider_cannot_open_itself_nor_set_cookies_nor_replace_our_lines() -> None:
    # contracts 2: the provider's own Access-Control-* never pass; 4: never set-cookie
    async with open_gate() as gate:

        async def bold(visit: Visit) -> None:
            lines = [
                (b"access-control-allow-origin", b"*"),
                (b"set-cookie", b"of=provider"),
                (b"content-security-policy", b"default-src *"),
                (b"x-apikeychain-error", b"suspended"),
                (b"x-ratelimit-remaining", b"9"),
            ]
            await visit.answer(200, lines, b"fine")

        gate.provider.on("/data/2.5/weather", bold)
        answer = await gate.get()
        assert answer.headers.all(b"access-control-allow-origin") == (APP.encode(),)
        assert answer.headers.all(b"content-security-policy") == (ALWAYS[b"content-security-policy"],)
        assert b"set-cookie" not in answer.headers
        assert answer.code == ""
        exposed = (answer.headers.get(b"access-control-expose-headers") or b"").lower().split(b", ")
        assert {b"x-ratelimit-remaining", b"retry-after", b"x-apikeychain-error"} <= set(exposed)


async def test_a_cookie_of_one_caller_never_reaches_another() -> None:
    async with open_gate() as gate:

        async def biscuit(visit: Visit) -> None:
            await visit.answer(200, [(b"set-cookie", b"session=of-caller-one; Path=/")], b"fine")

        gate.provider.on("/data/2.5/weather", biscuit)
        for client in ("203.0.113.9", "203.0.113.10"):
            await gate.get(scope={"client": (client, 1)})
        assert len(gate.provider.requests) == 2
        assert not any(b"cookie" in request.headers for request in gate.provider.requests)


@pytest.mark.parametrize(
    ("status", "lines", "body"),
    [
        (200, [(b"content-encoding", b"gzip")], gzip.compress(KEY.encode() * 10)),
        (206, [(b"content-range", b"bytes 0-1/9")], b"ab"),
        (302, [(b"location", b"https://elsewhere.example/")], b""),
        (302, [(b"location", b"https://weather.localhost/data/2.5/weather?appid=" + KEY.encode())], b""),
        (407, [], b"who are you"),
    ],
)
async def test_an_answer_that_cannot_be_passed_is_502_and_closed(
    status: int, lines: list[tuple[bytes, bytes]], body: bytes
) -> None:
    # contracts 4: encoded, partial, redirected elsewhere
    async with open_gate() as gate:

        async def answer_so(visit: Visit) -> None:
            await visit.answer(status, lines, body)

        gate.provider.on("/data/2.5/weather", answer_so)
        answer = await gate.get()
        assert answer.status == 502
        assert KEY.encode() not in answer.body + repr(answer.headers.lines).encode()


async def test_a_redirect_within_the_route_is_told_in_our_terms() -> None:
    async with open_gate() as gate:

        async def elsewhere(visit: Visit) -> None:
            await visit.answer(307, [(b"location", b"/data/2.5/weather?q=Rome&appid=" + KEY.encode())])

        gate.provider.on("/data/2.5/weather", elsewhere)
        answer = await gate.get()
        assert answer.status == 307
        assert answer.headers.get(b"location") == f"{gate.shop.url('weather')}?q=Rome".encode()


async def test_behind_a_trusted_proxy_the_forwarded_scheme_and_address_count() -> None:
    # contracts 2 and 7: trusted_proxies
    settings = APIKeyChainSettings(trusted_proxies=("10.0.0.0/8",))
    async with open_gate(settings=settings) as gate:
        await gate.shop.configure(address_quota="1/minute")
        await asyncio.sleep(0.05)
        proxied = {"client": ("10.1.2.3", 1), "scheme": "http"}
        forwarded = [(b"x-forwarded-proto", b"https"), (b"x-forwarded-for", b"198.51.100.1, 203.0.113.7")]
        assert (await gate.get(scope=proxied, headers=forwarded)).status == 200
        assert (await gate.get(scope=proxied, headers=forwarded)).code == "rate-limited"
        other = [forwarded[0], (b"x-forwarded-for", b"203.0.113.7, 198.51.100.1")]
        assert (await gate.get(scope=proxied, headers=other)).status == 200
        assert (await gate.get(scope={"scheme": "http"}, headers=forwarded)).code == "https-required"


class CountingStore(MemoryStore):
    """Counts the questions after whose project it is."""

    asked = 0

    async def tenant_of(self, project: ProjectId) -> TenantId | None:
        self.asked += 1
        return await super().tenant_of(project)


async def test_a_scan_of_unknown_ids_costs_one_query_each() -> None:
    # contracts 1: unknown ids are remembered
    store = CountingStore()
    async with open_gate(store=store) as gate:
        before = store.asked
        for _ in range(5):
            answer = await gate.call("/api/apikeychain/p_bbbbbbbbbbbbbbbbbbbb/proxy/weather")
            assert answer.status == 404
        assert store.asked == before + 1


async def test_a_secret_row_of_another_provider_is_not_injected() -> None:
    # contracts 4: a route injects only secrets of its own provider
    async with open_gate() as gate:
        store = gate.keychain._office.store
        async with store.tenant(gate.acme.id) as records:
            row = await records.get(SealedSecret, (gate.shop.id, "weather"))
            assert row is not None
            fields = {name: getattr(row, name) for name in row.__dataclass_fields__ if name != "kind"}
            stolen = SealedSecret(**(fields | {"provider": "thief", "generation": 2}))
            await records.replace(stolen, 1)
        evil = Provider("thief", "https://thief.example", HeaderCredential("x-key"))
        route = ProxyRoute("steal", provider="thief", path="/steal", secret="weather")
        await gate.shop.configure(providers=[evil], routes=[route])
        await asyncio.sleep(0.05)
        for url, query in ((gate.shop.url("steal"), b""), (gate.shop.url("weather"), b"q=Paris")):
            answer = await gate.call(url, query, headers=[(b"origin", APP.encode())])
            assert answer.code == "secret-unavailable"
        assert gate.provider.requests == []


async def scenario(gate: Gate) -> None:
    """Good calls and every kind of trouble."""

    async def cut(visit: Visit) -> None:
        visit.cut()

    async def sleep(visit: Visit) -> None:
        await visit.gone()

    await gate.get()
    await gate.get(b"q=1")
    await gate.get(origin="https://evil.example")
    gate.provider.on("/data/2.5/weather", cut)
    await gate.get()
    gate.provider.on("/data/2.5/weather", sleep)
    await gate.get(leave_after=0.2)
    await gate.shop.configure(secrets={"weather": Secret(KEY + "-new")})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_no_log_record_holds_the_secret_even_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    # pitfalls 38: logs take only the safe view
    with caplog.at_level(logging.DEBUG):
        async with open_gate(routes=[WEATHER]) as gate:
            await scenario(gate)
            entries = b"".join([entry.payload for entry in await gate.acme.entries(0, 1000)])
    told = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert caplog.records
    assert KEY not in told + caplog.text
    assert KEY.encode() not in entries
