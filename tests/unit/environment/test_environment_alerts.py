"""Where alerts go by the environment, and what is wrong with it."""

import base64
from pathlib import Path

import pytest

import canary
from apikeychain import APIKeyChain
from apikeychain.backends.webhook_alerts import WebhookAlerts
from apikeychain.environment.variables import PREFIX
from apikeychain.environment.wiring import Environment, read_environment
from apikeychain.errors import SettingsError

_SECRET = "whsec_" + base64.b64encode(canary.secret("alerts").encode() * 2).decode()[:32]
_URL = "https://alerts.example/acme"


def read(**variables: object) -> Environment:
    return read_environment({PREFIX + name: str(value) for name, value in variables.items()})


def test_without_a_webhook_they_go_to_the_log() -> None:
    found = read(DATA="./x")
    assert not found.plugs.alert_sinks
    assert [*APIKeyChain.from_environment(found)._plugs.alert_sinks] == ["log"]


def test_a_webhook_takes_the_place_of_the_log() -> None:
    found = read(DATA="./x", ALERTS_URL=_URL, ALERTS_SECRETS=f"{_SECRET} {_SECRET}")
    (name,) = found.plugs.alert_sinks
    sink = found.plugs.alert_sinks[name]
    assert name == "webhook"
    assert isinstance(sink, WebhookAlerts)
    assert len(sink._place.secrets) == 2
    assert not canary.holds(repr(found))


def test_url_and_secrets_may_stand_in_files(tmp_path: Path) -> None:
    url, secrets = tmp_path / "url", tmp_path / "secrets"
    url.write_text(f"{_URL}\n")
    secrets.write_text(f"{_SECRET}\n{_SECRET}\n")
    found = read(DATA="./x", ALERTS_URL_FILE=url, ALERTS_SECRETS_FILE=secrets)
    assert isinstance(found.plugs.alert_sinks["webhook"], WebhookAlerts)
    assert {url, secrets} <= {*found.choices.secret_files}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"ALERTS_SECRETS": _SECRET}, ["ALERTS_SECRETS: it needs APIKEYCHAIN_ALERTS_URL"]),
        ({"ALERTS_CA_FILE": "/nowhere"}, None),
        (
            {"ALERTS_URL": "http://alerts.example"},
            [
                "ALERTS_URL: write https://host/path, without a user; http is for a loopback host",
                "ALERTS_SECRETS: give one secret, or 2 while the receiver changes to another",
            ],
        ),
        (
            {"ALERTS_URL": _URL, "ALERTS_SECRETS": "whsec_short"},
            ["ALERTS_SECRETS: the secret of a webhook is whsec_ and the base64 of 24 to 64 random bytes"],
        ),
        (
            {"ALERTS_URL": _URL, "ALERTS_SECRETS": _SECRET, "ALERTS_CA_FILE": "/nowhere"},
            ["ALERTS_CA_FILE: the authorities cannot be read (FileNotFoundError)"],
        ),
    ],
    ids=["secrets of nobody", "authorities of nobody", "no url", "no secret of a webhook", "no authorities"],
)
def test_what_is_wrong_is_told(variables: dict[str, str], told: list[str] | None) -> None:
    with pytest.raises(SettingsError) as caught:
        read(DATA="./x", **variables)
    problems = [problem.removeprefix(PREFIX) for problem in caught.value.problems]
    assert problems == told or (told is None and "ALERTS_CA_FILE: it needs APIKEYCHAIN_ALERTS_URL" in problems)
