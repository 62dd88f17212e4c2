"""`apikeychain signing-key`: a key is shown once; a session key is made of it and stored nowhere."""

from terminal import Terminal


def test_a_key_is_shown_once_listed_and_retired(terminal: Terminal) -> None:
    project = terminal.project()
    assert "apikeychain signing-key add" in terminal.told("signing-key", "list", project)
    assert terminal.read("signing-key", "list", project) == []
    made = terminal.read("signing-key", "add", project)
    assert made["key"].startswith("aks_")
    told = terminal.told("signing-key", "add", project)
    assert told.startswith("key id: k_")
    assert "\nkey:    aks_" in told
    assert "it is not shown again" in told
    assert "has two signing keys: retire one" in terminal.refused("signing-key", "add", project)
    listed = terminal.read("signing-key", "list", project)
    assert [set(row) for row in listed] == [{"id", "created", "until"}] * 2
    assert listed[0]["id"] == made["id"]
    assert terminal.read("project", "show", project)["signing_keys"] == [row["id"] for row in listed]
    assert terminal.told("signing-key", "retire", project, made["id"]) == f"signing key {made['id']} is retired\n"
    assert len(terminal.read("signing-key", "list", project)) == 1
    assert "has no signing-key" in terminal.refused("signing-key", "retire", project, made["id"])
    assert made["key"] not in terminal.told("ledger", "list", "acme", "--json")


def test_a_key_takes_over_from_another_and_is_shown_once(terminal: Terminal) -> None:
    project = terminal.project()
    assert "has no signing key to replace: add one" in terminal.refused("signing-key", "rotate", project)
    old = terminal.read("signing-key", "add", project)
    told = terminal.told("signing-key", "rotate", project, "--grace", "30m")
    assert told.startswith("key id: k_")
    assert "\nkey:    aks_" in told
    assert told.endswith("\nKeep it now: it is not shown again. The old one ends in 0:30:00.\n")
    first, second = terminal.read("signing-key", "list", project)
    assert (first["id"], first["until"] is None, second["until"]) == (old["id"], False, None)
    assert "has two signing keys: retire one" in terminal.refused("signing-key", "rotate", project)
    assert "a second to 30 days" in terminal.refused("signing-key", "rotate", project, "--grace", "31d")
    terminal.told("signing-key", "retire", project, first["id"])
    made = terminal.read("signing-key", "rotate", project)
    assert made["key"].startswith("aks_")
    assert [row["id"] for row in terminal.read("signing-key", "list", project)] == [second["id"], made["id"]]
    assert made["key"] not in terminal.told("ledger", "list", "acme", "--json")


def test_a_session_key_names_its_user_and_its_end(terminal: Terminal) -> None:
    project = terminal.project()
    assert "has no signing key" in terminal.refused("signing-key", "session", project, "--user", "alice")
    parent = terminal.read("signing-key", "add", project)["id"]
    origin = ("--origin", "https://app.example.com")
    made = terminal.read("signing-key", "session", project, "--user", "alice", *origin, "--minutes", "5")
    assert made["id"].startswith(f"s1.{parent}.")
    assert len(made["key"]) == 43
    assert terminal.told("signing-key", "session", project, "--user", "alice").startswith("key id: s1.")
    assert "second to an hour" in terminal.refused("signing-key", "session", project, "--user", "a", "--minutes", "61")
