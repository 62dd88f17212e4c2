"""The examples run as they say, in front of a provider on this machine."""

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

import canary
from apikeychain import Provider, providers
from apikeychain.cli.demo import serving
from apikeychain.testing.local_provider import LocalProvider, Visit
from command import run
from examples_of import EXAMPLES, example

KEY = canary.secret("openweather")
ORIGIN = {"origin": "http://localhost:5173"}


async def weather(visit: Visit) -> None:
    paid = visit.received.target.endswith(b"&appid=" + KEY.encode())
    await visit.answer(200 if paid else 401, [(b"content-type", b"application/json")], b'{"name":"Lisbon"}')


@pytest.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[LocalProvider, None]:
    monkeypatch.setenv("OPENWEATHER_KEY", KEY)
    async with LocalProvider("api.localhost") as provider:
        provider.on("/data/2.5/weather", weather)
        yield provider


def instead_of_openweather(local: LocalProvider) -> Provider:
    return Provider("openweather", f"https://api.localhost:{local.port}", providers.OPENWEATHER.credential)


def network(local: LocalProvider) -> dict[str, Any]:
    return {f"https://api.localhost:{local.port}": local.network}


async def test_the_fastapi_example_answers_over_a_real_socket(local: LocalProvider, tmp_path: Path) -> None:
    app = example("fastapi_app").create_app(tmp_path / "data", instead_of_openweather(local), network(local))
    with serving.bound(0) as (socket, *_):
        async with serving.served(app, socket), httpx.AsyncClient() as client:
            address = f"http://127.0.0.1:{serving.port_of(socket)}"
            url = address + (await client.get(address)).json()["weather"]
            answer = await client.get(url, params={"q": "Lisbon"}, headers=ORIGIN)
            foreign = await client.get(url, params={"q": "Lisbon"}, headers={"origin": "http://localhost:5174"})
    assert (answer.status_code, answer.json()) == (200, {"name": "Lisbon"})
    assert KEY not in answer.text
    assert (foreign.status_code, foreign.headers["x-apikeychain-error"]) == (403, "origin-refused")
    assert [received.target for received in local.requests] == [f"/data/2.5/weather?q=Lisbon&appid={KEY}".encode()]


async def test_the_starlette_example_is_set_up_once_and_then_serves(local: LocalProvider, tmp_path: Path) -> None:
    module, keychains = example("starlette_app"), []
    for _ in range(2):
        keychains.append(module.open_keychain(tmp_path / "data", network(local)))
        path = await module.set_up(keychains[-1], instead_of_openweather(local))
    app = module.create_app(module.open_keychain(tmp_path / "data", network(local)))
    with serving.bound(0) as (socket, *_):
        async with serving.served(app, socket), httpx.AsyncClient() as client:
            address = f"http://127.0.0.1:{serving.port_of(socket)}"
            assert (await client.get(address)).text == "the host's own page"
            answer = await client.get(address + path, params={"q": "Lisbon"}, headers=ORIGIN)
    assert (answer.status_code, answer.json()) == (200, {"name": "Lisbon"})


def test_the_starlette_example_says_what_the_page_calls(tmp_path: Path) -> None:
    told = run(sys.executable, EXAMPLES / "starlette_app.py", "set-up", cwd=tmp_path, env={"OPENWEATHER_KEY": KEY})
    assert "the page calls /api/apikeychain/p_" in told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("custom_store", "2 project.created\nacme.tenant platform.tenant"),
        ("custom_rate_limiter", "refused, again in 1 s\nadmitted"),
        ("custom_key_service", "opens under version 2: True\nthe old copy opens no more"),
    ],
)
def test_the_examples_of_plugs_show_themselves(name: str, told: str) -> None:
    assert told in run(sys.executable, EXAMPLES / f"{name}.py")
