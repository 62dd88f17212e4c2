"""Promises of the contracts about who gets in and what is told and written, held over whole calls."""

import asyncio
import re

import pytest

from apikeychain import APIKeyChain, APIKeyChainSettings, ProxyRoute
from apikeychain.model.headers import Line
from gate import APP, Answer, Gate, open_gate

SAME_ORIGIN: Line = (b"sec-fetch-site", b"same-origin")
ASK_GET: Line = (b"access-control-request-method", b"GET")
FOREIGN = "https://evil.example"


def no_cors(answer: Answer) -> bool:
    return not any(name.startswith(b"access-control-") for name, _ in answer.headers)


async def data_of(gate: Gate, kind: str) -> list[dict[str, object]]:
    """What entries of that kind hold, once the gate was closed and opened again, which writes everything."""
    await gate.keychain.close()
    await gate.keychain.open()
    return await gate.told(kind)


async def heard() -> None:
    """Wait until a change was heard."""
    await asyncio.sleep(0.05)


async def test_a_page_of_the_very_host_needs_no_origin_and_gets_no_cors_lines() -> None:
    # contracts 2: Sec-Fetch-Site: same-origin and the own origin is on the list byte for byte
    # contracts 2: a call without Origin gets none of them; Cross-Origin-Resource-Policy: same-origin
    async with open_gate() as gate:
        host = {"headers": [(b"host", b"app.example.com"), SAME_ORIGIN]}
        answer = await gate.get(origin="", scope=host)
        assert (answer.status, no_cors(answer)) == (200, True)
        assert answer.headers.all(b"cross-origin-resource-policy") == (b"same-origin",)
        assert answer.headers.all(b"vary") == (b"Origin",)
        for lines in ([(b"host", b"app.example.com")], [(b"host", b"app.example.com:8443"), SAME_ORIGIN]):
            assert (await gate.get(origin="", scope={"headers": lines})).code == "origin-refused"
        readable = await gate.get()
        assert readable.headers.all(b"cross-origin-resource-policy") == (b"cross-origin",)


async def test_a_page_whose_browser_sends_no_origin_is_counted_and_suspended_with_its_origin() -> None:
    # contracts 7: per origin; a suspension has a scope
    async with open_gate() as gate:
        await gate.shop.configure(origin_quota="2/minute")
        await heard()
        host = {"headers": [(b"host", b"app.example.com"), SAME_ORIGIN]}
        calls = [await gate.get(), await gate.get(origin="", scope=host), await gate.get(origin="", scope=host)]
        assert [answer.status for answer in calls] == [200, 200, 429]
        await gate.shop.configure(origin_quota=None)
        await gate.shop.suspend("origin", APP, reason="a test", seconds=60)
        await heard()
        assert (await gate.get(origin="", scope=host)).code == "suspended"


async def test_behind_a_trusted_proxy_the_forwarded_host_is_the_own_host() -> None:
    # contracts 2: own origin; X-Forwarded-Proto and X-Forwarded-Host stand in
    settings = APIKeyChainSettings(trusted_proxies=("10.0.0.0/8",))
    lines = [SAME_ORIGIN, (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"app.example.com")]
    async with open_gate(settings=settings) as gate:
        proxied = await gate.get(origin="", headers=lines, scope={"client": ("10.0.0.1", 1), "scheme": "http"})
        assert proxied.status == 200
        assert (await gate.get(origin="", headers=lines)).code == "origin-refused"


async def test_an_old_browser_is_let_in_by_its_referer_where_the_project_says_so() -> None:
    # contracts 2: Project.referer_fallback (off)
    async with open_gate() as gate:
        lines = [(b"referer", APP.encode() + b"/page?x=1")]
        assert (await gate.get(origin="", headers=lines)).code == "origin-refused"
        await gate.shop.configure(referer_fallback=True)
        await heard()
        assert (await gate.get(origin="", headers=lines)).status == 200
        assert (await gate.get(origin="", headers=[*lines, (b"sec-fetch-mode", b"cors")])).code == "origin-refused"


