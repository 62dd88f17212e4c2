"""Real Chromium on the host's own page: what a provider answers is data, and no document, script or worker of it.

Each of the provider's bodies would leave a mark at the host if it ran, and does so where the host itself serves it.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apikeychain import APIKeyChainMiddleware, APIKeyChainSettings, HeaderCredential, Provider, ProxyRoute
from apikeychain.model.headers import Headers, Line
from apikeychain.testing.eventually import until
from apikeychain.testing.local_provider import Handler, Visit
from gate import Gate, open_gate
from wire import served

BODIES: Mapping[str, tuple[bytes, bytes]] = {
    "html": (b"text/html", b"<!doctype html><title>x</title><script>fetch('/mark?html')</script>"),
    "svg": (
        b"image/svg+xml",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><script>fetch('/mark?svg')</script></svg>",
    ),
    "js": (b"text/javascript", b"fetch('/mark?js')"),
}
FRAMED = """(url) => {{
    const element = document.createElement("{0}");
    element.{1} = url;
    document.body.append(element);
}}"""
WAYS: Mapping[str, str] = {
    "navigation": "(url) => { location.href = url }",
    "window": "(url) => { open(url) }",
    "iframe": FRAMED.format("iframe", "src"),
    "object": FRAMED.format("object", "data"),
    "embed": FRAMED.format("embed", "src"),
    "script": FRAMED.format("script", "src"),
    "module": FRAMED.format("script", 'type = "module"; element.src'),
    "import": "(url) => { import(url).catch(() => 0) }",
    "worker": "(url) => { globalThis.kept = new Worker(url) }",
    "service-worker": "(url) => { navigator.serviceWorker.register(url).catch(() => 0) }",
}
SHOWN = """async (url) => {
    const image = new Image();
    image.src = url;
    document.body.append(image);
    await image.decode();
    return image.naturalWidth;
}"""
FETCHED = """async (url) => {
    const answer = await fetch(url, {credentials: "include"});
    return [answer.status, [...answer.headers]];
}"""
DOCUMENTS = [(way, kind) for way in ("navigation", "window", "iframe", "object", "embed") for kind in ("html", "svg")]
SCRIPTS = [(way, "js") for way in ("script", "module", "import", "worker", "service-worker")]
ROUTE = ProxyRoute("answers", provider="weather", path="/answers", tail=True)
SECRETIVE = ProxyRoute("cookies", provider="weather", path="/cookies")
WITH_HEADER = Provider("weather", "https://weather.localhost", HeaderCredential("X-Api-Key"))

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Site:
    """A host with the gate on one origin.

    Attributes:
        marks: what ran, by the query of its mark.
        answers: status and refusal of each call of the gate.
        without_metadata: whether the gate sees calls as of an old browser, and of a page that is on the list.
    """

    gate: Gate
    origin: str = ""
    marks: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    without_metadata: bool = False

    def url(self, through: str, kind: str) -> str:
        return f"{self.gate.shop.url('answers')}/{kind}" if through == "gate" else f"/own/{kind}"

    @asynccontextmanager
    async def page(self, browser: Browser) -> AsyncGenerator[Page, None]:
        """The host's page, in a context that knows nothing."""
        async with await browser.new_context() as context:
            page = await context.new_page()
            await page.goto(self.origin)
            yield page

    async def until_marked(self, mark: str) -> None:
        await until(lambda: mark in self.marks)

    async def until_answered(self) -> None:
        await until(lambda: self.answers)

    async def rest(self, page: Page) -> None:
        """Let whatever would run do so: a later mark of the page's own has come."""
        for number in range(3):
            await page.context.request.get(f"{self.origin}/mark?rest{number}")
            await asyncio.sleep(0.1)


