"""`apikeychain rotation`: secrets are put on rotation, turned, paused, and taken off."""

from pathlib import Path

import pytest

import canary
from apikeychain.cli.declared_rotation import read_rotation
from apikeychain.model.key_steps import Search, Step
from apikeychain.model.rotators import HTTPRotation
from command import ROOT
from terminal import Terminal

_HTTP = """
kind = "http"
provider = "weather"
credential = "weather"
key = "data.key"
id = "data.id"

[create]
method = "POST"
path = "/v1/keys"
headers = { "x-version" = "1" }
body = '{"name":"{label}"}'

[verify]
method = "GET"
path = "/v1/models"

[revoke]
method = "DELETE"
path = "/v1/keys/{id}"
query = { force = "1" }

[search]
keys = "data"
label = "name"
id = "id"
step = { method = "GET", path = "/v1/keys" }
"""


@pytest.fixture
def project(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> str:
    made = terminal.project()
    base = ("--base-url", "https://api.weather.example", "--header", "x-api-key")
    terminal.told("provider", "register", made, "weather", *base)
    monkeypatch.setenv("WEATHER_KEY", canary.secret("of the command"))
    terminal.told("secret", "put", made, "weather", "--env", "WEATHER_KEY")
    return made


def test_a_secret_is_put_on_rotation_and_taken_off(terminal: Terminal, project: str) -> None:
    assert "apikeychain rotation add" in terminal.told("rotation", "status", project)
    added = terminal.told("rotation", "add", project, "weather", "--manual", "--hours", "24")
    assert added.startswith("secret weather is rotated, next at ")
    [row] = terminal.read("rotation", "status", project)
    assert (row["secret"], row["kind"], row["hours"], row["is_due"]) == ("weather", "manual", 24, False)
    assert [key["state"] for key in row["keys"]] == ["current"]
    assert terminal.read("rotation", "status", project, "weather") == row
    assert "1 current" in terminal.told("rotation", "status", project)
    [told] = terminal.read("project", "show", project)["rotations"]
    assert (told["secret"], told["is_due"]) == ("weather", False)
    assert terminal.told("rotation", "pause", project, "weather") == "the rotation of weather is paused\n"
    assert "is paused: resume it first" in terminal.refused("rotation", "run", project, "weather")
    assert terminal.told("rotation", "resume", project, "weather") == "the rotation of weather goes on\n"
    assert terminal.told("rotation", "run", project, "weather") == "secret weather is due now\n"
    assert terminal.read("project", "show", project)["rotations"][0]["is_due"]
    assert "rotation of the secret 'weather'" in terminal.refused("secret", "remove", project, "weather")
    assert terminal.told("rotation", "remove", project, "weather") == "secret weather is not rotated any more\n"
    assert "does not rotate 'weather'" in terminal.refused("rotation", "run", project, "weather")


def test_a_key_api_is_described_in_a_file(terminal: Terminal, project: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(_HTTP)
    made = terminal.read("rotation", "add", project, "weather", "--file", file, "--key-id", "key-1")
    assert (made["kind"], made["keys"][0]["id"]) == ("http", "key-1")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param('kind = "ftp"', "write kind = one of 'http', 'aws-iam', 'oauth2'", id="kind"),
        pytest.param('kind = "oauth2"\nprovider = "a"', "'credential' is missing; 'path' is missing", id="missing"),
        pytest.param(_HTTP.replace('"/v1/keys/{id}"', '"keys"'), "revoke: not the path of a step: 'keys'", id="path"),
        pytest.param(_HTTP.replace(', path = "/v1/keys" }', " }"), "search, step: 'path' is missing", id="search"),
        pytest.param("kind =", "is no TOML", id="no TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_told(
    terminal: Terminal, project: str, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    assert told in terminal.refused("rotation", "add", project, "weather", "--file", file)


def test_one_way_is_said(terminal: Terminal, project: str) -> None:
    for ways in ((), ("--manual", "--host", "own")):
        told = terminal.refused("rotation", "add", project, "weather", *ways)
        assert told == "what makes new keys? Say one of --file, --host and --manual"


def test_a_command_that_waits_does_the_turn_and_tells_how_it_went(terminal: Terminal, project: str) -> None:
    """A host's rotator is not the command's: the turn is left to a server."""
    terminal.told("rotation", "add", project, "weather", "--host", "own")
    code, out, err = terminal.run("rotation", "run", project, "weather", "--compromised", "--wait", "--seconds", 4)
    assert (code, err) == (1, "")
    assert "keys: 1 current\n" in out
    assert "keys: 1 current, 2 pending\n" in out
    assert "is not replaced: see rotation status" in out
    # Of one that is manual the turn is over once somebody was told.
    terminal.told("rotation", "remove", project, "weather")
    terminal.told("rotation", "add", project, "weather", "--manual")
    code, out, _ = terminal.run("rotation", "run", project, "weather", "--wait", "--json")
    assert code == 1
    assert "keys: 1" not in out
    assert "rotation.ordered" in terminal.kinds()


def test_the_file_that_the_documents_show_is_one(tmp_path: Path) -> None:
    page = (ROOT / "docs/how-to/describe-a-key-api.md").read_text("utf-8")
    (tmp_path / "keys.toml").write_text(page.partition("```toml\n")[2].partition("```")[0], "utf-8")
    found = read_rotation(tmp_path / "keys.toml")
    assert isinstance(found, HTTPRotation)
    assert found.create == Step(method="POST", path="/keys", body='{"name": "{label}"}')
    assert found.search == Search(step=Step(method="GET", path="/keys"), keys="data", label="name", id="id")
