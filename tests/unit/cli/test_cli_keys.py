"""`apikeychain keys rotate`: what turns, what is told, what fails, and the end of old copies."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from apikeychain import APIKeyChain, Secret
from apikeychain.backends.local_keys import LocalKeyService
from apikeychain.backends.memory_keys import MemoryKeyService
from apikeychain.backends.sql import SQLStore
from apikeychain.cli import keys
from apikeychain.embedded import DATABASE
from apikeychain.errors import InvalidValueError, SecretUnavailableError
from apikeychain.listing import every
from apikeychain.model.ids import TenantId
from apikeychain.model.records import ProjectKey, SealedSecret, Tenant
from apikeychain.vault.key_services import KeyServices
from apikeychain.vault.vault import Vault
from management import CANARY, WEATHER, fill
from terminal import Terminal


@pytest.fixture
def shops(terminal: Terminal) -> Terminal:
    """Two tenants, of which one has two projects with a secret each and one without."""
    for project in ("acme/one", "acme/two", "acme/empty", "blog/site"):
        terminal.project(project)

    async def put() -> None:
        async with APIKeyChain.embedded(terminal.data) as keychain:
            for tenant, name in (("acme", "one"), ("acme", "two"), ("blog", "site")):
                await fill(await (await keychain.tenant(tenant)).project(name))

    asyncio.run(put())
    return terminal


def numbers(terminal: Terminal, tenant: str = "acme") -> list[int]:
    """Of the keys of a tenant's projects, in order."""

    async def found() -> list[int]:
        async with SQLStore.sqlite(terminal.data / DATABASE) as store, store.reading(TenantId(tenant)) as rows:
            return sorted(key.number for key in await every(rows, ProjectKey))

    return asyncio.run(found())


async def opened(folder: Path, key_file: Path, tenant: str = "acme") -> set[str]:
    """What whoever has the folder and the key file of today gets out of it."""
    vault = Vault(KeyServices(LocalKeyService(key_file)), kdf="argon2id")
    async with SQLStore.sqlite(folder / DATABASE) as store, store.reading(TenantId(tenant)) as rows:
        by_version = {key.version: key for key in await every(rows, ProjectKey)}
        secrets, owner = await every(rows, SealedSecret), await rows.get(Tenant, ())
    assert owner
    return {(await vault.open_secret(owner, by_version, one, WEATHER)).reveal().decode() for one in secrets}


def break_one(terminal: Terminal, project: str) -> None:
    terminal.told(
        "provider", "register", project, "weather", "--base-url", "https://x.example", "--header", "x-api-key"
    )


def test_without_a_choice_the_platform_key_and_those_of_all_projects_turn(shops: Terminal) -> None:
    assert shops.told("keys", "rotate") == (
        "version 2 of the platform key is made\n"
        "3 projects of 2 tenants have new keys, for 3 values\n"
        "the keys of 2 tenants are wrapped anew\n"
    )
    assert (numbers(shops), numbers(shops, "blog")) == ([2, 2], [2])
    assert shops.kinds("acme")[-5:] == ["key.turned", "key.turned", *["key.rewrapped"] * 3]
    assert [kind for kind in shops.kinds("platform") if kind.startswith("key")] == ["key.rotated", "key.rewrapped"]
    document = shops.read("keys", "rotate", "--actor", "ops")
    assert document == {"version": 3, "tenants": 2, "projects": 3, "values": 3, "rewrapped": 2, "failed": []}
    assert asyncio.run(opened(shops.data, shops.data / "platform.key")) == {CANARY}


def test_a_dry_run_says_what_would_turn_and_changes_nothing(shops: Terminal) -> None:
    before = {kind: shops.kinds(kind) for kind in ("acme", "blog", "platform")}
    assert shops.told("keys", "rotate", "--dry-run") == (
        "the platform key of the key service 'default' would have a new version\n"
        "3 projects of 2 tenants would have new keys, for 3 values\n"
    )
    assert shops.read("keys", "rotate", "--dry-run", "--retire", "--tenant-secrets", "--platform") == {
        "tenants": 2,
        "projects": 3,
        "values": 3,
        "failed": [],
        "dry_run": True,
    }
    assert {kind: shops.kinds(kind) for kind in before} == before
    assert (numbers(shops), numbers(shops, "blog")) == ([1, 1], [1])