async def test_a_preflight_looks_at_the_project_only() -> None:
    # contracts 2: preflights look at the project only, come before signature and limits, and are never forwarded
    async with open_gate() as gate:
        await gate.shop.configure(address_quota="1/minute")
        await heard()
        assert [(await gate.get()).status for _ in range(2)] == [200, 429]
        for route in ("weather", "nothing"):
            asked = [(b"origin", APP.encode()), ASK_GET, (b"x-signature", b"v1=00")]
            answer = await gate.call(gate.shop.url(route), method="OPTIONS", headers=asked)
            assert (answer.status, answer.body) == (204, b"")
            assert answer.headers.get(b"access-control-max-age") == b"600"
        await gate.shop.disable()
        await heard()
        gone = await gate.get(method="OPTIONS", headers=[ASK_GET])
        # contracts 1: a disabled project is 404 before the gate, no CORS headers
        assert (gone.status, no_cors(gone)) == (404, True)
        assert len(gate.provider.requests) == 1
        assert len(await data_of(gate, "call")) == 1


async def test_any_other_options_is_an_ordinary_method() -> None:
    # contracts 2: any other OPTIONS
    async with open_gate() as gate:
        for lines in ([], [(b"access-control-request-method", b"GET")]):
            answer = await gate.get(method="OPTIONS", origin="" if lines else APP, headers=lines)
            assert answer.code == ("origin-refused" if lines else "method-refused")


@pytest.mark.parametrize("path", ["weather", "nothing", "weather/too/far", "%zz"])
async def test_what_is_behind_the_gate_is_told_after_admission_only(path: str) -> None:
    # contracts 1: unknown or disabled route (told only after admission); suspended, told only after admission
    async with open_gate() as gate:
        await gate.shop.suspend("project", reason="a test", seconds=60)
        await heard()
        url = gate.shop.url("weather").removesuffix("weather") + path
        for method in ("GET", "DELETE"):
            foreign = await gate.call(url, method=method, headers=[(b"origin", FOREIGN.encode())])
            assert (foreign.status, foreign.code, no_cors(foreign)) == (403, "origin-refused", True)
        assert (await gate.get()).code == "suspended"


async def test_a_good_origin_or_a_bad_one_a_signing_header_is_refused_in_its_turn() -> None:
    # contracts 3 (as far as there is no signing): refused also where Origin is good; heals no bad Origin
    async with open_gate() as gate:
        for name in (b"x-signature", b"x-timestamp", b"x-nonce", b"x-key-id", b"x-content-sha256"):
            assert (await gate.get(headers=[(name, b"1")])).code == "signature-refused"
            assert (await gate.get(origin=FOREIGN, headers=[(name, b"1")])).code == "origin-refused"
        assert gate.provider.requests == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ((b"service-worker", b"script"), "destination-refused"),
        ((b"sec-fetch-mode", b"navigate"), "destination-refused"),
        ((b"sec-fetch-dest", b"script"), "destination-refused"),
        ((b"Sec_Fetch_Dest", b"empty"), "header-refused"),
        ((b"content_length", b"0"), "header-refused"),
    ],
)
async def test_a_refused_header_says_so_and_sends_nothing(line: Line, code: str) -> None:
    # contracts 2: destination; contracts 1: an underscore twin
    async with open_gate() as gate:
        answer = await gate.get(headers=[line])
        assert (answer.status, answer.code) == ({"header-refused": 400, "destination-refused": 403}[code], code)
        assert answer.problem["code"] == code
        assert answer.headers.get(b"content-type") == b"application/problem+json"
        assert answer.headers.get(b"cache-control") == b"no-store"
        assert gate.provider.requests == []


@pytest.mark.parametrize(
    ("development", "scheme", "host", "due"),
    [
        (False, "https", b"host.example", True),
        (False, "http", b"host.example", False),
        (False, "https", b"localhost:8000", False),
        (False, "https", b"192.0.2.7", False),
        (False, "https", b"[2001:db8::7]:8443", False),
        (True, "https", b"host.example", False),
    ],
)
async def test_hsts_is_sent_where_it_is_due(development: bool, scheme: str, host: bytes, due: bool) -> None:
    # contracts 2: HSTS on https answers, not in development, not for localhost or an IP host
    async with open_gate(settings=APIKeyChainSettings(development=development)) as gate:
        lines = [(b"host", host), (b"origin", APP.encode())]
        for path in (gate.shop.url("weather"), "/api/apikeychain/nothing"):
            answer = await gate.call(path, b"q=Paris", scope={"headers": lines, "scheme": scheme})
            assert (b"strict-transport-security" in answer.headers) is due
            assert b"location" not in answer.headers


