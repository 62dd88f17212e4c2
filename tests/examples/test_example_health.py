"""The health check of the examples, over a real socket."""

import asyncio
from pathlib import Path

import httpx
import pytest

from apikeychain import APIKeyChain
from apikeychain.cli.demo import serving
from examples_of import example

_ALL = dict.fromkeys(("store", "key_service", "rate_limiter", "replay_guard", "signals", "asset_store"), True)


async def test_a_load_balancer_learns_which_plug_fails_and_not_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key_file = tmp_path / "platform.key"
    app = example("health_check").create_app(APIKeyChain.embedded(tmp_path / "data", key_file=key_file))
    with serving.bound(0) as (socket, *_):
        async with serving.served(app, socket), httpx.AsyncClient() as client:
            url = f"http://127.0.0.1:{serving.port_of(socket)}/healthz"
            async with asyncio.timeout(20):
                while True:  # the first moment is one without signals
                    well = await client.get(url)
                    if well.json()["signals"]:
                        break
                    await asyncio.sleep(0.1)
    assert (well.status_code, well.json()) == (200, _ALL)
    app = example("health_check").create_app(APIKeyChain.embedded(tmp_path / "data", key_file=key_file))
    with serving.bound(0) as (socket, *_):
        async with serving.served(app, socket), httpx.AsyncClient() as client:
            key_file.unlink()
            ill = await client.get(f"http://127.0.0.1:{serving.port_of(socket)}/healthz")
    assert ill.status_code == 503
    assert [name for name, ok in ill.json().items() if not ok and name != "signals"] == ["key_service"]
    assert str(tmp_path) not in ill.text
    assert f"key_service: there is no key file at {key_file}" in caplog.text


def test_the_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APIKEYCHAIN_CANARY")
    monkeypatch.setenv("APIKEYCHAIN_DATA", str(tmp_path))
    assert example("health_check").create_app()
