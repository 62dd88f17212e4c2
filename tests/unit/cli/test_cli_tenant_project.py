"""`apikeychain tenant` and `project`."""

import pytest

from terminal import Terminal


def test_a_tenant_is_made_once_and_listed(terminal: Terminal) -> None:
    assert terminal.told("tenant", "create", "acme") == "tenant acme is made\n"
    assert terminal.refused("tenant", "create", "acme") == "there is a tenant 'acme' already"
    assert terminal.told("tenant", "ensure", "acme") == "tenant acme is there\n"
    assert terminal.read("tenant", "ensure", "bolt") == {"tenant": "bolt"}
    assert terminal.read("tenant", "list") == [{"tenant": "acme"}, {"tenant": "bolt"}]
    assert terminal.told("tenant", "list").split() == ["tenant", "acme", "bolt"]


def test_a_list_without_anything_says_what_to_do(terminal: Terminal) -> None:
    terminal.refused("tenant", "create", "no tenant id")
    assert "apikeychain tenant create ID" in terminal.told("tenant", "list")
    assert terminal.read("tenant", "list") == []
    assert "apikeychain project create TENANT/NAME" in terminal.told("project", "list")


def test_a_tenant_shows_its_projects_and_the_size_of_its_ledger(terminal: Terminal) -> None:
    project = terminal.project()
    assert terminal.read("tenant", "show", "acme") == {
        "tenant": "acme",
        "projects": [f"shop ({project})"],
        "ledger_entries": 2,
    }
    assert terminal.refused("tenant", "show", "nobody") == "there is no tenant 'nobody'"


def test_a_project_is_made_switched_off_and_without_anything(terminal: Terminal) -> None:
    terminal.told("tenant", "create", "acme")
    made = terminal.read("project", "create", "acme/shop")
    assert made["name"] == "shop"
    assert made["tenant"] == "acme"
    assert terminal.refused("project", "create", "acme/shop") == "the tenant 'acme' has a project 'shop' already"
    assert terminal.told("project", "ensure", "acme/shop") == f"project acme/shop is there: {made['id']}\n"
    shown = terminal.read("project", "show", made["id"])
    assert shown["enabled"] is False
    assert not any(shown[kind] for kind in ("origins", "providers", "secrets", "routes", "suspensions"))


def test_projects_are_listed_of_all_tenants_or_of_one(terminal: Terminal) -> None:
    ids = [terminal.project("acme/shop"), terminal.project("bolt/shop")]
    assert [row["id"] for row in terminal.read("project", "list")] == ids
    assert [row["id"] for row in terminal.read("project", "list", "bolt")] == ids[1:]
    table = terminal.told("project", "list")
    assert all(id_ in table for id_ in ids)
    assert all(len(line) <= 80 for line in table.splitlines())


def test_a_project_is_named_by_its_id_alone_or_by_tenant_and_name(terminal: Terminal) -> None:
    project = terminal.project()
    assert terminal.told("project", "enable", project) == "project shop is enabled\n"
    assert terminal.read("project", "show", "acme/shop")["enabled"] is True
    assert terminal.told("project", "disable", "acme/shop") == "project shop is disabled\n"
    assert terminal.read("project", "show", f"acme/{project}")["enabled"] is False


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("shop", "not a project: 'shop'. Write its id p_..., or TENANT/NAME"),
        ("p_aaaaaaaaaaaaaaaaaaaa", "there is no project 'p_aaaaaaaaaaaaaaaaaaaa'"),
        ("acme/other", "the tenant 'acme' has no project 'other'"),
        ("nobody/shop", "there is no tenant 'nobody'"),
    ],
)
def test_a_project_that_is_not_there_is_told_on_one_line(terminal: Terminal, named: str, problem: str) -> None:
    terminal.project()
    assert terminal.refused("project", "show", named) == problem


def test_a_new_project_needs_its_tenant_in_its_name(terminal: Terminal) -> None:
    terminal.project()
    assert terminal.refused("project", "create", "other") == "which tenant? Write TENANT/NAME, not 'other'"


def test_a_removed_project_is_gone_and_its_entries_stay(terminal: Terminal) -> None:
    project = terminal.project()
    assert terminal.told("project", "remove", project) == "project shop is removed\n"
    assert terminal.refused("project", "show", project) == f"there is no project {project!r}"
    assert terminal.kinds() == ["tenant.created", "project.created", "project.removed"]


def test_a_verb_that_asks_for_what_is_so_already_writes_no_entry(terminal: Terminal) -> None:
    project = terminal.project()
    for _ in range(2):
        terminal.told("project", "enable", project)
        terminal.told("origin", "allow", project, "https://app.example.com")
    assert terminal.kinds() == ["tenant.created", "project.created", "project.enabled", "origin.allowed"]


def test_a_project_is_suspended_until_it_is_lifted(terminal: Terminal) -> None:
    project = terminal.project()
    told = terminal.told("project", "suspend", project, "--reason", "a leak", "--cut")
    assert told == "project shop is suspended until it is lifted\n"
    (shown,) = terminal.read("project", "show", project)["suspensions"]
    assert shown == {"scope": "project", "value": "", "until": None, "reason": "a leak"}
    assert "scope=project, value=-, until=-, reason=a leak" in terminal.told("project", "show", project)
    assert terminal.told("project", "lift", project) == "project shop is not suspended any more\n"
    assert "is not suspended" in terminal.refused("project", "lift", project)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--caller", "192.0.2.7"),
        ("--caller", "0f" * 16),
        ("--origin", "https://app.example.com"),
        ("--route", "weather"),
    ],
)
def test_one_caller_origin_or_route_is_suspended_for_a_while(terminal: Terminal, option: str, value: str) -> None:
    project = terminal.project()
    told = terminal.told("project", "suspend", project, "--reason", "too many", option, value, "--for", "2h")
    assert told.startswith(f"{option[2:]} {value} is suspended until 20")
    assert terminal.read("project", "lift", project, option, value)["value"] == value


def test_a_suspension_has_one_subject(terminal: Terminal) -> None:
    project = terminal.project()
    problem = terminal.refused(
        "project", "suspend", project, "--reason", "x", "--route", "weather", "--caller", "192.0.2.7"
    )
    assert problem == "say one of --caller, --origin and --route, or none for the whole project"
