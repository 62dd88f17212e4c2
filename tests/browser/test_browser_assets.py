"""Scripts and styles of a project in real Chromium: what is published runs, and nothing else in its place."""

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, Response, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response as Answer
from starlette.routing import Route

from apikeychain import (
    APIKeyChain,
    APIKeyChainMiddleware,
    APIKeyChainSettings,
    Provider,
    ProxyRoute,
    QueryCredential,
    QueryParameter,
    Secret,
)
from apikeychain.cli.demo import serving
from apikeychain.client import browser_script
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.project_assets import ProjectAssets
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.local_provider import LocalProvider
from gate import KEY, echo_key
from page_origins import page_origins

SETTINGS = APIKeyChainSettings(development=True, kdf="pbkdf2-sha512")
WEATHER = ProxyRoute("weather", provider="weather", path="/weather", parameters=[QueryParameter("q", required=True)])
SCRIPT = b"document.body.dataset.ran = 'the first';" + b"\n" * 2000  # worth its compression
STYLE = b"body { color: rgb(1, 2, 3); }"
MODULE = b"""
import { connect } from "./apikeychain.js";
const answer = await connect().get("weather", { query: { q: "Paris" } });
document.body.dataset.weather = await answer.text();
"""
_HEAD = """<!doctype html><link rel=icon href=data:,><body><script>
  window.failed = [];
  window.addEventListener("error", ({ target }) => window.failed.push(target.src ?? target.href), true);
</script>
"""
_SEEN = """() => ({
  ran: document.body.dataset.ran ?? null, color: getComputedStyle(document.body).color, failed: window.failed
})"""
LACKING = {"ran": None, "color": "rgb(0, 0, 0)"}

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Shown:
    """A page before a served host that publishes assets.

    Attributes:
        host: its origin; `data` is the directory of its keychain.
        folder: where the pages are.
        console: what the browser said.
        codes: of refusals that the browser let through, each with its status.
    """

    page: Page
    host: str
    data: Path
    folder: Path
    origins: list[str]
    keychain: APIKeyChain
    acme: TenantAdmin
    shop: ProjectAdmin
    console: list[str] = field(default_factory=list)
    codes: list[tuple[int, str]] = field(default_factory=list)

    @property
    def assets(self) -> ProjectAssets:
        return self.shop.assets

    async def tags(self, *names: str, **more: Any) -> str:
        return "\n".join([await self.assets.tag(name, base=self.host, **more) for name in names])

    async def load(self, html: str, *, origin: int = 0) -> dict[str, Any]:
        """What is to be seen of a page once it is loaded."""
        (self.folder / "index.html").write_text(_HEAD + html)
        self.console.clear()
        self.codes.clear()
        await self.page.goto(self.origins[origin])
        assert KEY not in await self.page.content()
        return dict(await self.page.evaluate(_SEEN))

    def hear(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)

    def note(self, answer: Response) -> None:
        if code := answer.headers.get("x-apikeychain-error"):
            self.codes.append((answer.status, code))


@pytest.fixture
def origins(tmp_path: Path) -> Generator[list[str], None, None]:
    folder = tmp_path / "pages"
    folder.mkdir()
    with page_origins(folder) as served:
        yield served


@pytest_asyncio.fixture(loop_scope="module")
async def shown(browser: Browser, origins: list[str], tmp_path: Path) -> AsyncGenerator[Shown, None]:
    async with LocalProvider("api.localhost") as local:
        local.on("/weather", echo_key)
        base, data = f"https://api.localhost:{local.port}", tmp_path / "data"
        keychain = APIKeyChain.embedded(data, settings=SETTINGS, network={base: local.network})
        app = Starlette()
        app.add_middleware(APIKeyChainMiddleware, keychain=keychain)
        with serving.bound(0) as (socket, *_):
            async with serving.served(app, socket):
                acme = await keychain.ensure_tenant("acme")
                shop = await published(acme, base, origins[0])
                page, host = await browser.new_page(), f"http://localhost:{serving.port_of(socket)}"
                shown = Shown(page, host, data, tmp_path / "pages", origins, keychain, acme, shop)
                page.on("console", shown.hear)
                page.on("response", shown.note)
                yield shown
                await page.close()


