"""`apikeychain origin`, `provider` and `route`."""

import json
from pathlib import Path

import pytest

from terminal import Terminal

APP = "https://app.example.com"
_FULL = ("weather", "--base-url", "https://api.weather.example/v1")
_ROUTE = """
name = "search"
provider = "openweather"
path = "/search/{place}"
methods = ["POST"]
timeouts = { first_byte = 10 }
parameters = [
    { kind = "path", name = "place", pattern = "[a-z]{1,20}" },
    { kind = "query", name = "days", type = "integer", minimum = 1, maximum = 5.5 },
]
body = { kind = "json", fields = [{ name = "model", choices = ["a", "b"], required = true }] }
"""


def test_the_command_that_a_refusal_hints_at_allows_the_origin(terminal: Terminal) -> None:
    project = terminal.project()
    assert terminal.told("origin", "allow", project, APP) == f"{APP} may call shop\n"
    assert terminal.read("origin", "list", project)[0]["origin"] == APP
    assert APP in terminal.told("origin", "list", project)


def test_an_origin_is_taken_off_the_list(terminal: Terminal) -> None:
    project = terminal.project()
    terminal.told("origin", "allow", project, APP)
    assert terminal.told("origin", "remove", project, APP) == f"{APP} may not call shop any more\n"
    told = terminal.told("origin", "list", project)
    assert f"apikeychain origin allow {project} ORIGIN" in told
    assert f"has no origin '{APP}'" in terminal.refused("origin", "remove", project, APP)


def test_an_http_origin_needs_the_word_development(terminal: Terminal) -> None:
    project, local = terminal.project(), "http://localhost:5173"
    assert terminal.refused("origin", "allow", project, local).endswith("Then say --development")
    assert terminal.told("origin", "allow", project, local, "--development") == f"{local} may call shop\n"
    assert terminal.refused("origin", "allow", project, "http://10.0.0.1", "--development").endswith(
        "'http://10.0.0.1'"
    )
    assert "not an origin: 'https://*.example.com'" in terminal.refused(
        "origin", "allow", project, "https://*.example.com"
    )


def test_a_known_provider_is_registered_by_its_name(terminal: Terminal) -> None:
    project = terminal.project()
    told = terminal.told("provider", "register", project, "--known", "openweather")
    assert told == "provider openweather is registered: https://api.openweathermap.org\n"
    terminal.told("provider", "register", project, "weather-eu", "--known", "openweather")
    assert [row["name"] for row in terminal.read("provider", "list", project)] == ["openweather", "weather-eu"]


@pytest.mark.parametrize(
    ("options", "credential"),
    [
        (("--header", "X-Key"), "X-Key: <secret>"),
        (("--header", "Authorization", "--prefix", "Bearer "), "Authorization: Bearer <secret>"),
        (("--query", "key"), "?key=<secret>"),
        (("--basic",), "Basic <secret>"),
        (("--basic", "--username", "me"), "Basic me:<secret>"),
        (("--oauth2",), "Bearer <secret>"),
    ],
)
def test_a_provider_is_registered_in_full(terminal: Terminal, options: tuple[str, ...], credential: str) -> None:
    project = terminal.project()
    terminal.told("provider", "register", project, *_FULL, *options, "--user-agent", "shop/1")
    shown = terminal.read("provider", "show", project, "weather")
    assert shown["credential"] == credential
    assert shown["user_agent"] == "shop/1"
    assert credential in terminal.told("provider", "show", project, "weather")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ((), "say --known NAME, --file PATH, or a NAME with --base-url"),
        (("weather",), "say --known NAME, --file PATH, or a NAME with --base-url"),
        (("--known", "openweather", "--query", "key"), "--known and --file each bring the whole provider"),
        (("--known", "openwether"), "the catalogue has no provider 'openwether'; it has airtable, "),
        (_FULL, "where does the secret go?"),
        ((*_FULL, "--basic", "--query", "key"), "where does the secret go?"),
        ((*_FULL, "--basic", "--oauth2"), "where does the secret go?"),
        (("--known", "openweather", "--file", "x.toml"), "--known and --file each bring the whole provider"),
        (("--file", "x.toml", "--oauth2"), "--known and --file each bring the whole provider"),
        ((*_FULL, "--query", "key", "--prefix", "Bearer "), "--prefix belongs to --header"),
        ((*_FULL, "--query", "key", "--username", "me"), "--prefix belongs to --header, and --username to --basic"),
        (("weather", "--base-url", "http://api.weather.example", "--query", "key"), "not a provider's base URL"),
    ],
)
def test_a_provider_that_cannot_be_is_refused(terminal: Terminal, options: tuple[str, ...], problem: str) -> None:
    assert terminal.refused("provider", "register", terminal.project(), *options).startswith(problem)


@pytest.mark.parametrize(
    ("credential", "shown"),
    [
        ('{ kind = "aws", region = "eu-central-1", service = "s3" }', "signed for AWS s3 in eu-central-1"),
        (
            '{ kind = "hmac", header = "X-Sign", prefix = "v1=", signed = "{method}\\n{body}" }',
            "X-Sign: v1=<HMAC with the secret>",
        ),
        ('{ kind = "oauth2" }', "Bearer <secret>"),
    ],
    ids=["aws", "hmac", "oauth2"],
)
def test_a_provider_whose_calls_are_signed_comes_from_a_file(
    terminal: Terminal, tmp_path: Path, credential: str, shown: str
) -> None:
    file, project = tmp_path / "provider.toml", terminal.project()
    file.write_text(f'name = "store"\nbase_url = "https://store.example"\ncredential = {credential}\n')
    terminal.told("provider", "register", project, "--file", str(file))
    terminal.told("provider", "register", project, "second", "--file", str(file))
    rows = terminal.read("provider", "list", project)
    assert [(row["name"], row["credential"]) for row in rows] == [("second", shown), ("store", shown)]


