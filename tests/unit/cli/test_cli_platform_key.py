"""`apikeychain platform-key`: a new version, everything wrapped anew, and the day of the old one's end."""

import sqlite3

import pytest

from apikeychain.cli import platform_key
from terminal import Terminal


def test_the_platform_key_turns_and_the_day_of_the_end_is_told(terminal: Terminal) -> None:
    terminal.project()
    terminal.told("tenant", "create", "other")
    assert terminal.told("platform-key", "rotate").startswith("version 2 of the platform key is made; next: ")
    assert terminal.told("platform-key", "rewrap") == "the keys of 2 tenants are wrapped anew\n"
    assert terminal.read("platform-key", "rewrap", "--after", "acme") == {"tenants": 1, "failed": []}
    assert terminal.told("platform-key", "retire", 1).startswith(
        "version 1 of the platform key is gone for good from 2"
    )
    assert "1 to 1 can" in terminal.refused("platform-key", "retire", 2)
    assert "there is no key service 'kms': this keychain has default" in terminal.refused(
        "platform-key", "rotate", "--key-service", "kms"
    )
    assert set(terminal.kinds("acme")) == {"tenant.created", "project.created", "key.rewrapped"}


def test_a_version_that_keys_may_need_is_kept_unless_it_is_forced(terminal: Terminal) -> None:
    terminal.project()
    terminal.told("platform-key", "rotate")
    refused = terminal.refused("platform-key", "retire", 1)
    assert "under version 1 of the platform key still: wrap everything anew first" in refused
    terminal.told("platform-key", "rewrap", "--after", "a")
    assert "wrap everything anew first" in terminal.refused("platform-key", "retire", 1)
    assert "is gone for good" in terminal.told("platform-key", "retire", 1, "--force")


def test_progress_is_told_and_who_failed_too(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform_key, "_TOLD_EVERY", 1)
    for tenant in ("acme", "bad", "other"):
        terminal.told("tenant", "create", tenant)
    database = sqlite3.connect(terminal.data / "apikeychain.sqlite3")
    other = database.execute("SELECT body FROM tenants WHERE tenant = 'other'").fetchone()[0]
    database.execute("UPDATE tenants SET body = ? WHERE tenant = 'bad'", [other.replace("other", "bad")])
    database.commit()
    database.close()
    code, out, _ = terminal.run("platform-key", "rewrap")
    assert code == 1
    assert out == (
        "1 tenants; the last is acme\n2 tenants; the last is other\n"
        "the keys of 2 tenants are wrapped anew; retire no version yet, it failed for: bad\n"
    )