async def published(acme: TenantAdmin, base: str, origin: str) -> ProjectAdmin:
    """A project with a route, a script, a style, a module, and the module of the package."""
    shop = await acme.ensure_project("shop")
    await shop.configure(
        origins=[origin],
        providers=[Provider("weather", base, QueryCredential("appid"))],
        secrets={"weather": Secret(KEY)},
        routes=[WEATHER],
        enabled=True,
        assets=True,
    )
    for name, body in (("widget.js", SCRIPT), ("page.css", STYLE), ("widget.mjs", MODULE)):
        await shop.assets.put(name, body)
    await shop.assets.put("apikeychain.js", browser_script())
    return shop


async def heard() -> None:
    """Until the news of a change were heard, which takes a second: they drop what is held."""
    await asyncio.sleep(1.5)


async def test_a_page_runs_the_scripts_and_wears_the_style_and_a_module_calls_a_route(shown: Shown) -> None:
    tags = await shown.tags("page.css", "widget.js", "widget.mjs")
    assert tags.count("integrity=") == tags.count('crossorigin="anonymous"') == 3
    assert await shown.load(tags) == {"ran": "the first", "color": "rgb(1, 2, 3)", "failed": []}
    answered = '{"temp": 21, "echo": "' + "[redacted]".ljust(len(KEY), "*") + '"}'
    await expect(shown.page.locator("body")).to_have_attribute("data-weather", answered)
    assert KEY not in await shown.page.content()
    assert shown.codes == []


async def test_a_tag_loads_the_version_that_it_was_made_for(shown: Shown) -> None:
    before = await shown.tags("widget.js")
    await shown.assets.put("widget.js", SCRIPT.replace(b"first", b"second"))
    await heard()
    assert (await shown.load(before))["ran"] == "the first"
    assert (await shown.load(await shown.tags("widget.js")))["ran"] == "the second"
    moving = f'<script src="{shown.host}{await shown.assets.url("widget.js")}"></script>'
    assert (await shown.load(moving))["ran"] == "the second"


async def test_what_was_changed_at_rest_is_refused_by_the_gate_and_does_not_run(shown: Shown) -> None:
    tags = await shown.tags("widget.js", "page.css")
    objects = [path for path in (shown.data / "assets").rglob("*") if path.is_file()]
    assert len(objects) == 4
    for path in objects:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    seen = await shown.load(tags)
    assert seen | LACKING == seen
    assert len(seen["failed"]) == 2
    assert set(shown.codes) == {(503, "backend-unavailable")}


@asynccontextmanager
async def in_the_middle(host: str, was: bytes, becomes: bytes) -> AsyncGenerator[str, None]:
    """The origin of somebody who passes on what `host` answers, with one text in it replaced."""
    async with httpx.AsyncClient(base_url=host) as client:

        async def passed(request: Request) -> Answer:
            headers = {name: request.headers[name] for name in ("origin", "sec-fetch-dest") if name in request.headers}
            answer = await client.get(f"{request.url.path}?{request.url.query}", headers=headers)
            kept = ("content-type", "access-control-allow-origin", "content-sha256")
            lines = {name: value for name, value in answer.headers.items() if name in kept}
            return Answer(answer.content.replace(was, becomes), answer.status_code, lines)

        with serving.bound(0) as (socket, *_):
            async with serving.served(Starlette(routes=[Route("/{path:path}", passed)]), socket):
                yield f"http://localhost:{serving.port_of(socket)}"


async def test_what_was_changed_on_the_way_is_refused_by_the_browser(shown: Shown) -> None:
    tags = await shown.tags("widget.js", "page.css")
    async with in_the_middle(shown.host, b"no such text", b"") as honest:
        seen = await shown.load(tags.replace(shown.host, honest))
        assert (seen["ran"], seen["color"]) == ("the first", "rgb(1, 2, 3)")
    for was, becomes in ((b"first", b"fibst"), (b"\n", b"\n\n"), (b"rgb(1", b"rgb(2")):
        async with in_the_middle(shown.host, was, becomes) as middle:
            seen = await shown.load(tags.replace(shown.host, middle))
        changed = SCRIPT if was in SCRIPT else STYLE
        assert (seen["ran"] is None, seen["color"] == "rgb(0, 0, 0)") == (changed is SCRIPT, changed is STYLE)
        assert len(seen["failed"]) == 1
        assert any("integrity" in said for said in shown.console)


