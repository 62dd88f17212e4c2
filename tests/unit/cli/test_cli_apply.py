"""`apikeychain apply`: what is stored becomes what a file declares, or nothing changes and everything wrong is told."""

import json
from pathlib import Path

import pytest

import canary
from command import ROOT
from terminal import Terminal

KEY = canary.secret()
GOOD = """
[[tenant]]
id = "acme"

[[tenant.project]]
name = "shop"
enabled = true
quota = "300/minute"
address_quota = "60/minute"
referer_fallback = true
origins = ["https://app.example.com"]

[[tenant.project.providers]]
known = "openweather"

[[tenant.project.providers]]
name = "weather"
base_url = "https://api.weather.example/v1"
credential = { kind = "header", header = "X-Key" }
headers = { "API-Version" = "2" }

[[tenant.project.routes]]
known = "openweather:weather"
quota = "30/minute"

[[tenant.project.routes]]
name = "search"
provider = "weather"
path = "/search"
methods = ["POST"]
body = { kind = "form", fields = [{ name = "text" }] }
timeouts = { first_byte = 10 }

[tenant.project.secrets]
openweather = { env = "THE_KEY" }
spare = { file = "key.txt", provider = "weather" }

[[tenant]]
id = "bolt"
"""
_PROJECT = '[[tenant]]\nid = "acme"\n[[tenant.project]]\nname = "shop"\n'


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("THE_KEY", KEY)
    folder = tmp_path / "declared"
    folder.mkdir()
    (folder / "key.txt").write_text(f"{KEY}\n")
    (folder / "good.toml").write_text(GOOD)
    return folder / "good.toml"


def _kinds(told: dict[str, list[dict[str, str]]]) -> list[str]:
    return [change["kind"] for change in told["changes"]]


def _problems(terminal: Terminal, file: Path, text: str) -> list[str]:
    """What is wrong with a file, each without the file's name."""
    file.write_text(text)
    code, out, err = terminal.run("apply", file)
    assert (code, out) == (1, "")
    return [line.removeprefix(f"apikeychain: {file}: ") for line in err.splitlines()]


def test_a_file_makes_everything_and_a_second_time_nothing(terminal: Terminal, file: Path) -> None:
    told = terminal.read("apply", file)
    assert told["dry_run"] is False
    assert _kinds(told) == [
        "tenant.created",
        "project.created",
        "provider.registered",
        "provider.registered",
        "origin.allowed",
        "key.created",
        "secret.put",
        "secret.put",
        "route.added",
        "route.added",
        "project.changed",
        "project.enabled",
        "tenant.created",
    ]
    assert terminal.kinds() == _kinds(told)[:-1]
    assert terminal.told("apply", file) == "nothing differs\n"
    assert KEY not in json.dumps(told)


def test_what_was_declared_is_what_is_stored(terminal: Terminal, file: Path) -> None:
    terminal.told("apply", file)
    shown = terminal.read("project", "show", "acme/shop")
    assert (shown["quota"], shown["address_quota"], shown["referer_fallback"]) == ("300/minute", "60/minute", True)
    assert terminal.read("provider", "show", "acme/shop", "weather")["headers"] == {"API-Version": "2"}
    assert terminal.read("route", "show", "acme/shop", "weather")["quota"] == "30/minute"
    search = terminal.read("route", "show", "acme/shop", "search")
    assert (search["body"]["kind"], search["timeouts"]["first_byte"]) == ("form", 10)
    assert [secret["provider"] for secret in terminal.read("secret", "list", "acme/shop")] == ["openweather", "weather"]


def test_a_dry_run_tells_the_same_and_makes_not_even_the_directory(terminal: Terminal, file: Path) -> None:
    dry = terminal.read("apply", file, "--dry-run")
    assert dry["dry_run"] is True
    assert not terminal.data.exists()
    assert terminal.read("apply", file)["changes"] == dry["changes"]


def test_a_dry_run_on_what_is_stored_writes_nothing(terminal: Terminal, file: Path) -> None:
    terminal.told("apply", file)
    before = terminal.kinds()
    file.write_text(_PROJECT + 'enabled = false\n[[tenant.project]]\nname = "other"\n[[tenant]]\nid = "new"')
    told = terminal.told("apply", file, "--dry-run")
    assert "acme/shop" in told
    assert told.endswith("3 changes would be made; nothing was written\n")
    assert terminal.kinds() == before
    assert [row["tenant"] for row in terminal.read("tenant", "list")] == ["acme", "bolt"]
    assert terminal.told("apply", file).endswith("3 changes made\n")
    assert terminal.read("project", "show", "acme/other")["enabled"] is False


