"""The example of a published widget, in real Chromium, in front of a provider on this machine."""

import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

import canary
from apikeychain import Provider, providers
from apikeychain.cli.demo import serving
from apikeychain.testing.local_provider import LocalProvider, Visit
from chromium import CHROMIUM, FLAGS, require
from command import run
from examples_of import EXAMPLES, example
from page_origins import page_origins

KEY = canary.secret("openweather")
TARGET = f"/data/2.5/weather?q=New%20York&appid={KEY}"


async def weather(visit: Visit) -> None:
    is_paid = visit.received.target == TARGET.encode()
    body = b'{"name": "New York", "main": {"temp": 290}}'
    await visit.answer(200 if is_paid else 401, [(b"content-type", b"application/json")], body)


@dataclass
class Widget:
    """A page with the widget, before the application of the example."""

    page: Page
    origins: list[str]
    local: LocalProvider


@pytest.fixture
async def widget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Widget, None]:
    monkeypatch.setenv("OPENWEATHER_KEY", KEY)
    app, data = example("published_widget/app"), tmp_path / "data"
    async with LocalProvider("api.localhost") as local, async_playwright() as playwright:
        local.on("/data/2.5/weather", weather)
        base = f"https://api.localhost:{local.port}"
        provider, network = Provider("openweather", base, providers.OPENWEATHER.credential), {base: local.network}
        with page_origins(tmp_path) as origins, serving.bound(0) as (socket, *_):
            host = f"http://localhost:{serving.port_of(socket)}"
            page = await app.set_up(app.open_keychain(data, network), provider, origins[0], host)
            (tmp_path / "page.html").write_text(page)
            async with serving.served(app.create_app(app.open_keychain(data, network)), socket):
                browser = await playwright.chromium.launch(executable_path=require(CHROMIUM), args=FLAGS)
                yield Widget(await browser.new_page(), origins, local)
                await browser.close()


async def test_the_widget_shows_the_weather_on_a_page_elsewhere_and_no_key(widget: Widget) -> None:
    card = widget.page.locator("weather-card")
    await widget.page.goto(f"{widget.origins[0]}/page.html")
    await expect(card).to_have_text("New York: 290 K", timeout=30_000)
    await expect(card).to_have_css("border-radius", "8px")
    assert KEY not in await widget.page.content()
    assert [one.target for one in widget.local.requests] == [TARGET.encode()]


async def test_the_widget_says_what_went_wrong(widget: Widget) -> None:
    widget.local.on("/data/2.5/weather", lambda visit: visit.answer(500))
    await widget.page.goto(f"{widget.origins[0]}/page.html")
    await expect(widget.page.locator("weather-card.failed")).to_have_text("There is no weather now.", timeout=30_000)


async def test_the_widget_does_not_run_on_a_foreign_page(widget: Widget) -> None:
    await widget.page.goto(f"{widget.origins[1]}/page.html")
    await expect(widget.page.locator("h1")).to_have_text("A widget from elsewhere")
    assert await widget.page.locator("weather-card").text_content() == ""
    assert widget.local.requests == []


def test_the_set_up_prints_the_page(tmp_path: Path) -> None:
    script = EXAMPLES / "published_widget" / "app.py"
    told = run(sys.executable, script, "set-up", cwd=tmp_path, env={"OPENWEATHER_KEY": KEY})
    assert "<!doctype html>" in told
    assert told.count("integrity") == 3
    assert KEY not in told
