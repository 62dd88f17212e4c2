"""Real Chromium on two origins: one page gets its answer, the other gets nothing, and neither ever gets the secret."""

import base64
import json
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error, FrameLocator, Page, Request, Response, expect

from apikeychain.cli.demo.house import House
from apikeychain.cli.demo.running import running
from chromium import require

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def house() -> AsyncGenerator[House, None]:
    async with running(None, 0) as house:
        yield house


@dataclass
class Seen:
    """All that reached one page and the frames in it.

    Attributes:
        responses: in the order in which they came.
        told: what the console said.
        blocked: requests whose answer Chromium kept from the page and from us.
    """

    page: Page
    responses: list[Response] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    blocked: list[Request] = field(default_factory=list)

    @property
    def foreign(self) -> FrameLocator:
        return self.page.frame_locator("#foreign")

    def note(self, response: Response) -> None:
        self.responses.append(response)

    def note_blocked(self, request: Request) -> None:
        self.blocked.append(request)

    async def texts(self) -> list[str]:
        """Bodies, headers, documents, storage and console."""
        texts = [*self.told]
        for response in self.responses:
            lines = await response.headers_array() + await response.request.headers_array()
            texts += [response.url, *(f"{line['name']}: {line['value']}" for line in lines)]
            texts.append(await body_of(response))
        texts += [await asked_again(request) for request in self.blocked]
        for frame in self.page.frames:
            texts.append(await frame.content())
            texts.append(
                json.dumps(await frame.evaluate("() => [{...localStorage}, {...sessionStorage}, document.cookie]"))
            )
        return texts


@pytest_asyncio.fixture(loop_scope="module")
async def seen(browser: Browser, house: House) -> AsyncGenerator[Seen, None]:
    """The page on the allowed origin, with the foreign one in its frame, both at rest."""
    page = await browser.new_page()
    seen = Seen(page)
    page.on("response", seen.note)
    page.on("requestfailed", seen.note_blocked)
    page.on("console", lambda message: seen.told.append(message.text))
    page.on("pageerror", lambda error: seen.told.append(f"error: {error}"))
    await page.goto(house.own)
    await page.locator("body[data-ready=yes]").wait_for()
    await seen.foreign.locator("body[data-ready=yes]").wait_for()
    yield seen
    await page.close()


async def body_of(response: Response) -> str:
    try:
        return (await response.body()).decode("latin-1")
    except Error:
        # Chromium keeps no body that the page took piece by piece.
        assert response.headers["content-type"] == "text/event-stream"
        return await asked_again(response.request)


async def asked_again(request: Request) -> str:
    """What the browser got and did not keep, asked for without a browser."""
    async with httpx.AsyncClient() as client:
        reply = await client.get(request.url, headers=await request.all_headers())
    return f"{reply.headers.raw!r} {reply.text}"


def spellings(secret: str) -> list[str]:
    """The secret as it is, percent-encoded in full and in part, and in base64 at each alignment."""
    raw = secret.encode()
    whole = [base64.b64encode(bytes(shift) + raw).decode() for shift in range(3)]
    # The first and the last characters depend on what stands beside the secret.
    cores = [text.rstrip("=")[4:-3] for text in whole]
    percent = "".join(f"%{byte:02X}" for byte in raw)
    return [secret, quote(secret, safe=""), percent, percent.lower(), raw.hex(), *cores]


async def test_where_chromium_is_missing_the_test_fails_with_the_line_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="apt-get install -y chromium"):
        require(tmp_path / "chromium")


async def test_the_allowed_page_gets_the_answer(seen: Seen, house: House) -> None:
    await seen.page.fill("#city", "Porto")
    await seen.page.click("#form button")
    await expect(seen.page.locator("#body")).to_contain_text('"name": "Porto"')
    await expect(seen.page.locator("#status")).to_have_text("200 answered")
    await expect(seen.page.locator("#notes li").first).to_contain_text("q=Porto&appid=••••••••••••")
    assert house.weather.saw_key()


async def test_the_foreign_page_gets_nothing_and_nothing_goes_upstream(seen: Seen, house: House) -> None:
    before = house.weather.calls
    await seen.foreign.locator("#again").click()
    await expect(seen.foreign.locator("#status")).to_have_text("refused")
    await expect(seen.foreign.locator("#body")).to_contain_text("The page learns nothing")
    assert any(f"from origin '{house.foreign}' has been blocked by CORS policy" in told for told in seen.told)
    assert house.weather.calls == before


async def test_what_the_gate_refuses_the_allowed_page_can_read(seen: Seen, house: House) -> None:
    before = house.weather.calls
    await seen.page.click("[data-try=parameter]")
    await expect(seen.page.locator("#status")).to_have_text("400 refused by the gate: parameter-refused")
    assert house.weather.calls == before
    await seen.page.click("[data-try=limited]")
    await expect(seen.page.locator("#status")).to_have_text("429 refused by the gate: rate-limited")


async def test_events_come_to_the_page_as_they_are_sent(seen: Seen) -> None:
    await seen.page.click("[data-try=forecast]")
    for count in (1, 5):
        await expect(seen.page.locator("#status")).to_have_text(re.compile(rf"200, {count} events so far"))
    await expect(seen.page.locator("#body")).to_contain_text("Day 5")


async def test_the_page_shows_the_ledger_and_where_a_copy_is_broken(seen: Seen) -> None:
    await expect(seen.page.locator("#verdict")).to_have_text(re.compile(r"verified: all \d+ entries"))
    await expect(seen.page.locator("#entries")).to_contain_text("weather 200")
    await seen.page.click("#tamper")
    await expect(seen.page.locator("#tampered")).to_have_text(re.compile(r"is broken at entry \d+: "))


async def test_the_secret_is_nowhere_in_what_the_browser_received(seen: Seen, house: House) -> None:
    for name in ("parameter", "echo", "forecast", "limited"):
        await seen.page.click(f"[data-try={name}]")
        await expect(seen.page.locator("#sent")).to_contain_text("weather" if name == "parameter" else name)
        if name == "forecast":
            await expect(seen.page.locator("#body")).to_contain_text("Day 5")
    await expect(seen.page.locator("#status")).to_have_text("429 refused by the gate: rate-limited")
    await seen.page.click("[data-try=echo]")
    await expect(seen.page.locator("#body")).to_contain_text("[redacted]")
    await seen.page.click("#tamper")
    await expect(seen.page.locator("#tampered")).not_to_be_empty()
    await expect(seen.page.locator("#entries")).to_contain_text("echo 200")
    texts = await seen.texts()
    assert any('"you sent the key": "[redacted]' in text for text in texts)
    assert any("origin-refused" in text for text in texts)
    found = [
        text[:80]
        for text in texts
        if any(spelling in text for spelling in spellings(house.weather.key.reveal().decode()))
    ]
    assert not found


async def test_the_search_for_the_secret_finds_it() -> None:
    secret = "a+secret/with=signs"
    hidden = (
        secret,
        quote(secret, safe=""),
        base64.b64encode(b"x" + secret.encode() + b"yz").decode(),
        base64.b64encode(b'{"key":"' + secret.encode()).decode(),
        secret.encode().hex(),
    )
    for text in hidden:
        assert any(spelling in text for spelling in spellings(secret)), text


async def test_neither_page_breaks_its_own_policy(seen: Seen) -> None:
    await seen.page.click("#tamper")
    await expect(seen.page.locator("#tampered")).not_to_be_empty()
    assert not [told for told in seen.told if "Content Security Policy" in told or told.startswith("error: ")]
