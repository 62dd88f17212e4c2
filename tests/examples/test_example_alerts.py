"""The receiver of alerts of the examples, over a real socket."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx
import pytest

from apikeychain.backends.webhook_alerts import WebhookAlerts
from apikeychain.cli.demo import serving
from apikeychain.errors import BackendUnavailableError
from apikeychain.secret import Secret
from apikeychain.testing.alert_sink import ALERT
from examples_of import example
from receiver import NEXT_SECRET, SECRET


@pytest.fixture
async def url() -> AsyncGenerator[str, None]:
    with serving.bound(0) as (socket, *_):
        async with serving.served(example("alert_receiver").create_app(SECRET), socket):
            yield f"http://127.0.0.1:{serving.port_of(socket)}/alerts"


async def test_each_alert_is_shown_once(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with WebhookAlerts(url, [Secret(SECRET)]) as sink:
        for alert in (ALERT, ALERT, replace(ALERT, id="alert_another")):
            await sink.send(alert)
    line = f"2026-03-01T12:00:05.000Z critical rotation.refused {ALERT.what}\n"
    assert capsys.readouterr().out == line * 2


async def test_what_is_not_signed_is_not_heard(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with WebhookAlerts(url, [Secret(NEXT_SECRET)]) as sink:
        with pytest.raises(BackendUnavailableError, match="does not take the signature"):
            await sink.send(ALERT)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.post(url, content=b"{}")).status_code == 401
        assert (await client.post(url, content=b" " * 70_000)).status_code == 413
    assert capsys.readouterr().out == ""
