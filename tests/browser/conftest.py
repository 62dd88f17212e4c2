"""A browser for each file of tests: each page is in a context of its own."""

from collections.abc import AsyncGenerator

import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from chromium import CHROMIUM, FLAGS, require

# A machine that runs other things beside: what is expected comes, and nothing is asserted of how soon.
expect.set_options(timeout=30_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncGenerator[Browser, None]:
    executable = require(CHROMIUM)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        await browser.close()