@pytest.mark.parametrize(
    ("arguments", "acme", "blog"),
    [
        (["--tenant", "acme"], [2, 2], [1]),
        (["--project", "blog/site"], [1, 1], [2]),
        (["--projects", "--after", "acme"], [1, 1], [2]),
        (["--projects"], [2, 2], [2]),
        (["--platform"], [1, 1], [1]),
    ],
    ids=["a tenant", "a project", "after a tenant", "projects", "platform"],
)
def test_what_is_chosen_turns_and_nothing_else(
    shops: Terminal, arguments: list[str], acme: list[int], blog: list[int]
) -> None:
    document = shops.read("keys", "rotate", *arguments)
    assert (numbers(shops), numbers(shops, "blog")) == (acme, blog)
    assert document["projects"] == sum(number == 2 for number in [*acme, *blog])
    assert ("version" in document, "rewrapped" in document) == (arguments == ["--platform"],) * 2
    platform = [kind for kind in shops.kinds("platform") if kind.startswith("key")]
    assert platform == (["key.rotated", "key.rewrapped"] if arguments == ["--platform"] else [])


def test_secrets_of_tenants_turn_with_the_keys_of_all_their_projects(shops: Terminal) -> None:
    assert shops.told("keys", "rotate", "--tenant-secrets") == "3 projects of 2 tenants have new keys, for 3 values\n"
    assert (numbers(shops), numbers(shops, "blog")) == ([2, 2], [2])
    assert shops.kinds("acme")[-4:] == ["tenant.changed", "key.turned", "key.turned", "tenant-secret.turned"]
    shops.told("keys", "rotate", "--tenant-secrets", "--projects", "--tenant", "blog")
    assert (numbers(shops), numbers(shops, "blog")) == ([2, 2], [3])
    assert shops.run("doctor", "--deep")[1].count("is what its parts derive") == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--retire", "--projects"], "--retire destroys the versions before a new one: say --platform too"),
        (["--retire", "--tenant", "acme"], "--retire destroys the versions before a new one: say --platform too"),
        (["--tenant", "acme", "--project", "acme/one"], "say one of --tenant, --project and --after"),
        (["--after", "acme", "--tenant", "acme"], "say one of --tenant, --project and --after"),
        (["--tenant-secrets", "--project", "acme/one"], "the secret of a tenant turns with the keys of all its"),
        (["--platform", "--tenant", "acme"], "--tenant, --project and --after narrow what turns of projects: say"),
        (["--retire", "--pause", "-1"], "--pause takes a number of seconds"),
        (["--key-service", "kms"], "there is no key service 'kms': this keychain has default"),
        (["--tenant", "nobody"], "there is no tenant 'nobody'"),
        (["--project", "acme/nothing"], "the tenant 'acme' has no project 'nothing'"),
    ],
    ids=[
        "retire",
        "retire one",
        "two of them",
        "two others",
        "a project's secret",
        "nothing",
        "pause",
        "service",
        "who",
        "what",
    ],
)
def test_what_makes_no_sense_is_told_and_turns_nothing(shops: Terminal, arguments: list[str], told: str) -> None:
    assert shops.refused("keys", "rotate", *arguments).startswith(told)
    assert (numbers(shops), numbers(shops, "blog")) == ([1, 1], [1])
    assert "key.rotated" not in shops.kinds("platform")


