"""`apikeychain tenant` where the environment names several key services."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from apikeychain.backends.local_keys import LocalKeyService
from terminal import Terminal


def made(path: Path) -> None:
    async def make() -> None:
        async with LocalKeyService(path, create=True):
            pass

    asyncio.run(make())


@pytest.fixture
def several(terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal in an environment with two key files."""
    for name, text in {
        "DATA": tmp_path / "data",
        "KEY_FILE": tmp_path / "platform.key",
        "KEY_SERVICES": "other",
        "KEY_SERVICE_OTHER_KEY_FILE": tmp_path / "other.key",
    }.items():
        monkeypatch.setenv(f"APIKEYCHAIN_{name}", str(text))
    made(tmp_path / "other.key")
    return replace(terminal, names_data=False)


def test_a_tenant_is_made_at_a_key_service_and_moved_to_another(several: Terminal, tmp_path: Path) -> None:
    assert several.told("tenant", "create", "acme", "--key-service", "other") == "tenant acme is made\n"
    several.told("project", "create", "acme/shop")
    assert several.told("tenant", "move-keys", "acme", "default") == "the keys of acme are moved to default\n"
    (tmp_path / "other.key").unlink()
    made(tmp_path / "other.key")
    assert "failure" not in several.told("doctor")
    assert several.told("tenant", "move-keys", "acme", "default") == "the keys of acme are already with default\n"
    document = several.read("tenant", "move-keys", "acme", "other")
    assert document == {"tenant": "acme", "key_service": "other", "moved": 1}
    assert several.kinds() == ["tenant.created", "project.created", "tenant.changed", "tenant.changed"]


def test_a_key_service_that_is_not_named_is_refused(several: Terminal) -> None:
    told = "there is no key service 'lost': this keychain has default, other"
    assert told in several.refused("tenant", "create", "acme", "--key-service", "lost")
    several.told("tenant", "create", "acme")
    assert told in several.refused("tenant", "move-keys", "acme", "lost")
    assert several.told("tenant", "list").split()[1:] == ["acme"]


def test_a_tenant_whose_old_key_is_gone_stays_where_it_is(several: Terminal, tmp_path: Path) -> None:
    several.told("tenant", "create", "acme", "--key-service", "other")
    (tmp_path / "other.key").unlink()
    assert "there is no key file at" in several.refused("tenant", "move-keys", "acme", "default")
    assert not (tmp_path / "other.key").exists()
    made(tmp_path / "other.key")
    assert several.refused("tenant", "move-keys", "acme", "default") == (
        "what is stored does not open: it is missing, was changed or moved, or belongs to another key"
    )
    assert several.kinds() == ["tenant.created"]
