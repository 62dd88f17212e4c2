"""A browser for each test."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, async_playwright

from chromium import CHROMIUM, FLAGS, require


@pytest.fixture
async def browser() -> AsyncGenerator[Browser, None]:
    executable = require(CHROMIUM)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=FLAGS)
        yield browser
        await browser.close()