def test_what_a_file_does_not_name_stays_unless_it_is_pruned(terminal: Terminal, file: Path) -> None:
    terminal.told("apply", file)
    file.write_text(_PROJECT + 'routes = []\norigins = ["https://app.example.com"]')
    assert terminal.told("apply", file) == "nothing differs\n"
    pruned = terminal.read("apply", file, "--prune")
    assert _kinds(pruned) == ["route.removed", "route.removed"]
    assert len(terminal.read("provider", "list", "acme/shop")) == 2
    file.write_text(_PROJECT + "providers = []")
    assert "is used by secret" in terminal.refused("apply", file, "--prune")


def test_a_table_of_changes_fits_a_narrow_terminal(terminal: Terminal, file: Path) -> None:
    told = terminal.told("apply", file)
    assert all(len(line) <= 80 for line in told.splitlines())
    assert told.endswith("13 changes made\n")
    file.write_text(_PROJECT + "enabled = false")
    assert terminal.told("apply", file).endswith("1 change made\n")


def test_every_problem_is_told_with_its_place_and_nothing_is_changed(terminal: Terminal, file: Path) -> None:
    problems = _problems(
        terminal,
        file,
        """
        oops = 1
        [[tenant]]
        id = "ac me"
        [[tenant]]
        id = "acme"
        colour = 1
        [[tenant.project]]
        name = "Shop"
        enabled = "yes"
        quota = "600/fortnight"
        origins = ["https://*.example.com", "http://localhost:5173", 5]
        providers = [
            { known = "openwether" },
            { name = "weather", base_url = "http://weather.example", credential = { kind = "cookie" } },
            { name = "good", base_url = "https://weather.example", credential = { kind = "query", parameter = "key" } },
            { name = "bad", base_url = "http://weather.example", credential = { kind = "query", parameter = "key" } },
        ]
        routes = [
            { known = "openweather:wether" },
            { name = "a", provider = "good", parametres = [], methods = ["GET", 1], timeouts = 5, body = 5 },
            { name = "b", provider = "good", parameters = [{ kind = "query", name = "q", pattern = "[" }] },
            { name = "c", provider = "good", parameters = [{ kind = "query", name = "q", type = "text" }] },
            { name = "d", provider = "good", body = { kind = "json", fields = 5 }, timeouts = { total = "no" } },
        ]
        [[tenant]]
        id = "bolt"
        [[tenant.project]]
        name = "x"
        routes = [{ name = "search", provider = "gone" }]
        [[tenant]]
        id = "_platform"
        """,
    )
    shop = "tenant acme, project Shop"
    places = [
        "there is no 'oops' here, only tenant",
        "tenant ac me: not a tenant id: 'ac me'",
        "tenant acme: there is no 'colour' here, only id, project",
        f"{shop}: 'origins' should be a valid string",
        f"{shop}: 'enabled' should be a valid boolean",
        f"{shop}: not a project name: 'Shop'",
        f"{shop}: not a quota: '600/fortnight'",
        f"{shop}: not an origin: 'https://*.example.com'",
        f"{shop}: http is for localhost, 127.0.0.1 and [::1] in development only: 'http://localhost:5173'",
        f"{shop}, provider #1: the catalogue has no provider 'openwether'",
        f"{shop}, provider weather, credential: write a table with kind = one of 'header', 'query', 'basic'",
        f"{shop}, provider bad: not a provider's base URL",
        f"{shop}, route #1: the catalogue has no route 'openweather:wether'",
        f"{shop}, route a, body: write a table with kind = one of 'json', 'form', 'raw'",
        f"{shop}, route a, timeouts: write a table",
        f"{shop}, route a: there is no 'parametres' here, only name, provider, ",
        f"{shop}, route a: 'methods' should be a valid string",
        f"{shop}, route b: the pattern of the route 'b'",
        f"{shop}, route c, parameter q: 'type' should be 'string', 'integer', 'number' or 'boolean'",
        f"{shop}, route d, body: fields are tables in a list",
        f"{shop}, route d, timeouts: 'total' should be a valid number",
        "tenant _platform: not a tenant id: '_platform'",
        "tenant bolt, project x: the project 'x' has no provider 'gone'",
    ]
    assert len(problems) == len(places)
    assert all(problem.startswith(place) for problem, place in zip(problems, places, strict=True))
    assert not terminal.data.exists()