def test_a_file_that_declares_no_provider_is_told_all_that_is_wrong(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "provider.toml"
    file.write_text('base_url = "https://store.example"\ncredential = { kind = "aws", region = "eu" }\nx = 1\n')
    problem = terminal.refused("provider", "register", terminal.project(), "--file", str(file))
    for part in (f"{file}, credential: 'service' is missing", "there is no 'x' here", "'name' is missing"):
        assert part in problem


def test_a_provider_in_use_stays_until_its_users_are_gone(terminal: Terminal) -> None:
    project = terminal.project()
    terminal.told("provider", "register", project, "--known", "openweather")
    terminal.told("route", "add", project, "--known", "openweather:weather")
    assert "is used by route weather" in terminal.refused("provider", "remove", project, "openweather")
    terminal.told("route", "remove", project, "weather")
    assert terminal.told("provider", "remove", project, "openweather") == "provider openweather is removed\n"
    assert "--known NAME" in terminal.told("provider", "list", project)
    assert "has no provider 'openweather'" in terminal.refused("provider", "show", project, "openweather")


def test_the_catalogue_is_listed(terminal: Terminal) -> None:
    known = {row["name"]: row["routes"] for row in terminal.read("provider", "known")}
    assert known["openweather"] == ["weather", "forecast", "places"]
    table = terminal.told("provider", "known")
    assert "https://api.openweathermap.org" in table
    assert all(len(line) <= 80 for line in table.splitlines())


def test_a_known_route_is_added_served_and_switched(terminal: Terminal) -> None:
    project = terminal.project()
    assert "has no provider 'openweather'" in terminal.refused(
        "route", "add", project, "--known", "openweather:weather"
    )
    terminal.told("provider", "register", project, "--known", "openweather")
    url = f"/api/apikeychain/{project}/proxy/weather"
    assert (
        terminal.told("route", "add", project, "--known", "openweather:weather") == f"route weather is added: {url}\n"
    )
    assert "has a route 'weather' already" in terminal.refused(
        "route", "add", project, "--known", "openweather:weather"
    )
    terminal.told("route", "disable", project, "weather")
    assert terminal.read("project", "show", project)["routes"] == [f"{url} (disabled)"]
    terminal.told("route", "enable", project, "weather")
    (route,) = terminal.read("route", "list", project)
    assert (route["enabled"], route["url"], route["methods"]) == (True, url, ["GET"])
    assert "/data/2.5/weather" in terminal.told("route", "list", project)


def test_a_route_comes_from_a_file_and_is_shown_as_it_was_declared(terminal: Terminal, tmp_path: Path) -> None:
    project = terminal.project()
    terminal.told("provider", "register", project, "--known", "openweather")
    file = tmp_path / "route.toml"
    file.write_text(_ROUTE)
    terminal.told("route", "add", project, "--file", file)
    shown = terminal.read("route", "show", project, "search")
    assert shown["body"]["kind"] == "json"
    assert shown["body"]["undeclared"] == "refuse"
    assert [parameter["kind"] for parameter in shown["parameters"]] == ["path", "query"]
    text = terminal.told("route", "show", project, "search")
    assert "kind=query, name=days, type=integer, minimum=1, maximum=5.5" in text
    assert "kind=json, fields=[(name=model, choices=[a, b], required=yes)]" in text
    assert "first_byte=10" in text
    assert "cache" not in text


def test_what_is_wrong_with_a_file_is_told_at_once(terminal: Terminal, tmp_path: Path) -> None:
    project = terminal.project()
    file = tmp_path / "route.toml"
    file.write_text('name = "search"\ncolour = 1\nparameters = 5')
    problem = terminal.refused("route", "add", project, "--file", file)
    assert "parameters are tables in a list" in problem
    assert "there is no 'colour' here" in problem
    assert "'provider' is missing" in problem
    file.write_text('name = "search"\nprovider = "weather"\nparameters = [1]')
    assert "parameters are tables in a list" in terminal.refused("route", "add", project, "--file", file)


def test_a_route_needs_one_source(terminal: Terminal) -> None:
    project = terminal.project()
    assert terminal.refused("route", "add", project) == "say --known PROVIDER:ROUTE or --file PATH"
    assert "of openweather it has openweather:weather" in terminal.refused(
        "route", "add", project, "--known", "openweather"
    )
    assert "--known PROVIDER:ROUTE" in terminal.told("route", "list", project)
    assert terminal.refused("route", "show", project, "weather") == "the project 'shop' has no route 'weather'"


def test_every_answer_of_a_change_can_be_a_document(terminal: Terminal) -> None:
    project = terminal.project()
    code, out, err = terminal.run("origin", "allow", project, APP, "--json")
    assert (code, json.loads(out), err) == (0, {"project": project, "origin": APP}, "")