def test_what_fails_is_named_keeps_no_other_waiting_and_nothing_is_retired(
    shops: Terminal, caplog: pytest.LogCaptureFixture
) -> None:
    break_one(shops, "acme/one")
    with closing(sqlite3.connect(shops.data / DATABASE)) as database, database:
        database.execute("UPDATE tenants SET body = '{}' WHERE tenant = 'blog'")
    one = shops.read("project", "show", "acme/one")["id"]
    code, out, _ = shops.run("keys", "rotate", "--retire", "--pause", "0")
    assert code == 1
    assert out == (
        "version 2 of the platform key is made\n"
        "1 projects of 1 tenants have new keys, for 1 values\n"
        "the keys of 1 tenants are wrapped anew\n"
        f"it failed for: acme/{one}, blog, the log says why; retire no version of the platform key yet\n"
    )
    assert f"the secret 'weather' of the project {one} does not open" in caplog.text
    assert "key.retired" not in shops.kinds("platform")
    assert numbers(shops) == [1, 2]


def test_an_old_copy_opens_until_the_run_retires_the_version_that_wrapped_it(shops: Terminal) -> None:
    old, key_file = shops.data.parent / "old", shops.data / "platform.key"
    shutil.copytree(shops.data, old)
    shops.told("keys", "rotate")
    assert asyncio.run(opened(old, key_file)) == {CANARY}
    told = shops.told("keys", "rotate", "--retire", "--pause", "0").splitlines()
    assert told[-1].startswith("old copies of the database open no more from 2")
    with pytest.raises(SecretUnavailableError):
        asyncio.run(opened(old, key_file))
    assert asyncio.run(opened(shops.data, key_file)) == {CANARY}
    document = shops.read("keys", "rotate", "--retire", "--pause", "0")
    assert document["gone"].startswith("2")
    assert [kind for kind in shops.kinds("platform") if kind == "key.retired"] == ["key.retired"] * 5
    assert asyncio.run(opened(shops.data, key_file)) == {CANARY}


def test_a_run_that_retires_waits_for_those_who_serve(shops: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[tuple[float, list[str]]] = []

    async def sleep(seconds: float) -> None:
        with closing(sqlite3.connect(shops.data / DATABASE)) as database:
            rows = database.execute("SELECT kind FROM ledger WHERE tenant = 'platform' AND kind LIKE 'key.%'")
            waited.append((seconds, [kind for (kind,) in rows]))

    monkeypatch.setattr(keys, "sleep", sleep)
    shops.told("keys", "rotate")
    assert waited == []
    shops.told("keys", "rotate", "--retire")
    known = ["key.rotated", "key.rewrapped", "key.rotated"]
    assert waited == [(60, known), (60, [*known, "key.rewrapped"])]


def test_progress_is_told_with_the_tenant_after_which_a_run_goes_on(
    shops: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "_TOLD_EVERY", 1)
    assert shops.told("keys", "rotate", "--projects").splitlines() == [
        "1 projects",
        "2 projects",
        "3 projects; all of acme are done",
        "3 projects of 2 tenants have new keys, for 3 values",
    ]
    assert "3 projects;" not in str(shops.read("keys", "rotate", "--projects"))


def test_a_bar_shows_how_far_it_is(shops: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, _, shown = shops.run("keys", "rotate", "--projects")
    assert "turning" in shown
    assert "3/3" in shown


async def test_the_tenants_of_another_key_service_are_left() -> None:
    async with APIKeyChain.in_memory(key_services={"theirs": MemoryKeyService()}) as keychain:
        ours, theirs = (
            await keychain.create_tenant("ours"),
            await keychain.create_tenant("theirs", key_service="theirs"),
        )
        for tenant in (ours, theirs):
            shop = await tenant.create_project("shop")
            await fill(shop)
        assert (await keychain.turn_keys()).projects == 1
        assert (await keychain.turn_keys(key_service="theirs")).projects == 1
        with pytest.raises(InvalidValueError, match="the tenant 'theirs' has the key service 'theirs', not 'default'"):
            await keychain.turn_keys(tenant="theirs")
        with pytest.raises(InvalidValueError, match="not 'default'"):
            await keychain.turn_keys(project=shop.id)
        await shop.put_secret("weather", Secret(CANARY), provider="weather")
        await keychain.erase_tenant("ours")
        assert (await keychain.turn_keys()).projects == 0
