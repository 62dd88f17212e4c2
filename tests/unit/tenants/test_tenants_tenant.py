"""Tenants and their projects: created once, found by name or id, removed whole, and never another tenant's."""

import asyncio

import pytest

from apikeychain import APIKeyChain
from apikeychain.errors import AlreadyExistsError, ConflictError, DoesNotExistError, InvalidValueError
from apikeychain.model.ids import TenantId
from apikeychain.model.records import KINDS
from apikeychain.ports.signals import Change
from apikeychain.tenants.change import project_change
from apikeychain.tenants.project import ProjectAdmin
from apikeychain.tenants.secrets import first_key
from apikeychain.tenants.tenant import TenantAdmin
from apikeychain.testing.eventually import until
from management import data, entries, fill, kinds


async def test_a_tenant_is_created_once(keychain: APIKeyChain) -> None:
    acme = await keychain.create_tenant("acme", actor="ops")
    assert acme.id == "acme"
    with pytest.raises(AlreadyExistsError, match=r"^there is a tenant 'acme' already$"):
        await keychain.create_tenant("acme")
    [entry] = await entries(acme)
    assert (entry.kind, entry.actor, entry.project) == ("tenant.created", "ops", None)


@pytest.mark.parametrize("name", ["", "-a", "a b", "a" * 65, "ä", "a\n", "platform"])
async def test_what_is_no_tenant_id_is_refused(keychain: APIKeyChain, name: str) -> None:
    with pytest.raises(InvalidValueError, match=r"tenant id"):
        await keychain.create_tenant(name)
    with pytest.raises(InvalidValueError, match=r"tenant id"):
        await keychain.ensure_tenant(name)
    assert await keychain.list_tenants() == []


@pytest.mark.parametrize("actor", ["", "a@b.example", "a" * 129, "a\nb"])
async def test_an_actor_is_a_label_and_no_person(keychain: APIKeyChain, actor: str) -> None:
    with pytest.raises(InvalidValueError, match="opaque label"):
        await keychain.create_tenant("acme", actor=actor)
    acme = await keychain.create_tenant("acme")
    with pytest.raises(InvalidValueError, match="opaque label"):
        await (await keychain.tenant("acme", actor=actor)).create_project("shop")
    assert await acme.list_projects() == []


async def test_ensuring_changes_nothing_that_is_there(keychain: APIKeyChain) -> None:
    acme = await keychain.ensure_tenant("acme")
    shop = await acme.ensure_project("shop")
    before = await kinds(acme)
    assert (await (await keychain.ensure_tenant("acme")).ensure_project("shop")).id == shop.id
    assert await kinds(acme) == before == ["tenant.created", "project.created"]


async def test_twenty_who_ensure_at_once_make_one(keychain: APIKeyChain) -> None:
    tenants = await asyncio.gather(*[keychain.ensure_tenant("acme") for _ in range(20)])
    projects = await asyncio.gather(*[tenant.ensure_project("shop") for tenant in tenants])
    assert len({project.id for project in projects}) == 1
    assert await kinds(tenants[0]) == ["tenant.created", "project.created"]
    assert len(await tenants[0].list_projects()) == 1


async def test_an_unknown_tenant_is_told(keychain: APIKeyChain) -> None:
    with pytest.raises(DoesNotExistError, match=r"^there is no tenant 'acme'$"):
        await keychain.tenant("acme")


