"""`apikeychain tenant erase`: told before, asked for, done, and followed to the end of the old copies."""

import io
import sqlite3
import sys
from contextlib import closing

import pytest

from apikeychain import APIKeyChain
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.cli.tenant_erase import _retired
from apikeychain.embedded import DATABASE
from terminal import Terminal


class Typed(io.StringIO):
    """What somebody types at a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def shop(terminal: Terminal) -> Terminal:
    """Two tenants, of which one has two projects."""
    terminal.told("origin", "allow", terminal.project(), "https://app.example.com")
    terminal.project("acme/more")
    terminal.told("tenant", "create", "other")
    return terminal


def test_what_would_go_is_told_and_nothing_changed(shop: Terminal) -> None:
    told = shop.told("tenant", "erase", "acme", "--dry-run")
    assert told == "2 projects, 1 origin of acme would go; nothing was changed\n"
    document = shop.read("tenant", "erase", "acme", "--dry-run")
    assert document["removed"] == {"project": 2, "project-name": 2, "origin": 1}
    assert (sorted(document["projects"]), document["dry_run"]) == (["more", "shop"], True)
    assert "erased" not in shop.read("tenant", "show", "acme")


def test_it_is_asked_for_by_the_id(shop: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.refused("tenant", "erase", "acme").startswith(
        "there is no terminal to ask whether you mean it: say --yes"
    )
    for typed in ("other\n", "y\n", ""):
        monkeypatch.setattr(sys, "stdin", Typed(typed))
        code, out, err = shop.run("tenant", "erase", "acme")
        assert (code, out) == (1, "")
        assert err == (
            "2 projects, 1 origin of acme will be gone for good.\nType the id of the tenant: "
            "apikeychain: that is not its id: nothing was changed\n"
        )
    assert len(shop.read("project", "list", "acme")) == 2
    monkeypatch.setattr(sys, "stdin", Typed("acme\n"))
    code, out, _ = shop.run("tenant", "erase", "acme")
    assert code == 0
    assert out.startswith(
        "tenant acme is erased: 2 projects, 1 origin went, its keys are destroyed, its ledger stays\n"
        "old copies of the database open until the version of the platform key that wrapped its keys is retired: "
        "apikeychain platform-key rotate, then apikeychain platform-key rewrap, then "
    )


def test_what_is_left_of_it(shop: Terminal) -> None:
    shop.told("tenant", "erase", "acme", "--yes", "--actor", "ops")
    assert shop.kinds()[-1] == "tenant.erased"
    shown = shop.read("tenant", "show", "acme")
    assert (shown["projects"], shown["ledger_entries"]) == ([], 5)
    assert shown["erased"].startswith("2")
    assert [row["tenant"] for row in shop.read("tenant", "list")] == ["acme", "other"]
    assert shop.read("project", "list") == []
    told = "the tenant 'acme' was erased: only its ledger is left, and its id is not given out again"
    for command in (
        ("tenant", "create", "acme"),
        ("tenant", "ensure", "acme"),
        ("project", "list", "acme"),
        ("project", "create", "acme/shop"),
        ("project", "show", "acme/shop"),
    ):
        assert shop.refused(*command) == told
    assert shop.read("ledger", "verify", "acme")["holds"]
    assert shop.told("tenant", "erase", "acme", "--yes").startswith("tenant acme is erased: nothing more went")


@pytest.mark.parametrize("rehearsed", [True, False])
def test_a_file_makes_nothing_of_it(shop: Terminal, rehearsed: bool) -> None:
    shop.told("tenant", "erase", "acme", "--yes")
    file = shop.data.parent / "declared.toml"
    file.write_text('[[tenant]]\nid = "acme"\n[[tenant.project]]\nname = "shop"\n')
    _, out, err = shop.run("apply", file, *(["--dry-run"] if rehearsed else []))
    assert "was erased" in out + err
    assert shop.read("project", "list") == []


def test_the_platform_key_turns_with_it(shop: Terminal) -> None:
    told = shop.told("tenant", "erase", "acme", "--yes", "--retire").splitlines()
    assert told[1].startswith("old copies of the database open no more from 2")
    assert told[1].endswith(" on: the older versions of the platform key are retired")
    document = shop.read("tenant", "erase", "other", "--yes", "--retire")
    assert document["gone"] > document["erased"].replace("+00:00", "Z")
    assert (document["key_service"], document["tenant"]) == ("default", "other")
    assert shop.read("tenant", "erase", "other", "--yes")["gone"] is None


def test_no_version_is_retired_while_a_key_was_not_wrapped_anew(shop: Terminal) -> None:
    with closing(sqlite3.connect(shop.data / DATABASE)) as database, database:
        body = database.execute("SELECT body FROM tenants WHERE tenant = 'acme'").fetchone()[0]
        database.execute("UPDATE tenants SET body = ? WHERE tenant = 'other'", [body.replace("acme", "other")])
        database.execute("UPDATE tenants SET body = body WHERE tenant = 'acme'")
    shop.told("tenant", "create", "third")
    code, out, err = shop.run("tenant", "erase", "acme", "--yes", "--retire")
    assert (code, out.count("\n")) == (1, 1)
    assert err == ("apikeychain: no version of the platform key is retired: the keys were not wrapped anew of other\n")


async def test_it_is_the_key_service_of_the_tenant_that_turns() -> None:
    theirs, ours = MemoryKeyService(), MemoryKeyService()
    async with APIKeyChain.in_memory(key_service=ours, key_services={"theirs": theirs}) as keychain:
        await keychain.create_tenant("acme", key_service="theirs")
        assert (await keychain.erase_tenant("acme", dry_run=True)).key_service == "theirs"
        assert (await _retired(keychain, "theirs", "ops")).startswith("2")
        assert (await theirs.rotate(), await ours.rotate()) == (3, 2)
