"""What a webhook is sent of an alert, which answers count, and what is never told."""

import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

import canary
from apikeychain.backends import dialling
from apikeychain.backends.webhook_alerts import WebhookAlerts
from apikeychain.errors import BackendUnavailableError, NotOpenError, SettingsError
from apikeychain.secret import Secret
from apikeychain.testing.alert_sink import ALERT
from apikeychain.testing.local_provider import LocalProvider, Visit
from receiver import NEXT_SECRET, SECRET, Receiver

BOTH = [Secret(SECRET), Secret(NEXT_SECRET)]


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver, None]:
    async with LocalProvider("localhost") as provider:
        yield Receiver(provider)


def sink(receiver: Receiver, *secrets: Secret, **more: Any) -> WebhookAlerts:
    return WebhookAlerts(
        more.pop("url", receiver.url), secrets or [Secret(SECRET)], ca_file=receiver.provider.ca_pem_path, **more
    )


async def test_all_of_an_alert_is_in_the_body(receiver: Receiver) -> None:
    async with sink(receiver) as alerts:
        await alerts.send(ALERT)
    assert receiver.verified == [
        {
            "type": "rotation.refused",
            "timestamp": "2026-03-01T12:00:05.000Z",
            "data": {
                "id": ALERT.id,
                "tenant": "acme",
                "project": "p_aaaaaaaaaaaaaaaaaaaa",
                "severity": "critical",
                "what": ALERT.what,
                "why": ALERT.why,
                "done": ALERT.done,
                "todo": ALERT.todo,
            },
        }
    ]
    (request,) = receiver.provider.requests
    assert (request.method, request.target) == ("POST", b"/alerts")
    assert request.headers.get(b"content-type") == b"application/json"
    assert request.headers.get(b"webhook-id") == ALERT.id.encode()


async def test_what_is_sent_again_has_the_same_id_and_its_own_moment(receiver: Receiver) -> None:
    moments = iter((1_800_000_000.0, 1_800_000_009.0))
    receiver.says(500)
    async with sink(receiver, now=lambda: next(moments)) as alerts:
        for _ in range(2):
            with pytest.raises(BackendUnavailableError):
                await alerts.send(ALERT)
    assert receiver.ids == [ALERT.id] * 2
    sent = [request.headers.get(b"webhook-timestamp") for request in receiver.provider.requests]
    assert sent == [b"1800000000", b"1800000009"]


@pytest.mark.parametrize("secret", [SECRET, NEXT_SECRET], ids=["old", "new"])
async def test_two_secrets_overlap(secret: str) -> None:
    async with LocalProvider("localhost") as provider:
        receiver = Receiver(provider, secret)
        async with sink(receiver, *BOTH) as alerts:
            await alerts.send(ALERT)
        assert len(receiver.verified) == 1


async def test_whoever_has_another_secret_cannot_verify_it(receiver: Receiver) -> None:
    async with sink(receiver) as alerts:
        await alerts.send(ALERT)
    (request,) = receiver.provider.requests
    lines = {name.decode(): value.decode() for name, value in request.lines}
    with pytest.raises(WebhookVerificationError):
        Webhook(NEXT_SECRET).verify(bytes(request.body), lines)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_every_status_of_success_is_taken(receiver: Receiver, status: int) -> None:
    receiver.says(status)
    async with sink(receiver) as alerts:
        await alerts.send(ALERT)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (0, "it does not answer"),
        (301, "its answer (301) is not one that helps"),
        (307, "its answer (307) is not one that helps"),
        (400, "its answer (400) is not one that helps"),
        (401, "it does not take the signature (401): is the secret the same there, and the clock right?"),
        (410, "its answer (410) is not one that helps"),
        (500, "its answer (500) is not one that helps"),
    ],
)
async def test_every_other_answer_is_told_without_its_text(receiver: Receiver, status: int, told: str) -> None:
    receiver.says(status)
    async with sink(receiver) as alerts:
        with pytest.raises(BackendUnavailableError) as refused:
            await alerts.send(ALERT)
    assert refused.value.hint == told
    assert (refused.value.__cause__, refused.value.__context__) == (None, None)
    # No redirect is followed.
    assert [request.target for request in receiver.provider.requests] == [b"/alerts"]


async def test_one_that_hangs_is_left_in_time(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialling, "TOTAL_SECONDS", 0.2)

    async def hang(visit: Visit) -> None:
        await visit.gone()

    receiver.provider.on("/alerts", hang)
    async with sink(receiver) as alerts:
        with pytest.raises(BackendUnavailableError, match="it does not answer"):
            await alerts.send(ALERT)


async def test_a_certificate_of_nobody_is_refused(receiver: Receiver) -> None:
    async with WebhookAlerts(receiver.url, [Secret(SECRET)]) as alerts:
        with pytest.raises(BackendUnavailableError, match="its certificate is not trusted: give ca_file="):
            await alerts.send(ALERT)
    assert receiver.ids == []


async def test_neither_url_nor_secret_is_told(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = canary.secret("alerts")
    receiver.says(500)
    alerts = sink(receiver, url=f"{receiver.url}?key={hidden}")
    async with alerts:
        with pytest.raises(BackendUnavailableError) as refused:
            await alerts.send(ALERT)
    for told in (caplog.text, str(refused.value), repr(alerts)):
        assert hidden not in told
        assert SECRET not in told


@pytest.mark.parametrize(
    "url",
    ["http://alerts.example/x", "https://user@alerts.example/x", "https://alerts.example/x#y", "ftp://a.example", ""],
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        WebhookAlerts(url, [Secret(SECRET)])
    assert [*refused.value.problems] == ["url: write https://host/path, without a user; http is for a loopback host"]


def test_the_secrets_are_those_of_a_webhook() -> None:
    assert isinstance(WebhookAlerts("http://127.0.0.1:8000/alerts", BOTH), WebhookAlerts)
    for secrets in ([], [*BOTH, Secret(SECRET)], [Secret("whsec_short")]):
        with pytest.raises(SettingsError, match="secrets: "):
            WebhookAlerts("https://alerts.example", secrets)


async def test_it_is_used_open(receiver: Receiver, tmp_path: Path) -> None:
    alerts = sink(receiver)
    with pytest.raises(NotOpenError, match="the alert sink is not open"):
        await alerts.send(ALERT)
    with pytest.raises(SettingsError, match=r"ca_file: .*missing\.pem cannot be read"):
        async with WebhookAlerts(receiver.url, [Secret(SECRET)], ca_file=tmp_path / "missing.pem"):
            pass


async def test_a_part_that_is_not_there_is_null(receiver: Receiver) -> None:
    async with sink(receiver) as alerts:
        await alerts.send(replace(ALERT, project=None, todo=""))
    data = receiver.verified[0]["data"]
    assert (data["project"], data["todo"]) == (None, "")
