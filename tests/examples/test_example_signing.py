"""The examples of signing, in Python, JavaScript, curl and a page, against a real server and a real provider."""

import asyncio
import shutil
import sys
import threading
from collections.abc import AsyncGenerator, Generator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from playwright.async_api import async_playwright, expect

import canary
import node
from apikeychain import Provider, providers
from apikeychain.cli.demo import serving
from apikeychain.client import JAVASCRIPT, SignedAuth
from apikeychain.testing.local_provider import LocalProvider, Visit
from chromium import CHROMIUM, FLAGS, require
from command import SCRIPTS, run
from examples_of import EXAMPLES, example

OPENWEATHER_KEY = canary.secret("openweather")
FOLDER = EXAMPLES / "signing"


async def weather(visit: Visit) -> None:
    paid = visit.received.target.endswith(b"&appid=" + OPENWEATHER_KEY.encode())
    await visit.answer(200 if paid else 401, [(b"content-type", b"application/json")], b'{"name":"Lisbon"}')


@pytest.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[LocalProvider, None]:
    monkeypatch.setenv("OPENWEATHER_KEY", OPENWEATHER_KEY)
    async with LocalProvider("api.localhost") as provider:
        provider.on("/data/2.5/weather", weather)
        yield provider


@pytest.fixture
def page(tmp_path: Path) -> Generator[str, None, None]:
    """The origin that serves the page of the example, with the module of the package beside it."""
    folder = tmp_path / "page"
    folder.mkdir()
    for file in (FOLDER / "page.html", JAVASCRIPT):
        shutil.copy(file, folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
async def signer(local: LocalProvider, tmp_path: Path, page: str) -> AsyncGenerator[dict[str, str], None]:
    """What a signer needs, while the application of the example is served."""
    app, base, data = example("signing/app"), f"https://api.localhost:{local.port}", tmp_path / "data"
    network = {base: local.network}
    provider = Provider("openweather", base, providers.OPENWEATHER.credential)
    told: dict[str, str] = await app.set_up(app.open_keychain(data, network), provider, page)
    host = app.create_app(app.open_keychain(data, network), page)
    with serving.bound(0) as (socket, *_):
        async with serving.served(host, socket):
            yield told | {"GATE": told["GATE"].replace(":8000", f":{serving.port_of(socket)}")}


async def test_without_a_signature_the_gate_answers_nobody(
    signer: dict[str, str], local: LocalProvider, page: str
) -> None:
    async with httpx.AsyncClient() as client:
        answer = await client.get(signer["GATE"], params={"q": "Lisbon"}, headers={"origin": page})
    assert (answer.status_code, answer.headers["x-apikeychain-error"]) == (401, "signature-missing")
    assert local.requests == []


async def test_python_signs(signer: dict[str, str], local: LocalProvider) -> None:
    told = await asyncio.to_thread(run, sys.executable, FOLDER / "call.py", "Lisbon", env=signer)
    assert told == '200 {"name":"Lisbon"}\n'
    assert len(local.requests) == 1


async def test_javascript_signs(signer: dict[str, str], local: LocalProvider, tmp_path: Path) -> None:
    for file in (FOLDER / "call.mjs", JAVASCRIPT):
        shutil.copy(file, tmp_path)
    command = (node.require(shutil.which("node")), tmp_path / "call.mjs", "Lisbon")
    assert await asyncio.to_thread(run, *command, env=signer) == '200 {"name":"Lisbon"}\n'
    assert len(local.requests) == 1


async def test_curl_signs(signer: dict[str, str], local: LocalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(SCRIPTS), prepend=":")
    told = await asyncio.to_thread(run, "sh", FOLDER / "call.sh", "Lisbon", env=signer)
    assert told.endswith('{"name":"Lisbon"}')
    assert len(local.requests) == 1


async def test_one_client_signs_each_call_for_itself_in_async_too(signer: dict[str, str], local: LocalProvider) -> None:
    async with httpx.AsyncClient(auth=SignedAuth(signer["KEY_ID"], signer["KEY"])) as client:
        calls = [client.get(signer["GATE"], params={"q": "São Paulo"[:city]}) for city in (1, 1, 1)]
        answers = await asyncio.gather(*calls)
        wrong = await client.get(signer["GATE"], params={"q": "S"}, auth=SignedAuth(signer["KEY_ID"], "x" * 43))
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert (wrong.status_code, wrong.headers["x-apikeychain-error"]) == (401, "signature-refused")
    assert len(local.requests) == 3


async def test_a_page_calls_with_a_session_key(signer: dict[str, str], local: LocalProvider, page: str) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=require(CHROMIUM), args=FLAGS)
        opened = await browser.new_page()
        await opened.goto(f"{page}/page.html?gate={signer['GATE']}")
        await expect(opened.locator("#answer")).to_have_text('200 {"name":"Lisbon"}', timeout=30_000)
        told = await opened.evaluate(_WITH_A_SIGNING_KEY, {"id": signer["KEY_ID"], "key": signer["KEY"]})
        await browser.close()
    assert told == ["in a browser only session keys sign"] * 2
    assert len(local.requests) == 1


_WITH_A_SIGNING_KEY = """
  async ({ id, key }) => {
    const module = await import("./apikeychain-sign.js");
    const first = (error) => error.message.split(":")[0];
    const url = "https://host.example/api/apikeychain/p_a/proxy/a";
    return [await module.importKey(key).catch(first), await module.sign({ keyId: id, url }).catch(first)];
  }
"""


async def test_only_the_page_gets_a_session_key(signer: dict[str, str]) -> None:
    async with httpx.AsyncClient() as client:
        url = httpx.URL(signer["GATE"]).copy_with(raw_path=b"/session-key")
        answer = await client.post(url, headers={"origin": "https://elsewhere.example"})
    assert answer.status_code == 403


def test_the_set_up_tells_once_what_a_signer_needs(tmp_path: Path) -> None:
    env = {"OPENWEATHER_KEY": OPENWEATHER_KEY}
    told = run(sys.executable, FOLDER / "app.py", "set-up", cwd=tmp_path, env=env)
    named = [line.split("=")[0] for line in told.splitlines() if line.startswith("export ")]
    assert named == ["export GATE", "export KEY_ID", "export KEY"]