def test_a_value_of_a_secret_in_the_file_is_refused_and_not_repeated(terminal: Terminal, file: Path) -> None:
    problems = _problems(
        terminal,
        file,
        f"""{_PROJECT}
        [tenant.project.secrets]
        a = "{KEY}"
        b = {{ value = "{KEY}" }}
        c = {{ env = "{KEY}" }}
        d = {{ env = "A", file = "B" }}
        e = {{ env = "NO_SUCH_KEY" }}
        f = {{ file = "none.txt" }}
        g = {{ file = "key.txt", provider = 5 }}
        "H h" = {{ file = "key.txt" }}
        """,
    )
    never = 'a secret never stands in this file: write { env = "NAME" } or { file = "PATH" }'
    assert KEY not in "".join(problems)
    assert problems[:4] == [f"tenant acme, project shop, secret {name}: {never}" for name in "abcd"]
    assert "secret e: the environment variable NO_SUCH_KEY is not set" in problems[4]
    assert "secret f: the file" in problems[5]
    assert "secret g: 'provider' should be a valid string" in problems[6]
    assert "secret H h: not a secret name: 'H h'" in problems[7]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tenant = 5", "tenants are tables in a list"),
        ('[[tenant]]\nid = "acme"\nproject = 5', "tenant acme: projects are tables in a list"),
        (_PROJECT + "origins = 5", "tenant acme, project shop: 'origins' should be a valid tuple"),
        (_PROJECT + "secrets = 5", "tenant acme, project shop: write [tenant.project.secrets]"),
        (_PROJECT + "name_ = 5", "tenant acme, project shop: there is no 'name_' here, only name, origins, enabled,"),
        (_PROJECT + '[[tenant.project]]\nname = "shop"', "tenant acme: project shop stands here 2 times"),
        ("[[tenant]]", "tenant #1: 'id' is missing"),
        ('[[tenant]]\nid = "a"\n[[tenant]]\nid = "a"', "tenant a stands here 2 times"),
        ('[[tenant]]\nid = "a"\n[[tenant.project]]\nname = 5', "tenant a, project 5: 'name' should be a valid string"),
    ],
)
def test_a_file_of_another_shape_is_refused(terminal: Terminal, file: Path, text: str, problem: str) -> None:
    (told,) = _problems(terminal, file, text)
    assert told.startswith(problem)


def test_twins_of_providers_and_routes_are_refused(terminal: Terminal, file: Path) -> None:
    known = '{ known = "openweather" }'
    route = '{ known = "openweather:weather" }'
    problems = _problems(terminal, file, f"{_PROJECT}providers = [{known}, {known}]\nroutes = [{route}, {route}]")
    place = "tenant acme, project shop"
    assert problems == [
        f"{place}: provider openweather stands here 2 times",
        f"{place}: route weather stands here 2 times",
    ]


def test_a_tenant_that_cannot_be_made_is_told_at_its_place(terminal: Terminal, file: Path) -> None:
    (problem,) = _problems(terminal, file, '[[tenant]]\nid = "platform"')
    assert problem == "tenant platform: the tenant id 'platform' is reserved"


def test_a_file_that_is_not_there_or_no_toml_is_told_on_one_line(terminal: Terminal, file: Path) -> None:
    file.write_text("x = ?")
    assert "is no TOML: Invalid value (at line 1, column 5)" in terminal.refused("apply", file)
    assert "cannot be read: No such file" in terminal.refused("apply", file.with_name("none.toml"))


def test_an_http_origin_of_a_file_needs_the_word_development(terminal: Terminal, file: Path) -> None:
    text = _PROJECT + 'origins = ["http://localhost:5173"]'
    (problem,) = _problems(terminal, file, text)
    assert problem.endswith("Then say --development")
    assert _kinds(terminal.read("apply", file, "--development"))[-1] == "origin.allowed"
    file.write_text(_PROJECT + 'origins = ["http://example.com"]')
    assert terminal.refused("apply", file, "--development").endswith("'http://example.com'")


