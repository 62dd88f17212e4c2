"""Promises of the contracts about what every answer carries and what goes up, held over whole calls."""

import asyncio
import json
import re
from importlib.metadata import version

from apikeychain import (
    APIKeyChainSettings,
    HeaderCredential,
    PathParameter,
    Provider,
    ProxyRoute,
    QueryParameter,
    RawBody,
)
from apikeychain.backends.memory_store import MemoryStore
from apikeychain.model.ids import ProjectId, TenantId
from apikeychain.model.records import SealedSecret
from gate import APP, open_gate

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


async def test_a_route_that_names_another_providers_secret_carries_nothing_out() -> None:
    # contracts 4: else whoever may add a provider and a route could carry every secret out
    async with open_gate() as gate:
        base = f"https://weather.localhost:{gate.provider.port}"
        await gate.shop.register_provider(Provider("thief", base, HeaderCredential("x-key")))
        await gate.shop.add_route(ProxyRoute("steal", provider="thief", path="/steal", secret="weather"))
        await asyncio.sleep(0.05)
        answer = await gate.call(gate.shop.url("steal"), headers=[(b"origin", APP.encode())])
        assert answer.code == "secret-unavailable"
        assert (await gate.get()).status == 200
        assert [request.target[:5] for request in gate.provider.requests] == [b"/data"]


async def test_what_goes_up_is_what_is_named_and_nothing_else() -> None:
    # contracts 4: request headers forwarded; User-Agent; Range only on a route with ranges; Connection's list
    async with open_gate() as gate:
        passing = [(b"accept", b"text/plain"), (b"accept-language", b"fr"), (b"if-none-match", b'"1"')]
        dropped = [
            (b"range", b"bytes=0-1"),
            (b"if-range", b'"1"'),
            (b"user-agent", b"Mozilla/5.0"),
            (b"referer", b"https://app.example.com/"),
            (b"forwarded", b"for=203.0.113.9"),
            (b"x-forwarded-for", b"203.0.113.9"),
            (b"x-http-method-override", b"DELETE"),
            (b"te", b"trailers"),
            (b"upgrade", b"h2c"),
            (b"if-match", b'"2"'),
            (b"connection", b"upgrade, if-match"),
        ]
        assert (await gate.get(headers=[*passing, *dropped])).status == 200
        (request,) = gate.provider.requests
        assert [
            line for line in request.headers if line[0] in {b"accept", b"accept-language", b"if-none-match"}
        ] == passing
        assert request.headers.get(b"user-agent") == f"apikeychain/{version('apikeychain')}".encode()
        assert request.headers.get(b"host") == b"weather.localhost:%d" % gate.provider.port
        own = {b"host", b"user-agent", b"accept-encoding", *(name for name, _ in passing)}
        assert {name for name, _ in request.headers} == own


async def test_a_name_equal_to_the_injected_one_is_refused_in_any_case() -> None:
    # contracts 4: a name equal to the injected one without regard to case is refused
    route = ProxyRoute("weather", provider="weather", path="/data/2.5/weather", undeclared="forward")
    async with open_gate(routes=[route]) as gate:
        for name in (b"appid", b"APPID", b"App%69d"):
            assert (await gate.get(b"q=Paris&" + name + b"=mine")).code == "parameter-refused"
        assert gate.provider.requests == []


async def test_the_length_of_a_body_goes_up_when_the_caller_told_it() -> None:
    # contracts 4: Content-Length when the caller sent one and the body is unchanged, else chunked
    route = ProxyRoute("up", provider="weather", path="/up", methods=["POST"], body=RawBody())
    async with open_gate(routes=[route]) as gate:
        page = [(b"origin", APP.encode()), (b"content-type", b"application/octet-stream")]
        for lines in ([(b"content-length", b"4")], []):
            answer = await gate.call(gate.shop.url("up"), method="POST", headers=[*page, *lines], body=[b"ab", b"cd"])
            assert answer.status == 200
        counted, chunked = gate.provider.requests
        assert (counted.headers.get(b"content-length"), counted.headers.get(b"transfer-encoding")) == (b"4", None)
        assert (chunked.headers.get(b"content-length"), chunked.headers.get(b"transfer-encoding")) == (None, b"chunked")
        assert bytes(counted.body) == bytes(chunked.body) == b"abcd"


async def test_an_entry_has_names_and_pseudonyms_where_the_call_had_values() -> None:
    # contracts 6: path values as `{name}`, an undeclared tail as pseudonym, query as sorted names
    route = ProxyRoute(
        "files",
        provider="weather",
        path="/users/{user}",
        tail=True,
        parameters=[PathParameter("user"), QueryParameter("q"), QueryParameter("a")],
    )
    async with open_gate(routes=[route]) as gate:
        page = [(b"origin", APP.encode())]
        for tail in ("/report.pdf", "/report.pdf", "/other.pdf", ""):
            url = gate.shop.url("files", "ann") + tail
            assert (await gate.call(url, b"%71=Paris&a=1", headers=page)).status == 200
        refused = await gate.call(gate.shop.url("files", "ann"), b"x=1", method="HEAD", headers=page)
        assert (refused.status, refused.body) == (400, b"")
        written = await gate.told("call")
    first, same, other, none, last = (entry["path"] for entry in written)
    assert first == same != other
    assert re.fullmatch(r"/users/\{user\}/[0-9a-f]{32}", first)
    assert none == last == "/users/{user}"
    assert [entry["query"] for entry in written] == [["a", "q"]] * 4 + [[]]
    assert written[-1]["bytes_out"] == 0
    assert not {"ann", "report", "Paris", "203.0.113.9"} & set(re.findall(r"[\w.]+", json.dumps(written)))