async def test_what_is_not_what_the_page_expects_is_refused_by_the_browser(shown: Shown) -> None:
    tag = await shown.tags("widget.js")
    wrong = tag.replace(integrity(SCRIPT), integrity(SCRIPT + b"\n"))
    assert wrong != tag
    assert (await shown.load(wrong))["ran"] is None
    assert any("integrity" in said for said in shown.console)


async def test_a_page_of_a_foreign_origin_gets_nothing(shown: Shown) -> None:
    tags = await shown.tags("widget.js", "page.css", "widget.mjs")
    seen = await shown.load(tags, origin=1)
    assert seen | LACKING == seen
    assert len(seen["failed"]) == 3
    assert any("CORS" in said for said in shown.console)


async def test_where_tokens_are_asked_for_only_one_that_is_good_loads(shown: Shown) -> None:
    hour = timedelta(hours=1)
    other = (await shown.assets.url("page.css", ttl=hour)).partition("token=")[2]
    brief = await shown.tags("widget.js", ttl=timedelta(seconds=1))
    good = await shown.tags("widget.js", "page.css", ttl=hour)
    bare = await shown.tags("widget.js", "page.css")
    await shown.shop.configure(asset_tokens=True)
    await heard()  # longer than the brief one is good for
    assert await shown.load(good) == {"ran": "the first", "color": "rgb(1, 2, 3)", "failed": []}
    swapped = good.splitlines()[0].replace(good.partition("token=")[2].partition('"')[0], other)
    for tags in (bare, brief, swapped):
        seen = await shown.load(tags)
        assert seen | LACKING == seen
        assert len(seen["failed"]) == len(tags.splitlines())
        assert set(shown.codes) == {(403, "token-refused")}


async def test_another_project_does_not_serve_it(shown: Shown) -> None:
    tag = await shown.tags("widget.js")
    other = await shown.acme.ensure_project("other")
    await other.configure(origins=[shown.origins[0]], assets=True)
    for project in (other.id, "p_" + "a" * 20):
        seen = await shown.load(tag.replace(shown.shop.id, project))
        assert seen["ran"] is None
        assert len(seen["failed"]) == 1
    await shown.assets.disable()
    await heard()
    assert (await shown.load(tag))["ran"] is None


async def test_nobody_opens_an_asset_as_a_page(shown: Shown) -> None:
    answer = await shown.page.goto(shown.host + await shown.assets.url("widget.js"))
    assert answer is not None
    assert (answer.status, answer.headers["x-apikeychain-error"]) == (403, "destination-refused")


_NAMED = MODULE.replace(b"./apikeychain.js", b"apikeychain")


async def test_an_import_map_gives_a_module_its_token_and_its_integrity(shown: Shown) -> None:
    hour, body = timedelta(hours=1), shown.page.locator("body")
    await shown.assets.put("named.mjs", _NAMED)
    await shown.shop.configure(asset_tokens=True)
    await heard()
    address = shown.host + await shown.assets.url("apikeychain.js", ttl=hour, immutable=True)
    right = integrity(browser_script())
    for hashed in (right, integrity(b"something else")):
        mapped = json.dumps({"imports": {"apikeychain": address}, "integrity": {address: hashed}})
        await shown.load(f'<script type="importmap">{mapped}</script>' + await shown.tags("named.mjs", ttl=hour))
        if hashed == right:
            await expect(body).to_have_attribute("data-weather", re.compile("temp"))
    assert await body.get_attribute("data-weather") is None
    assert any("integrity" in said for said in shown.console)


def integrity(body: bytes) -> str:
    return f"sha384-{base64.b64encode(hashlib.sha384(body).digest()).decode()}"