async def test_tenants_and_projects_are_listed_over_pages(
    keychain: APIKeyChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apikeychain.tenants.registry._PAGE", 2)
    monkeypatch.setattr("apikeychain.listing._PAGE", 2)
    for name in ("b", "a", "c", "d", "e"):
        await keychain.create_tenant(name)
    assert await keychain.list_tenants() == ["a", "b", "c", "d", "e"]
    tenant = await keychain.tenant("a")
    made = [await tenant.create_project(name) for name in ("x", "y", "z")]
    assert [project.id for project in await tenant.list_projects()] == sorted(project.id for project in made)


async def test_a_new_project_serves_nothing(acme: TenantAdmin, shop: ProjectAdmin) -> None:  # contracts 10
    project = await shop.show()
    assert (project.enabled, project.referer_fallback, project.quota, project.address_quota) == (
        False,
        False,
        "600/minute",
        None,
    )
    assert [await shop.list_origins(), await shop.list_routes(), await shop.list_secrets()] == [[], [], []]
    assert data((await entries(acme))[-1]) == {"name": "shop"}
    assert (await entries(acme))[-1].project == shop.id


async def test_a_project_is_created_once(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    with pytest.raises(AlreadyExistsError, match=r"^the tenant 'acme' has a project 'shop' already$"):
        await acme.create_project("shop")
    assert await kinds(acme) == ["tenant.created", "project.created"]


@pytest.mark.parametrize("name", ["", "Shop", "a b", "-a", "a" * 64, "p_" + "a" * 20])
async def test_what_is_no_project_name_is_refused(acme: TenantAdmin, name: str) -> None:
    with pytest.raises(InvalidValueError, match="not a project name"):
        await acme.create_project(name)
    assert await acme.list_projects() == []


async def test_a_project_is_found_by_name_and_by_id(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    for found in (await acme.project("shop"), await acme.project(shop.id), await keychain.project(shop.id)):
        assert (found.id, found.name, found.tenant) == (shop.id, "shop", "acme")
    with pytest.raises(DoesNotExistError, match=r"^the tenant 'acme' has no project 'blog'$"):
        await acme.project("blog")
    with pytest.raises(DoesNotExistError, match="there is no project"):
        await keychain.project("p_" + "a" * 20)
    with pytest.raises(InvalidValueError, match="not a project id"):
        await keychain.project("shop")


async def test_a_tenant_reaches_no_project_of_another(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    other = await keychain.create_tenant("other")
    for name in ("shop", shop.id):
        with pytest.raises(DoesNotExistError):
            await other.project(name)
        with pytest.raises(DoesNotExistError):
            await other.remove_project(name)
    assert await other.list_projects() == []
    assert await kinds(other) == ["tenant.created"]
    forged = ProjectAdmin(other._office, other.id, shop.id, "shop", "thief")
    with pytest.raises(DoesNotExistError):
        await forged.show()
    with pytest.raises(DoesNotExistError):
        await forged.enable()
    with pytest.raises(DoesNotExistError):
        await forged.suspend(reason="mine")
    assert [await forged.list_origins(), await forged.list_secrets(), await forged.list_routes()] == [[], [], []]
    own = await other.create_project("shop")
    assert own.id != shop.id
    assert (await acme.project("shop")).id == shop.id


async def test_a_removed_project_leaves_its_ledger_entries_and_nothing_else(
    acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    await fill(shop)
    await shop.suspend(reason="watched")
    await acme.remove_project("shop")
    async with acme._office.store.tenant(acme.id) as store:
        left = [kind for kind, record in KINDS.items() if await store.list(record, (), 10)]
    assert left == ["tenant"]
    assert (await kinds(acme))[-1] == "project.removed"
    assert data((await entries(acme))[-1]) == {"name": "shop"}
    for verb in (shop.show, shop.enable, shop.lift):
        with pytest.raises(DoesNotExistError):
            await verb()
    assert (await acme.create_project("shop")).id != shop.id


async def test_a_project_is_removed_once_and_by_its_id_too(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    outcomes = await asyncio.gather(*[acme.remove_project(name) for name in ("shop", shop.id)], return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} in ({type(None), DoesNotExistError}, {type(None), ConflictError})
    assert (await kinds(acme)).count("project.removed") == 1
    with pytest.raises(DoesNotExistError):
        await acme.remove_project("shop")


async def test_a_project_without_its_name_can_still_be_removed(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    async with acme._office.store.tenant(acme.id) as store:
        await store.remove(KINDS["project-name"], ("shop",), 1)
    await acme.remove_project(shop.id)
    assert await acme.list_projects() == []


async def test_a_change_is_told_to_whoever_listens(
    keychain: APIKeyChain, acme: TenantAdmin, shop: ProjectAdmin
) -> None:
    heard: list[Change] = []

    async def listen() -> None:
        async for change in acme._office.signals.subscribe():
            heard.append(change)  # noqa: PERF401 - a list that is read while it grows

    listening = asyncio.create_task(listen())
    await until(lambda: heard)
    for deed in (shop.enable(), shop.suspend(reason="x"), shop.lift(), acme.remove_project("shop")):
        heard.clear()
        await deed
        await until(lambda: Change(shop.id) in heard)
    new = await acme.create_project("blog")
    await until(lambda: heard[-1] == Change(new.id))
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_tenant_that_was_never_created_has_nothing(acme: TenantAdmin, shop: ProjectAdmin) -> None:
    office, ghost = acme._office, TenantAdmin(acme._office, TenantId("ghost"), "ops")
    for verb in (ghost.list_projects(), ghost.project("shop"), ghost.create_project("shop")):
        with pytest.raises(DoesNotExistError, match=r"^there is no tenant 'ghost'$"):
            await verb
    assert await ghost.entries() == []
    with pytest.raises(DoesNotExistError):
        await first_key(office, ghost.id, shop.id)
    with pytest.raises(DoesNotExistError):
        async with project_change(office, ghost.id, shop.id, "ops"):
            raise AssertionError
