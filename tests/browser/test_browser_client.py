"""The module with which a page calls, in real Chromium, against a served gate and a real provider."""

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from starlette.applications import Starlette

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    FormBody,
    FormParameter,
    JSONBody,
    JSONField,
    PathParameter,
    Provider,
    ProxyRoute,
    QueryCredential,
    QueryParameter,
    Secret,
)
from apikeychain.cli.demo import serving
from apikeychain.client import JAVASCRIPT, browser_script
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.testing.local_provider import LocalProvider, Visit
from gate import KEY
from page_origins import page_origins

SETTINGS = APIKeyChainSettings(development=True, kdf="pbkdf2-sha512")
ROUTES = [
    ProxyRoute("weather", provider="weather", path="/weather", parameters=[QueryParameter("q", required=True)]),
    ProxyRoute("city", provider="weather", path="/city/{name}", parameters=[PathParameter("name")]),
    ProxyRoute(
        "pay", provider="weather", path="/pay", methods=["POST"], body=JSONBody([JSONField("sum", type="integer")])
    ),
    ProxyRoute("form", provider="weather", path="/form", methods=["POST"], body=FormBody([FormParameter("a")])),
    ProxyRoute("off", provider="weather", path="/off", enabled=False),
    ProxyRoute("stream", provider="weather", path="/stream", stream=True),
]
# What a test sees is what the program returns, or what of an error a page can go by.
_PROGRAM = """
  async ({ address, given }) => {
    const module = await import("./apikeychain.js");
    const statuses = [];
    const heard = async (request) => {
      const answer = await fetch(request);
      statuses.push(answer.status);
      return answer;
    };
    const api = module.connect(address, { fetch: heard });
    try {
      PROGRAM
    } catch (error) {
      const { name, status, code, parameter, retryAfter } = error;
      return { name, status, code, parameter, retryAfter, statuses };
    }
  }
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> Generator[list[str], None, None]:
    """An origin that is allowed and a foreign one, which serve the same page and the module beside it."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")
    (folder / "apikeychain.js").write_bytes(browser_script())
    (folder / "apikeychain-sign.js").write_bytes(JAVASCRIPT.read_bytes())
    with page_origins(folder) as served:
        yield served


@dataclass
class Opened:
    """A page before a served gate, which is before a provider."""

    page: Page
    host: str
    origins: list[str]
    local: LocalProvider
    shop: ProjectAdmin

    async def run(self, program: str, *, origin: int = 0, given: object = None, project: str = "") -> Any:
        """What a program in a page of an origin returns, which has `api` and `given`."""
        await self.page.goto(self.origins[origin])
        address = f"{self.host}/api/apikeychain/{project or self.shop.id}"
        told = await self.page.evaluate(_PROGRAM.replace("PROGRAM", program), {"address": address, "given": given})
        assert KEY not in f"{told} {await self.page.content()}"
        return told


async def echo(visit: Visit) -> None:
    """Says what came, the key included."""
    await visit.read_all()
    body = bytes(visit.received.body) or visit.received.target
    await visit.answer(200, [(b"content-type", b"text/plain")], body)


@pytest_asyncio.fixture(loop_scope="module")
async def opened(browser: Browser, origins: list[str], tmp_path: Path) -> AsyncGenerator[Opened, None]:
    async with LocalProvider("api.localhost") as local:
        for path in ("/weather", "/city/S%C3%A3o%20Paulo+1", "/pay", "/form"):
            local.on(path, echo)
        base = f"https://api.localhost:{local.port}"
        keychain = APIKeyChain.embedded(tmp_path, settings=SETTINGS, network={base: local.network})
        app = Starlette()
        app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
        with serving.bound(0) as (socket, *_):
            async with serving.served(app, socket):
                shop = await (await keychain.ensure_tenant("acme")).ensure_project("shop")
                await shop.configure(
                    origins=[origins[0]],
                    providers=[Provider("weather", base, QueryCredential("appid"))],
                    secrets={"weather": Secret(KEY)},
                    routes=ROUTES,
                    enabled=True,
                )
                page = await browser.new_page()
                yield Opened(page, f"http://localhost:{serving.port_of(socket)}", origins, local, shop)
                await page.close()


async def test_a_page_calls_a_route_and_what_it_asks_comes_as_it_was_meant(opened: Opened) -> None:
    program = """
      const answer = await api.get("weather", { query: { q: given } });
      return [answer.status, await answer.text()];
    """
    status, text = await opened.run(program, given="São Paulo & 1+1=2'*")
    assert status == 200
    assert text.startswith("/weather?q=S%C3%A3o%20Paulo%20%26%201%2B1%3D2%27*&appid=[redacted]")


async def test_a_page_gives_segments_and_bodies(opened: Opened) -> None:
    program = """
      const signal = AbortSignal.timeout(60000);
      const city = await api.get("city", { segments: ["São Paulo+1"], user: "user-42", signal });
      const paid = await api.post("pay", { json: { sum: 5 } });
      const form = await api.post("form", { form: { a: "b + c" } });
      return [await city.text(), await paid.json(), await form.text()];
    """
    city, paid, form = await opened.run(program)
    assert city.startswith("/city/S%C3%A3o%20Paulo+1?appid=[redacted]")
    assert (paid, form) == ({"sum": 5}, "a=b%20%2B%20c")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("return await api.get('weather');", ("RefusedError", 400, "parameter-refused", "q")),
        (
            "return await api.get('weather', { query: { q: 1, x: 1 } });",
            ("RefusedError", 400, "parameter-refused", "x"),
        ),
        ("return await api.get('city', { segments: ['a', 'b'] });", ("RefusedError", 400, "path-refused", None)),
        ("return await api.get('off');", ("RefusedError", 404, "not-found", None)),
        ("return await api.get('no-such-route');", ("RefusedError", 404, "not-found", None)),
        ("return await api.post('pay', { json: { sum: 'x' } });", ("RefusedError", 400, "parameter-refused", "sum")),
        ("return await api.post('pay', { form: { sum: 1 } });", ("RefusedError", 415, "type-refused", None)),
    ],
)
async def test_a_refusal_tells_the_page_its_code(opened: Opened, program: str, told: tuple[Any, ...]) -> None:
    error = await opened.run(program)
    assert tuple(error[name] for name in ("name", "status", "code", "parameter")) == told
    assert opened.local.requests == []