async def test_a_page_can_read_every_header_that_passes() -> None:
    # contracts 2: Access-Control-Expose-Headers with every header that it passes
    async with open_gate() as gate:
        for answer in (await gate.get(), await gate.get(b"q=1"), await gate.get(method="DELETE")):
            exposed = (answer.headers.get(b"access-control-expose-headers") or b"").lower().split(b", ")
            always = {b"vary", b"content-security-policy", b"x-content-type-options", b"referrer-policy"}
            ours = always | {b"cross-origin-resource-policy", b"strict-transport-security"}
            passed = {name for name, _ in answer.headers if not name.startswith(b"access-control-")} - ours
            assert passed <= set(exposed)
            assert len(exposed) == len(set(exposed))


async def test_a_used_up_quota_says_when_to_come_back_and_leaves_no_entry() -> None:
    # contracts 1: rate-limited (with Retry-After, RateLimit, RateLimit-Policy); 6: refused before, counted
    async with open_gate() as gate:
        await gate.shop.configure(address_quota="1/minute")
        await heard()
        good, refused = await gate.get(), await gate.get()
        for answer in (good, refused):
            assert {b"ratelimit", b"ratelimit-policy"} <= {name for name, _ in answer.headers}
        assert 1 <= int(refused.headers.get(b"retry-after") or b"") <= 60
        assert [entry["refusal"] for entry in await data_of(gate, "call")] == [None]
        (counted,) = await data_of(gate, "refusals")
        assert (counted["code"], counted["count"]) == ("rate-limited", 1)


async def test_a_new_project_serves_nothing() -> None:
    # contracts 10: proxy off, no origin; enable() switches the proxy only
    async with open_gate() as gate:
        new = await gate.acme.create_project("new")
        page = [(b"origin", APP.encode())]
        assert (await gate.call(new.url("weather"), headers=page)).code == "not-found"
        await new.enable()
        await heard()
        assert (await gate.call(new.url("weather"), headers=page)).code == "origin-refused"
        await new.allow_origin(APP)
        await heard()
        assert (await gate.call(new.url("weather"), headers=page)).code == "not-found"
        # contracts 1: a project's id is `p_` and 20 random base32 characters
        assert all(re.fullmatch("p_[a-z2-7]{20}", project.id) for project in (gate.shop, new))


async def test_a_disabled_route_is_not_found_and_asks_for_nothing_in_preflights() -> None:
    # contracts 1: unknown or disabled route; 2: the methods of the enabled routes
    post = ProxyRoute("post", provider="weather", path="/post", methods=["POST"], enabled=False)
    async with open_gate() as gate:
        await gate.shop.add_route(post)
        await heard()
        lines = [(b"origin", APP.encode())]
        answer = await gate.call(gate.shop.url("post"), method="POST", headers=lines)
        assert (answer.status, answer.code) == (404, "not-found")
        assert answer.headers.get(b"access-control-allow-origin") == APP.encode()
        ask = [*lines, (b"access-control-request-method", b"POST")]
        assert (await gate.call(gate.shop.url("post"), method="OPTIONS", headers=ask)).code == "preflight-refused"


async def test_one_tenants_origin_is_not_anothers() -> None:
    # contracts 2: the list is the project's own
    async with open_gate() as gate:
        globex = await gate.keychain.ensure_tenant("globex")
        other = await globex.ensure_project("shop")
        await other.configure(origins=[FOREIGN], enabled=True)
        await heard()
        assert (await gate.get(origin=FOREIGN)).code == "origin-refused"
        answer = await gate.call(other.url("weather"), headers=[(b"origin", APP.encode())])
        assert (answer.code, no_cors(answer)) == ("origin-refused", True)


async def test_a_prefix_is_left_to_the_host_beyond_its_border() -> None:
    # contracts 1: prefix (configurable)
    keychain = APIKeyChain.in_memory(settings=APIKeyChainSettings(prefix="/gate"))
    async with open_gate(keychain=keychain) as gate:
        assert gate.shop.url("weather").startswith("/gate/p_")
        assert (await gate.call("/api/apikeychain/x")).body == b"the host"
        assert (await gate.call("/gate/x")).code == "not-found"