def test_the_file_of_the_documentation_can_be_applied(
    terminal: Terminal, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWEATHER_KEY", KEY)
    page = (ROOT / "docs" / "how-to" / "manage.md").read_text()
    file.write_text(page.split("```toml\n", 1)[1].split("```", 1)[0])
    file.with_name("search.key").write_text(KEY)
    assert terminal.told("apply", file).endswith("11 changes made\n")
    assert [row["name"] for row in terminal.read("route", "list", "acme/storefront")] == ["find", "weather"]


SHAPED = (
    _PROJECT
    + """
[[tenant.project.providers]]
name = "weather"
base_url = "https://api.weather.example/v1"
credential = { kind = "header", header = "X-Key" }
sanitizers = [{ name = "q", pattern = "[a-z]+", denied = [".."] }, { name = "n", maximum = 9.0 }]

[[tenant.project.routes]]
name = "search"
provider = "weather"
parameters = [{ kind = "query", name = "q" }]
request_transforms = [
  { kind = "rename", name = "city", to = "q" },
  { kind = "drop", name = "x-gone", place = "header" },
  { kind = "set", name = "accept", value = "text/plain", place = "header" },
  { kind = "default", name = "q", value = "paris" },
]
"""
)


def test_sanitizers_and_transforms_are_declared_and_told(terminal: Terminal, file: Path) -> None:
    file.write_text(SHAPED)
    terminal.told("apply", file)
    assert terminal.told("apply", file) == "nothing differs\n"
    assert terminal.read("provider", "show", "acme/shop", "weather")["sanitizers"] == [
        {"name": "q", "pattern": "[a-z]+", "denied": [".."]},
        {"name": "n", "maximum": 9.0},
    ]
    assert terminal.read("route", "show", "acme/shop", "search")["request_transforms"] == [
        {"kind": "rename", "name": "city", "to": "q", "place": "query"},
        {"kind": "drop", "name": "x-gone", "place": "header"},
        {"kind": "set", "name": "accept", "value": "text/plain", "place": "header"},
        {"kind": "default", "name": "q", "value": "paris", "place": "query"},
    ]


def test_what_is_wrong_with_a_sanitizer_or_a_transform_is_told_with_its_place(terminal: Terminal, file: Path) -> None:
    wrong = (
        SHAPED.replace("[a-z]+", "(?=a)")
        .replace("maximum = 9.0", "least = 9.0")
        .replace('kind = "drop"', 'kind = "lose"')
        .replace('value = "paris"', "value = 5")
    )
    problems = _problems(terminal, file, wrong)
    at = "tenant acme, project shop, "
    assert f"{at}provider weather, sanitizer n: there is no 'least' here, only" in "".join(problems)
    assert any(p.startswith(f"{at}route search, transform x-gone: write a table with kind = one of") for p in problems)
    assert any(p.startswith(f"{at}route search, transform q: 'value'") for p in problems)
    lone = _problems(terminal, file, SHAPED.replace("[a-z]+", "(?=a)"))
    assert any(p.startswith(f"{at}provider weather: the pattern of the sanitizer of 'q'") for p in lone)
    (twice,) = _problems(terminal, file, SHAPED.replace('name = "q" }]', 'name = "q", default = "rome" }]'))
    assert twice.endswith("its query parameter 'q' has a default already")


def test_answer_transforms_are_declared_and_told(terminal: Terminal, file: Path) -> None:
    declared = (
        'answer_transforms = [{ kind = "keep", fields = ["id", "items.mail"] }, { kind = "drop", fields = ["x"] },'
    )
    file.write_text(f'{SHAPED}{declared} {{ kind = "rename", name = "items.mail", to = "email" }}]\n')
    terminal.told("apply", file)
    assert terminal.told("apply", file) == "nothing differs\n"
    assert terminal.read("route", "show", "acme/shop", "search")["answer_transforms"] == [
        {"kind": "keep", "fields": ["id", "items.mail"]},
        {"kind": "drop", "fields": ["x"]},
        {"kind": "rename", "name": "items.mail", "to": "email"},
    ]


def test_what_is_wrong_with_an_answer_transform_is_told_with_its_place(terminal: Terminal, file: Path) -> None:
    given = ['{ kind = "lose" }', '{ kind = "keep", fields = ["a..b"] }', '{ kind = "keep", fields = [] }']
    problems = _problems(terminal, file, f"{SHAPED}answer_transforms = [{', '.join(given)}]\n")
    assert len(problems) == 3
    assert all("route search, transform" in problem for problem in problems)
    assert "write a table with kind = one of 'keep', 'drop', 'rename'" in problems[0]
    assert "not the path of a field: 'a..b'" in problems[1]
    (streaming,) = _problems(
        terminal, file, f'{SHAPED}stream = true\nanswer_transforms = [{{ kind = "drop", fields = ["a"] }}]\n'
    )
    assert "cannot transform answers that stream or come in parts" in streaming
