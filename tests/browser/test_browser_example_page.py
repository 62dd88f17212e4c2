"""The example page in real Chromium, against the FastAPI example."""

import threading
from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

import canary
from apikeychain import Provider, QueryCredential
from apikeychain.cli.demo import serving
from apikeychain.testing.local_provider import LocalProvider, Visit
from examples_of import example

KEY = canary.secret("openweather")

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def origins() -> Generator[list[str], None, None]:
    """Two origins that both serve the page."""
    servers = [example("browser_page/serve").page_server(0) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield [f"http://localhost:{server.server_port}" for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


async def test_the_example_page_is_answered_on_its_own_origin_and_on_no_other(
    browser: Browser, origins: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWEATHER_KEY", KEY)
    allowed, foreign = origins
    async with LocalProvider("api.localhost") as local:
        local.on("/data/2.5/weather", weather)
        base = f"https://api.localhost:{local.port}"
        provider = Provider("openweather", base, QueryCredential("appid"))
        app = example("fastapi_app").create_app(tmp_path / "data", provider, {base: local.network}, allowed)
        with serving.bound(0) as (socket, *_):
            async with serving.served(app, socket):
                gate = f"http://localhost:{serving.port_of(socket)}{app.state.weather}"
                page = await browser.new_page()
                for origin, told in ((allowed, '"name": "Lisbon"'), (foreign, "refused: this origin is not on")):
                    await page.goto(f"{origin}/?gate={gate}")
                    await page.click("button")
                    await expect(page.locator("#answer")).to_contain_text(told)
                    assert KEY not in await page.content()
                await page.close()
        assert len(local.requests) == 1


async def weather(visit: Visit) -> None:
    await visit.answer(200, [(b"content-type", b"application/json")], b'{"name":"Lisbon"}')
