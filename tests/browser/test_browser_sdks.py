"""OpenAI's and Anthropic's own packages for browsers, in real Chromium, behind a served gate."""

import contextlib
import threading
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

import npm_packages
from apikeychain import APIKeyChain
from apikeychain.cli.demo import serving
from examples_of import EXAMPLES, example
from stand_ins import ENVIRONMENT, KEYS, WORDS, StandIns, stand_ins

TEXT = "".join(WORDS)
NAMES = pytest.mark.parametrize("name", ["OpenAI", "Anthropic"])
# Keeps every answer that the page gets, beside what the package makes of it.
_LISTEN = """
  const real = window.fetch;
  window.heard = [];
  window.fetch = async (...given) => {
    const answer = await real(...given);
    window.heard.push(answer.clone().text().then((body) => JSON.stringify([...answer.headers]) + body));
    return answer;
  };
"""
# What a test sees is the text, or which error of the package it was.
_ASK = """
  async ({ gate, name, bits, session }) => {
    const module = await import("./bundle.js");
    const client = session
      ? await module.openaiOfUser(gate, session)
      : module[`${name.toLowerCase()}Behind`](gate);
    try {
      if (!bits) return await module[`ask${name}`](client, "a-model", "Why is the sky blue?");
      const told = [];
      for await (const piece of module[`ask${name}BitByBit`](client, "a-model", "Why is it blue?")) told.push(piece);
      return told.filter((piece) => piece);
    } catch (error) {
      const kinds = ["APIConnectionError", "BadRequestError", "APIError"];
      const kind = kinds.find((kind) => error instanceof module[name][kind]) ?? String(error);
      return { kind, status: error.status ?? null, told: `${error.message} ${JSON.stringify(error)}` };
    }
  }
"""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("sdks")
    npm_packages.bundle(made, EXAMPLES / "sdks" / "page.mjs")
    (made / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")
    return made


@pytest.fixture
def origins(folder: Path) -> Generator[list[str], None, None]:
    """Two origins that serve the same page: one that is allowed, and a foreign one."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), handler)) for _ in range(2)]
        threads = [threading.Thread(target=server.serve_forever) for server in servers]
        for thread in threads:
            thread.start()
        yield [f"http://localhost:{server.server_port}" for server in servers]
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()


@dataclass
class Opened:
    """A page with the packages, before a gate."""

    page: Page
    gate: str
    origins: list[str]
    standing: StandIns
    keychain: APIKeyChain

    async def ask(self, name: str, *, bits: bool = False, origin: int = 0, session: object = None) -> Any:
        await self.page.goto(self.origins[origin])
        given = {"gate": self.gate, "name": name, "bits": bits, "session": session}
        told = await self.page.evaluate(_ASK, given)
        await self.require_no_key(told)
        return told

    async def require_no_key(self, told: object) -> None:
        """Nothing of what the page holds or got has a key in it."""
        heard = await self.page.evaluate("Promise.all(window.heard)")
        seen = "\n".join([str(told), await self.page.content(), *heard])
        assert not [key for key in KEYS.values() if key in seen]


@pytest_asyncio.fixture(loop_scope="module")
async def opened(
    browser: Browser, origins: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[Opened, None]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    app = example("sdks/app")
    async with stand_ins() as standing:
        told = await app.set_up(app.open_keychain(tmp_path, standing.network), origins[0], standing.providers)
        keychain = app.open_keychain(tmp_path, standing.network)
        host = app.create_app(keychain)
        with serving.bound(0) as (socket, *_):
            async with serving.served(host, socket):
                gate = told["GATE"].replace(":8000", f":{serving.port_of(socket)}")
                page = await browser.new_page()
                await page.add_init_script(_LISTEN)
                yield Opened(page, gate, origins, standing, keychain)
                await page.close()


@NAMES
async def test_a_page_chats_with_the_package_and_holds_no_key(name: str, opened: Opened) -> None:
    assert await opened.ask(name) == TEXT
    assert await opened.ask(name, bits=True) == list(WORDS)
    assert len(opened.standing.local.requests) == 2
    heard = opened.standing.heard().lower()
    assert not [strange for strange in (b"none", b"x-stainless", b"dangerous", b"origin:") if strange in heard]


@NAMES
async def test_an_error_of_the_provider_is_one_of_the_package(name: str, opened: Opened) -> None:
    opened.standing.troubles += [400]
    told = await opened.ask(name)
    assert (told["kind"], told["status"]) == ("BadRequestError", 400)
    assert "trouble with" in told["told"]


@NAMES
async def test_what_the_package_tries_again_is_answered(name: str, opened: Opened) -> None:
    opened.standing.troubles += [500]
    assert await opened.ask(name) == TEXT
    assert len(opened.standing.local.requests) == 2


@NAMES
async def test_a_page_on_a_foreign_origin_is_refused(name: str, opened: Opened) -> None:
    told = await opened.ask(name, origin=1)
    assert (told["kind"], told["status"]) == ("APIConnectionError", None)
    assert opened.standing.local.requests == []


async def test_where_a_session_is_asked_for_the_package_signs_with_a_session_key(opened: Opened) -> None:
    project = await (await opened.keychain.tenant("acme")).project("assistant")
    await project.configure(require="session")
    shown = await project.session_key(user="user-42", origin=opened.origins[0], ttl=timedelta(minutes=15))
    session = {"id": shown.id, "key": shown.key.reveal().decode()}
    assert (await opened.ask("OpenAI"))["status"] == 401
    opened.standing.troubles += [500]
    assert await opened.ask("OpenAI", session=session) == TEXT
    assert await opened.ask("OpenAI", session=session, bits=True) == list(WORDS)
    assert len(opened.standing.local.requests) == 3