def host(site: Site) -> ASGIApp:
    """The host's own application: its page, the marks, and the very bodies of the provider."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        kind, body = BODIES.get(path.removeprefix("/own/"), (b"text/html", b"<!doctype html><title>host</title>"))
        if path == "/mark":
            site.marks.append(scope["query_string"].decode())
        lines = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"set-cookie", b"host=own; Path=/")]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": body})

    return app


def watched(app: ASGIApp, site: Site) -> ASGIApp:
    """`app`, with the gate's answers written down."""

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/api/apikeychain"):
            await app(scope, receive, send)
            return
        if site.without_metadata:
            scope = {**scope, "headers": _as_of_old(scope["headers"], site.origin)}

        async def send_seen(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.start":
                refusal = Headers(message["headers"]).get(b"x-apikeychain-error") or b""
                site.answers.append((message["status"], refusal.decode()))

        await app(scope, receive, send_seen)

    return watching


def _as_of_old(lines: list[Line], origin: str) -> list[Line]:
    kept = [line for line in lines if not line[0].startswith((b"sec-fetch-", b"service-worker", b"origin"))]
    return [*kept, (b"origin", origin.encode())]


@pytest_asyncio.fixture(loop_scope="module")
async def site(house: Site) -> Site:
    """The host as if nobody had been there."""
    house.marks.clear()
    house.answers.clear()
    house.gate.provider.requests.clear()
    house.without_metadata = False
    return house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncGenerator[Site, None]:
    settings = APIKeyChainSettings(development=True)
    async with open_gate(settings=settings, provider=WITH_HEADER, routes=[ROUTE, SECRETIVE]) as gate:
        site = Site(gate)
        for kind in BODIES:
            gate.provider.on(f"/answers/{kind}", answering(kind))
        gate.provider.on("/cookies", setting_cookies)
        app = APIKeyChainMiddleware(host(site), gate.keychain)
        async with served(watched(app, site)) as port:
            site.origin = f"http://localhost:{port}"
            await gate.shop.allow_origin(site.origin)
            await asyncio.sleep(0.02)  # until the change was heard
            yield site


def answering(kind: str) -> Handler:
    content_type, body = BODIES[kind]
    return lambda visit: visit.answer(200, [(b"content-type", content_type)], body)


async def setting_cookies(visit: Visit) -> None:
    await visit.answer(200, [(b"set-cookie", b"provider=seen; Path=/"), (b"content-type", b"text/plain")], b"answer")


@pytest.mark.parametrize("through", ["host", "gate"])
@pytest.mark.parametrize(("way", "kind"), [*DOCUMENTS, *SCRIPTS])
async def test_what_a_provider_answers_never_runs(
    way: str, kind: str, through: str, site: Site, browser: Browser
) -> None:
    async with site.page(browser) as page:
        await page.evaluate(WAYS[way], site.url(through, kind))
        if through == "host":
            await site.until_marked(kind)
            return
        await site.until_answered()
        await site.rest(page)
    assert kind not in site.marks
    assert set(site.answers) == {(403, "destination-refused")}
    assert site.gate.provider.requests == []


@pytest.mark.parametrize(("way", "kind"), DOCUMENTS)
async def test_nor_does_it_where_a_browser_tells_nothing_of_its_use(
    way: str, kind: str, site: Site, browser: Browser
) -> None:
    site.without_metadata = True
    async with site.page(browser) as page:
        await page.evaluate(WAYS[way], site.url("gate", kind))
        await site.until_answered()
        await site.rest(page)
    assert site.answers[0] == (200, "")
    assert kind not in site.marks


@pytest.mark.parametrize("kind", BODIES)
async def test_the_page_gets_it_as_data(kind: str, site: Site, browser: Browser) -> None:
    async with site.page(browser) as page:
        text = await page.evaluate("async (url) => (await fetch(url)).text()", site.url("gate", kind))
        await site.rest(page)
    assert text.encode() == BODIES[kind][1]
    assert site.answers == [(200, "")]
    assert kind not in site.marks


async def test_the_page_shows_it_as_an_image_in_which_nothing_runs(site: Site, browser: Browser) -> None:
    async with site.page(browser) as page:
        width = await page.evaluate(SHOWN, site.url("gate", "svg"))
        await site.rest(page)
    assert (width, site.answers) == (9, [(200, "")])
    assert "svg" not in site.marks


async def test_a_cookie_of_the_provider_reaches_no_page_and_none_goes_to_it(site: Site, browser: Browser) -> None:
    for _ in range(2):
        async with site.page(browser) as page:
            for _ in range(2):
                status, lines = await page.evaluate(FETCHED, site.gate.shop.url("cookies"))
                assert status == 200
                assert "set-cookie" not in dict(lines)
            assert await page.evaluate("() => document.cookie") == "host=own"
            assert [cookie.get("name") for cookie in await page.context.cookies()] == ["host"]
    assert len(site.gate.provider.requests) == 4
    assert not [received for received in site.gate.provider.requests if b"cookie" in received.headers]