async def test_what_the_provider_refuses_the_credential_with_is_an_error_of_the_gate(opened: Opened) -> None:
    opened.local.on("/weather", lambda visit: visit.answer(401, body=b"who are you"))
    error = await opened.run("return await api.get('weather', { query: { q: 1 } });")
    assert (error["name"], error["status"], error["code"]) == ("UnavailableError", 502, "credential-refused")


async def test_an_error_of_the_provider_is_its_answer(opened: Opened) -> None:
    opened.local.on("/weather", lambda visit: visit.answer(429, [(b"retry-after", b"0")], b"mine"))
    program = """
      const answer = await api.get("weather", { query: { q: 1 } });
      const error = await api.json("weather", { query: { q: 1 } }).catch((error) => error);
      return [answer.status, await answer.text(), error.name, await error.response.text()];
    """
    assert await opened.run(program) == [429, "mine", "ProviderError", "mine"]
    assert len(opened.local.requests) == 2


async def test_a_page_of_a_foreign_origin_learns_nothing_and_the_provider_neither(opened: Opened) -> None:
    program = "return await api.get('weather', { query: { q: 1 } });"
    error = await opened.run(program, origin=1)
    assert (error["name"], error.get("status"), error["statuses"]) == ("NetworkError", None, [])
    error = await opened.run("return await api.post('pay', { json: { sum: 1 } });", origin=1)
    assert (error["name"], error["statuses"]) == ("NetworkError", [])
    assert opened.local.requests == []


async def test_a_project_that_is_unknown_or_switched_off_looks_like_no_network(opened: Opened) -> None:
    program = "return await api.get('weather', { query: { q: 1 } });"
    assert (await opened.run(program, project="p_" + "a" * 20))["name"] == "NetworkError"
    await opened.shop.disable()
    assert (await opened.run(program))["name"] == "NetworkError"
    assert opened.local.requests == []


async def test_calls_beyond_a_quota_wait_as_long_as_the_gate_says_and_are_answered(opened: Opened) -> None:
    await opened.shop.configure(address_quota="1/second")
    program = """
      const calls = ["pay", "pay"].map((route) => api.post(route, { json: { sum: 1 } }));
      const answers = await Promise.all(calls);
      return [answers.map((answer) => answer.status), statuses.includes(429)];
    """
    assert await opened.run(program) == [[200, 200], True]
    assert len(opened.local.requests) == 2


async def test_a_quota_that_is_used_up_for_longer_is_told_at_once(opened: Opened) -> None:
    await opened.shop.configure(address_quota="1/hour")
    program = """
      await api.get("weather", { query: { q: 1 } });
      return await api.get("weather", { query: { q: 1 } });
    """
    error = await opened.run(program)
    assert (error["name"], error["code"], error["statuses"]) == ("RateLimitedError", "rate-limited", [200, 429])
    assert error["retryAfter"] > 30
    assert len(opened.local.requests) == 1


async def test_a_stream_arrives_while_it_is_written_and_ends_when_the_page_leaves(opened: Opened) -> None:
    async def endless(visit: Visit) -> None:
        await visit.head(200, [(b"content-type", b"text/event-stream"), (b"transfer-encoding", b"chunked")])
        await visit.chunk(b"data: 1\n\n")
        await visit.gone()

    opened.local.on("/stream", endless)
    program = """
      const leaving = new AbortController();
      const answer = await api.get("stream", { signal: leaving.signal });
      const reader = answer.body.getReader();
      const first = new TextDecoder().decode((await reader.read()).value);
      leaving.abort();
      return [first, await reader.read().catch((error) => error.name)];
    """
    assert await opened.run(program) == ["data: 1\n\n", "AbortError"]
    await opened.local.until_left(30)


async def test_where_a_session_is_asked_for_the_page_signs_each_try(opened: Opened) -> None:
    await opened.shop.configure(require="session", address_quota="1/second")
    await opened.shop.add_signing_key()
    shown = await opened.shop.session_key(user="user-42", origin=opened.origins[0])
    program = """
      const { importKey, signedFetch } = await import("./apikeychain-sign.js");
      const signer = { keyId: given.id, key: await importKey(given.key) };
      const signing = module.connect(address, { fetch: (request) => signedFetch(request, {}, signer) });
      const calls = [1, 2].map((sum) => signing.post("pay", { json: { sum } }));
      const paid = await Promise.all((await Promise.all(calls)).map((answer) => answer.json()));
      return [paid, await api.post("pay", { json: { sum: 1 } })];
    """
    given = {"id": shown.id, "key": shown.key.reveal().decode()}
    error = await opened.run(program, given=given)
    assert (error["name"], error["status"], error["code"]) == ("RefusedError", 401, "signature-missing")
    assert sorted(bytes(one.body) for one in opened.local.requests) == [b'{"sum":1}', b'{"sum":2}']
