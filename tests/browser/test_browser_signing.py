"""The JavaScript of the package in real Chromium: what the page sends is what was signed."""

import time

import pytest
from playwright.async_api import Browser

from apikeychain.client import JAVASCRIPT
from overheard import overheard
from signature_vectors import require_signed

KEY = "A" * 43
SESSION = "s1.k_2345.99999999999.dXNlci00Mg"  # of user-42
PAGES = {
    b"/": ("text/html", b"<!doctype html><link rel=icon href=data:,>"),
    b"/apikeychain-sign.js": ("text/javascript", JAVASCRIPT.read_bytes()),
}
_FETCH = """
  async ({ id, text, target }) => {
    const { importKey, signedFetch } = await import("./apikeychain-sign.js");
    const init = INIT;
    const signer = { keyId: id, key: await importKey(text), signedHeaders: ["x-tenant"] };
    return (await signedFetch("/api/apikeychain/p_abcdefghijklmnopqrst/proxy/" + target, init, signer)).status;
  }
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize(
    ("init", "target", "body"),
    [
        ("undefined", "weather?q=São Paulo&x=%2f+'\"<>|", b""),
        ("{ headers: { 'X-Tenant': ' t1 ' } }", "a b/ß;c=d", b""),
        ("{ method: 'post', body: 'alíce' }", "pay", "alíce".encode()),
        ("{ method: 'POST', body: '' }", "pay", b""),
        ("{ method: 'POST' }", "pay", b""),
        ("{ method: 'DELETE' }", "pay", b""),
        ("{ method: 'PUT', body: Uint8Array.from([0, 255, 10]) }", "pay", b"\x00\xff\n"),
        ("{ method: 'POST', body: new Blob(['x'], { type: 'text/x' }) }", "pay", b"x"),
        ("{ method: 'POST', body: new URLSearchParams({ a: 'b c' }) }", "pay", b"a=b+c"),
        ("(() => { const f = new FormData(); f.set('a', 'b'); return { method: 'POST', body: f }; })()", "pay", None),
    ],
)
async def test_what_a_page_sends_is_what_was_signed(
    browser: Browser, init: str, target: str, body: bytes | None
) -> None:
    async with overheard(PAGES) as heard:
        page = await browser.new_page()
        await page.goto(heard.address)
        given = {"id": SESSION, "text": KEY, "target": target}
        assert await page.evaluate(_FETCH.replace("INIT", init), given) == 204
        await page.close()
    call, sent = heard.call()
    assert body is None or sent == body
    assert call.headers.get(b"x-iso-user") == b"user-42"
    require_signed(call, KEY, sent, at=time.time(), names=("x-tenant",))
